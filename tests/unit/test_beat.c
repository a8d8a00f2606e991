/* SPDX-License-Identifier: BSD-3-Clause */
/* When an lcore expects the next checkpoint (lcore/beat.h), with a clock of 1 GHz. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "beat.h"

enum { HZ = 1000000000, US = HZ / 1000000, MS = HZ / 1000 };

static const uint64_t start = 5ULL * HZ;

static uint64_t sleep_at(const struct beat *beat, uint64_t now)
{
	return beat_sleep_tsc(beat, now, HZ);
}

static struct beat two_beats(uint64_t period)
{
	struct beat beat = {0};

	beat_note(&beat, start - period);
	beat_note(&beat, start);
	return beat;
}

static void without_a_beat_nothing_is_expected(void **state)
{
	struct beat beat = {0};

	assert_true(sleep_at(&beat, start) == UINT64_MAX);
	beat_note(&beat, start);
	assert_true(sleep_at(&beat, start + MS) == UINT64_MAX);
}

static void after_a_beat_it_stays_awake_for_a_while(void **state)
{
	struct beat beat = {0};

	beat_note(&beat, start);
	assert_int_equal(sleep_at(&beat, start + (BEAT_AFTER_US - 1) * US), 0);
	assert_true(sleep_at(&beat, start + BEAT_AFTER_US * US) > 0);
}

static void it_is_awake_around_the_next_beat(void **state)
{
	struct beat beat = two_beats(32 * MS);

	assert_int_equal(sleep_at(&beat, start + 10 * MS), 21 * MS);
	assert_int_equal(sleep_at(&beat, start + 31 * MS), 0);
	assert_int_equal(sleep_at(&beat, start + 33 * MS), 0);
}

static void a_beat_that_does_not_come_is_expected_no_longer(void **state)
{
	struct beat beat = two_beats(32 * MS);

	assert_true(sleep_at(&beat, start + 33 * MS + 1) == UINT64_MAX);
}

static void beats_far_apart_are_not_waited_for(void **state)
{
	struct beat beat = two_beats((BEAT_PERIOD_MAX_MS + 1ULL) * MS);

	assert_true(sleep_at(&beat, start + 2 * MS) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_beat_nothing_is_expected),
		cmocka_unit_test(after_a_beat_it_stays_awake_for_a_while),
		cmocka_unit_test(it_is_awake_around_the_next_beat),
		cmocka_unit_test(a_beat_that_does_not_come_is_expected_no_longer),
		cmocka_unit_test(beats_far_apart_are_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
