/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segments that guests leave to us: renicd/nic/offload.c. No lcores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "offload_frames.h"
#include "unit_eal.h"

enum { MBUFS = 1023 };

static struct rte_mempool *pool;

static void a_long_frame_becomes_segments_that_any_receiver_takes(void **state)
{
	static const uint32_t payloads[] = {1449, 2896, 2897, 10000, 60000};

	for (int version = 4; version <= 6; version += 2)
		for (int tags = 0; tags < 2; tags++)
			for (size_t p = 0; p < RTE_DIM(payloads); p++) {
				struct rte_mbuf *m = offload_frame(
					pool, version, IPPROTO_TCP, tags, payloads[p]);
				uint32_t l2 = 14 + 4 * (uint32_t)tags, seen = 0, wire = 0, n, total;

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
					wire += s->pkt_len;
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
				assert_int_equal(offload_wire_bytes(m), wire);
				m->ol_flags |= RTE_MBUF_F_TX_VLAN;
				assert_int_equal(offload_wire_bytes(m), wire + 4 * total);
				assert_int_equal(rte_vlan_insert(&m), 0);
				assert_int_equal(offload_wire_bytes(m), wire + 4 * total);
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
					struct rte_mbuf *m = offload_frame(
						pool, version, protos[p], tags, payload);
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

/* The least frame of Ethernet has 60 bytes, and no padding belongs to what is in it. */
static void a_padded_frame_gets_the_checksum_of_what_is_in_it(void **state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (int version = 4; version <= 6; version += 2)
		for (size_t p = 0; p < 2; p++)
			for (uint32_t payload = 0; payload < 18; payload++)
				for (uint32_t pad = 1; pad < 40; pad += 5) {
					struct rte_mbuf *m =
						offload_frame(pool, version, protos[p], 0, payload);
					uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);

					memset(rte_pktmbuf_append(m, (uint16_t)pad), 0x5a, pad);
					assert_int_equal(ask(m, 0), DROP_REASONS);
					offload_checksum(m);
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

	m = offload_frame(pool, 4, IPPROTO_UDP, 0, 4000); /* no segments of UDP */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	rte_pktmbuf_free(m);
	m = offload_frame(pool, 4, IPPROTO_TCP, 0, 4000);
	assert_int_equal(ask(m, OFFLOAD_SEGMENT_MIN - 1), DROP_BAD_OFFLOAD);
	assert_int_equal(ask(m, 1500), DROP_OVERSIZE);
	rte_pktmbuf_mtod(m, uint8_t *)[23] = 1; /* ICMP */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	rte_pktmbuf_free(m);
	m = offload_frame(pool, 4, IPPROTO_TCP, 0, 4000);
	rte_pktmbuf_mtod(m, uint8_t *)[0] = 1; /* to a group */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	assert_int_equal(ask(m, 0), DROP_REASONS);
	rte_pktmbuf_free(m);
	m = offload_frame(pool, 6, IPPROTO_TCP, 0, 4000);
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 40 + 12] = 0x10; /* a TCP header of 4 bytes */
	assert_int_equal(ask(m, 1400), DROP_BAD_OFFLOAD);
	rte_pktmbuf_free(m);
	m = offload_frame(pool, 4, IPPROTO_TCP, 0, 100);
	for (uint16_t len = 14; len < 54; len++) {
		m->data_len = len;
		m->pkt_len = len;
		assert_int_equal(ask(m, 0), DROP_BAD_OFFLOAD);
	}
	rte_pktmbuf_free(m);
}

static void a_frame_of_one_segment_needs_a_checksum_alone(void **state)
{
	struct rte_mbuf *m = offload_frame(pool, 4, IPPROTO_TCP, 0, 1400);

	assert_int_equal(ask(m, 1400), DROP_REASONS);
	assert_false(offload_is_tso(m));
	assert_true(offload_is_asked(m));
	rte_pktmbuf_free(m);
}

static void any_bytes_are_survived(void **state)
{
	srand(3);
	for (int i = 0; i < 50000; i++) {
		struct rte_mbuf *m = offload_frame(pool, i % 2 ? 4 : 6,
			i % 3 ? IPPROTO_TCP : IPPROTO_UDP, i % 5 == 0, (uint32_t)(rand() % 5000));
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
		cmocka_unit_test(a_padded_frame_gets_the_checksum_of_what_is_in_it),
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
