/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_take.h. */
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "nic/egress_log.h"
#include "vhost_take.h"

enum { FRAME_MAX_BYTES = UINT16_MAX }; /* with its header; longer ones are not simple */

/* Where a frame lies, its virtio_net_hdr first. */
struct place {
	const uint8_t *at;
	uint32_t bytes; /* with the header */
	uint16_t head;
};

/* The guest's next frame, if it lies in one descriptor. */
static inline bool find_place(const struct vhost_rings *r, uint16_t avail_idx, struct place *place)
{
	struct vring_desc d;

	if (unlikely(!vhost_ring_desc(&r->tx, avail_idx, &place->head, &d) || d.flags ||
		     d.len <= r->header_bytes || d.len > FRAME_MAX_BYTES))
		return false;
	place->bytes = d.len;
	place->at = vhost_to_host(r->memory, d.addr, d.len);
	return likely(place->at != NULL);
}

/* The guest reads what is said there of each frame: it takes time to get the lines back. */
static inline void fetch_used(const struct rte_vhost_vring *ring, uint16_t used_idx, uint16_t n)
{
	enum { A_LINE = RTE_CACHE_LINE_SIZE / sizeof(struct vring_used_elem) };

	for (uint32_t i = 0; i < n + A_LINE - 1u; i += A_LINE)
		__builtin_prefetch(&ring->used->ring[(used_idx + i) & (ring->size - 1u)], 1);
}

/* Both indices are those of the first frame. */
static uint16_t find_places(const struct vhost_rings *r, uint16_t avail_idx, uint16_t used_idx,
	uint16_t n, struct place *places)
{
	uint16_t i;

	n = RTE_MIN(n, vhost_ring_count(&r->tx, avail_idx));
	fetch_used(&r->tx.vring, used_idx, n);
	for (i = 0; i < n; i++) {
		if (!find_place(r, (uint16_t)(avail_idx + i), &places[i]))
			break;
		__builtin_prefetch(places[i].at);
		__builtin_prefetch(places[i].at + RTE_CACHE_LINE_SIZE);
	}
	return i;
}

/* Flags and GSO type, the first two bytes of the header, read once: does the frame ask? */
static inline bool asks(const uint8_t *header)
{
	uint16_t asked;

	memcpy(&asked, header, sizeof(asked));
	return asked != 0;
}

/* Frames that lie in the ring and ask for nothing. Between enter and leave. */
static uint16_t look(struct vhost_rings *r, struct egress_raw *frames, uint16_t n)
{
	struct place places[VHOST_BURST_MAX];
	uint16_t found, i;

	if (__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & ~(uint32_t)VHOST_RINGS_RX_OFF ||
		rte_vhost_get_vring_base(
			r->vid, r->rx_vring + 1, &r->looked.avail_idx, &r->looked.used_idx) < 0)
		return 0;
	found = find_places(r, r->looked.avail_idx, r->looked.used_idx,
		RTE_MIN(n, (uint16_t)VHOST_BURST_MAX), places);
	for (i = 0; i < found && likely(!asks(places[i].at)); i++) {
		frames[i] = (struct egress_raw){.at = places[i].at + r->header_bytes,
			.len = places[i].bytes - r->header_bytes};
		r->looked.heads[i] = places[i].head;
	}
	return i;
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

void vhost_take_took(struct vhost_rings *r, struct dirty_log *log, uint16_t n)
{
	const struct rte_vhost_vring *ring = &r->tx.vring;
	uint16_t used_idx = r->looked.used_idx, vring = r->rx_vring + 1;

	for (uint16_t i = 0; i < n; i++)
		ring->used->ring[(uint16_t)(used_idx + i) & (ring->size - 1)] =
			(struct vring_used_elem){.id = r->looked.heads[i]};
	if (n) {
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
