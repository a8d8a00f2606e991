/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_ring.h. */
#include <linux/virtio_net.h>
#include <stdlib.h>

#include <rte_pause.h>

#include "vhost_ring.h"

enum { WRAP = 1 << 15 /* of a packed ring's index, as GET_VRING_BASE has it */ };

/* Without these a driver sets no flags in its headers (virtio 1.2, section 5.1.6.2), and the
 * library looks at none. */
static const uint64_t asking_features = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 |
					1ULL << VIRTIO_NET_F_HOST_TSO6 |
					1ULL << VIRTIO_NET_F_HOST_ECN |
					1ULL << VIRTIO_NET_F_HOST_UFO;

/* ---- when the rings may be looked at ---- */

bool vhost_rings_enter(struct vhost_rings *r)
{
	__atomic_store_n(&r->busy, 1, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&r->stale, __ATOMIC_SEQ_CST) & VHOST_RINGS_CLOSED))
		return true;
	vhost_rings_leave(r);
	return false;
}

void vhost_rings_leave(struct vhost_rings *r)
{
	__atomic_store_n(&r->busy, 0, __ATOMIC_RELEASE);
}

static void wait_for_owner(const struct vhost_rings *r)
{
	while (__atomic_load_n(&r->busy, __ATOMIC_SEQ_CST))
		rte_pause();
}

void vhost_rings_close(struct vhost_rings *r)
{
	__atomic_fetch_or(&r->stale, VHOST_RINGS_CLOSED | VHOST_RINGS_STALE, __ATOMIC_SEQ_CST);
	wait_for_owner(r);
}

void vhost_rings_reopen(struct vhost_rings *r)
{
	__atomic_fetch_and(&r->stale, ~(uint32_t)VHOST_RINGS_CLOSED, __ATOMIC_SEQ_CST);
}

void vhost_rings_look_again(struct vhost_rings *r)
{
	__atomic_fetch_or(&r->stale, VHOST_RINGS_STALE, __ATOMIC_SEQ_CST);
}

