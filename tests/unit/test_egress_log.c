/* SPDX-License-Identifier: BSD-3-Clause */
/* The egress log's rules, one by one: renicd/nic/egress_log.c, egress_log_release.c. */
#include <errno.h>

#include "egress_fixture.h"

enum {
	SEGMENTS = 8,
	QUOTA = 6,
	LOG_INDEX = 5,
};

static struct log_pool *pool;
static struct egress_log the_log, *const log_ = &the_log;
static uint32_t next_number;   /* of the frame appended next */
static uint32_t next_out;      /* of the frame that must leave next */
static uint32_t lens[1 << 16]; /* by number */
static uint64_t now;	       /* TSC as the test has it */
static uint64_t ol_flags;      /* of all frames */

/* ---- steps ---- */

static struct frame frame_numbered(uint32_t number)
{
	return (struct frame){.number = number, .len = lens[number], .ol_flags = ol_flags};
}

static bool try_append(uint32_t len)
{
	struct frame f;

	if (!egress_log_reserve(log_, 1, len))
		return false;
	lens[next_number] = len;
	f = frame_numbered(next_number++);
	frame_append(log_, &f, 1, now);
	return true;
}

static void append(uint32_t n, uint32_t len)
{
	while (n--)
		assert_true(try_append(len));
}

static uint64_t used_segments(void)
{
	return SEGMENTS - log_pool_free_count(pool);
}

/* Peek up to max frames, check them and let them leave. Returns how many. */
static uint32_t release(uint32_t max)
{
	struct rte_mbuf *pkts[PEEK_MAX];
	uint16_t flags[PEEK_MAX];
	uint32_t total = 0;
	uint16_t n;

	do {
		uint32_t want = RTE_MIN(max - total, (uint32_t)PEEK_MAX);

		n = egress_log_peek(log_, data_pool, attach_pool, pkts, flags, (uint16_t)want);
		for (uint16_t i = 0; i < n; i++) {
			struct frame f = frame_numbered(next_out++);

			frame_check(&f, pkts[i], flags[i]);
		}
		rte_pktmbuf_free_bulk(pkts, n);
		egress_log_advance(log_, n);
		total += n;
	} while (n && total < max);
	return total;
}

static uint32_t release_all(void)
{
	return release(UINT32_MAX);
}

static int log_setup(void **state)
{
	pool = log_pool_create(unit_path("log"), SEGMENTS, 1, false);
	next_number = next_out = 0;
	now = 1000;
	ol_flags = 0;
	return pool ? egress_log_init(log_, pool, LOG_INDEX, QUOTA * (uint64_t)LOG_SEGMENT_BYTES)
		    : -1;
}

static int log_teardown(void **state)
{
	egress_log_fini(log_);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
	log_pool_destroy(pool);
	pools_check();
	return 0;
}

/* ---- hold and commit ---- */

static void nothing_is_released_before_its_commit(void **state)
{
	egress_log_open(log_, 1);
	append(100, 64);
	assert_false(egress_log_has_committed(log_));
	assert_int_equal(release_all(), 0);
	egress_log_seal(log_);
	append(50, 64);
	assert_false(egress_log_has_committed(log_));
	assert_int_equal(release_all(), 0);
	assert_int_equal(egress_log_held_pkts(log_), 150);
}

static void commit_releases_only_sealed_epochs(void **state)
{
	egress_log_open(log_, 1);
	append(10, 64);
	egress_log_seal(log_);
	append(20, 1500);
	egress_log_seal(log_);
	append(40, 9022);
	egress_log_commit(log_, 1);
	assert_int_equal(release_all(), 10);
	egress_log_commit(log_, 3); /* open: not sealed */
	assert_int_equal(release_all(), 0);
	egress_log_commit(log_, 2);
	assert_int_equal(release_all(), 20);
	assert_int_equal(egress_log_held_pkts(log_), 40);
	assert_int_equal(egress_log_held_bytes(log_), 40 * 9022);
}

static void commit_covers_all_older_epochs(void **state)
{
	egress_log_open(log_, 1);
	for (int epoch = 1; epoch <= 5; epoch++) {
		append(7, 200);
		egress_log_seal(log_);
	}
	egress_log_commit(log_, 4);
	egress_log_commit(log_, 2); /* older: nothing changes */
	assert_int_equal(release_all(), 4 * 7);
	egress_log_commit(log_, 4);
	assert_int_equal(release_all(), 0);
	egress_log_commit(log_, 5);
	assert_int_equal(release_all(), 7);
}

