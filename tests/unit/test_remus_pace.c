/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of replicator/pace.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pace.h"

enum { MS = 1000000, INTERVAL = 25 * MS };

static void a_short_pause_does_not_move_the_beat(void **state)
{
	assert_int_equal(pace_next(100 * MS, INTERVAL, 103 * MS, 3 * MS), 125 * MS);
	assert_int_equal(pace_next(100 * MS, INTERVAL, 112 * MS, 12 * MS), 125 * MS);
}

static void a_vm_runs_as_long_as_it_stood_still(void **state)
{
	assert_int_equal(pace_next(100 * MS, 5 * MS, 104 * MS, 4 * MS), 108 * MS);
	assert_int_equal(pace_next(100 * MS, 5 * MS, 109 * MS, 5 * MS), 114 * MS);
}

/* What it sends meanwhile is held all that time. */
static void a_long_pause_is_followed_by_one_interval(void **state)
{
	assert_int_equal(pace_next(100 * MS, INTERVAL, 300 * MS, 200 * MS), 325 * MS);
}

static void what_was_missed_is_not_made_up_for(void **state)
{
	assert_int_equal(pace_next(100 * MS, INTERVAL, 300 * MS, 3 * MS), 303 * MS);
	assert_int_equal(pace_next(100 * MS, INTERVAL, 300 * MS, 0), 300 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_pause_does_not_move_the_beat),
		cmocka_unit_test(a_vm_runs_as_long_as_it_stood_still),
		cmocka_unit_test(a_long_pause_is_followed_by_one_interval),
		cmocka_unit_test(what_was_missed_is_not_made_up_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
