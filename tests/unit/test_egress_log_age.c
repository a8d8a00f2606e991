/* SPDX-License-Identifier: BSD-3-Clause */
/* How old the oldest frame of an egress log is: renicd/nic/egress_log.c, egress_log_release.c. */
#include "egress_log_fixture.h"

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(age_is_that_of_the_oldest_held_frame),
		LOG_TEST(age_of_a_log_that_never_drains_stays_near_the_truth),
		LOG_TEST(more_sealed_epochs_than_marks_stay_in_order_of_age),
		LOG_TEST(discard_takes_the_age_back_too),
	};
	int failed;

	if (log_tests_start(argv[0]) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_tests_end();
	return failed;
}
