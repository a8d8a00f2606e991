/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_ring.h. */
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_pause.h>

#include "vhost_ring.h"

enum {
	PARTS_MAX = 512, /* pieces of guest memory in one burst */
	FRAMES_MAX = 32, /* frames in one burst */
	BATCH = 4,
	CHAIN_MAX = 1024, /* descriptors of one chain: no loops for ever */
	CLOSED = 2,	  /* of `stale`: and guest memory must not be read */
	STALE = 1,
	WRAP = 1 << 15, /* of a packed ring's index, as GET_VRING_BASE has it */
};

/* A piece of guest memory that is going to be written. */
struct part {
	uint64_t gpa;
	uint32_t bytes;
};

struct plan {
	struct part parts[PARTS_MAX];
	uint16_t n_parts;
	uint16_t frame_end[FRAMES_MAX]; /* parts up to and with that frame */
	uint16_t n_frames;
};

/* ---- when the rings may be looked at ---- */

static bool enter(struct vhost_rings *r)
{
	__atomic_store_n(&r->busy, 1, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&r->stale, __ATOMIC_SEQ_CST) & CLOSED))
		return true;
	__atomic_store_n(&r->busy, 0, __ATOMIC_RELEASE);
	return false;
}

static void leave(struct vhost_rings *r)
{
	__atomic_store_n(&r->busy, 0, __ATOMIC_RELEASE);
}

void vhost_rings_close(struct vhost_rings *r)
{
	__atomic_fetch_or(&r->stale, CLOSED | STALE, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&r->busy, __ATOMIC_SEQ_CST))
		rte_pause();
}

void vhost_rings_reopen(struct vhost_rings *r)
{
	__atomic_fetch_and(&r->stale, ~(uint32_t)CLOSED, __ATOMIC_SEQ_CST);
}