static void as_many_epochs_as_allowed_may_be_in_flight(void **state)
{
	egress_log_open(log_, 1);
	for (int round = 0; round < 3; round++) {
		uint64_t first = (uint64_t)round * (EPOCHS_IN_FLIGHT_MAX - 1) + 1;

		for (int i = 0; i < EPOCHS_IN_FLIGHT_MAX - 1; i++) {
			append(3, 100);
			egress_log_seal(log_);
		}
		for (uint64_t e = first; e < first + EPOCHS_IN_FLIGHT_MAX - 1; e++) {
			egress_log_commit(log_, e);
			assert_int_equal(release_all(), 3);
		}
	}
}

static void empty_epochs_can_be_sealed_and_committed(void **state)
{
	egress_log_open(log_, 1);
	for (int i = 0; i < 100; i++)
		egress_log_seal(log_);
	append(1, 64);
	egress_log_seal(log_); /* epoch 101 */
	egress_log_seal(log_);
	egress_log_commit(log_, 100);
	assert_int_equal(release_all(), 0);
	egress_log_commit(log_, 102);
	assert_int_equal(release_all(), 1);
}

static void commit_of_an_epoch_sealed_before_the_log_drained_is_harmless(void **state)
{
	egress_log_open(log_, 1);
	append(5, 64);
	egress_log_seal(log_); /* 1 */
	egress_log_seal(log_); /* 2: empty */
	egress_log_commit(log_, 1);
	assert_int_equal(release_all(), 5); /* drains; the offsets go on in the next part */
	append(5, 64);			    /* 3, open */
	egress_log_commit(log_, 2);
	assert_false(egress_log_has_committed(log_));
	assert_int_equal(release_all(), 0);
	egress_log_seal(log_);
	egress_log_commit(log_, 3);
	assert_int_equal(release_all(), 5);
}

static void commit_of_an_epoch_long_gone_does_not_commit_a_later_one(void **state)
{
	egress_log_open(log_, 1);
	for (uint64_t e = 1; e <= EPOCHS_IN_FLIGHT_MAX; e++) {
		append(1, 64);
		egress_log_seal(log_);
		egress_log_commit(log_, e);
	}
	assert_int_equal(release_all(), EPOCHS_IN_FLIGHT_MAX);
	append(1, 64);
	egress_log_seal(log_); /* remembered where epoch 1 was */
	egress_log_commit(log_, 1);
	assert_false(egress_log_has_committed(log_));
	egress_log_commit(log_, EPOCHS_IN_FLIGHT_MAX + 1);
	assert_int_equal(release_all(), 1);
}

static void commit_after_the_end_of_protection_does_nothing(void **state)
{
	egress_log_open(log_, 1);
	append(2, 64);
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	append(2, 64);
	egress_log_seal(log_);
	assert_int_equal(egress_log_discard(log_), 2);
	egress_log_commit(log_, 2); /* its end is beyond tail now */
	assert_int_equal(log_->state->committed, log_->state->tail);
	assert_int_equal(release_all(), 2);
}

static void seal_and_commit_without_protection_do_nothing(void **state)
{
	append(3, 64);
	egress_log_seal(log_);
	egress_log_commit(log_, 0);
	egress_log_commit(log_, 1);
	assert_int_equal(log_->state->epoch, 0);
	assert_int_equal(release_all(), 3);
}

static void an_epoch_across_segments_leaves_whole_and_in_order(void **state)
{
	uint32_t n = 0;

	egress_log_open(log_, 1);
	while (used_segments() < 4) {
		append(1, random_len());
		n++;
	}
	egress_log_seal(log_);
	append(10, 1000);
	egress_log_commit(log_, 1);
	assert_int_equal(release_all(), n);
	assert_int_equal(egress_log_held_pkts(log_), 10);
}

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

/* ---- space ---- */

