/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments put together for a guest: renicd/nic/merge.c. No lcores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "merge.h"
#include "offload.h"
#include "unit_eal.h"

enum { MBUFS = 255, N = 5, PAYLOAD = 1000, L2 = 14, HEADERS = L2 + 20 + 32, SEQ = 0xfffff800 };

static struct rte_mempool *pool;

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, L2);
}

static struct rte_tcp_hdr *tcp_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, L2 + 20);
}

static void sum(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = ip_of(m);
	struct rte_tcp_hdr *tcp = tcp_of(m);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
}

/* The i-th of a stream, with 12 bytes of options; its sequence number wraps. */
static struct rte_mbuf *segment(uint32_t i, uint32_t payload)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	bool fits = rte_pktmbuf_append(m, (uint16_t)(HEADERS + payload));
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv4_hdr *ip = ip_of(m);
	struct rte_tcp_hdr *tcp = tcp_of(m);

	assert_true(fits);
	memset(at, 0, HEADERS);
	at[0] = at[6] = 2;
	at[12] = 8;
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(HEADERS - L2 + payload)),
		.packet_id = rte_cpu_to_be_16((uint16_t)(7 + i)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = RTE_BE32(0x0a000001),
		.dst_addr = RTE_BE32(0x0a000002),
	};
	*tcp = (struct rte_tcp_hdr){
		.sent_seq = rte_cpu_to_be_32(SEQ + i * PAYLOAD),
		.recv_ack = RTE_BE32(5),
		.data_off = 0x80,
		.tcp_flags = RTE_TCP_ACK_FLAG,
		.rx_win = RTE_BE16(512),
	};
	memset(tcp + 1, 1, 12);
	for (uint32_t k = 0; k < payload; k++)
		at[HEADERS + k] = (uint8_t)(i * 31 + k);
	sum(m);
	return m;
}

static void make(struct rte_mbuf *pkts[N])
{
	for (uint32_t i = 0; i < N; i++)
		pkts[i] = segment(i, PAYLOAD);
}

static int setup(void **state)
{
	pool = rte_pktmbuf_pool_create(
		"merge", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	unsigned out = rte_mempool_in_use_count(pool);

	rte_mempool_free(pool);
	return out ? -1 : 0;
}

/* All but the identifications and the flag of the last: they are the sender's again. */
static void what_is_merged_comes_apart_into_what_it_was(void **state)
{
	struct rte_mbuf *pkts[N], *back[N], *as_sent[N];

	make(pkts);
	make(as_sent);
	tcp_of(pkts[N - 1])->tcp_flags |= RTE_TCP_PSH_FLAG;
	tcp_of(as_sent[N - 1])->tcp_flags |= RTE_TCP_PSH_FLAG;
	sum(pkts[N - 1]);
	sum(as_sent[N - 1]);
	assert_int_equal(merge_segments(pkts, N), 1);
	assert_int_equal(pkts[0]->pkt_len, HEADERS + N * PAYLOAD);
	assert_int_equal(rte_be_to_cpu_16(ip_of(pkts[0])->total_length), pkts[0]->pkt_len - L2);
	assert_int_equal(pkts[0]->tso_segsz, PAYLOAD);
	assert_true(offload_is_tso(pkts[0]));
	assert_int_equal(offload_segments(pkts[0]), N);
	assert_int_equal(offload_segment(pkts[0], 0, pool, back, N), N);
	for (int i = 0; i < N; i++) {
		uint8_t a[2048], b[2048];
		uint32_t len = as_sent[i]->pkt_len;

		assert_int_equal(back[i]->pkt_len, len);
		memcpy(b, rte_pktmbuf_read(as_sent[i], 0, len, b), len);
		memcpy(a, rte_pktmbuf_read(back[i], 0, len, a), len);
		assert_memory_equal(a, b, len);
	}
	rte_pktmbuf_free(pkts[0]);
	rte_pktmbuf_free_bulk(back, N);
	rte_pktmbuf_free_bulk(as_sent, N);
}

#define CHANGE(name, code)                                                                         \
	static void name(struct rte_mbuf *m)                                                       \
	{                                                                                          \
		code;                                                                              \
		sum(m);                                                                            \
	}
CHANGE(nothing, )
CHANGE(pushed, tcp_of(m)->tcp_flags |= RTE_TCP_PSH_FLAG)
CHANGE(fin, tcp_of(m)->tcp_flags |= RTE_TCP_FIN_FLAG)
CHANGE(syn, tcp_of(m)->tcp_flags |= RTE_TCP_SYN_FLAG)
CHANGE(congested, tcp_of(m)->tcp_flags |= RTE_TCP_CWR_FLAG)
CHANGE(other_port, tcp_of(m)->src_port++)
CHANGE(other_address, ip_of(m)->src_addr ^= RTE_BE32(1))
CHANGE(other_ack, tcp_of(m)->recv_ack ^= RTE_BE32(1))
CHANGE(other_window, tcp_of(m)->rx_win ^= RTE_BE16(1))
CHANGE(other_option, ((uint8_t *)(tcp_of(m) + 1))[11] ^= 1)
CHANGE(other_ttl, ip_of(m)->time_to_live--)
CHANGE(marked, ip_of(m)->type_of_service = 3)
CHANGE(other_mac, rte_pktmbuf_mtod(m, uint8_t *)[11] ^= 1)
CHANGE(gap, tcp_of(m)->sent_seq += RTE_BE32(1))
CHANGE(fragment, ip_of(m)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_MF_FLAG))
CHANGE(ip_options, ip_of(m)->version_ihl = 0x46)
CHANGE(udp, ip_of(m)->next_proto_id = IPPROTO_UDP)
CHANGE(ipv6, rte_pktmbuf_mtod(m, uint8_t *)[12] = 0x86)

