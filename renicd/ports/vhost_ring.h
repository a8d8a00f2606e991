/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a queue pair's rings look like from outside librte_vhost, so that its writes to the guest's
 * memory can be logged (nic/dirty_log.h): where the rings lie in guest physical addresses, and
 * which buffers a burst to the guest will fill.
 *
 * The library does not say what it writes. So before rte_vhost_enqueue_burst() the descriptors that
 * it is going to use are read, as it reads them; only frames whose buffers are known are given to
 * it, so that nothing is written that was not foreseen. Rings are logged by their indices, before
 * and after a call.
 *
 * The guest and its front-end are hostile: every value is read once and bounded. What they change
 * under way makes their own log wrong, and nothing else.
 * Sources: virtio 1.2, sections 2.7 (split rings), 2.8 (packed rings), 5.1.6 (network buffers).
 */
#ifndef RENICD_PORTS_VHOST_RING_H
#define RENICD_PORTS_VHOST_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_vhost.h>

#include "nic/dirty_log.h"

struct rte_mbuf;

/* A vring as it is now. */
struct vhost_ring {
	struct rte_vhost_vring vring;
	uint64_t used_gpa;  /* split: used ring; packed: descriptors */
	uint64_t event_gpa; /* packed: device event suppression */
	uint16_t used_idx;  /* as logged last */
};

/* Of one queue pair; its owner lcore's, but for `stale`. */
struct vhost_rings {
	int vid;
	uint16_t rx_vring;
	bool packed, event_idx;
	uint16_t header_bytes;
	bool known;
	uint32_t log_starts; /* the log's, when they were looked at */
	uint32_t stale;	     /* atomic: something about them may have changed */
	uint32_t busy;	     /* atomic: the owner reads the guest's memory */
	struct rte_vhost_memory *memory;
	struct vhost_ring rx, tx;
};

/* The guest physical address of what lies there; false: it is not in the guest's memory. */
bool vhost_to_gpa(const struct rte_vhost_memory *memory, const void *address, uint64_t *gpa);

/*
 * The library's thread is about to change the memory map or the rings (closed: no reading of
 * guest memory from here on, until vhost_rings_reopen()). Waits until the owner has let go; the
 * owner waits for nothing meanwhile.
 */
void vhost_rings_close(struct vhost_rings *rings);
void vhost_rings_reopen(struct vhost_rings *rings);

/* Rings start, stop, or move: look again. Any thread. */
void vhost_rings_look_again(struct vhost_rings *rings);

/* Frees what it has; no lcore uses it. */
void vhost_rings_fini(struct vhost_rings *rings);

/* The owner: give frames to the guest, and log what was written. As rte_vhost_enqueue_burst(),
 * which gets at_once of them in a call. */
uint16_t vhost_rings_enqueue(struct vhost_rings *rings, struct dirty_log *log,
	struct rte_mbuf **pkts, uint16_t n, uint16_t at_once);

/* The owner, after rte_vhost_dequeue_burst(): log what it wrote to the rings. */
void vhost_rings_dequeued(struct vhost_rings *rings, struct dirty_log *log);

/* The owner, after rte_vhost_enable_guest_notification() on the TX ring. log may be off:
 * vhost-user's own log (VHOST_F_LOG_ALL) lacks this one too, and gets it here. */
void vhost_rings_notified(struct vhost_rings *rings, struct dirty_log *log, uint64_t features);

#endif
