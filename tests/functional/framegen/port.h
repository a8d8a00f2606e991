/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * framegen's ports: a guest's NIC (net_virtio_user), the far end of an uplink (net_memif), or a
 * loop (net_ring). Made and closed on command; driven by the one thread of framegen.
 */
#ifndef FRAMEGEN_PORT_H
#define FRAMEGEN_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"

struct rte_mempool;
struct receiver;

enum { PORTS_MAX = 64, PORT_QUEUES_MAX = 16 };

struct port {
	bool used, started;
	bool receiving; /* false: the receive rings are left alone ("rx on=0") */
	struct device device;
	uint16_t queues;
	struct receiver *receiver;
	uint64_t tx_pkts, tx_bytes;
};

/* What `add` asks for. driver: "net_virtio_user"; args: its devargs. */
struct port_request {
	unsigned id;
	const char *driver, *args;
	uint16_t queues, descriptors, mtu;
};

extern struct port ports[PORTS_MAX];

/* The pool that every port receives into and sends from. */
void ports_init(struct rte_mempool *pool);

/* Each returns 0, or -errno with *why set. A virtio-user port in server mode waits here until
 * renicd has connected. */
int port_add(const struct port_request *request, const char **why);
int port_start(struct port *port, const char **why);
int port_stop(struct port *port, const char **why);
int port_close(struct port *port, const char **why);

/* Receive and judge one burst from each queue; returns the number of frames. */
unsigned port_poll(struct port *port);

bool port_link_up(const struct port *port);

/* The used port of that number, or NULL. */
struct port *port_by_id(unsigned id);

#endif