static void bad_tcp_sum(struct rte_mbuf *m)
{
	tcp_of(m)->cksum ^= 1;
}

static void bad_ip_sum(struct rte_mbuf *m)
{
	ip_of(m)->hdr_checksum ^= 1;
}

static void bad_length(struct rte_mbuf *m)
{
	ip_of(m)->total_length = RTE_BE16(65535);
	ip_of(m)->hdr_checksum = 0;
	ip_of(m)->hdr_checksum = rte_ipv4_cksum(ip_of(m));
}

static void bad_offset(struct rte_mbuf *m)
{
	tcp_of(m)->data_off = 0x40;
}

static void padded(struct rte_mbuf *m)
{
	rte_pktmbuf_append(m, 4);
}

static void shared(struct rte_mbuf *m)
{
	rte_mbuf_refcnt_set(m, 2);
}

/* The second of five is changed: how many frames are left? 5 in a flow of their own: 1 + 1 + 3. */
static void only_neighbours_that_are_sound_and_alike_are_joined(void **state)
{
	static const struct {
		const char *name;
		void (*change)(struct rte_mbuf *m);
		uint16_t left;
	} rows[] = {
		{"nothing", nothing, 1},
		{"pushed", pushed, 2},
		{"fin", fin, 3},
		{"syn", syn, 3},
		{"congested", congested, 3},
		{"other port", other_port, 3},
		{"other address", other_address, 3},
		{"other ack", other_ack, 3},
		{"other window", other_window, 3},
		{"other option", other_option, 3},
		{"other ttl", other_ttl, 3},
		{"marked", marked, 3},
		{"other mac", other_mac, 3},
		{"gap", gap, 3},
		{"fragment", fragment, 3},
		{"ip options", ip_options, 3},
		{"udp", udp, 3},
		{"ipv6", ipv6, 3},
		{"bad tcp sum", bad_tcp_sum, 3},
		{"bad ip sum", bad_ip_sum, 3},
		{"bad length", bad_length, 3},
		{"bad offset", bad_offset, 3},
		{"padded", padded, 3},
		{"shared", shared, 3},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct rte_mbuf *pkts[N], *second;
		uint32_t bytes = 0, seen = 0;
		uint16_t left;

		make(pkts);
		second = pkts[1];
		rows[i].change(second);
		for (int k = 0; k < N; k++)
			bytes += pkts[k]->pkt_len - HEADERS;
		left = merge_segments(pkts, N);
		if (left != rows[i].left)
			fail_msg("%s: %u frames are left", rows[i].name, left);
		for (uint16_t k = 0; k < left; k++)
			seen += pkts[k]->pkt_len - HEADERS;
		assert_int_equal(seen, bytes);
		if (rows[i].change == shared)
			rte_mbuf_refcnt_set(second, 1);
		rte_pktmbuf_free_bulk(pkts, left);
	}
}

static void a_short_one_is_the_last_and_a_longer_one_begins_anew(void **state)
{
	struct rte_mbuf *pkts[] = {segment(0, PAYLOAD), segment(1, PAYLOAD / 2),
		segment(2, PAYLOAD), segment(3, PAYLOAD)};

	tcp_of(pkts[2])->sent_seq = rte_cpu_to_be_32(SEQ + PAYLOAD + PAYLOAD / 2);
	sum(pkts[2]);
	tcp_of(pkts[3])->sent_seq = rte_cpu_to_be_32(SEQ + 2 * PAYLOAD + PAYLOAD / 2);
	sum(pkts[3]);
	assert_int_equal(merge_segments(pkts, 4), 2);
	assert_int_equal(pkts[0]->pkt_len, HEADERS + PAYLOAD + PAYLOAD / 2);
	assert_int_equal(pkts[1]->pkt_len, HEADERS + 2 * PAYLOAD);
	rte_pktmbuf_free_bulk(pkts, 2);
}

static void a_merged_frame_is_no_longer_than_ip_can_say(void **state)
{
	struct rte_mbuf *pkts[70];
	uint16_t left, n = 70;

	for (uint16_t i = 0; i < n; i++)
		pkts[i] = segment(i, PAYLOAD);
	left = merge_segments(pkts, n);
	assert_int_equal(left, 2);
	for (uint16_t i = 0; i < left; i++)
		assert_true(pkts[i]->pkt_len <= OFFLOAD_FRAME_MAX);
	rte_pktmbuf_free_bulk(pkts, left);
}

static void cut_anywhere_it_is_passed_on_as_it_is(void **state)
{
	for (uint16_t len = 0; len < HEADERS + 1; len++) {
		struct rte_mbuf *pkts[] = {segment(0, PAYLOAD), segment(1, PAYLOAD)};

		rte_pktmbuf_trim(pkts[1], (uint16_t)(pkts[1]->data_len - len));
		assert_int_equal(merge_segments(pkts, 2), 2);
		assert_int_equal(pkts[1]->pkt_len, len);
		rte_pktmbuf_free_bulk(pkts, 2);
	}
}

#define MERGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		MERGE_TEST(what_is_merged_comes_apart_into_what_it_was),
		MERGE_TEST(only_neighbours_that_are_sound_and_alike_are_joined),
		MERGE_TEST(a_short_one_is_the_last_and_a_longer_one_begins_anew),
		MERGE_TEST(a_merged_frame_is_no_longer_than_ip_can_say),
		MERGE_TEST(cut_anywhere_it_is_passed_on_as_it_is),
	};

	int failed;

	if (unit_eal_init(argv[0]))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unit_eal_end();
	return failed;
}
