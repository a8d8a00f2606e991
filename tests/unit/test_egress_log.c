/* SPDX-License-Identifier: BSD-3-Clause */
/* The egress log's epochs: what holds a frame, and what lets it go: renicd/nic/egress_log.c. */
#include "egress_log_fixture.h"

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
		LOG_TEST(commit_all_releases_everything_and_later_frames_at_once),
		LOG_TEST(discard_drops_the_uncommitted_and_keeps_the_committed),
		LOG_TEST(discard_of_an_unreleased_log_gives_all_back),
		LOG_TEST(discard_gives_back_segments_behind_the_committed),
		LOG_TEST(discard_at_a_segments_very_end_goes_on_in_the_next),
		LOG_TEST(an_earlier_terms_ends_commit_nothing_in_a_later_one),
		LOG_TEST(protection_may_start_while_committed_frames_wait),
	};
	int failed;

	if (log_tests_start(argv[0]) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_tests_end();
	return failed;
}
