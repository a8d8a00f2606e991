/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What leaves the egress log is what was put in, and may be asked for again until it has left:
 * renicd/nic/egress_log_append.c, egress_log_release.c.
 */
#include "egress_log_fixture.h"

/* ---- frames ---- */

static void random_frames_come_back_byte_for_byte(void **state)
{
	enum { N = 100 };
	struct frame frames[N];
	struct rte_mbuf *pkts[N];
	uint16_t flags[N];

	egress_log_open(log_, 1);
	for (int round = 0; round < 20; round++) {
		assert_true(egress_log_reserve(log_, N, FRAME_MAX));
		for (int i = 0; i < N; i++) {
			frames[i] = (struct frame){
				.number = random_below(1 << 20), .len = random_len()};
			frame_append(log_, &frames[i], 1 + random_below(6), now);
		}
		egress_log_seal(log_);
		egress_log_commit(log_, (uint64_t)round + 1);
		assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, pkts, flags, N), N);
		for (int i = 0; i < N; i++)
			frame_check(&frames[i], pkts[i], flags[i]);
		rte_pktmbuf_free_bulk(pkts, N);
		egress_log_advance(log_, N);
	}
}

static void offload_vlan_and_flags_survive(void **state)
{
	static const struct frame frames[] = {
		{.number = 1, .len = 60},
		{.number = 2, .len = 60, .ol_flags = RTE_MBUF_F_TX_VLAN, .vlan_tci = 0xe123},
		{.number = 3,
			.len = 1514,
			.tx_offload = 0x123456789abcdef,
			.ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 |
				    RTE_MBUF_F_TX_IP_CKSUM},
		{.number = 4,
			.len = 200,
			.tx_offload = 14 | 20 << 7,
			.vlan_tci = 7,
			.flags = EGRESS_RECORD_SKIP_GROUP,
			.ol_flags =
				RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM},
		{.number = 5, .len = 257, .flags = EGRESS_RECORD_SKIP_GROUP},
		{.number = 6,
			.len = 9022,
			.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE,
			.tx_offload = UINT64_MAX},
	};
	enum { N = sizeof(frames) / sizeof(frames[0]) };
	struct rte_mbuf *pkts[N];
	uint16_t flags[N];

	assert_true(egress_log_reserve(log_, N, FRAME_MAX));
	for (int i = 0; i < N; i++)
		frame_append(log_, &frames[i], 1, now);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, pkts, flags, N), N);
	for (int i = 0; i < N; i++)
		frame_check(&frames[i], pkts[i], flags[i]);
	rte_pktmbuf_free_bulk(pkts, N);
	egress_log_advance(log_, N);
}

static void frames_that_lie_outside_their_mbuf_are_copied_without_its_layout(void **state)
{
	static struct rte_mbuf_ext_shared_info shinfo;
	struct frame f = {.number = 9, .len = 1000};
	struct rte_mbuf *m = rte_pktmbuf_alloc(guest_pool), *out;
	uint16_t flags;

	rte_mbuf_ext_refcnt_set(&shinfo, 2);
	rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)frame_bytes(&f), 0, 1000, &shinfo);
	m->pkt_len = m->data_len = 1000;
	assert_true(egress_log_reserve(log_, 1, 1000));
	egress_log_append(log_, m, 0, now);
	rte_pktmbuf_free(m);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, &out, &flags, 1), 1);
	assert_int_equal(flags & EGRESS_RECORD_OFFLOAD, 0);
	frame_check(&f, out, flags);
	rte_pktmbuf_free(out);
	egress_log_advance(log_, 1);
}

