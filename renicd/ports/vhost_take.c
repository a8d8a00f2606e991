/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_take.h. */
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "nic/egress_log.h"
#include "vhost_take.h"

enum { FRAME_MAX_BYTES = UINT16_MAX }; /* with its header; longer ones are not simple */

/* As vhost_to_host(); *last: the region where the frame before was. */
static inline const uint8_t *to_host(const struct rte_vhost_memory *memory,
	struct rte_vhost_mem_region *last, uint64_t gpa, uint32_t bytes)
{
	const uint8_t *at = vhost_in_region(last, gpa, bytes);

	for (uint32_t i = 0; unlikely(!at) && i < memory->nregions; i++) {
		*last = memory->regions[i];
		at = vhost_in_region(last, gpa, bytes);
	}
	return at;
}

/* The guest reads what is said there of each frame: it takes time to get the lines, and more to get
 * them for writing. */
static inline void fetch_used(const struct vhost_rings *r, uint16_t n)
{
	enum { A_LINE = RTE_CACHE_LINE_SIZE / sizeof(struct vring_used_elem) };
	const struct rte_vhost_vring *ring = &r->tx.vring;

	for (uint32_t i = 0; i < n + A_LINE - 1u; i += A_LINE) {
		const void *at = &ring->used->ring[(r->looked.used_idx + i) & (ring->size - 1u)];

		if (r->tx_used_changes)
			__builtin_prefetch(at, 1);
		else
			__builtin_prefetch(at);
	}
}

/* The header's line too, if it is to be read: it may lie before the frame's first one. */
static inline void fetch_frame(const uint8_t *at, uint32_t header_bytes, bool may_ask)
{
	const uint8_t *frame = at + header_bytes;

	if (may_ask)
		__builtin_prefetch(at);
	__builtin_prefetch(frame);
	__builtin_prefetch(frame + RTE_CACHE_LINE_SIZE - 1);
}

/*
 * The guest's next frames, as long as each lies in one descriptor. Their lines are on the way when
 * this returns. What the loop needs is copied first, or each head that is stored would have the
 * compiler read it again.
 */
static uint16_t find_frames(struct vhost_rings *r, struct egress_raw *frames, uint16_t n)
{
	const struct rte_vhost_memory *memory = r->memory;
	const struct vhost_ring tx = r->tx;
	const uint16_t avail_idx = r->looked.avail_idx;
	const uint32_t header_bytes = r->header_bytes;
	const bool may_ask = r->may_ask;
	struct rte_vhost_mem_region region = {0};
	uint16_t *heads = r->looked.heads;
	uint16_t i;

	n = RTE_MIN(n, vhost_ring_count(&tx, avail_idx));
	fetch_used(r, n);
	for (i = 0; i < n; i++) {
		struct vring_desc d;
		const uint8_t *at;

		if (unlikely(!vhost_ring_desc(&tx, (uint16_t)(avail_idx + i), &heads[i], &d) ||
			     d.flags || d.len <= header_bytes || d.len > FRAME_MAX_BYTES))
			break;
		at = to_host(memory, &region, d.addr, d.len);
		if (unlikely(!at))
			break;
		fetch_frame(at, header_bytes, may_ask);
		frames[i] =
			(struct egress_raw){.at = at + header_bytes, .len = d.len - header_bytes};
	}
	return i;
}

/* Flags and GSO type, the first two bytes of the header: not 0 where the frame asks. */
static inline uint16_t asked(const struct egress_raw *frame, uint32_t header_bytes)
{
	uint16_t word;

	memcpy(&word, frame->at - header_bytes, sizeof(word));
	return word;
}

/* How many of the frames before the first that asks. Where one does the headers are read again:
 * what the guest changes meanwhile is only where the burst ends, for nothing else is read of them.
 */
static uint16_t count_plain(const struct egress_raw *frames, uint16_t n, uint32_t header_bytes)
{
	uint16_t any = 0, i = 0;

	for (uint16_t k = 0; k < n; k++)
		any |= asked(&frames[k], header_bytes);
	if (likely(!any))
		return n;
	while (i < n && !asked(&frames[i], header_bytes))
		i++;
	return i;
}