static void no_segment_is_held_by_an_empty_log(void **state)
{
	assert_int_equal(used_segments(), 0);
	append(1, 64);
	assert_int_equal(used_segments(), 1);
	assert_int_equal(release_all(), 1);
	assert_int_equal(used_segments(), 0);
	/* Reserved, but the guest had nothing. */
	assert_true(egress_log_reserve(log_, 1000, 9022));
	assert_int_equal(used_segments(), 5);
	egress_log_trim(log_);
	assert_int_equal(used_segments(), 0);
	append(2, 64);
	egress_log_trim(log_); /* holds frames: nothing changes */
	assert_int_equal(release_all(), 2);
	/* Reserved far more than used: all goes back with the last frame. */
	assert_true(egress_log_reserve(log_, 1000, 9022));
	append(1, 64);
	assert_int_equal(release_all(), 1);
	assert_int_equal(used_segments(), 0);
}

static void released_segments_go_back_before_the_log_is_empty(void **state)
{
	egress_log_open(log_, 1);
	while (used_segments() < 5)
		append(1, 9022);
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	assert_int_equal(release(4 * (LOG_SEGMENT_BYTES / 9040)), 4 * (LOG_SEGMENT_BYTES / 9040));
	append(1, 64);
	assert_int_equal(release(1), 1);
	assert_int_equal(used_segments(), 1);
}

static void the_segment_freed_last_is_used_first(void **state)
{
	const uint8_t *first;

	append(1, 64);
	first = log_->write - 80;
	assert_int_equal(release_all(), 1);
	for (int i = 0; i < 100; i++) {
		append(1, 64);
		assert_ptr_equal(log_->write - 80, first); /* same lines of cache */
		assert_int_equal(release_all(), 1);
	}
}

static void quota_bounds_a_log_and_it_recovers(void **state)
{
	uint32_t n;

	egress_log_open(log_, 1);
	for (n = 0; try_append(9000); n++)
		;
	assert_in_range(n, (QUOTA - 1) * 232, QUOTA * 232); /* 232 to a segment */
	assert_int_equal(used_segments(), QUOTA);
	assert_false(egress_log_reserve(log_, 1, 9000));
	assert_false(egress_log_reserve(log_, 32, 9000));
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	assert_int_equal(release(300), 300);
	append(200, 9000);
	egress_log_seal(log_);
	egress_log_commit(log_, 2);
	assert_int_equal(release_all(), n - 300 + 200);
}

static void an_exhausted_pool_refuses_and_takes_nothing(void **state)
{
	struct egress_log other;
	uint32_t left;

	assert_int_equal(egress_log_init(&other, pool, LOG_INDEX + 1, UINT64_MAX), 0);
	assert_true(egress_log_reserve(&other, 700, 9000)); /* 4 segments */
	left = log_pool_free_count(pool);
	assert_int_equal(left, SEGMENTS - 4);
	assert_false(egress_log_reserve(log_, 1100, 9000)); /* 5 segments */
	assert_int_equal(log_pool_free_count(pool), left);
	append(10, 9000);
	assert_false(egress_log_reserve(log_, 1000, 9000));
	egress_log_fini(&other);
	assert_true(egress_log_reserve(log_, 1000, 9000));
	assert_int_equal(release_all(), 10);
}

static void what_was_reserved_can_be_appended_whatever_the_sizes(void **state)
{
	ol_flags = RTE_MBUF_F_TX_TCP_CKSUM; /* the longest records */
	egress_log_open(log_, 1);
	for (int round = 0; round < 300; round++) {
		uint32_t n = 1 + random_below(64), max = FRAME_MIN + random_below(9009);
		uint64_t segments;

		if (!egress_log_reserve(log_, n, max)) {
			egress_log_seal(log_);
			egress_log_commit(log_, log_->state->epoch - 1);
			release_all();
			assert_true(egress_log_reserve(log_, n, max));
		}
		segments = used_segments();
		for (uint32_t i = 0; i < n; i++) {
			struct frame f;

			lens[next_number] =
				random_below(2) ? max : FRAME_MIN + random_below(max - 13);
			f = frame_numbered(next_number++);
			frame_append(log_, &f, 1, now);
		}
		assert_int_equal(used_segments(), segments);
	}
}

static void half_the_quota_always_fits_into_an_empty_log(void **state)
{
	static const uint32_t lens_[] = {14, 64, 1500, 9022, 60000, EGRESS_FRAME_MAX};

	for (size_t i = 0; i < sizeof(lens_) / sizeof(lens_[0]); i++) {
		uint32_t half = QUOTA * LOG_SEGMENT_BYTES / 2;

		assert_true(egress_log_reserve(log_, half / (lens_[i] + 48), lens_[i]));
		egress_log_trim(log_);
	}
	assert_true(egress_log_reserve(log_, 0, 9022));
	assert_int_equal(used_segments(), 0);
}

