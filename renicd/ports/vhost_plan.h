/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames to a guest through librte_vhost, logged. Before rte_vhost_enqueue_burst() the descriptors
 * that it is going to use are read, as it reads them; only frames whose buffers are known are given
 * to it, so that nothing is written that was not foreseen.
 * Sources: virtio 1.2, sections 2.7 (split rings), 2.8 (packed rings), 5.1.6 (network buffers).
 */
#ifndef RENICD_PORTS_VHOST_PLAN_H
#define RENICD_PORTS_VHOST_PLAN_H

#include "vhost_ring.h"

struct rte_mbuf;

/* The owner: give frames to the guest, and log what was written. As rte_vhost_enqueue_burst(),
 * which gets at_once of them in a call. */
uint16_t vhost_plan_enqueue(struct vhost_rings *rings, struct dirty_log *log,
	struct rte_mbuf **pkts, uint16_t n, uint16_t at_once);

/* The owner: longest frame that the guest's next receive buffer takes, bytes; UINT32_MAX: it has
 * given none, or none that can be read. */
uint32_t vhost_plan_room(struct vhost_rings *rings, struct dirty_log *log);

#endif
