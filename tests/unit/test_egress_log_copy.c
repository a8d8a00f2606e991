/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that go into the egress log straight from a guest's memory: egress_log_copy(), _keep(). */
#include <sys/mman.h>
#include <unistd.h>

#include "egress_fixture.h"

enum { SEGMENTS = 8, LOG_INDEX = 1, FRAMES = 32, BYTES_MAX = 2048 };

static const struct rte_ether_addr own = {{2, 0, 0, 0, 0, 1}};
static struct log_pool *pool;
static struct egress_log the_log, *const log_ = &the_log;
static struct alike_rule rule;
static uint8_t guest[FRAMES][BYTES_MAX];
static struct egress_raw frames[FRAMES];
static struct egress_copied copied;

static void frame_set(unsigned i, uint32_t len)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)guest[i];

	for (uint32_t at = 0; at < len; at++)
		guest[i][at] = (uint8_t)(i * 31 + at * 7);
	memset(&eth->dst_addr, 0x22, sizeof(eth->dst_addr));
	eth->src_addr = own;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	frames[i] = (struct egress_raw){.at = guest[i], .len = len};
}

/* Bursts of one length are copied another way. */
static void frames_set_even(uint32_t len)
{
	for (unsigned i = 0; i < FRAMES; i++)
		frame_set(i, len);
}

static int setup(void **state)
{
	pool = log_pool_create(unit_path("log_copy"), SEGMENTS, 1, false);
	if (!pool || egress_log_init(log_, pool, LOG_INDEX, SEGMENTS * (uint64_t)LOG_SEGMENT_BYTES))
		return -1;
	alike_rule_set(&rule, &own, true, 1518);
	for (unsigned i = 0; i < FRAMES; i++)
		frame_set(i, 60 + 37 * i);
	egress_log_open(log_, 1);
	if (!egress_log_reserve(log_, FRAMES, BYTES_MAX))
		return -1;
	frame_append(log_, &(struct frame){.len = 100}, 1, 1000); /* an empty log takes none */
	return 0;
}

static int teardown(void **state)
{
	egress_log_fini(log_);
	log_pool_destroy(pool);
	pools_check();
	return 0;
}