/* ---- end of protection ---- */

static void commit_all_releases_everything_and_later_frames_at_once(void **state)
{
	egress_log_open(log_, 1);
	append(5, 64);
	egress_log_seal(log_);
	append(5, 1000);
	egress_log_commit_all(log_);
	append(5, 64); /* behind them, while they drain */
	assert_int_equal(release(3), 3);
	append(5, 64);
	assert_int_equal(release_all(), 17);
	append(1, 64);
	assert_int_equal(release_all(), 1);
}

static void discard_drops_the_uncommitted_and_keeps_the_committed(void **state)
{
	egress_log_open(log_, 1);
	append(6, 500);
	egress_log_seal(log_);
	append(7, 600);
	egress_log_seal(log_);
	append(8, 700);
	egress_log_commit(log_, 1);
	assert_int_equal(release(2), 2);
	assert_int_equal(egress_log_discard(log_), 15);
	assert_int_equal(egress_log_held_pkts(log_), 4);
	assert_int_equal(egress_log_held_bytes(log_), 4 * 500);
	assert_int_equal(release(3), 3);
	next_number = 6; /* the numbers of the discarded are used again */
	append(9, 800);
	assert_int_equal(release_all(), 10);
}

static void discard_of_an_unreleased_log_gives_all_back(void **state)
{
	egress_log_open(log_, 1);
	while (used_segments() < 4)
		append(1, 9022);
	assert_int_equal(egress_log_discard(log_), next_number);
	assert_int_equal(used_segments(), 0);
	assert_true(egress_log_is_empty(log_));
	assert_int_equal(egress_log_discard(log_), 0);
}

static void discard_gives_back_segments_behind_the_committed(void **state)
{
	uint32_t committed;

	egress_log_open(log_, 1);
	while (used_segments() < 3)
		append(1, 9022);
	committed = next_number;
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	while (used_segments() < 6)
		append(1, 9022);
	assert_int_equal(egress_log_discard(log_), next_number - committed);
	assert_int_equal(used_segments(), 3);
	next_number = committed;
	append(300, 9022); /* goes on in the middle of the third, and further */
	assert_int_equal(release_all(), committed + 300);
}

static void discard_at_a_segments_very_end_goes_on_in_the_next(void **state)
{
	enum { LEN = 4096 - 16, N = LOG_SEGMENT_BYTES / 4096 };

	egress_log_open(log_, 1);
	append(N, LEN); /* fills one segment exactly */
	assert_int_equal(log_->state->tail, LOG_SEGMENT_BYTES);
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	append(N / 2, LEN);
	assert_int_equal(egress_log_discard(log_), N / 2);
	assert_int_equal(used_segments(), 1);
	next_number = N;
	append(3, LEN);
	assert_int_equal(release_all(), N + 3);
}

static void an_earlier_terms_ends_commit_nothing_in_a_later_one(void **state)
{
	egress_log_open(log_, 1);
	append(1, 64);
	egress_log_seal(log_); /* 1 */
	append(500, 64);
	for (int i = 0; i < 4; i++)
		egress_log_seal(log_); /* 2 to 5, ends far behind */
	egress_log_commit(log_, 1);
	assert_int_equal(egress_log_discard(log_), 500); /* frame 0 is still to leave */
	next_number = 1;
	egress_log_open(log_, 10);
	append(1000, 64); /* past the old ends */
	egress_log_seal(log_);
	for (uint64_t e = 0; e < 10; e++)
		egress_log_commit(log_, e);
	assert_int_equal(release_all(), 1);
	egress_log_commit(log_, 10);
	assert_int_equal(release_all(), 1000);
}

static void protection_may_start_while_committed_frames_wait(void **state)
{
	append(10, 300);
	egress_log_open(log_, 1);
	append(10, 300);
	egress_log_seal(log_);
	append(10, 300);
	assert_int_equal(release_all(), 10);
	egress_log_commit(log_, 1);
	assert_int_equal(release(5), 5);
	egress_log_commit_all(log_);
	egress_log_open(log_, 1);
	append(10, 300);
	assert_int_equal(release_all(), 15);
	assert_int_equal(egress_log_held_pkts(log_), 10);
}

/* ---- what others see ---- */

