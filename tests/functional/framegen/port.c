/* SPDX-License-Identifier: BSD-3-Clause */
/* framegen's ports; see port.h. DPDK calls of one port, in the order that ethdev wants them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "port.h"
#include "receive.h"

enum { BURST = 32, ETHER_OVERHEAD = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN };

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

static int set_up_queues(const struct port *port, const char **why)
{
	for (uint16_t q = 0; q < port->queues; q++) {
		if (rte_eth_rx_queue_setup(
			    port->ethdev, q, port->descriptors, SOCKET_ID_ANY, NULL, pool))
			return fail(why, "receive queue refused", -EIO);
		if (rte_eth_tx_queue_setup(port->ethdev, q, port->descriptors, SOCKET_ID_ANY, NULL))
			return fail(why, "transmit queue refused", -EIO);
	}
	return 0;
}

static int configure(struct port *port, uint16_t mtu, const char **why)
{
	struct rte_eth_conf conf = {.rxmode.mtu = mtu};
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port->ethdev, &info))
		return fail(why, "no device info", -EIO);
	conf.rxmode.mtu = (uint16_t)RTE_MIN((uint32_t)mtu, info.max_rx_pktlen - ETHER_OVERHEAD);
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (rte_eth_dev_configure(port->ethdev, port->queues, port->queues, &conf))
		return fail(why, "configuration refused", -EIO);
	return set_up_queues(port, why);
}

int port_start(struct port *port, const char **why)
{
	int error = rte_eth_dev_start(port->ethdev);

	if (error)
		return fail(why, "start refused", error);
	rte_eth_promiscuous_enable(port->ethdev);
	port->started = true;
	return 0;
}

int port_stop(struct port *port, const char **why)
{
	int error = rte_eth_dev_stop(port->ethdev);

	if (error)
		return fail(why, "stop refused", error);
	port->started = false;
	return 0;
}

int port_close(struct port *port, const char **why)
{
	int error;

	if (port->started)
		port_stop(port, why);
	rte_eth_dev_close(port->ethdev);
	error = rte_eal_hotplug_remove("vdev", port->device);
	receiver_free(port->receiver);
	port->receiver = NULL;
	port->used = false;
	return error ? fail(why, "removal refused", error) : 0;
}

static int open_device(struct port *port, const struct port_request *request, const char **why)
{
	struct rte_ether_addr mac;

	snprintf(port->device, sizeof(port->device), "%s%u", request->driver, request->id);
	if (rte_eal_hotplug_add("vdev", port->device, request->args))
		return fail(why, "the device cannot be made", -EIO);
	if (rte_eth_dev_get_port_by_name(port->device, &port->ethdev)) {
		rte_eal_hotplug_remove("vdev", port->device);
		return fail(why, "the device has no port", -EIO);
	}
	rte_eth_macaddr_get(port->ethdev, &mac);
	memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	return 0;
}

int port_add(const struct port_request *request, const char **why)
{
	struct port *port;
	int error;

	if (request->id >= PORTS_MAX || ports[request->id].used)
		return fail(why, "port number taken or too large", -EEXIST);
	if (!request->queues || request->queues > PORT_QUEUES_MAX)
		return fail(why, "too many queues, or none", -EINVAL);
	port = &ports[request->id];
	memset(port, 0, sizeof(*port));
	port->queues = request->queues;
	port->descriptors = request->descriptors;
	error = open_device(port, request, why);
	if (error)
		return error;
	port->receiver = receiver_new();
	port->used = port->receiving = true;
	error = port->receiver ? configure(port, request->mtu, why) : -ENOMEM;
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
		uint16_t n = rte_eth_rx_burst(port->ethdev, q, pkts, BURST);

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

	return rte_eth_link_get_nowait(port->ethdev, &link) == 0 && link.link_status;
}
