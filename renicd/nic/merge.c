/* SPDX-License-Identifier: BSD-3-Clause */
/* See merge.h. IPv4 without options, in frames of one mbuf. */
#include <string.h>

#ifndef ALLOW_EXPERIMENTAL_API
#define ALLOW_EXPERIMENTAL_API /* rte_ipv4_udptcp_cksum_verify() */
#endif
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "merge.h"
#include "offload.h"

enum {
	L2 = sizeof(struct rte_ether_hdr),
	L3 = sizeof(struct rte_ipv4_hdr),
	SEGMENTS_MAX = 44, /* 64 KiB of 1,500 bytes each */
};

/* A frame that is a TCP segment with payload and nothing unusual about it. */
struct segment {
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	uint32_t headers, payload; /* bytes */
	uint32_t seq;
	bool ends; /* pushed: nothing is put behind it */
};

static bool look(struct rte_mbuf *m, struct segment *s)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint32_t l4;

	if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 || m->nb_segs != 1 ||
		m->data_len < L2 + L3 + sizeof(*s->tcp) ||
		eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || offload_is_asked(m))
		return false;
	s->ip = (struct rte_ipv4_hdr *)(rte_pktmbuf_mtod(m, uint8_t *) + L2);
	s->tcp = (struct rte_tcp_hdr *)((uint8_t *)s->ip + L3);
	l4 = (s->tcp->data_off >> 4) * 4u;
	s->headers = L2 + L3 + l4;
	if (s->ip->version_ihl != RTE_IPV4_VHL_DEF || s->ip->next_proto_id != IPPROTO_TCP ||
		(s->ip->fragment_offset & ~RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) ||
		l4 < sizeof(*s->tcp) || s->headers >= m->data_len ||
		rte_be_to_cpu_16(s->ip->total_length) != m->data_len - L2 ||
		(s->tcp->tcp_flags & ~RTE_TCP_PSH_FLAG) != RTE_TCP_ACK_FLAG)
		return false;
	s->payload = m->data_len - s->headers;
	s->seq = rte_be_to_cpu_32(s->tcp->sent_seq);
	s->ends = s->tcp->tcp_flags & RTE_TCP_PSH_FLAG;
	return true;
}

/* Are the headers the same, but for what differs from segment to segment? */
static bool same_flow(const struct segment *a, const struct segment *b)
{
	return a->headers == b->headers && a->ip->src_addr == b->ip->src_addr &&
	       a->ip->dst_addr == b->ip->dst_addr &&
	       a->ip->type_of_service == b->ip->type_of_service &&
	       a->ip->time_to_live == b->ip->time_to_live && a->tcp->src_port == b->tcp->src_port &&
	       a->tcp->dst_port == b->tcp->dst_port && a->tcp->recv_ack == b->tcp->recv_ack &&
	       a->tcp->data_off == b->tcp->data_off && a->tcp->rx_win == b->tcp->rx_win &&
	       !memcmp(a->tcp + 1, b->tcp + 1, a->headers - L2 - L3 - sizeof(*a->tcp));
}

static bool same_macs(const struct rte_mbuf *a, const struct rte_mbuf *b)
{
	return !memcmp(rte_pktmbuf_mtod(a, const void *), rte_pktmbuf_mtod(b, const void *), L2);
}

static bool is_sound(const struct segment *s)
{
	return rte_raw_cksum(s->ip, L3) == 0xffff &&
	       rte_ipv4_udptcp_cksum_verify(s->ip, s->tcp) == 0;
}

/* The frame of all that was chained to m. */
static void finish(struct rte_mbuf *m, const struct segment *first, bool pushed)
{
	first->ip->total_length = rte_cpu_to_be_16((uint16_t)(m->pkt_len - L2));
	first->ip->hdr_checksum = 0;
	first->ip->hdr_checksum = rte_ipv4_cksum(first->ip);
	first->tcp->tcp_flags |= pushed ? RTE_TCP_PSH_FLAG : 0;
	m->l2_len = L2;
	m->l3_len = L3;
	m->l4_len = first->headers - L2 - L3;
	m->tso_segsz = (uint16_t)first->payload;
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
}

/* Take into pkts[0] what follows it; returns how many frames it is made of. */
static uint16_t merge_run(struct rte_mbuf **pkts, uint16_t n)
{
	struct segment first, last, next;
	uint16_t taken = 1;

	if (!look(pkts[0], &first) || first.ends)
		return 1;
	for (last = first; taken < n && taken < SEGMENTS_MAX && !last.ends; last = next) {
		struct rte_mbuf *m = pkts[taken];

		if (last.payload != first.payload || !look(m, &next) ||
			next.payload > first.payload || next.seq != last.seq + last.payload ||
			!same_flow(&first, &next) || !same_macs(pkts[0], m) ||
			pkts[0]->pkt_len + next.payload > OFFLOAD_FRAME_MAX ||
			(taken == 1 && !is_sound(&first)) || !is_sound(&next))
			break;
		rte_pktmbuf_adj(m, (uint16_t)next.headers);
		if (rte_pktmbuf_chain(pkts[0], m)) {
			rte_pktmbuf_prepend(m, (uint16_t)next.headers);
			break;
		}
		taken++;
	}
	if (taken > 1)
		finish(pkts[0], &first, last.ends);
	return taken;
}

uint16_t merge_segments(struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; kept++) {
		uint16_t taken = merge_run(&pkts[i], n - i);

		pkts[kept] = pkts[i];
		i += taken;
	}
	return kept;
}