static void the_longest_frame_fits(void **state)
{
	static uint8_t bytes[EGRESS_FRAME_MAX];
	static struct rte_mbuf_ext_shared_info shinfo;
	struct rte_mbuf *m, *out;
	uint16_t flags;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = noise[i];
	assert_false(egress_log_reserve(log_, 1, EGRESS_FRAME_MAX + 1));
	for (int i = 0; i < 100; i++) {
		m = rte_pktmbuf_alloc(guest_pool);
		rte_mbuf_ext_refcnt_set(&shinfo, 2);
		rte_pktmbuf_attach_extbuf(m, bytes, 0, sizeof(bytes), &shinfo);
		m->pkt_len = m->data_len = sizeof(bytes);
		assert_true(egress_log_reserve(log_, 1, EGRESS_FRAME_MAX));
		egress_log_append(log_, m, 0, now);
		rte_pktmbuf_free(m);
	}
	for (int i = 0; i < 100; i++) {
		assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, &out, &flags, 1), 1);
		assert_int_equal(out->pkt_len, sizeof(bytes));
		assert_memory_equal(rte_pktmbuf_mtod(out, void *), bytes, sizeof(bytes));
		rte_pktmbuf_free(out);
		egress_log_advance(log_, 1);
	}
}

static void a_64_byte_frame_costs_at_most_96_bytes(void **state)
{
	struct frame plain = {.number = 1, .len = 64};
	struct frame offload = {.number = 2, .len = 64, .ol_flags = RTE_MBUF_F_TX_TCP_CKSUM};
	enum { N = 10000 };

	egress_log_open(log_, 1);
	for (int i = 0; i < N; i++) {
		assert_true(egress_log_reserve(log_, 1, 64));
		frame_append(log_, i % 2 ? &plain : &offload, 1, now);
	}
	assert_in_range(log_->state->tail - log_->state->released, 64 * N, 96 * N);
	append(SEGMENTS, 64);
	assert_in_range(used_segments() * LOG_SEGMENT_BYTES, 0, 96 * N + LOG_SEGMENT_BYTES);
}

/* ---- peek and advance ---- */

static void peek_again_gives_the_same_frames(void **state)
{
	struct rte_mbuf *pkts[64];
	uint16_t flags[64];

	for (int i = 0; i < 64; i++)
		append(1, random_len());
	for (int round = 0; round < 3; round++) {
		assert_int_equal(
			egress_log_peek(log_, data_pool, attach_pool, pkts, flags, 64), 64);
		for (uint32_t i = 0; i < 64; i++) {
			struct frame f = frame_numbered(i);

			frame_check(&f, pkts[i], flags[i]);
		}
		rte_pktmbuf_free_bulk(pkts, 64);
		pools_check();
	}
	assert_int_equal(egress_log_held_pkts(log_), 64);
	assert_int_equal(release_all(), 64);
}

static void a_burst_taken_in_part_goes_on_behind_that_part(void **state)
{
	struct rte_mbuf *pkts[32];
	uint16_t flags[32];

	append(32, 1000);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, pkts, flags, 32), 32);
	/* The uplink takes 12 now and, of the same burst, 11 later. */
	egress_log_advance(log_, 12);
	egress_log_advance(log_, 11);
	rte_pktmbuf_free_bulk(pkts, 32);
	next_out = 23;
	assert_int_equal(release_all(), 9);
}

static void advance_stops_at_what_is_committed(void **state)
{
	egress_log_open(log_, 1);
	append(3, 64);
	egress_log_seal(log_);
	append(3, 64);
	egress_log_commit(log_, 1);
	egress_log_advance(log_, 100);
	assert_int_equal(egress_log_held_pkts(log_), 3);
	assert_int_equal(log_->state->released, log_->state->committed);
}

static struct rte_mbuf *hoard[2048];

/* Leaves `left` mbufs in a pool; returns how many were taken away. */
static unsigned hoard_mbufs(struct rte_mempool *from, unsigned left)
{
	unsigned n = 0;

	while (rte_mempool_avail_count(from) > left)
		hoard[n++] = rte_pktmbuf_alloc(from);
	return n;
}

static void short_of_mbufs_peek_gives_fewer_in_order(void **state)
{
	unsigned hoarded;

	for (int i = 0; i < 8; i++) {
		append(4, 64);
		append(4, 1500);
	}
	hoarded = hoard_mbufs(data_pool, 0);
	assert_int_equal(release_all(), 0); /* a small frame is first */
	rte_pktmbuf_free_bulk(hoard, hoarded);
	hoarded = hoard_mbufs(attach_pool, 0);
	assert_int_equal(release_all(), 4);
	rte_pktmbuf_free_bulk(hoard, hoarded);
	hoarded = hoard_mbufs(attach_pool, 6);
	assert_int_equal(release(64), 60); /* six at a time, freed in between */
	rte_pktmbuf_free_bulk(hoard, hoarded);
}

