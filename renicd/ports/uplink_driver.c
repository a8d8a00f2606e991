/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See uplink_driver.h. As DPDK 22.11 has them:
 * net_tap: hands out the tap itself, and sees a frame only after its signal handler ran. It sums
 * and cuts (rte_gso) in software; segments of more than MTU - 14 bytes it refuses for ever, more
 * than 64 of them too, and those of IPv6 it takes and does not send. net_virtio_user: its back-end
 * sees DPDK's memory alone.
 */
#include <string.h>

#include "uplink_driver.h"

static const struct uplink_driver drivers[] = {
	{
		.name = "net_tap",
		.broken_offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO,
		.soft_offloads = true,
		.rx_fd_level = true,
	},
	{.name = "net_virtio_user", .own_memory = true},
};

static const struct {
	uint64_t tx_offload;
	enum uplink_offload ours;
} offloads[] = {
	{RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, UPLINK_IPV4_CHECKSUM},
	{RTE_ETH_TX_OFFLOAD_TCP_CKSUM, UPLINK_TCP_CHECKSUM},
	{RTE_ETH_TX_OFFLOAD_UDP_CKSUM, UPLINK_UDP_CHECKSUM},
	{RTE_ETH_TX_OFFLOAD_TCP_TSO, UPLINK_TCP_SEGMENTS},
};

const struct uplink_driver *uplink_driver(const char *name)
{
	static const struct uplink_driver unknown = {.name = ""};

	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return &unknown;
}

/* Headers are in an mbuf of their own often: a device that takes one a frame can do nothing. */
uint64_t uplink_driver_offloads(const struct uplink_driver *driver,
	const struct rte_eth_dev_info *dev, enum uplink_offloads_choice choice)
{
	uint64_t wanted = 0;

	if (choice == OFFLOADS_OFF || (choice == OFFLOADS_AUTO && driver->soft_offloads) ||
		!(dev->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
		return 0;
	for (size_t i = 0; i < RTE_DIM(offloads); i++)
		wanted |= offloads[i].tx_offload;
	return wanted & dev->tx_offload_capa & ~driver->broken_offloads;
}

uint32_t uplink_offloads_of(uint64_t tx_offloads)
{
	uint32_t ours = 0;

	for (size_t i = 0; i < RTE_DIM(offloads); i++)
		ours |= tx_offloads & offloads[i].tx_offload ? (uint32_t)offloads[i].ours : 0;
	return ours;
}
