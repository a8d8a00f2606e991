/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of replicator/pace.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pace.h"

enum { MS = 1000000, INTERVAL = 25 * MS };

static int64_t next_of(int64_t due_ns, int64_t interval_ns, int64_t now_ns, int64_t paused_ns)
{
	struct pace pace;

	pace_begin(&pace, due_ns);
	pace_next(&pace, interval_ns, now_ns, paused_ns);
	return pace.next_ns;
}

static void a_short_pause_does_not_move_the_beat(void **state)
{
	assert_int_equal(next_of(100 * MS, INTERVAL, 103 * MS, 3 * MS), 125 * MS);
	assert_int_equal(next_of(100 * MS, INTERVAL, 112 * MS, 12 * MS), 125 * MS);
}

static void a_vm_runs_as_long_as_it_stood_still(void **state)
{
	assert_int_equal(next_of(100 * MS, 5 * MS, 104 * MS, 4 * MS), 108 * MS);
	assert_int_equal(next_of(100 * MS, 5 * MS, 109 * MS, 5 * MS), 114 * MS);
}

/* What it sends meanwhile is held all that time. */
static void a_long_pause_is_followed_by_one_interval(void **state)
{
	assert_int_equal(next_of(100 * MS, INTERVAL, 300 * MS, 200 * MS), 325 * MS);
}

/* Pauses of 16 ms and of 3 ms: 41 checkpoints in a second of 25 ms each. */
static void one_that_came_late_delays_none_but_itself(void **state)
{
	struct pace pace;

	pace_begin(&pace, 0);
	for (unsigned n = 0; n < 40; n++) {
		int64_t paused = n % 4 ? 3 * MS : 16 * MS;

		assert_in_range(pace.next_ns, n * INTERVAL, n * INTERVAL + 10 * MS);
		pace_next(&pace, INTERVAL, pace.next_ns + paused, paused);
	}
	assert_int_equal(pace.next_ns, 1000 * MS);
}

/* One that took 97 ms may be followed by early ones, but not by three at once. */
static void no_more_than_an_interval_is_made_up_for(void **state)
{
	struct pace pace;

	pace_begin(&pace, 100 * MS);
	pace_next(&pace, INTERVAL, 200 * MS, 3 * MS);
	assert_int_equal(pace.next_ns, 203 * MS);
	pace_next(&pace, INTERVAL, 206 * MS, 3 * MS);
	assert_int_equal(pace.next_ns, 209 * MS);
	pace_next(&pace, INTERVAL, 212 * MS, 3 * MS);
	assert_int_equal(pace.next_ns, 225 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_pause_does_not_move_the_beat),
		cmocka_unit_test(a_vm_runs_as_long_as_it_stood_still),
		cmocka_unit_test(a_long_pause_is_followed_by_one_interval),
		cmocka_unit_test(one_that_came_late_delays_none_but_itself),
		cmocka_unit_test(no_more_than_an_interval_is_made_up_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