static void small_frames_are_copied_and_larger_ones_attached(void **state)
{
	struct rte_mbuf *pkts[2];
	uint16_t flags[2];

	append(1, EGRESS_COPY_MAX);
	append(1, EGRESS_COPY_MAX + 1);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, pkts, flags, 2), 2);
	assert_true(RTE_MBUF_DIRECT(pkts[0]));
	assert_ptr_equal(pkts[0]->pool, data_pool);
	assert_true(RTE_MBUF_HAS_EXTBUF(pkts[1]));
	assert_ptr_equal(pkts[1]->pool, attach_pool);
	rte_pktmbuf_free_bulk(pkts, 2);
}

static void attached_mbufs_keep_a_segment_after_advance(void **state)
{
	struct rte_mbuf *pkts[4];
	struct frame f = {.number = 0, .len = 2000};
	uint16_t flags[4];

	append(4, 2000);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, pkts, flags, 4), 4);
	egress_log_advance(log_, 4);
	assert_true(egress_log_is_empty(log_));
	assert_int_equal(used_segments(), 1); /* the driver still reads from it */
	append(100, 2000);		      /* must not overwrite what it reads */
	assert_int_equal(used_segments(), 2);
	for (; f.number < 4; f.number++)
		frame_check(&f, pkts[f.number], flags[f.number]);
	rte_pktmbuf_free_bulk(pkts, 3);
	assert_int_equal(used_segments(), 2);
	rte_pktmbuf_free(pkts[3]);
	assert_int_equal(used_segments(), 1);
	next_out = 4;
	assert_int_equal(release_all(), 100);
}

static void attached_mbufs_hold_the_segment_that_they_point_into(void **state)
{
	enum { LEN = 4096 - 16, N = LOG_SEGMENT_BYTES / 4096 };
	struct rte_mbuf *pkts[N];
	uint16_t flags[N];

	append(N, LEN); /* fills the first segment to its last byte */
	append(1, LEN);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, pkts, flags, N), N);
	assert_int_equal(log_pool_refs(pool, log_->segments[0]), 1 + N);
	assert_int_equal(log_pool_refs(pool, log_->segments[1]), 1);
	egress_log_advance(log_, N);
	assert_int_equal(used_segments(), 2);
	rte_pktmbuf_free_bulk(pkts, N);
	assert_int_equal(used_segments(), 1);
	next_out = N;
	assert_int_equal(release_all(), 1);
}

static void references_to_a_segment_stay_below_their_counters_limit(void **state)
{
	struct rte_mbuf *out;
	uint16_t flags;

	append(1, 2000);
	log_pool_hold(pool, log_->segments[0], LOG_SEGMENT_REFS_MAX - 1);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, &out, &flags, 1), 0);
	for (int i = 0; i < LOG_SEGMENT_REFS_MAX - 1; i++)
		log_pool_release(pool, log_->segments[0]);
	assert_int_equal(release_all(), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(random_frames_come_back_byte_for_byte),
		LOG_TEST(offload_vlan_and_flags_survive),
		LOG_TEST(frames_that_lie_outside_their_mbuf_are_copied_without_its_layout),
		LOG_TEST(the_longest_frame_fits),
		LOG_TEST(a_64_byte_frame_costs_at_most_96_bytes),
		LOG_TEST(peek_again_gives_the_same_frames),
		LOG_TEST(a_burst_taken_in_part_goes_on_behind_that_part),
		LOG_TEST(advance_stops_at_what_is_committed),
		LOG_TEST(short_of_mbufs_peek_gives_fewer_in_order),
		LOG_TEST(small_frames_are_copied_and_larger_ones_attached),
		LOG_TEST(attached_mbufs_keep_a_segment_after_advance),
		LOG_TEST(attached_mbufs_hold_the_segment_that_they_point_into),
		LOG_TEST(references_to_a_segment_stay_below_their_counters_limit),
	};
	int failed;

	if (log_tests_start(argv[0]) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_tests_end();
	return failed;
}
