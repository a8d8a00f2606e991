/* SPDX-License-Identifier: BSD-3-Clause */
/* framegen's ports; see port.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "port.h"
#include "receive.h"

enum { BURST = 32 };

struct port ports[PORTS_MAX];
static struct rte_mempool *pool;

void ports_init(struct rte_mempool *mempool)
{
	pool = mempool;
}

struct port *port_by_id(unsigned id)
{
	return id < PORTS_MAX && ports[id].used ? &ports[id] : NULL;
}

static int fail(const char **why, const char *what, int error)
{
	*why = what;
	return error;
}

int port_start(struct port *port, const char **why)
{
	int error = device_start(&port->device, why);

	port->started = !error;
	return error;
}

int port_stop(struct port *port, const char **why)
{
	int error = device_stop(&port->device, why);

	if (!error)
		port->started = false;
	return error;
}

int port_close(struct port *port, const char **why)
{
	int error;

	if (port->started)
		port_stop(port, why);
	error = device_close(&port->device, why);
	receiver_free(port->receiver);
	port->receiver = NULL;
	port->used = false;
	return error;
}

int port_add(const struct port_request *request, const char **why)
{
	struct device_setup setup = {.queues = request->queues,
		.descriptors = request->descriptors,
		.mtu = request->mtu,
		.pool = pool};
	struct port *port;
	int error;

	if (request->id >= PORTS_MAX || ports[request->id].used)
		return fail(why, "port number taken or too large", -EEXIST);
	if (!request->queues || request->queues > PORT_QUEUES_MAX)
		return fail(why, "too many queues, or none", -EINVAL);
	port = &ports[request->id];
	memset(port, 0, sizeof(*port));
	port->queues = request->queues;
	snprintf(
		port->device.name, sizeof(port->device.name), "%s%u", request->driver, request->id);
	error = device_open(&port->device, request->args, why);
	if (error)
		return error;
	port->receiver = receiver_new();
	port->used = port->receiving = true;
	error = port->receiver ? device_configure(&port->device, &setup, why) : -ENOMEM;
	if (!error)
		error = port_start(port, why);
	if (error) {
		const char *ignored;

		port_close(port, &ignored);
	}
	return error;
}

unsigned port_poll(struct port *port)
{
	struct rte_mbuf *pkts[BURST];
	unsigned total = 0;

	if (!port->started || !port->receiving)
		return 0;
	for (uint16_t q = 0; q < port->queues; q++) {
		uint16_t n = rte_eth_rx_burst(port->device.ethdev, q, pkts, BURST);

		if (!n)
			continue;
		receiver_take(port->receiver, q, pkts, n);
		rte_pktmbuf_free_bulk(pkts, n);
		total += n;
	}
	return total;
}

bool port_link_up(const struct port *port)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(port->device.ethdev, &link) == 0 && link.link_status;
}
