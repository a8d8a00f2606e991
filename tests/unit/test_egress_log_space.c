/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segments that an egress log has, and what the file says of them: renicd/nic/egress_log.c,
 * egress_log_append.c, egress_log_release.c.
 */
#include <errno.h>

#include "egress_log_fixture.h"

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

/* ---- in the file ---- */

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(no_segment_is_held_by_an_empty_log),
		LOG_TEST(released_segments_go_back_before_the_log_is_empty),
		LOG_TEST(the_segment_freed_last_is_used_first),
		LOG_TEST(quota_bounds_a_log_and_it_recovers),
		LOG_TEST(an_exhausted_pool_refuses_and_takes_nothing),
		LOG_TEST(what_was_reserved_can_be_appended_whatever_the_sizes),
		LOG_TEST(half_the_quota_always_fits_into_an_empty_log),
		LOG_TEST(extents_lead_to_every_held_record_in_the_file),
		LOG_TEST(labels_in_the_file_name_the_segments_in_use),
		LOG_TEST(a_state_belongs_to_one_log),
	};
	int failed;

	if (log_tests_start(argv[0]) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_tests_end();
	return failed;
}