void vhost_rings_let(struct vhost_rings *r, uint32_t why, bool may)
{
	if (may) {
		__atomic_fetch_and(&r->stale, ~why, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_fetch_or(&r->stale, why, __ATOMIC_SEQ_CST);
	wait_for_owner(r);
}

void vhost_rings_fini(struct vhost_rings *r)
{
	free(r->memory);
	r->memory = NULL;
	r->known = false;
}

/* ---- where they are ---- */

bool vhost_to_gpa(const struct rte_vhost_memory *memory, const void *address, uint64_t *gpa)
{
	uint64_t hva = (uintptr_t)address;

	for (uint32_t i = 0; i < memory->nregions; i++) {
		const struct rte_vhost_mem_region *region = &memory->regions[i];

		if (hva - region->host_user_addr >= region->size)
			continue;
		*gpa = region->guest_phys_addr + (hva - region->host_user_addr);
		return true;
	}
	return false;
}

static bool ring_find(struct vhost_rings *r, struct vhost_ring *ring, uint16_t index)
{
	uint16_t avail_idx;

	if (rte_vhost_get_vhost_vring(r->vid, index, &ring->vring) < 0 || !ring->vring.desc ||
		!ring->vring.used || !ring->vring.avail || !ring->vring.size ||
		rte_vhost_get_vring_base(r->vid, index, &avail_idx, &ring->used_idx) < 0)
		return false;
	if (!r->packed)
		return vhost_to_gpa(r->memory, ring->vring.used, &ring->used_gpa);
	return vhost_to_gpa(r->memory, ring->vring.desc_packed, &ring->used_gpa) &&
	       vhost_to_gpa(r->memory, ring->vring.device_event, &ring->event_gpa);
}

/* The field by which the device asks for signals, or asks for none. */
static uint64_t event_field(const struct vhost_rings *r, const struct vhost_ring *ring)
{
	if (r->packed)
		return ring->event_gpa;
	if (!r->event_idx)
		return ring->used_gpa; /* flags */
	return ring->used_gpa + sizeof(struct vring_used) +
	       ring->vring.size * sizeof(struct vring_used_elem);
}

/* The library writes these when it sets a ring up, at no call of ours. */
static void mark_set_up(
	const struct vhost_rings *r, const struct vhost_ring *ring, struct dirty_log *log)
{
	dirty_log_mark(log, event_field(r, ring), sizeof(uint32_t));
	if (!r->packed)
		dirty_log_mark(log, ring->used_gpa, sizeof(struct vring_used));
}

/* ---- used entries ---- */

static void mark_entries(const struct vhost_ring *ring, uint64_t base, uint32_t entry_bytes,
	uint16_t from, uint32_t count, struct dirty_log *log)
{
	uint32_t first = RTE_MIN(count, (uint32_t)ring->vring.size - from);

	if (first)
		dirty_log_mark(log, base + (uint64_t)from * entry_bytes, first * entry_bytes);
	if (count > first)
		dirty_log_mark(log, base, (count - first) * entry_bytes);
}

void vhost_rings_mark_used(
	const struct vhost_rings *r, struct vhost_ring *ring, uint16_t index, struct dirty_log *log)
{
	uint16_t avail_idx, used_idx, size = ring->vring.size, from, to;
	uint32_t count;

	if (rte_vhost_get_vring_base(r->vid, index, &avail_idx, &used_idx) < 0 ||
		likely(used_idx == ring->used_idx))
		return;
	if (r->packed) {
		from = ring->used_idx & ~WRAP;
		to = used_idx & ~WRAP;
		count = to > from ? to - from : size - from + to;
		if (from < size)
			mark_entries(ring, ring->used_gpa, sizeof(struct vring_packed_desc), from,
				RTE_MIN(count, (uint32_t)size), log);
	} else {
		count = (uint16_t)(used_idx - ring->used_idx);
		mark_entries(ring, ring->used_gpa + sizeof(struct vring_used),
			sizeof(struct vring_used_elem), ring->used_idx & (size - 1),
			RTE_MIN(count, (uint32_t)size), log);
		dirty_log_mark(log, ring->used_gpa, sizeof(struct vring_used));
	}
	ring->used_idx = used_idx;
}

/* ---- looking ---- */

static bool is_current(const struct vhost_rings *r, const struct dirty_log *log)
{
	return r->known && !(__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & VHOST_RINGS_STALE) &&
	       r->log_starts == __atomic_load_n(&log->starts, __ATOMIC_RELAXED);
}

/* Between enter and leave. What was written to the rings as they were is logged first. */
static bool look(struct vhost_rings *r, struct dirty_log *log)
{
	uint32_t starts = __atomic_load_n(&log->starts, __ATOMIC_RELAXED);
	bool on = dirty_log_is_on(log);
	uint64_t features = 0;

	__atomic_fetch_and(&r->stale, ~(uint32_t)VHOST_RINGS_STALE, __ATOMIC_SEQ_CST);
	if (on && r->known && r->log_starts == starts) {
		vhost_rings_mark_used(r, &r->rx, r->rx_vring, log);
		vhost_rings_mark_used(r, &r->tx, r->rx_vring + 1, log);
	}
	vhost_rings_fini(r);
	r->log_starts = starts;
	if (rte_vhost_get_negotiated_features(r->vid, &features) < 0 ||
		rte_vhost_get_mem_table(r->vid, &r->memory) < 0)
		return false;
	r->packed = features & (1ULL << VIRTIO_F_RING_PACKED);
	r->event_idx = features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
	r->may_ask = features & asking_features;
	r->header_bytes = features & (1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_F_VERSION_1)
				  ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
				  : sizeof(struct virtio_net_hdr);
	r->known = ring_find(r, &r->rx, r->rx_vring) && ring_find(r, &r->tx, r->rx_vring + 1);
	if (r->known && on) {
		mark_set_up(r, &r->rx, log);
		mark_set_up(r, &r->tx, log);
	}
	return r->known;
}

bool vhost_rings_find(struct vhost_rings *r, struct dirty_log *log)
{
	bool found;

	if (likely(is_current(r, log)))
		return true;
	if (!vhost_rings_enter(r))
		return false;
	found = look(r, log);
	vhost_rings_leave(r);
	return found;
}

/* ---- what the library wrote ---- */

void vhost_rings_dequeued(struct vhost_rings *r, struct dirty_log *log)
{
	if (vhost_rings_find(r, log))
		vhost_rings_mark_used(r, &r->tx, r->rx_vring + 1, log);
}

bool vhost_rings_log(struct vhost_rings *r, uint64_t gpa, uint64_t bytes)
{
	if (!vhost_rings_enter(r))
		return false;
	rte_vhost_log_write(r->vid, gpa, bytes);
	vhost_rings_leave(r);
	return true;
}

void vhost_rings_notified(struct vhost_rings *r, struct dirty_log *log, uint64_t features)
{
	bool on = dirty_log_is_on(log), need = RTE_VHOST_NEED_LOG(features);
	uint64_t gpa;

	if (likely(!on && !need))
		return;
	if (!vhost_rings_find(r, log))
		return;
	gpa = event_field(r, &r->tx);
	if (on)
		dirty_log_mark(log, gpa, sizeof(uint32_t));
	if (need)
		vhost_rings_log(r, gpa, sizeof(uint32_t)); /* if not now, the next time */
}
