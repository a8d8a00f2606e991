/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums and segmentation that a guest leaves to its NIC (virtio 1.2, section 5.1.6.2).
 *
 * A request travels with the frame, in the mbuf's TX flags and lengths, through the egress log too.
 * A guest that can take it gets the frame as it is; for the uplink and for other guests the
 * request is fulfilled here: the checksum filled in, the frame cut into segments (copies, as
 * frames may point into the log). A data lcore.
 */
#ifndef RENICD_NIC_OFFLOAD_H
#define RENICD_NIC_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "drop.h"

enum {
	OFFLOAD_FRAME_MAX = 65535, /* longest frame that may ask for segmentation, bytes */
	OFFLOAD_HEADERS_MAX = 120, /* of what asks: they fit into a segment's headroom */
	OFFLOAD_SEGMENT_MIN = 48,  /* least payload of a segment; with less, one frame is a flood */
};

/* IP versions over which segments may be asked for: bits. */
enum { OFFLOAD_IPV4 = 1, OFFLOAD_IPV6 = 2, OFFLOAD_IP_ANY = OFFLOAD_IPV4 | OFFLOAD_IPV6 };

/* Does the frame ask for anything, or for segmentation? */
static inline bool offload_is_asked(const struct rte_mbuf *m)
{
	return m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG);
}

static inline bool offload_is_tso(const struct rte_mbuf *m)
{
	return m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
}

static inline uint32_t offload_headers(const struct rte_mbuf *m)
{
	return (uint32_t)m->l2_len + m->l3_len + m->l4_len;
}

/* Longest frame on a wire that it becomes. */
static inline uint32_t offload_frame_bytes(const struct rte_mbuf *m)
{
	return offload_is_tso(m) ? offload_headers(m) + m->tso_segsz : m->pkt_len;
}

/*
 * What a guest asks for, as librte_vhost says it (RX flags: checksum not there, LRO), as a request
 * of ours. Its headers are looked at anew: what is no TCP or UDP, has them cut or too long, or
 * segments out of range or for a group address is DROP_BAD_OFFLOAD or DROP_OVERSIZE; else
 * DROP_REASONS. Segments may be asked for over the IP versions in `may_segment` alone, whatever
 * librte_vhost lets through: who makes room for a burst relies on it.
 */
enum drop_reason offload_from_guest(
	struct rte_mbuf *m, uint32_t max_frame_bytes, uint8_t may_segment);

/* Fill the checksum in. *m's bytes are the caller's to change. */
void offload_checksum(struct rte_mbuf *m);

/* Could any device fulfil the request? Not where lengths in the headers are others than the
 * frame's, nor behind IPv6's extension headers, which drivers leave out of their sums. */
bool offload_suits_devices(const struct rte_mbuf *m);

/* The request is again as virtio wants it, where a device was to fulfil it and did not: in the
 * checksum's field the sum of the pseudo-header. *m's headers are the caller's to change. */
void offload_ask_again(struct rte_mbuf *m);

/* How many segments the frame that asks for them has; and up to max of them, from the first-th on,
 * whole frames with their checksums, of mbufs from `pool`. Returns how many: fewer when mbufs run
 * out. */
uint32_t offload_segments(const struct rte_mbuf *m);
uint16_t offload_segment(const struct rte_mbuf *m, uint32_t first, struct rte_mempool *pool,
	struct rte_mbuf **segments, uint16_t max);

/* What it takes of a wire, without FCS, with the headers of all its segments: as much before as
 * after the tag that is held beside it is put into its bytes. */
static inline uint32_t offload_wire_bytes(const struct rte_mbuf *m)
{
	uint32_t tag = m->ol_flags & RTE_MBUF_F_TX_VLAN ? sizeof(struct rte_vlan_hdr) : 0;
	uint32_t repeats = offload_is_tso(m) ? offload_segments(m) - 1 : 0;

	return m->pkt_len + tag + repeats * (offload_headers(m) + tag);
}

#endif
