/* SPDX-License-Identifier: BSD-3-Clause */
/* The uplink: one DPDK ethdev, named by devargs; see uplink.c. Control thread. */
#ifndef RENICD_PORTS_UPLINK_H
#define RENICD_PORTS_UPLINK_H

#include "port.h"

/* Probe, configure and start the port, and hand it to the lcores. What the device does of
 * `offloads` is in the operations; pool: where received frames go. Returns its operations, or NULL
 * with *err. */
const struct uplink_ops *uplink_open(const char *devargs, enum uplink_offloads_choice offloads,
	struct rte_mempool *pool, struct nic_error *err);

/* What lcores without a queue of their own have sent leaves, within a tenth of a second and a hundred
 * rounds; what has not is counted in the log. Then the lcores let go of it, and it is stopped and
 * removed. */
void uplink_close(void);

#endif
