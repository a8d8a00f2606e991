/* SPDX-License-Identifier: BSD-3-Clause */
/* How long frames were held: renicd/nic/held_time.c. One TSC tick is a microsecond here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "held_time.h"

enum { HZ = 1000000 };

static uint64_t in_bucket_of(const struct held_time *ht, uint64_t us)
{
	return ht->histogram.pkts[held_bucket(us)];
}

static void each_time_is_below_its_buckets_end_and_close_to_it(void **state)
{
	for (uint64_t us = 0; us < UINT64_C(1) << 30; us += us / 97 + 1) {
		unsigned bucket = held_bucket(us);

		assert_true(us < held_bucket_end_us(bucket));
		assert_true(held_bucket_end_us(bucket) - us <= us / 4 + 1);
		assert_true(bucket == 0 || us >= held_bucket_end_us(bucket - 1));
	}
	assert_int_equal(held_bucket(UINT64_MAX), HELD_BUCKETS - 1);
}

static void frames_count_from_append_to_release(void **state)
{
	struct held_time ht;

	held_time_init(&ht, HZ);
	held_time_append(&ht, 10, 1000);
	held_time_append(&ht, 15, 3000);
	held_time_release(&ht, 4, 5000);
	held_time_release(&ht, 15, 11000);
	assert_int_equal(in_bucket_of(&ht, 4000), 4);
	assert_int_equal(in_bucket_of(&ht, 10000), 6);
	assert_int_equal(in_bucket_of(&ht, 8000), 5);
	assert_int_equal(held_histogram_count(&ht.histogram), 15);
	assert_int_equal(ht.histogram.sum_us, 4 * 4000 + 6 * 10000 + 5 * 8000);
}

static void frames_of_one_quantum_share_a_time(void **state)
{
	struct held_time ht;

	held_time_init(&ht, HZ);
	held_time_append(&ht, 1, 1000);
	held_time_append(&ht, 2, 1000 + HELD_QUANTUM_US - 1);
	assert_int_equal(ht.n, 1);
	held_time_append(&ht, 3, 1000 + HELD_QUANTUM_US);
	assert_int_equal(ht.n, 2);
}

/* However long it goes on: 512 runs, none off by more than a 256th of the whole. */
static void a_full_ring_gets_coarser_and_loses_no_frame(void **state)
{
	enum { STEP_US = HELD_QUANTUM_US, STEPS = 100000 };
	struct held_time ht;
	uint64_t end = (uint64_t)STEPS * STEP_US, pkts = 0, off;

	held_time_init(&ht, HZ);
	for (uint64_t i = 0; i < STEPS; i++)
		held_time_append(&ht, i + 1, i * STEP_US);
	for (uint32_t i = 0; i < ht.n; i++) {
		const struct held_run *run = &ht.runs[(ht.first + i) % HELD_RUNS];

		off = (run->end_pkts - 1) * STEP_US - run->tsc;
		assert_true(off <= end / 256);
	}
	held_time_release(&ht, STEPS, end);
	for (unsigned b = 0; b < HELD_BUCKETS; b++)
		pkts += ht.histogram.pkts[b];
	assert_int_equal(pkts, STEPS);
	assert_int_equal(ht.n, 0);
	held_time_append(&ht, STEPS + 1, end);
	assert_int_equal(ht.quantum_tsc, HELD_QUANTUM_US);
}

static void discarded_frames_are_not_counted(void **state)
{
	struct held_time ht;

	held_time_init(&ht, HZ);
	held_time_append(&ht, 5, 100);
	held_time_append(&ht, 9, 200);
	held_time_append(&ht, 12, 300);
	held_time_truncate(&ht, 7);
	held_time_append(&ht, 8, 400);
	held_time_release(&ht, 8, 1000);
	assert_int_equal(held_histogram_count(&ht.histogram), 8);
	assert_int_equal(in_bucket_of(&ht, 800), 2);
	assert_int_equal(in_bucket_of(&ht, 600), 1);
	held_time_append(&ht, 10, 2000);
	held_time_truncate(&ht, 8);
	held_time_append(&ht, 9, 3000);
	held_time_release(&ht, 9, 3001);
	assert_int_equal(in_bucket_of(&ht, 1), 1);
}

static void frames_without_a_run_leave_uncounted(void **state)
{
	struct held_time ht;

	held_time_init(&ht, HZ);
	held_time_release(&ht, 50, 100);
	held_time_append(&ht, 51, 200);
	held_time_release(&ht, 51, 203);
	assert_int_equal(held_histogram_count(&ht.histogram), 1);
}

static void shares_are_bounds_of_buckets(void **state)
{
	struct held_histogram h = {.sum_us = 0};

	assert_int_equal(held_histogram_us(&h, 0.5), 0);
	h.pkts[held_bucket(100)] = 90;
	h.pkts[held_bucket(10000)] = 10;
	assert_int_equal(held_histogram_us(&h, 0.5), held_bucket_end_us(held_bucket(100)));
	assert_int_equal(held_histogram_us(&h, 0.89), held_bucket_end_us(held_bucket(100)));
	assert_int_equal(held_histogram_us(&h, 0.9), held_bucket_end_us(held_bucket(10000)));
	assert_int_equal(held_histogram_us(&h, 1), held_bucket_end_us(held_bucket(10000)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_time_is_below_its_buckets_end_and_close_to_it),
		cmocka_unit_test(frames_count_from_append_to_release),
		cmocka_unit_test(frames_of_one_quantum_share_a_time),
		cmocka_unit_test(a_full_ring_gets_coarser_and_loses_no_frame),
		cmocka_unit_test(discarded_frames_are_not_counted),
		cmocka_unit_test(frames_without_a_run_leave_uncounted),
		cmocka_unit_test(shares_are_bounds_of_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
