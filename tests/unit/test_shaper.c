/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates, by a clock of the test's own: renicd/nic/shaper.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shaper.h"

#define HZ UINT64_C(2500000000)

/* Bytes that leave in `seconds` when bursts of n frames are tried every `gap_us`. */
static uint64_t run(uint32_t mbps, uint32_t frame, uint32_t n, uint64_t gap_us, unsigned seconds,
	uint64_t start_tsc)
{
	struct shaper_rate rate;
	struct shaper s = {0};
	uint64_t bytes = 0;

	shaper_rate_set(&rate, mbps, HZ);
	for (uint64_t us = 0; us < seconds * UINT64_C(1000000); us += gap_us) {
		uint64_t now = start_tsc + us * (HZ / 1000000);

		while (shaper_is_open(&s, &rate, now)) {
			shaper_charge(&s, &rate, (uint64_t)frame * n, now);
			bytes += (uint64_t)frame * n;
		}
	}
	return bytes;
}

static void assert_rate(uint64_t bytes, uint32_t mbps, unsigned seconds)
{
	uint64_t expected = (uint64_t)mbps * 125000 * seconds;

	if (bytes < expected * 98 / 100 || bytes > expected * 102 / 100)
		fail_msg("%u Mbit/s: %lu bytes, expected %lu", mbps, bytes, expected);
}

static void rates_are_met_over_ten_seconds_whatever_the_frames(void **state)
{
	static const uint32_t rates[] = {1, 3, 10, 100, 999, 10000, 100000};
	static const uint32_t frames[] = {60, 1514, 9014};

	for (size_t r = 0; r < 7; r++)
		for (size_t f = 0; f < 3; f++) {
			struct shaper_rate rate;
			uint32_t n;

			shaper_rate_set(&rate, rates[r], HZ);
			n = rate.burst_pkts;
			assert_rate(run(rates[r], frames[f], n, 1000, 10, 12345), rates[r], 10);
		}
	assert_rate(run(1000, 65000, 32, 10, 10, 12345), 1000, 10);
}

static void an_lcore_that_comes_late_catches_up(void **state)
{
	assert_rate(run(100, 1514, 32, 30000, 10, 1), 100, 10);
	assert_rate(run(10000, 1514, 32, 30000, 10, 1), 10000, 10);
}

static void years_of_uptime_change_nothing(void **state)
{
	for (uint64_t years = 1; years < 10; years++)
		assert_rate(run(100, 1514, 32, 1000, 10, years * 365 * 86400 * HZ), 100, 10);
}

static void a_long_pause_saves_up_no_more_than_the_slack(void **state)
{
	struct shaper_rate rate;
	struct shaper s = {0};
	uint64_t now = 1000 * HZ, bytes = 0;

	shaper_rate_set(&rate, 100, HZ);
	for (; shaper_is_open(&s, &rate, now); bytes += 1514)
		shaper_charge(&s, &rate, 1514, now);
	assert_in_range(
		bytes, 12500 * SHAPER_SLACK_US / 1000, 12500 * SHAPER_SLACK_US / 1000 + 3028);
}

static void without_a_rate_it_is_always_open(void **state)
{
	struct shaper_rate rate;
	struct shaper s = {0};

	shaper_rate_set(&rate, 0, HZ);
	shaper_charge(&s, &rate, UINT32_MAX, 5);
	assert_true(shaper_is_open(&s, &rate, 5));
	assert_int_equal(s.paid, 0);
}

/* ---- several lcores ---- */

enum { THREADS = 4, CHARGES = 100000 };

static struct shaper shared;
static struct shaper_rate shared_rate;

static void *charge_often(void *arg)
{
	for (int i = 0; i < CHARGES; i++)
		shaper_charge(&shared, &shared_rate, 1000, HZ);
	return NULL;
}

static void what_several_lcores_send_is_all_paid_for(void **state)
{
	pthread_t threads[THREADS];
	uint64_t begin, cost;

	shaper_rate_set(&shared_rate, 1000, HZ);
	begin = (HZ << SHAPER_TIME_SHIFT) - shared_rate.slack;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, charge_often, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cost = (uint64_t)(((unsigned __int128)1000 * shared_rate.cost) >> 32);
	assert_int_equal(shared.paid - begin, cost * THREADS * CHARGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_met_over_ten_seconds_whatever_the_frames),
		cmocka_unit_test(an_lcore_that_comes_late_catches_up),
		cmocka_unit_test(years_of_uptime_change_nothing),
		cmocka_unit_test(a_long_pause_saves_up_no_more_than_the_slack),
		cmocka_unit_test(without_a_rate_it_is_always_open),
		cmocka_unit_test(what_several_lcores_send_is_all_paid_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