static void age_is_that_of_the_oldest_held_frame(void **state)
{
	assert_int_equal(egress_log_oldest_tsc(log_), 0);
	egress_log_open(log_, 1);
	now = 100;
	append(5, 64);
	now = 200;
	append(5, 64);
	assert_int_equal(egress_log_oldest_tsc(log_), 100);
	egress_log_seal(log_);
	egress_log_seal(log_); /* an empty epoch has no age */
	now = 300;
	append(5, 64);
	egress_log_seal(log_);
	now = 400;
	append(5, 64);
	egress_log_commit(log_, 3);
	assert_int_equal(release(9), 9);
	assert_int_equal(egress_log_oldest_tsc(log_), 100);
	assert_int_equal(release(1), 1);
	assert_int_equal(egress_log_oldest_tsc(log_), 300);
	assert_int_equal(release_all(), 5);
	assert_int_equal(egress_log_oldest_tsc(log_), 400);
	egress_log_commit_all(log_);
	assert_int_equal(release_all(), 5);
	assert_int_equal(egress_log_oldest_tsc(log_), 0);
	now = 500;
	append(1, 64);
	assert_int_equal(egress_log_oldest_tsc(log_), 500);
}

static void age_of_a_log_that_never_drains_stays_near_the_truth(void **state)
{
	/* Unprotected, and the uplink always a little behind: older than one segment's worth
	 * of frames it must not get. */
	for (uint32_t i = 0; i < 40000; i++) {
		now = 1000 + i;
		next_number = next_out = 0;
		append(1, 1000);
		if (i > 10) {
			egress_log_advance(log_, 1);
			assert_in_range(egress_log_oldest_tsc(log_),
				now < 2 * 2064 + 1000 ? 1000 : now - 2 * 2064, now - 10);
		}
	}
}

static void more_sealed_epochs_than_marks_stay_in_order_of_age(void **state)
{
	uint64_t last = 0;

	egress_log_open(log_, 1);
	for (uint32_t i = 0; i < 3 * EGRESS_MARKS_MAX; i++) {
		now = 1000 + i;
		append(1, 64);
		egress_log_seal(log_);
		egress_log_commit(log_, i + 1); /* committed, but the uplink is down */
	}
	for (uint32_t i = 0; i < 3 * EGRESS_MARKS_MAX; i++) {
		uint64_t oldest = egress_log_oldest_tsc(log_);

		assert_in_range(oldest, last, 1000 + i); /* never younger than it is */
		last = oldest;
		assert_int_equal(release(1), 1);
	}
	assert_int_equal(egress_log_oldest_tsc(log_), 0);
}

static void discard_takes_the_age_back_too(void **state)
{
	egress_log_open(log_, 1);
	now = 100;
	append(2, 64);
	egress_log_seal(log_);
	now = 200;
	append(2, 64);
	egress_log_seal(log_);
	now = 300;
	append(2, 64);
	egress_log_commit(log_, 1);
	assert_int_equal(egress_log_discard(log_), 4);
	assert_int_equal(egress_log_oldest_tsc(log_), 100);
	now = 400;
	next_number = 2;
	append(1, 64);
	assert_int_equal(release(2), 2);
	assert_int_equal(egress_log_oldest_tsc(log_), 400);
	assert_int_equal(release_all(), 1);
}

static void extents_lead_to_every_held_record_in_the_file(void **state)
{
	uint64_t offset, file_offset, bytes, total = 0;
	int fd = log_pool_fd(pool), runs = 0;

	egress_log_open(log_, 1);
	while (used_segments() < 3)
		append(1, 5000);
	assert_true(fd >= 0);
	for (offset = log_->state->released; offset < log_->state->tail; offset += bytes) {
		struct egress_record record;

		bytes = egress_log_extent(log_, offset, &file_offset);
		assert_in_range(bytes, 1, LOG_SEGMENT_BYTES);
		assert_int_equal(
			pread(fd, &record, sizeof(record), (off_t)file_offset), sizeof(record));
		assert_int_equal(record.len, 5000);
		assert_int_equal(record.epoch, 1);
		total += bytes;
		runs++;
	}
	close(fd);
	assert_int_equal(runs, 3);
	assert_int_equal(total, log_->state->tail);
	assert_int_equal(egress_log_extent(log_, log_->state->tail, &file_offset), 0);
}

