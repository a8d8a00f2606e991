/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segments that guests leave to us: renicd/nic/offload.c. No lcores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "offload.h"
#include "unit_eal.h"

enum { MBUFS = 1023, MAX_FRAME = 1522 };

static struct rte_mempool *pool;

static uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* A frame of `payload` bytes as a guest sends it that leaves the rest to us: the checksum's field
 * is junk. version 4 or 6; tags: 0 or 1. */
static struct rte_mbuf *frame(int version, uint8_t proto, int tags, uint32_t payload)
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

static enum drop_reason ask(struct rte_mbuf *m, uint16_t segment)
{
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE | (segment ? RTE_MBUF_F_RX_LRO : 0);
	m->tso_segsz = segment;
	return offload_from_guest(m, MAX_FRAME);
}

/* Its checksums, verified by DPDK's own functions, and where its TCP payload begins. */
static const struct rte_tcp_hdr *verify(const struct rte_mbuf *m, uint32_t l2, int version)
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

static void a_long_frame_becomes_segments_that_any_receiver_takes(void **state)
{
	static const uint32_t payloads[] = {1449, 2896, 2897, 10000, 60000};

	for (int version = 4; version <= 6; version += 2)
		for (int tags = 0; tags < 2; tags++)
			for (size_t p = 0; p < RTE_DIM(payloads); p++) {
				struct rte_mbuf *m = frame(version, IPPROTO_TCP, tags, payloads[p]);
				uint32_t l2 = 14 + 4 * (uint32_t)tags, seen = 0, n, total;

				assert_int_equal(ask(m, 1400), DROP_REASONS);
				assert_true(offload_is_tso(m));
				total = offload_segments(m);
				assert_int_equal(total, (payloads[p] + 1399) / 1400);
				for (n = 0; n < total; n++) {
					const struct rte_tcp_hdr *tcp;
					struct rte_mbuf *s;
					uint8_t flags = 0x10;

					assert_int_equal(offload_segment(m, n, pool, &s, 1), 1);
					assert_false(offload_is_asked(s));
					tcp = verify(s, l2, version);
					assert_int_equal(rte_be_to_cpu_32(tcp->sent_seq),
						(uint32_t)(0xfffffff0u + seen));
					flags |= n ? 0 : 0x80;
					flags |= n + 1 == total ? 0x09 : 0;
					assert_int_equal(tcp->tcp_flags, flags);
					for (const uint8_t *b = (const uint8_t *)(tcp + 1),
							   *end = rte_pktmbuf_mtod_offset(
								   s, const uint8_t *, s->data_len);
						b < end; b++)
						assert_int_equal(*b, pattern(seen++));
					rte_pktmbuf_free(s);
				}
				assert_int_equal(seen, payloads[p]);
				rte_pktmbuf_free(m);
			}
}

static void a_checksum_is_filled_in(void **state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (int version = 4; version <= 6; version += 2)
		for (int tags = 0; tags < 2; tags++)
			for (size_t p = 0; p < 2; p++)
				for (uint32_t payload = 0; payload < 40; payload++) {
					uint32_t l2 = 14 + 4 * (uint32_t)tags;
					struct rte_mbuf *m =
						frame(version, protos[p], tags, payload);
					uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, l2);

					assert_int_equal(ask(m, 0), DROP_REASONS);
					assert_true(offload_is_asked(m));
					offload_checksum(m);
					assert_false(offload_is_asked(m));
					if (version == 4)
						assert_int_equal(rte_ipv4_udptcp_cksum_verify(
									 (void *)l3, l3 + 20),
							0);
					else
						assert_int_equal(rte_ipv6_udptcp_cksum_verify(
									 (void *)l3, l3 + 40),
							0);
					rte_pktmbuf_free(m);
				}
}

static void requests_that_headers_do_not_allow_are_told(void **state)
{
	struct rte_mbuf *m;

	m = frame(4, IPPROTO_UDP, 0, 4000); /* no segments of UDP */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	rte_pktmbuf_free(m);
	m = frame(4, IPPROTO_TCP, 0, 4000);
	assert_int_equal(ask(m, OFFLOAD_SEGMENT_MIN - 1), DROP_BAD_OFFLOAD);
	assert_int_equal(ask(m, 1500), DROP_OVERSIZE);
	rte_pktmbuf_mtod(m, uint8_t *)[23] = 1; /* ICMP */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	rte_pktmbuf_free(m);
	m = frame(6, IPPROTO_TCP, 0, 4000);
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 40 + 12] = 0x10; /* a TCP header of 4 bytes */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	rte_pktmbuf_free(m);
	m = frame(4, IPPROTO_TCP, 0, 100);
	for (uint16_t len = 14; len < 54; len++) {
		m->data_len = len;
		m->pkt_len = len;
		assert_int_equal(ask(m, 0), DROP_BAD_OFFLOAD);
	}
	rte_pktmbuf_free(m);
}

static void a_frame_of_one_segment_needs_a_checksum_alone(void **state)
{
	struct rte_mbuf *m = frame(4, IPPROTO_TCP, 0, 1400);

	assert_int_equal(ask(m, 1400), DROP_REASONS);
	assert_false(offload_is_tso(m));
	assert_true(offload_is_asked(m));
	rte_pktmbuf_free(m);
}

static void any_bytes_are_survived(void **state)
{
	srand(3);
	for (int i = 0; i < 50000; i++) {
		struct rte_mbuf *m = frame(i % 2 ? 4 : 6, i % 3 ? IPPROTO_TCP : IPPROTO_UDP,
			i % 5 == 0, (uint32_t)(rand() % 5000));
		uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);
		struct rte_mbuf *s;

		for (int n = rand() % 4; n >= 0; n--)
			bytes[12 + rand() % 60] = (uint8_t)rand();
		if (ask(m, i % 4 ? (uint16_t)rand() : 0) == DROP_REASONS) {
			if (offload_is_tso(m)) {
				uint32_t last = offload_segments(m) - 1;

				if (offload_segment(m, last, pool, &s, 1))
					rte_pktmbuf_free(s);
			} else if (offload_is_asked(m)) {
				offload_checksum(m);
			}
		}
		rte_pktmbuf_free(m);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_frame_becomes_segments_that_any_receiver_takes),
		cmocka_unit_test(a_checksum_is_filled_in),
		cmocka_unit_test(requests_that_headers_do_not_allow_are_told),
		cmocka_unit_test(a_frame_of_one_segment_needs_a_checksum_alone),
		cmocka_unit_test(any_bytes_are_survived),
	};

	int failed;

	if (unit_eal_init(argv[0]))
		return 1;
	pool = rte_pktmbuf_pool_create(
		"offload", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	failed = pool ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	unit_eal_end();
	return failed;
}
