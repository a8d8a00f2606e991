/* SPDX-License-Identifier: BSD-3-Clause */
/* What DPDK's drivers need or get wrong, beyond what their ports say of themselves. Control thread.
 */
#ifndef RENICD_PORTS_UPLINK_DRIVER_H
#define RENICD_PORTS_UPLINK_DRIVER_H

#include <rte_ethdev.h>

#include "types.h"

struct uplink_driver {
	const char *name;
	uint64_t broken_offloads; /* RTE_ETH_TX_OFFLOAD_: told of, and not to be relied on */
	bool soft_offloads;	  /* it does them with this CPU, no faster than we do */
	bool own_memory;	  /* sends nothing but DPDK's own memory */
	bool rx_fd_level;	  /* the RX descriptor is the data's own, not an event's */
};

/* Never NULL: of an unknown one all is well. */
const struct uplink_driver *uplink_driver(const char *name);

/* Which TX offloads, RTE_ETH_TX_OFFLOAD_, are to be asked of the port; 0: none. */
uint64_t uplink_driver_offloads(const struct uplink_driver *driver,
	const struct rte_eth_dev_info *dev, enum uplink_offloads_choice choice);

/* The same as enum uplink_offload has them. */
uint32_t uplink_offloads_of(uint64_t tx_offloads);

#endif
