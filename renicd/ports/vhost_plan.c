/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_plan.h. */
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include <rte_mbuf.h>

#include "vhost_plan.h"

enum {
	PARTS_MAX = 512, /* pieces of guest memory in one burst */
	FRAMES_MAX = 32, /* frames in one burst */
	BATCH = 4,
	CHAIN_MAX = 1024, /* descriptors of one chain: no loops for ever */
	WRAP = 1 << 15,	  /* of a packed ring's index, as GET_VRING_BASE has it */
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

/* One chain of a split ring, its indirect table included. */
static bool plan_split_chain(
	const struct vhost_rings *r, struct plan *plan, uint16_t head, uint32_t *left)
{
	const struct vring_desc *table = r->rx.vring.desc;
	uint32_t size = r->rx.vring.size, next = head;
	struct vring_desc d;

	if (head >= size)
		return false;
	d = vhost_desc_read(&table[head]);
	if (d.flags & VRING_DESC_F_INDIRECT) {
		size = d.len / sizeof(d);
		table = table_at(r, d.addr, d.len);
		next = 0;
		if (!table || !size)
			return false;
		d = vhost_desc_read(&table[0]);
	}
	for (unsigned n = 0; n < CHAIN_MAX; n++) {
		if (!plan_part(plan, d.addr, d.len, left))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		next = d.next;
		if (next >= size)
			return false;
		d = vhost_desc_read(&table[next]);
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

/* Where the RX ring is; false: it cannot be told, or is nonsense, which the library refuses too. */
static bool plan_begin(const struct vhost_rings *r, struct plan *plan, struct cursor *at)
{
	uint16_t avail_idx, used_idx;

	plan->n_parts = plan->n_frames = 0;
	*at = (struct cursor){0};
	if (rte_vhost_get_vring_base(r->vid, r->rx_vring, &avail_idx, &used_idx) < 0)
		return false;
	at->idx = avail_idx;
	if (r->packed) {
		at->wrap = avail_idx & WRAP;
		at->idx = avail_idx & ~WRAP;
		return true;
	}
	at->end = __atomic_load_n(&r->rx.vring.avail->idx, __ATOMIC_ACQUIRE);
	return (uint16_t)(at->end - at->idx) <= r->rx.vring.size;
}

static void plan_burst(const struct vhost_rings *r, struct plan *plan, struct rte_mbuf **pkts,
	uint16_t n, bool in_batches)
{
	struct cursor at;

	if (!plan_begin(r, plan, &at))
		return;
	n = RTE_MIN(n, (uint16_t)FRAMES_MAX);
	while (plan->n_frames < n) {
		uint16_t i = plan->n_frames;

		if (in_batches && n - i >= BATCH && plan_batch(r, &at, plan, &pkts[i]))
			continue;
		if (!plan_frame(r, &at, plan, pkts[i]))
			break;
	}
}

/* Between enter and leave. Bytes of the guest's next chain, with the header; UINT32_MAX: none. */
static uint32_t next_chain_bytes(const struct vhost_rings *r)
{
	uint32_t left = UINT32_MAX;
	struct cursor at;
	struct plan plan;

	if (__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & VHOST_RINGS_RX_OFF ||
		!plan_begin(r, &plan, &at) ||
		!(r->packed ? next_packed : next_split)(r, &at, &plan, &left))
		return UINT32_MAX;
	return UINT32_MAX - left;
}

uint32_t vhost_plan_room(struct vhost_rings *r, struct dirty_log *log)
{
	uint32_t bytes;

	if (!vhost_rings_find(r, log) || !vhost_rings_enter(r))
		return UINT32_MAX;
	bytes = next_chain_bytes(r);
	vhost_rings_leave(r);
	return bytes == UINT32_MAX ? bytes : bytes - RTE_MIN(bytes, (uint32_t)r->header_bytes);
}

/* ---- bursts ---- */

/* As planned; no further when the library's thread has changed something under way. */
static uint16_t enqueue_planned(
	struct vhost_rings *r, const struct plan *plan, struct rte_mbuf **pkts, uint16_t at_once)
{
	uint32_t changed = VHOST_RINGS_STALE | VHOST_RINGS_CLOSED;
	uint16_t done = 0, want, taken;

	do {
		want = RTE_MIN(at_once, (uint16_t)(plan->n_frames - done));
		taken = rte_vhost_enqueue_burst(r->vid, r->rx_vring, &pkts[done], want);
		done += taken;
	} while (taken == want && done < plan->n_frames &&
		 likely(!(__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & changed)));
	return done;
}

uint16_t vhost_plan_enqueue(struct vhost_rings *r, struct dirty_log *log, struct rte_mbuf **pkts,
	uint16_t n, uint16_t at_once)
{
	struct plan plan;
	uint16_t done;

	if (!vhost_rings_find(r, log) || !vhost_rings_enter(r))
		return 0;
	plan_burst(r, &plan, pkts, n, r->packed && at_once >= BATCH);
	vhost_rings_leave(r);
	if (!plan.n_frames)
		return 0;
	done = enqueue_planned(r, &plan, pkts, at_once);
	for (uint16_t i = 0; done && i < plan.frame_end[done - 1]; i++)
		dirty_log_mark(log, plan.parts[i].gpa, plan.parts[i].bytes);
	vhost_rings_mark_used(r, &r->rx, r->rx_vring, log);
	return done;
}