void vhost_rings_look_again(struct vhost_rings *r)
{
	__atomic_fetch_or(&r->stale, STALE, __ATOMIC_SEQ_CST);
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

/* Entries from the index logged last up to now; a split ring's index itself too. */
static void mark_used(
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
	return r->known && !(__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & STALE) &&
	       r->log_starts == __atomic_load_n(&log->starts, __ATOMIC_RELAXED);
}

/* Between enter() and leave(). What was written to the rings as they were is logged first. */
static bool look(struct vhost_rings *r, struct dirty_log *log)
{
	uint32_t starts = __atomic_load_n(&log->starts, __ATOMIC_RELAXED);
	uint64_t features = 0;

	__atomic_fetch_and(&r->stale, ~(uint32_t)STALE, __ATOMIC_SEQ_CST);
	if (r->known && r->log_starts == starts) {
		mark_used(r, &r->rx, r->rx_vring, log);
		mark_used(r, &r->tx, r->rx_vring + 1, log);
	}
	vhost_rings_fini(r);
	r->log_starts = starts;
	if (rte_vhost_get_negotiated_features(r->vid, &features) < 0 ||
		rte_vhost_get_mem_table(r->vid, &r->memory) < 0)
		return false;
	r->packed = features & (1ULL << VIRTIO_F_RING_PACKED);
	r->event_idx = features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
	r->header_bytes = features & (1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_F_VERSION_1)
				  ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
				  : sizeof(struct virtio_net_hdr);
	r->known = ring_find(r, &r->rx, r->rx_vring) && ring_find(r, &r->tx, r->rx_vring + 1);
	if (!r->known)
		return false;
	mark_set_up(r, &r->rx, log);
	mark_set_up(r, &r->tx, log);
	return true;
}

/* Look at the rings again if need be; false: they are not set up, or must not be looked at. */
static bool find(struct vhost_rings *r, struct dirty_log *log)
{
	bool found;

	if (likely(is_current(r, log)))
		return true;
	if (!enter(r))
		return false;
	found = look(r, log);
	leave(r);
	return found;
}

/* ---- the buffers that a burst will fill ---- */

/* Bytes of one frame that have no place yet go here. */
static bool plan_part(struct plan *plan, uint64_t gpa, uint32_t bytes, uint32_t *left)
{
	uint32_t take = RTE_MIN(bytes, *left);

	if (!take)
		return true;
	if (plan->n_parts == PARTS_MAX)
		return false;
	plan->parts[plan->n_parts++] = (struct part){.gpa = gpa, .bytes = take};
	*left -= take;
	return true;
}

/* The host's address of a table of descriptors in guest memory; NULL: not in one piece. */
static const void *table_at(const struct vhost_rings *r, uint64_t gpa, uint32_t bytes)
{
	uint64_t len = bytes;
	uint64_t hva = rte_vhost_va_from_guest_pa(r->memory, gpa, &len);

	return len == bytes ? (const void *)(uintptr_t)hva : NULL;
}

static struct vring_desc read_split(const struct vring_desc *desc)
{
	struct vring_desc copy;

	memcpy(&copy, (const void *)(uintptr_t)desc, sizeof(copy));
	rte_compiler_barrier();
	return copy;
}

/* One chain of a split ring, its indirect table included. */
static bool plan_split_chain(
	const struct vhost_rings *r, struct plan *plan, uint16_t head, uint32_t *left)
{
	const struct vring_desc *table = r->rx.vring.desc;
	uint32_t size = r->rx.vring.size, next = head;
	struct vring_desc d;

	if (head >= size)
		return false;
	d = read_split(&table[head]);
	if (d.flags & VRING_DESC_F_INDIRECT) {
		size = d.len / sizeof(d);
		table = table_at(r, d.addr, d.len);
		next = 0;
		if (!table || !size)
			return false;
		d = read_split(&table[0]);
	}
	for (unsigned n = 0; n < CHAIN_MAX; n++) {
		if (!plan_part(plan, d.addr, d.len, left))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		next = d.next;
		if (next >= size)
			return false;
		d = read_split(&table[next]);
	}
	return false;
}

/* How far the planning has come in the ring. */
struct cursor {
	uint16_t idx;
	bool wrap;    /* packed */
	uint16_t end; /* split: the guest's index */
};

static bool next_split(
	const struct vhost_rings *r, struct cursor *at, struct plan *plan, uint32_t *left)
{
	const struct vring_avail *avail = r->rx.vring.avail;
	uint16_t head;

	if (at->idx == at->end)
		return false;
	head = __atomic_load_n(&avail->ring[at->idx & (r->rx.vring.size - 1)], __ATOMIC_RELAXED);
	at->idx++;
	return plan_split_chain(r, plan, head, left);
}

static bool plan_packed_table(const struct vhost_rings *r, struct plan *plan,
	const struct vring_packed_desc *d, uint32_t *left)
{
	const struct vring_packed_desc *table = table_at(r, d->addr, d->len);
	uint32_t size = d->len / sizeof(*d);

	if (!table || size > CHAIN_MAX)
		return false;
	for (uint32_t i = 0; i < size; i++) {
		struct vring_packed_desc copy;

		memcpy(&copy, &table[i], sizeof(copy));
		rte_compiler_barrier();
		if (!plan_part(plan, copy.addr, copy.len, left))
			return false;
	}
	return true;
}

static bool is_available(uint16_t flags, bool wrap)
{
	return wrap == !!(flags & (1 << VRING_PACKED_DESC_F_AVAIL)) &&
	       wrap != !!(flags & (1 << VRING_PACKED_DESC_F_USED));
}

static bool next_packed(
	const struct vhost_rings *r, struct cursor *at, struct plan *plan, uint32_t *left)
{
	const struct vring_packed_desc *ring = r->rx.vring.desc_packed;
	uint16_t size = r->rx.vring.size, flags;
	struct vring_packed_desc d;

	if (at->idx >= size)
		return false;
	flags = __atomic_load_n(&ring[at->idx].flags, __ATOMIC_ACQUIRE);
	if (!is_available(flags, at->wrap))
		return false;
	for (unsigned n = 0; n < size; n++) {
		memcpy(&d, &ring[at->idx], sizeof(d));
		rte_compiler_barrier();
		if (++at->idx == size) {
			at->idx = 0;
			at->wrap = !at->wrap;
		}
		if (!(d.flags & VRING_DESC_F_INDIRECT ? plan_packed_table(r, plan, &d, left)
						      : plan_part(plan, d.addr, d.len, left)))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
	}
	return false;
}

/* One frame: as many chains as it takes (one, without mergeable buffers: then it is too long for
 * the library too, and it takes no more). */
static bool plan_frame(
	const struct vhost_rings *r, struct cursor *at, struct plan *plan, const struct rte_mbuf *m)
{
	uint32_t left = m->pkt_len + r->header_bytes;

	while (left)
		if (!(r->packed ? next_packed : next_split)(r, at, plan, &left))
			return false;
	plan->frame_end[plan->n_frames++] = plan->n_parts;
	return true;
}

/* Four frames that fit into four descriptors in a row the library puts there, one each, without a
 * look at their other flags (librte_vhost's batches for packed rings). */
static bool plan_batch(
	const struct vhost_rings *r, struct cursor *at, struct plan *plan, struct rte_mbuf **pkts)
{
	const struct vring_packed_desc *ring = &r->rx.vring.desc_packed[at->idx];
	struct part parts[BATCH];

	if (at->idx % BATCH || at->idx + BATCH > r->rx.vring.size ||
		plan->n_parts + BATCH > PARTS_MAX)
		return false;
	for (uint16_t i = 0; i < BATCH; i++) {
		uint16_t flags = __atomic_load_n(&ring[i].flags, __ATOMIC_ACQUIRE);
		uint32_t bytes = pkts[i]->pkt_len + sizeof(struct virtio_net_hdr_mrg_rxbuf);
		uint32_t len = __atomic_load_n(&ring[i].len, __ATOMIC_RELAXED);

		if (pkts[i]->next || !is_available(flags, at->wrap) || len < bytes)
			return false;
		parts[i] = (struct part){
			.gpa = __atomic_load_n(&ring[i].addr, __ATOMIC_RELAXED), .bytes = bytes};
	}
	for (uint16_t i = 0; i < BATCH; i++) {
		plan->parts[plan->n_parts++] = parts[i];
		plan->frame_end[plan->n_frames++] = plan->n_parts;
	}
	at->idx += BATCH;
	if (at->idx == r->rx.vring.size) {
		at->idx = 0;
		at->wrap = !at->wrap;
	}
	return true;
}

static void plan_burst(const struct vhost_rings *r, struct plan *plan, struct rte_mbuf **pkts,
	uint16_t n, bool in_batches)
{
	struct cursor at = {0};
	uint16_t avail_idx, used_idx;

	plan->n_parts = plan->n_frames = 0;
	if (rte_vhost_get_vring_base(r->vid, r->rx_vring, &avail_idx, &used_idx) < 0)
		return;
	at.idx = avail_idx;
	if (r->packed) {
		at.wrap = avail_idx & WRAP;
		at.idx = avail_idx & ~WRAP;
	} else {
		at.end = __atomic_load_n(&r->rx.vring.avail->idx, __ATOMIC_ACQUIRE);
		if ((uint16_t)(at.end - at.idx) > r->rx.vring.size)
			return; /* nonsense: the library refuses it too */
	}
	n = RTE_MIN(n, (uint16_t)FRAMES_MAX);
	while (plan->n_frames < n) {
		uint16_t i = plan->n_frames;

		if (in_batches && n - i >= BATCH && plan_batch(r, &at, plan, &pkts[i]))
			continue;
		if (!plan_frame(r, &at, plan, pkts[i]))
			break;
	}
}

/* ---- bursts ---- */

/* As planned; no further when the library's thread has changed something under way. */
static uint16_t enqueue_planned(
	struct vhost_rings *r, const struct plan *plan, struct rte_mbuf **pkts, uint16_t at_once)
{
	uint16_t done = 0, want, taken;

	do {
		want = RTE_MIN(at_once, (uint16_t)(plan->n_frames - done));
		taken = rte_vhost_enqueue_burst(r->vid, r->rx_vring, &pkts[done], want);
		done += taken;
	} while (taken == want && done < plan->n_frames &&
		 likely(!__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE)));
	return done;
}

