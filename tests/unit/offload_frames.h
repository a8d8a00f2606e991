/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of guests that leave checksums and segments to their NIC, and what is to become of them.
 */
#ifndef TESTS_OFFLOAD_FRAMES_H
#define TESTS_OFFLOAD_FRAMES_H

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "offload.h"

enum { MAX_FRAME = 1522 };

static inline uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* A frame of `payload` bytes as a guest sends it that leaves the rest to us: the checksum's field
 * is junk. version 4 or 6; tags: 0 or 1. */
static inline struct rte_mbuf *offload_frame(
	struct rte_mempool *pool, int version, uint8_t proto, int tags, uint32_t payload)
{
	uint8_t head[128] = {0}, *at = head + 12;
	uint32_t l4 = proto == IPPROTO_TCP ? 20 : 8, done = 0, headers;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;

	if (tags) {
		*at++ = 0x81;
		*at++ = 0;
		at += 2;
	}
	*at++ = version == 4 ? 0x08 : 0x86;
	*at++ = version == 4 ? 0x00 : 0xdd;
	if (version == 4) {
		struct rte_ipv4_hdr *ip = (void *)at;

		ip->version_ihl = 0x45;
		ip->total_length = rte_cpu_to_be_16((uint16_t)(20 + l4 + payload));
		ip->packet_id = rte_cpu_to_be_16(0xfffe);
		ip->time_to_live = 64;
		ip->next_proto_id = proto;
		ip->src_addr = RTE_BE32(0x0a000001);
		ip->dst_addr = RTE_BE32(0x0a000002);
		at += 20;
	} else {
		struct rte_ipv6_hdr *ip = (void *)at;

		ip->vtc_flow = RTE_BE32(0x60000000);
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(l4 + payload));
		ip->proto = proto;
		ip->src_addr[15] = 1;
		ip->dst_addr[15] = 2;
		at += 40;
	}
	if (proto == IPPROTO_TCP) {
		struct rte_tcp_hdr *tcp = (void *)at;

		tcp->sent_seq = RTE_BE32(0xfffffff0);
		tcp->data_off = 0x50;
		tcp->tcp_flags = 0x80 | 0x10 | 0x08 | 0x01;
		tcp->cksum = 0x1234;
	} else {
		struct rte_udp_hdr *udp = (void *)at;

		udp->dgram_len = rte_cpu_to_be_16((uint16_t)(8 + payload));
		udp->dgram_cksum = 0x1234;
	}
	headers = (uint32_t)(at + l4 - head);
	memcpy(rte_pktmbuf_append(m, (uint16_t)headers), head, headers);
	while (done < payload) {
		uint32_t n = RTE_MIN(payload - done, (uint32_t)rte_pktmbuf_tailroom(last));
		uint8_t *to;

		if (!n) {
			last = rte_pktmbuf_alloc(pool);
			rte_pktmbuf_chain(m, last);
			continue;
		}
		to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
		last = rte_pktmbuf_lastseg(m);
		for (uint32_t i = 0; i < n; i++)
			to[i] = pattern(done + i);
		done += n;
	}
	return m;
}

static inline enum drop_reason ask(struct rte_mbuf *m, uint16_t segment)
{
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE | (segment ? RTE_MBUF_F_RX_LRO : 0);
	m->tso_segsz = segment;
	return offload_from_guest(m, MAX_FRAME, OFFLOAD_IP_ANY);
}

/* Its checksums, verified by DPDK's own functions, and where its TCP payload begins. */
static inline const struct rte_tcp_hdr *verify(const struct rte_mbuf *m, uint32_t l2, int version)
{
	uint8_t bytes[2048];
	const uint8_t *l3 = bytes + l2;

	assert_true(m->pkt_len <= MAX_FRAME);
	assert_ptr_not_equal(rte_pktmbuf_read(m, 0, m->pkt_len, bytes), NULL);
	if (m->nb_segs == 1)
		memcpy(bytes, rte_pktmbuf_mtod(m, void *), m->pkt_len);
	if (version == 4) {
		const struct rte_ipv4_hdr *ip = (const void *)l3;

		assert_int_equal(rte_be_to_cpu_16(ip->total_length), m->pkt_len - l2);
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
		assert_int_equal(rte_ipv4_udptcp_cksum_verify(ip, l3 + 20), 0);
		return rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l2 + 20);
	}
	assert_int_equal(rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)l3)->payload_len),
		m->pkt_len - l2 - 40);
	assert_int_equal(rte_ipv6_udptcp_cksum_verify((const struct rte_ipv6_hdr *)l3, l3 + 40), 0);
	return rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l2 + 40);
}

#endif