/* Frames that lie in the ring and ask for nothing. Between enter and leave. */
static uint16_t look(struct vhost_rings *r, struct egress_raw *frames, uint16_t n)
{
	if (__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & ~(uint32_t)VHOST_RINGS_RX_OFF ||
		rte_vhost_get_vring_base(
			r->vid, r->rx_vring + 1, &r->looked.avail_idx, &r->looked.used_idx) < 0)
		return 0;
	n = find_frames(r, frames, RTE_MIN(n, (uint16_t)VHOST_BURST_MAX));
	return r->may_ask ? count_plain(frames, n, r->header_bytes) : n;
}

uint16_t vhost_take_look(
	struct vhost_rings *r, struct dirty_log *log, struct egress_raw *frames, uint16_t n)
{
	if (!vhost_rings_find(r, log) || r->packed || !vhost_rings_enter(r))
		return 0;
	n = look(r, frames, n);
	if (!n)
		vhost_rings_leave(r);
	return n;
}

/* Written only where it changes: a guest that uses its buffers in order finds the same numbers in
 * the same places in each round, and a line that is not written stays in its cache. Returns
 * whether. */
static inline bool put_used(struct vring_used_elem *at, uint16_t head)
{
	struct vring_used_elem was, is = {.id = head};

	memcpy(&was, at, sizeof(was));
	if (!memcmp(&was, &is, sizeof(is)))
		return false;
	memcpy(at, &is, sizeof(is));
	return true;
}

static void put_all_used(struct vhost_rings *r, uint16_t n)
{
	const struct rte_vhost_vring *ring = &r->tx.vring;
	uint16_t used_idx = r->looked.used_idx;
	bool changes = false;

	for (uint16_t i = 0; i < n; i++)
		changes |= put_used(&ring->used->ring[(uint16_t)(used_idx + i) & (ring->size - 1)],
			r->looked.heads[i]);
	r->tx_used_changes = changes;
}

void vhost_take_took(struct vhost_rings *r, struct dirty_log *log, uint16_t n)
{
	const struct rte_vhost_vring *ring = &r->tx.vring;
	uint16_t used_idx = r->looked.used_idx, vring = r->rx_vring + 1;

	if (n) {
		put_all_used(r, n);
		used_idx += n;
		__atomic_store_n(&ring->used->idx, used_idx, __ATOMIC_RELEASE);
		rte_vhost_set_vring_base(
			r->vid, vring, (uint16_t)(r->looked.avail_idx + n), used_idx);
		if (dirty_log_is_on(log))
			vhost_rings_mark_used(r, &r->tx, vring, log);
	}
	vhost_rings_leave(r);
	if (n)
		rte_vhost_vring_call(r->vid, vring);
}

/* Into mbufs, as long as one mbuf holds a frame. */
static uint16_t copy_frames(struct rte_mempool *pool, struct rte_mbuf **pkts,
	const struct egress_raw *frames, uint16_t n)
{
	uint32_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	uint16_t i;

	if (rte_pktmbuf_alloc_bulk(pool, pkts, n) < 0)
		return 0;
	for (i = 0; i < n && likely(frames[i].len <= room); i++) {
		rte_memcpy(rte_pktmbuf_mtod(pkts[i], void *), frames[i].at, frames[i].len);
		pkts[i]->data_len = (uint16_t)frames[i].len;
		pkts[i]->pkt_len = frames[i].len;
	}
	if (unlikely(i < n))
		rte_pktmbuf_free_bulk(&pkts[i], n - i);
	return i;
}

uint16_t vhost_take(struct vhost_rings *r, struct dirty_log *log, struct rte_mempool *pool,
	struct rte_mbuf **pkts, uint16_t n)
{
	struct egress_raw frames[VHOST_BURST_MAX];

	n = vhost_take_look(r, log, frames, n);
	if (!n)
		return 0;
	n = copy_frames(pool, pkts, frames, n);
	vhost_take_took(r, log, n);
	return n;
}
