/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_put.h. */
#include <linux/virtio_net.h>

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "vhost_put.h"

#define OFFLOADS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG |                   \
		RTE_MBUF_F_TX_IP_CKSUM)

/* Where a frame goes, its virtio_net_hdr first. */
struct place {
	uint8_t *at;
	uint64_t gpa;
	uint16_t head;
};

static inline bool is_simple(const struct rte_mbuf *m)
{
	return !m->next && !(m->ol_flags & OFFLOADS);
}

/* The guest's next buffer, if one descriptor has the frame whole. */
static inline bool find_place(
	const struct vhost_rings *r, uint16_t avail_idx, uint32_t bytes, struct place *place)
{
	struct vring_desc d;

	if (unlikely(!vhost_ring_desc(&r->rx, avail_idx, &place->head, &d) ||
		     d.flags != VRING_DESC_F_WRITE || d.len < bytes))
		return false;
	place->gpa = d.addr;
	place->at = vhost_to_host(r->memory, d.addr, bytes);
	return likely(place->at != NULL);
}

/* Places for the first of the frames; their lines are on the way when this returns. */
static uint16_t find_places(const struct vhost_rings *r, uint16_t avail_idx,
	struct rte_mbuf *const *pkts, uint16_t n, struct place *places)
{
	uint16_t i;

	n = RTE_MIN(n, vhost_ring_count(&r->rx, avail_idx));
	for (i = 0; i < n; i++) {
		uint32_t bytes = pkts[i]->data_len + r->header_bytes;

		if (unlikely(!is_simple(pkts[i])) ||
			!find_place(r, (uint16_t)(avail_idx + i), bytes, &places[i]))
			break;
		__builtin_prefetch(places[i].at, 1);
		__builtin_prefetch(places[i].at + RTE_CACHE_LINE_SIZE, 1);
	}
	return i;
}

/* The frame with its header: no offloads, one buffer. */
static inline void write_frame(uint8_t *at, const struct rte_mbuf *m, uint16_t header_bytes)
{
	static const struct virtio_net_hdr_mrg_rxbuf header = {.num_buffers = 1};

	memcpy(at, &header.hdr, sizeof(header.hdr));
	if (likely(header_bytes == sizeof(header)))
		memcpy(at + sizeof(header.hdr), &header.num_buffers, sizeof(header.num_buffers));
	rte_memcpy(at + header_bytes, rte_pktmbuf_mtod(m, const void *), m->data_len);
}

/* The log is marked among the copies, where it costs least; NULL: it is off. */
static void write_frames(const struct vhost_rings *r, uint16_t used_idx,
	struct rte_mbuf *const *pkts, uint16_t n, const struct place *places, struct dirty_log *log)
{
	const struct rte_vhost_vring *ring = &r->rx.vring;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t bytes = pkts[i]->data_len + r->header_bytes;

		write_frame(places[i].at, pkts[i], r->header_bytes);
		ring->used->ring[(uint16_t)(used_idx + i) & (ring->size - 1)] =
			(struct vring_used_elem){.id = places[i].head, .len = bytes};
		if (log)
			dirty_log_mark(log, places[i].gpa, bytes);
	}
	__atomic_store_n(&ring->used->idx, (uint16_t)(used_idx + n), __ATOMIC_RELEASE);
}

/* Between enter and leave. */
static uint16_t put(
	struct vhost_rings *r, struct rte_mbuf *const *pkts, uint16_t n, struct dirty_log *log)
{
	struct place places[VHOST_BURST_MAX];
	uint16_t avail_idx, used_idx;

	if (__atomic_load_n(&r->stale, __ATOMIC_ACQUIRE) & ~(uint32_t)VHOST_RINGS_TX_OFF ||
		rte_vhost_get_vring_base(r->vid, r->rx_vring, &avail_idx, &used_idx) < 0)
		return 0;
	n = find_places(r, avail_idx, pkts, RTE_MIN(n, (uint16_t)VHOST_BURST_MAX), places);
	if (!n)
		return 0;
	write_frames(r, used_idx, pkts, n, places, log);
	rte_vhost_set_vring_base(
		r->vid, r->rx_vring, (uint16_t)(avail_idx + n), (uint16_t)(used_idx + n));
	if (log)
		vhost_rings_mark_used(r, &r->rx, r->rx_vring, log);
	return n;
}

uint16_t vhost_put(struct vhost_rings *r, struct dirty_log *log, struct rte_mbuf **pkts, uint16_t n)
{
	bool log_is_on = dirty_log_is_on(log);

	if (!vhost_rings_find(r, log) || r->packed || !vhost_rings_enter(r))
		return 0;
	n = put(r, pkts, n, log_is_on ? log : NULL);
	vhost_rings_leave(r);
	if (n)
		rte_vhost_vring_call(r->vid, r->rx_vring);
	return n;
}
