/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames put into a guest's split RX ring here, not by librte_vhost: those in one mbuf, without
 * offloads, for a buffer that one descriptor has whole. That is what nearly all frames are; the
 * library gets the others. It would take them one at a time (vhost_burst.c, enqueue()), and have
 * its descriptors read twice for the DMA dirty log.
 *
 * The library's indices are kept in step (rte_vhost_set_vring_base()), so that GET_VRING_BASE,
 * snapshots and the library's own bursts go on from there, and it signals the guest. With
 * VHOST_F_LOG_ALL negotiated nothing may be put here.
 *
 * The guest is hostile: every descriptor is read once, and bounded.
 * Sources: virtio 1.2, sections 2.7.13.2 (split rings, the device's side), 5.1.6.4 (RX buffers).
 */
#ifndef RENICD_PORTS_VHOST_PUT_H
#define RENICD_PORTS_VHOST_PUT_H

#include "vhost_ring.h"

struct rte_mbuf;

/* The owner: put the first of n frames into the ring, as many as are simple and have room, and log
 * what was written where the log is on. Returns how many; they stay the caller's. */
uint16_t vhost_put(
	struct vhost_rings *rings, struct dirty_log *log, struct rte_mbuf **pkts, uint16_t n);

#endif