uint16_t vhost_rings_enqueue(struct vhost_rings *r, struct dirty_log *log, struct rte_mbuf **pkts,
	uint16_t n, uint16_t at_once)
{
	struct plan plan;
	uint16_t done;

	if (!find(r, log) || !enter(r))
		return 0;
	plan_burst(r, &plan, pkts, n, r->packed && at_once >= BATCH);
	leave(r);
	if (!plan.n_frames)
		return 0;
	done = enqueue_planned(r, &plan, pkts, at_once);
	for (uint16_t i = 0; done && i < plan.frame_end[done - 1]; i++)
		dirty_log_mark(log, plan.parts[i].gpa, plan.parts[i].bytes);
	mark_used(r, &r->rx, r->rx_vring, log);
	return done;
}

void vhost_rings_dequeued(struct vhost_rings *r, struct dirty_log *log)
{
	if (find(r, log))
		mark_used(r, &r->tx, r->rx_vring + 1, log);
}

void vhost_rings_notified(struct vhost_rings *r, struct dirty_log *log, uint64_t features)
{
	bool on = dirty_log_is_on(log), need = RTE_VHOST_NEED_LOG(features);
	uint64_t gpa;

	if (likely(!on && !need))
		return;
	if (!find(r, log))
		return;
	gpa = event_field(r, &r->tx);
	if (on)
		dirty_log_mark(log, gpa, sizeof(uint32_t));
	if (need)
		rte_vhost_log_write(r->vid, gpa, sizeof(uint32_t));
}