static unsigned labels_of_log(void)
{
	size_t bytes;
	const uint8_t *map = log_pool_memory(pool, &bytes);
	const struct log_file_header *header = (const void *)map;
	const struct log_segment_label *labels = (const void *)(map + header->labels_offset);
	unsigned n = 0;

	for (uint32_t i = 0; i < SEGMENTS; i++) {
		if (labels[i].log_index == LOG_SEGMENT_FREE)
			continue;
		assert_int_equal(labels[i].log_index, LOG_INDEX);
		assert_in_range(labels[i].part, log_->first_part, log_->end_part - 1);
		n++;
	}
	return n;
}

static void labels_in_the_file_name_the_segments_in_use(void **state)
{
	egress_log_open(log_, 1);
	while (used_segments() < 4)
		append(1, 9022);
	assert_int_equal(labels_of_log(), 4);
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	assert_int_equal(release(300), 300);
	assert_int_equal(labels_of_log(), used_segments());
	while (used_segments() < 4)
		append(1, 9022);
	egress_log_discard(log_);
	assert_int_equal(labels_of_log(), used_segments());
	release_all();
	assert_int_equal(labels_of_log(), 0);
}

static void a_state_belongs_to_one_log(void **state)
{
	struct egress_log other;

	assert_int_equal(egress_log_init(&other, pool, LOG_INDEX, 0), -EBUSY);
	assert_int_equal(egress_log_init(&other, pool, LOG_STATES_MAX, 0), -EINVAL);
	append(1, 64);
	egress_log_fini(log_);
	assert_int_equal(used_segments(), 0);
	egress_log_fini(log_); /* again: nothing */
	assert_int_equal(egress_log_init(log_, pool, LOG_INDEX, 0), 0);
	assert_int_equal(log_->state->tail, 0);
	assert_true(egress_log_reserve(log_, 200, 9022)); /* quota 0 is two segments */
	assert_int_equal(used_segments(), 1);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(nothing_is_released_before_its_commit),
		LOG_TEST(commit_releases_only_sealed_epochs),
		LOG_TEST(commit_covers_all_older_epochs),
		LOG_TEST(as_many_epochs_as_allowed_may_be_in_flight),
		LOG_TEST(empty_epochs_can_be_sealed_and_committed),
		LOG_TEST(commit_of_an_epoch_sealed_before_the_log_drained_is_harmless),
		LOG_TEST(commit_of_an_epoch_long_gone_does_not_commit_a_later_one),
		LOG_TEST(commit_after_the_end_of_protection_does_nothing),
		LOG_TEST(seal_and_commit_without_protection_do_nothing),
		LOG_TEST(an_epoch_across_segments_leaves_whole_and_in_order),
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
		LOG_TEST(no_segment_is_held_by_an_empty_log),
		LOG_TEST(released_segments_go_back_before_the_log_is_empty),
		LOG_TEST(the_segment_freed_last_is_used_first),
		LOG_TEST(quota_bounds_a_log_and_it_recovers),
		LOG_TEST(an_exhausted_pool_refuses_and_takes_nothing),
		LOG_TEST(what_was_reserved_can_be_appended_whatever_the_sizes),
		LOG_TEST(half_the_quota_always_fits_into_an_empty_log),
		LOG_TEST(commit_all_releases_everything_and_later_frames_at_once),
		LOG_TEST(discard_drops_the_uncommitted_and_keeps_the_committed),
		LOG_TEST(discard_of_an_unreleased_log_gives_all_back),
		LOG_TEST(discard_gives_back_segments_behind_the_committed),
		LOG_TEST(discard_at_a_segments_very_end_goes_on_in_the_next),
		LOG_TEST(an_earlier_terms_ends_commit_nothing_in_a_later_one),
		LOG_TEST(protection_may_start_while_committed_frames_wait),
		LOG_TEST(age_is_that_of_the_oldest_held_frame),
		LOG_TEST(age_of_a_log_that_never_drains_stays_near_the_truth),
		LOG_TEST(more_sealed_epochs_than_marks_stay_in_order_of_age),
		LOG_TEST(discard_takes_the_age_back_too),
		LOG_TEST(extents_lead_to_every_held_record_in_the_file),
		LOG_TEST(labels_in_the_file_name_the_segments_in_use),
		LOG_TEST(a_state_belongs_to_one_log),
	};
	int failed;

	if (unit_eal_init(argv[0]) < 0 || pools_make() < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pools_free();
	unit_eal_end();
	return failed;
}
