/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a queue pair's rings look like from outside librte_vhost: where they lie, for the host and
 * for the guest, and when they may be looked at. With that frames are put into them
 * (vhost_put.h), and what the library writes to the guest's memory is logged (nic/dirty_log.h;
 * vhost_plan.h). The library does not say what it writes: rings are logged by their indices, before
 * and after a call.
 *
 * The guest and its front-end are hostile: every value is read once and bounded. What they change
 * under way makes their own log wrong, and nothing else.
 * Sources: virtio 1.2, sections 2.7 (split rings), 2.8 (packed rings), 5.1.6 (network buffers).
 */
#ifndef RENICD_PORTS_VHOST_RING_H
#define RENICD_PORTS_VHOST_RING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_vhost.h>

#include "nic/dirty_log.h"

/* Bits of vhost_rings.stale. */
enum {
	VHOST_RINGS_STALE = 1,	 /* look again */
	VHOST_RINGS_CLOSED = 2,	 /* guest memory must not be touched */
	VHOST_RINGS_RX_OFF = 4,	 /* SET_VRING_ENABLE said 0 */
	VHOST_RINGS_LOGGED = 8,	 /* VHOST_F_LOG_ALL was negotiated */
	VHOST_RINGS_TX_OFF = 16, /* likewise */
};

enum { VHOST_BURST_MAX = 64 };

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
	bool may_ask; /* a frame's header may ask for something: that was negotiated */
	uint16_t header_bytes;
	bool known;
	uint32_t log_starts; /* the log's, when they were looked at */
	uint32_t stale;	     /* atomic: something about them may have changed */
	uint32_t busy;	     /* atomic: the owner reads the guest's memory */
	struct rte_vhost_memory *memory;
	struct vhost_ring rx, tx;
	struct {
		uint16_t avail_idx, used_idx, heads[VHOST_BURST_MAX];
	} looked;	      /* between vhost_take_look() and vhost_take_took() */
	bool tx_used_changes; /* did the burst taken last write to the used ring's elements? */
};

/* The bytes that begin there, if they are in that region. */
static inline uint8_t *vhost_in_region(
	const struct rte_vhost_mem_region *region, uint64_t gpa, uint32_t bytes)
{
	uint64_t offset = gpa - region->guest_phys_addr;

	return offset < region->size && bytes <= region->size - offset
		       ? (uint8_t *)(uintptr_t)(region->host_user_addr + offset)
		       : NULL;
}

/* The bytes that begin there, if they are in one region. Guests have one or two regions. */
static inline uint8_t *vhost_to_host(
	const struct rte_vhost_memory *memory, uint64_t gpa, uint32_t bytes)
{
	uint8_t *at = NULL;

	for (uint32_t i = 0; !at && i < memory->nregions; i++)
		at = vhost_in_region(&memory->regions[i], gpa, bytes);
	return at;
}

/* How many heads the guest has put into its split ring from avail_idx on; 0 also where its index is
 * nonsense. */
static inline uint16_t vhost_ring_count(const struct vhost_ring *ring, uint16_t avail_idx)
{
	uint16_t end = __atomic_load_n(&ring->vring.avail->idx, __ATOMIC_ACQUIRE);
	uint16_t count = (uint16_t)(end - avail_idx);

	return likely(count <= ring->vring.size) ? count : 0;
}

/* A descriptor in the guest's memory, each of its fields read once: the compiler may not go there
 * again, and need not forget what else it knows. */
static inline struct vring_desc vhost_desc_read(const struct vring_desc *at)
{
	uint64_t words[2];
	struct vring_desc desc;

	memcpy(words, at, sizeof(words));
	asm volatile("" : "+r"(words[0]), "+r"(words[1]));
	memcpy(&desc, words, sizeof(desc));
	return desc;
}

/* A head of those and its descriptor, each read once; false: it has none. */
static inline bool vhost_ring_desc(
	const struct vhost_ring *ring, uint16_t avail_idx, uint16_t *head, struct vring_desc *desc)
{
	const struct rte_vhost_vring *vring = &ring->vring;

	*head = __atomic_load_n(
		&vring->avail->ring[avail_idx & (vring->size - 1)], __ATOMIC_RELAXED);
	if (unlikely(*head >= vring->size))
		return false;
	*desc = vhost_desc_read(&vring->desc[*head]);
	return true;
}

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

/* May vhost_put() and vhost_take() use the rings, for all that one reason says (RX_OFF, TX_OFF: one
 * of them; LOGGED: neither)? When this returns after a no, they do so no more. Any thread, whatever
 * locks of the library it holds. */
void vhost_rings_let(struct vhost_rings *rings, uint32_t why, bool may);

/* The owner: look at the rings again if need be; false: they are not set up, or closed. */
bool vhost_rings_find(struct vhost_rings *rings, struct dirty_log *log);

/* The owner, around each look at guest memory; between them it takes no lock. false: closed. */
bool vhost_rings_enter(struct vhost_rings *rings);
void vhost_rings_leave(struct vhost_rings *rings);

/* The owner: log used entries from the index logged last up to now; a split ring's index too. */
void vhost_rings_mark_used(const struct vhost_rings *rings, struct vhost_ring *ring, uint16_t index,
	struct dirty_log *log);

/* The owner: tell vhost-user's own log (VHOST_F_LOG_ALL) that bytes were written, which the library
 * does not. false: it is being replaced, tell it later. */
bool vhost_rings_log(struct vhost_rings *rings, uint64_t gpa, uint64_t bytes);

/* The owner, after rte_vhost_dequeue_burst(): log what it wrote to the rings. */
void vhost_rings_dequeued(struct vhost_rings *rings, struct dirty_log *log);

/* The owner, after rte_vhost_enable_guest_notification() on the TX ring. log may be off:
 * vhost-user's own log (VHOST_F_LOG_ALL) lacks this one too, and gets it here. */
void vhost_rings_notified(struct vhost_rings *rings, struct dirty_log *log, uint64_t features);

#endif
