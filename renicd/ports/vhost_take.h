/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames taken out of a guest's split TX ring here, not by librte_vhost: those that ask for no
 * offload and lie whole in one descriptor, and fit into one mbuf. The library gets the others,
 * and empty rings, since it has frames of its own to give (RARP after SEND_RARP).
 *
 * The library's indices are kept in step, as in vhost_put.h. The guest is hostile: descriptors
 * are read once, and bounded.
 * Sources: virtio 1.2, sections 2.7.13.2 (split rings, the device's side), 5.1.6.2 (TX buffers).
 */
#ifndef RENICD_PORTS_VHOST_TAKE_H
#define RENICD_PORTS_VHOST_TAKE_H

#include "vhost_ring.h"

struct rte_mbuf;
struct rte_mempool;
struct egress_raw;

/* The owner: the first of the frames in the ring, up to n as long as they are simple, in fresh
 * mbufs of `pool`; what was written is logged where the log is on. Returns how many. */
uint16_t vhost_take(struct vhost_rings *rings, struct dirty_log *log, struct rte_mempool *pool,
	struct rte_mbuf **pkts, uint16_t n);

/*
 * The owner: where those frames lie, up to n, for whoever copies them to a place of his own. When
 * there are any, vhost_take_took() follows, with nothing between them that could wait: n of them
 * are taken.
 */
uint16_t vhost_take_look(
	struct vhost_rings *rings, struct dirty_log *log, struct egress_raw *frames, uint16_t n);
void vhost_take_took(struct vhost_rings *rings, struct dirty_log *log, uint16_t n);

#endif
