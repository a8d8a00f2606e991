/* SPDX-License-Identifier: BSD-3-Clause */
/* See offload_send.h. Drivers: rte_ethdev.h, rte_eth_tx_prepare(). */
#include <string.h>

#include "offload.h"
#include "offload_send.h"
#include "vf.h"

/* ---- by the device ---- */

/* What the device must be able to do for the frame, enum uplink_offload. */
static uint32_t needs(const struct rte_mbuf *m)
{
	bool is_udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;

	if (offload_is_tso(m))
		return UPLINK_TCP_SEGMENTS | UPLINK_TCP_CHECKSUM;
	return is_udp ? UPLINK_UDP_CHECKSUM : UPLINK_TCP_CHECKSUM;
}

/* Headers in an mbuf of ours, before what is left of the frame; false: no mbufs. */
static bool own_headers(struct rte_mbuf **m)
{
	uint16_t bytes = (uint16_t)offload_headers(*m);
	struct rte_mbuf *rest = *m, *head;

	if (RTE_MBUF_DIRECT(rest) || rest->data_len == bytes)
		return nic_make_writable(m);
	head = rte_pktmbuf_alloc(nic.pool);
	if (!head)
		return false;
	memcpy(rte_pktmbuf_append(head, bytes), rte_pktmbuf_mtod(rest, const void *), bytes);
	head->ol_flags = rest->ol_flags & ~(RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT);
	head->tx_offload = rest->tx_offload;
	rest->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	rte_pktmbuf_adj(rest, bytes);
	rte_pktmbuf_chain(head, rest);
	*m = head;
	return true;
}

/* ---- here ---- */

/* The frame in segments; false: not all of them have left, and the frame comes again. A guest may
 * ask for 1,365 of each of its frames: the lcore's others must not wait for all of a burst. */
static bool send_segments(struct vf_qp *qp, const struct rte_mbuf *m)
{
	struct rte_mbuf *segments[NIC_BURST];
	uint32_t total = offload_segments(m);
	uint16_t n, sent;

	if (qp->tso != m)
		qp->tso_sent = 0;
	qp->tso = m;
	while (qp->tso_sent < total) {
		if (qp->segments >= SEGMENTS_A_POLL)
			return false;
		n = offload_segment(m, qp->tso_sent, nic.pool, segments, NIC_BURST);
		sent = n ? nic.uplink->send(segments, n, 0) : 0;
		rte_pktmbuf_free_bulk(&segments[sent], n - sent);
		qp->tso_sent += sent;
		qp->segments += sent;
		if (!n || sent < n)
			return false;
	}
	qp->tso = NULL;
	return true;
}

/* ---- either way ---- */

enum fate { LEAVES, LEAVES_IN_SEGMENTS, WAITS_FOR_MBUFS };

/* Make a frame ready that asks for something. */
static enum fate make_ready(struct rte_mbuf **m)
{
	uint32_t can = nic.uplink->offloads;

	if ((can & needs(*m)) == needs(*m) && offload_suits_devices(*m)) {
		if (!own_headers(m))
			return WAITS_FOR_MBUFS;
		if (offload_is_tso(*m) && ((*m)->ol_flags & RTE_MBUF_F_TX_IPV4) &&
			(can & UPLINK_IPV4_CHECKSUM))
			(*m)->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		if (nic.uplink->prepare(*m))
			return LEAVES;
		offload_ask_again(*m);
	}
	if (offload_is_tso(*m))
		return LEAVES_IN_SEGMENTS;
	if (!nic_make_writable(m))
		return WAITS_FOR_MBUFS;
	offload_checksum(*m);
	return LEAVES;
}

static enum fate fate_of(struct rte_mbuf **m)
{
	if (unlikely(nic.uplink->own_memory) && !RTE_MBUF_DIRECT(*m) && !nic_replace_by_copy(m))
		return WAITS_FOR_MBUFS;
	return offload_is_asked(*m) ? make_ready(m) : LEAVES;
}

/* Frames that the device was to do something for, and has not taken: they may go elsewhere. */
static void take_back(struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (offload_is_asked(pkts[i]))
			offload_ask_again(pkts[i]);
}

uint16_t offload_send(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	enum fate fate = LEAVES;
	uint16_t done = 0, len, sent;

	while (done < n) {
		/* Cut up already, in part. */
		fate = qp->tso == pkts[done] ? LEAVES_IN_SEGMENTS : fate_of(&pkts[done]);
		if (fate == LEAVES_IN_SEGMENTS) {
			if (!send_segments(qp, pkts[done]))
				break;
			rte_pktmbuf_free(pkts[done++]);
			continue;
		}
		for (len = 0; fate == LEAVES;)
			fate = ++len < n - done ? fate_of(&pkts[done + len]) : WAITS_FOR_MBUFS;
		sent = len ? nic.uplink->send(&pkts[done], len, 0) : 0;
		take_back(&pkts[done + sent], len - sent);
		done += sent;
		if (!len || sent < len)
			break;
	}
	return done;
}
