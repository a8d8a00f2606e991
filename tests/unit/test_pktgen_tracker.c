/* SPDX-License-Identifier: BSD-3-Clause */
/* renic-pktgen's account of a numbered stream: bench/pktgen/tracker.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracker.h"

static struct tracker t;

static int reset(void **state)
{
	tracker_reset(&t, 0);
	return 0;
}

static void take(uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq < to; seq++)
		tracker_take(&t, seq);
}

static void expect(uint64_t received, uint64_t repeated, uint64_t reordered, uint64_t early)
{
	assert_int_equal(t.received, received);
	assert_int_equal(t.repeated, repeated);
	assert_int_equal(t.reordered, reordered);
	assert_int_equal(t.early, early);
}

static void a_whole_stream_breaks_nothing(void **state)
{
	take(0, 3 * TRACKER_WINDOW + 5);
	expect(3 * TRACKER_WINDOW + 5, 0, 0, 0);
	assert_int_equal(tracker_lost(&t, 3 * TRACKER_WINDOW + 5), 0);
}

static void what_never_comes_is_lost(void **state)
{
	take(0, 100);
	take(103, 200);
	expect(197, 0, 0, 0);
	assert_int_equal(tracker_lost(&t, 200), 3);
	assert_int_equal(tracker_lost(&t, 210), 13);
}

static void a_late_frame_is_reordered_and_not_lost(void **state)
{
	take(0, 10);
	take(11, 20);
	tracker_take(&t, 10);
	expect(20, 0, 1, 0);
	assert_int_equal(tracker_lost(&t, 20), 0);
}

static void a_second_copy_is_repeated(void **state)
{
	take(0, 10);
	tracker_take(&t, 9);
	tracker_take(&t, 3);
	expect(12, 2, 0, 0);
	assert_int_equal(tracker_unique(&t), 10);
	assert_int_equal(tracker_lost(&t, 10), 0);
}

static void a_repetition_does_not_hide_a_loss(void **state)
{
	take(0, 10);
	tracker_take(&t, 9);
	assert_int_equal(tracker_lost(&t, 11), 1);
}

static void a_late_frame_twice_is_reordered_once_and_repeated_once(void **state)
{
	take(0, 64);
	take(70, 80);
	tracker_take(&t, 65);
	tracker_take(&t, 65);
	expect(76, 1, 1, 0);
}

static void the_bitmap_is_clean_after_it_has_gone_round(void **state)
{
	take(0, TRACKER_WINDOW + 10);
	take(TRACKER_WINDOW + 200, TRACKER_WINDOW + 210); /* over several words */
	take(TRACKER_WINDOW + 10, TRACKER_WINDOW + 200);
	expect(TRACKER_WINDOW + 210, 0, 190, 0);
}

static void a_gap_wider_than_the_window_forgets_all_before(void **state)
{
	take(0, 100);
	tracker_take(&t, 100 + 2 * TRACKER_WINDOW);
	tracker_take(&t, 100 + 2 * TRACKER_WINDOW - 1);
	expect(102, 0, 1, 0);
}

static void what_is_older_than_the_window_counts_as_repeated(void **state)
{
	take(0, 10);
	take(11, TRACKER_WINDOW + 10); /* nor does the one come that has its place now */
	take(TRACKER_WINDOW + 11, 2 * TRACKER_WINDOW);
	tracker_take(&t, 10);
	assert_int_equal(t.repeated, 1);
}

static void what_was_let_out_and_did_not_come_is_lost(void **state)
{
	for (uint64_t seq = 0; seq < 5; seq++)
		tracker_take(&t, seq);
	t.allowed = 7;
	assert_int_equal(tracker_lost_of_allowed(&t, 100), 2);
	assert_int_equal(tracker_lost_of_allowed(&t, 6), 1);
	t.allowed = 5;
	assert_int_equal(tracker_lost_of_allowed(&t, 100), 0);
	t.allowed = TRACKER_ALL;
	assert_int_equal(tracker_lost_of_allowed(&t, 100), 95);
}

static void a_number_that_was_never_held_is_not_early(void **state)
{
	t.allowed = 3;
	t.free_from = 5;
	for (uint64_t seq = 0; seq < 9; seq++)
		tracker_take(&t, seq);
	assert_int_equal(t.early, 2);
}

static void a_number_that_is_not_allowed_is_early(void **state)
{
	t.allowed = 5;
	take(0, 8);
	expect(8, 0, 0, 3);
	t.allowed = TRACKER_ALL;
	take(8, 10);
	expect(10, 0, 0, 3);
}

static void a_stream_may_begin_anywhere(void **state)
{
	tracker_reset(&t, 1000);
	take(1000, 1010);
	expect(10, 0, 0, 0);
}

/* Against a plain account with a flag for every number. */
static void random_orders_agree_with_a_plain_account(void **state)
{
	enum { NUMBERS = 300000 };
	uint8_t *seen = calloc(NUMBERS, 1);
	uint64_t repeated = 0, reordered = 0, unique = 0, high = 0;

	srandom(7);
	for (uint64_t at = 0; at < NUMBERS - 300; at += 1 + (random() % 100 == 0)) {
		uint64_t seq = random() % 50 ? at : at + (uint64_t)(random() % 300);

		if (seen[seq])
			repeated++;
		else if (seq < high)
			reordered++;
		unique += !seen[seq];
		seen[seq] = 1;
		high = seq + 1 > high ? seq + 1 : high;
		tracker_take(&t, seq);
	}
	free(seen);
	assert_int_equal(t.repeated, repeated);
	assert_int_equal(t.reordered, reordered);
	assert_int_equal(tracker_unique(&t), unique);
	assert_true(repeated > 100 && reordered > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_stream_breaks_nothing, reset),
		cmocka_unit_test_setup(what_never_comes_is_lost, reset),
		cmocka_unit_test_setup(a_late_frame_is_reordered_and_not_lost, reset),
		cmocka_unit_test_setup(a_second_copy_is_repeated, reset),
		cmocka_unit_test_setup(a_repetition_does_not_hide_a_loss, reset),
		cmocka_unit_test_setup(
			a_late_frame_twice_is_reordered_once_and_repeated_once, reset),
		cmocka_unit_test_setup(the_bitmap_is_clean_after_it_has_gone_round, reset),
		cmocka_unit_test_setup(a_gap_wider_than_the_window_forgets_all_before, reset),
		cmocka_unit_test_setup(what_is_older_than_the_window_counts_as_repeated, reset),
		cmocka_unit_test_setup(what_was_let_out_and_did_not_come_is_lost, reset),
		cmocka_unit_test_setup(a_number_that_was_never_held_is_not_early, reset),
		cmocka_unit_test_setup(a_number_that_is_not_allowed_is_early, reset),
		cmocka_unit_test_setup(a_stream_may_begin_anywhere, reset),
		cmocka_unit_test_setup(random_orders_agree_with_a_plain_account, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