static uint16_t release_and_check(uint16_t want)
{
	struct rte_mbuf *pkts[PEEK_MAX];
	uint16_t flags[PEEK_MAX], n;

	n = egress_log_peek(log_, data_pool, attach_pool, pkts, flags, PEEK_MAX);
	assert_int_equal(n, want ? 1 + want : 0); /* the first one is setup()'s */
	for (uint16_t i = 0; i < want; i++) {
		const struct rte_mbuf *m = pkts[1 + i];

		assert_int_equal(m->pkt_len, frames[i].len);
		assert_memory_equal(rte_pktmbuf_mtod(m, void *), guest[i], frames[i].len);
		assert_int_equal(flags[1 + i], 0);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	egress_log_advance(log_, n);
	return n;
}

static void what_is_kept_is_held_and_leaves_with_its_commit(void **state)
{
	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	egress_log_keep(log_, &copied, 1000);
	assert_int_equal(egress_log_held_pkts(log_), 1 + FRAMES);
	assert_int_equal(egress_log_held_bytes(log_), 100 + copied.bytes);
	release_and_check(0);
	egress_log_seal(log_);
	egress_log_commit(log_, 1);
	release_and_check(FRAMES);
	assert_true(egress_log_is_empty(log_));
}

static void without_an_epoch_it_leaves_at_once(void **state)
{
	egress_log_commit_all(log_);
	assert_true(egress_log_copy(log_, frames, 3, &rule, &copied));
	egress_log_keep(log_, &copied, 1000);
	release_and_check(3);
}

static void what_is_not_kept_was_never_there(void **state)
{
	uint32_t room = log_->room;

	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	assert_int_equal(egress_log_held_pkts(log_), 1);
	assert_int_equal(log_->room, room);
	assert_true(egress_log_copy(log_, frames, 1, &rule, &copied));
	egress_log_keep(log_, &copied, 1000);
	egress_log_commit_all(log_);
	release_and_check(1);
}

/* Frame `odd` of a burst is changed so that they are not alike. */
static void refused(unsigned odd, void (*change)(struct rte_ether_hdr *eth, uint32_t *len))
{
	uint64_t held = egress_log_held_pkts(log_);
	uint32_t len = frames[odd].len;

	change((struct rte_ether_hdr *)guest[odd], &frames[odd].len);
	assert_false(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	assert_int_equal(egress_log_held_pkts(log_), held);
	frame_set(odd, len);
}

static void to_another(struct rte_ether_hdr *eth, uint32_t *len)
{
	eth->dst_addr.addr_bytes[5] ^= 1;
}

static void from_another(struct rte_ether_hdr *eth, uint32_t *len)
{
	eth->src_addr.addr_bytes[0] ^= 4;
}

static void tagged(struct rte_ether_hdr *eth, uint32_t *len)
{
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
}

static void too_short(struct rte_ether_hdr *eth, uint32_t *len)
{
	*len = RTE_ETHER_HDR_LEN - 1;
}

static void too_long(struct rte_ether_hdr *eth, uint32_t *len)
{
	*len = 1519;
}

static void refuse_each_odd_one(void)
{
	static const unsigned odds[] = {0, 1, FRAMES / 2, FRAMES - 1};
	void (*const changes[])(struct rte_ether_hdr *, uint32_t *) = {
		to_another, from_another, tagged, too_short, too_long};

	for (unsigned o = 0; o < RTE_DIM(odds); o++)
		for (unsigned c = 0; c < RTE_DIM(changes); c++)
			refused(odds[o], changes[c]);
	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
}

static void frames_that_are_not_alike_are_refused_all(void **state)
{
	refuse_each_odd_one();
	frames_set_even(64);
	refuse_each_odd_one();
}

static void frames_of_one_length_are_held_as_they_are(void **state)
{
	static const uint32_t lens[] = {
		16, 31, 32, 33, 47, 48, 49, 59, 60, 63, 64, 65, 80, 255, 256, 257, 1518};

	for (unsigned i = 0; i < RTE_DIM(lens); i++) {
		frames_set_even(lens[i]);
		assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
		assert_int_equal(copied.bytes, FRAMES * lens[i]);
		assert_int_equal(copied.pkts, FRAMES);
		egress_log_keep(log_, &copied, 1000);
		assert_int_equal(egress_log_held_bytes(log_), 100 + copied.bytes);
		egress_log_commit_all(log_);
		release_and_check(FRAMES);
		teardown(NULL);
		setup(NULL);
	}
}

static void release_all_but(uint64_t left)
{
	struct rte_mbuf *pkts[PEEK_MAX];
	uint16_t flags[PEEK_MAX], n;

	for (uint64_t held = egress_log_held_pkts(log_); held > left; held -= n) {
		n = egress_log_peek(log_, data_pool, attach_pool, pkts, flags,
			(uint16_t)RTE_MIN(held - left, (uint64_t)PEEK_MAX));
		assert_true(n > 0);
		rte_pktmbuf_free_bulk(pkts, n);
		egress_log_advance(log_, n);
	}
}

/* So much that long frames are written past the caches from here on. */
static void hold_many(void)
{
	frames_set_even(1518);
	while (egress_log_held_bytes(log_) < 9 << 20) {
		assert_true(egress_log_reserve(log_, FRAMES, BYTES_MAX));
		if (!egress_log_copy(log_, frames, FRAMES, &rule, &copied)) {
			frame_append(log_, &(struct frame){.len = 1518}, 1, 1000);
			continue;
		}
		egress_log_keep(log_, &copied, 1000);
	}
	egress_log_seal(log_);
	egress_log_commit(log_, 1); /* it is held, still: nobody releases it */
	assert_true(egress_log_reserve(log_, FRAMES, BYTES_MAX));
}

static void long_frames_are_held_as_they_are_behind_many(void **state)
{
	hold_many();
	for (unsigned i = 0; i < FRAMES; i++)
		frame_set(i, 768 + 19 * i);
	refused(FRAMES / 2, to_another);
	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	egress_log_keep(log_, &copied, 1000);
	egress_log_commit_all(log_);
	release_all_but(1 + FRAMES);
	release_and_check(FRAMES);
}

/* Copies frames of one length twice, each of which ends where the guest's memory does; the second
 * time with a mark where the next record would be. */
static void copy_at_the_end(uint8_t *end, uint32_t len)
{
	uint64_t mark = UINT64_C(0x5a5a5a5a5a5a5a5a), after;

	frames_set_even(len);
	for (unsigned i = 0; i < FRAMES; i++)
		frames[i].at = memcpy(end - len, guest[0], len);
	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	memcpy(copied.write, &mark, sizeof(mark));
	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	memcpy(&after, copied.write, sizeof(after));
	assert_int_equal(after, mark);
	for (unsigned i = FRAMES; i-- > 0;) {
		copied.write -= EGRESS_RECORD_ALIGN * ((16 + len + 15) / EGRESS_RECORD_ALIGN);
		assert_memory_equal(copied.write + 16, guest[0], len);
	}
}

static void nothing_past_a_frame_is_read_or_written(void **state)
{
	static const uint32_t lens[] = {16, 31, 32, 33, 48, 49, 63, 64, 65, 256, 257};
	size_t page = (size_t)getpagesize();
	uint8_t *memory =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_return_code(mprotect(memory + page, page, PROT_NONE), 0);
	for (unsigned i = 0; i < RTE_DIM(lens); i++)
		copy_at_the_end(memory + page, lens[i]);
	hold_many();
	for (uint32_t len = 768; len < 768 + 64; len++) /* each that a last line may have */
		copy_at_the_end(memory + page, len);
	munmap(memory, 2 * page);
}

static void frames_of_one_length_are_refused_when_too_long(void **state)
{
	rule.bytes_max = 63;
	frames_set_even(64);
	assert_false(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	frames_set_even(63);
	assert_true(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
}

static void fill_a_segment(void)
{
	unsigned bursts = 0;

	while (egress_log_copy(log_, frames, FRAMES, &rule, &copied)) {
		egress_log_keep(log_, &copied, 1000);
		bursts++;
	}
	assert_true(bursts > 10);
	assert_true(log_->room < copied.bytes + FRAMES * 32);
	assert_int_equal(egress_log_held_pkts(log_), 1 + (uint64_t)bursts * FRAMES);
}

static void a_burst_that_would_cross_a_segments_end_is_refused(void **state)
{
	fill_a_segment();
}

static void likewise_of_one_length(void **state)
{
	frames_set_even(64);
	fill_a_segment();
}

static void an_empty_log_takes_none(void **state)
{
	struct rte_mbuf *m;
	uint16_t flags;

	egress_log_commit_all(log_);
	assert_int_equal(egress_log_peek(log_, data_pool, attach_pool, &m, &flags, 1), 1);
	rte_pktmbuf_free(m);
	egress_log_advance(log_, 1);
	assert_true(egress_log_reserve(log_, FRAMES, BYTES_MAX));
	assert_false(egress_log_copy(log_, frames, FRAMES, &rule, &copied));
	egress_log_trim(log_);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(what_is_kept_is_held_and_leaves_with_its_commit),
		LOG_TEST(without_an_epoch_it_leaves_at_once),
		LOG_TEST(what_is_not_kept_was_never_there),
		LOG_TEST(frames_that_are_not_alike_are_refused_all),
		LOG_TEST(an_empty_log_takes_none),
		LOG_TEST(frames_of_one_length_are_held_as_they_are),
		LOG_TEST(long_frames_are_held_as_they_are_behind_many),
		LOG_TEST(nothing_past_a_frame_is_read_or_written),
		LOG_TEST(frames_of_one_length_are_refused_when_too_long),
		LOG_TEST(likewise_of_one_length),
		LOG_TEST(a_burst_that_would_cross_a_segments_end_is_refused),
	};
	int failed;

	if (unit_eal_init(argv[0]) < 0 || pools_make() < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pools_free();
	unit_eal_end();
	return failed;
}
