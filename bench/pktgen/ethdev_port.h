/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DPDK device as a port of renic-pktgen: the far end of the uplink, or a guest of
 * net_virtio_user. What the device refuses waits and is offered again first. One thread.
 */
#ifndef PKTGEN_ETHDEV_PORT_H
#define PKTGEN_ETHDEV_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "sender.h"

struct rte_mempool;

struct ethdev_setup {
	const char *name, *args; /* as in --vdev=NAME,ARGS */
	uint16_t descriptors;
	struct rte_mempool *pool;
};

/* sender: all but ops and counters filled in. Returns 0, or -errno with *why set. */
int ethdev_port_open(struct sender **port, const struct sender *sender,
	const struct ethdev_setup *setup, const char **why);

/* Is the device's link up? Asking also lets virtio-user as a server take a new back-end. */
bool ethdev_port_link(const struct sender *port);

#endif
