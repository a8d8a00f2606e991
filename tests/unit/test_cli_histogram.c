/* SPDX-License-Identifier: BSD-3-Clause */
/* The latency histogram: exact where small, within 1/32 elsewhere, over all of uint64_t. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "histogram.h"

static struct histogram h;

static void clear(void)
{
	memset(&h, 0, sizeof(h));
}

static void empty_histogram_is_zero(void **state)
{
	clear();
	assert_int_equal(histogram_percentile(&h, 50), 0);
	assert_int_equal(h.max, 0);
}

static void percentiles_of_small_values_are_exact(void **state)
{
	clear();
	for (uint64_t v = 1; v <= 50; v++)
		histogram_add(&h, v);
	assert_int_equal(histogram_percentile(&h, 0), 1);
	assert_int_equal(histogram_percentile(&h, 2), 1);
	assert_int_equal(histogram_percentile(&h, 50), 25);
	assert_int_equal(histogram_percentile(&h, 99), 50);
	assert_int_equal(histogram_percentile(&h, 100), 50);
}

static void one_outlier_is_the_max_and_not_the_median(void **state)
{
	clear();
	for (int i = 0; i < 999; i++)
		histogram_add(&h, 10);
	histogram_add(&h, 123456);
	assert_int_equal(histogram_percentile(&h, 50), 10);
	assert_int_equal(histogram_percentile(&h, 99), 10);
	assert_int_equal(histogram_percentile(&h, 100), 123456);
	assert_int_equal(h.max, 123456);
}

static void every_value_is_told_within_a_32nd(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int around = -1; around <= 1; around++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)around, told;

			clear();
			histogram_add(&h, value);
			h.max = UINT64_MAX; /* else the percentile is capped at the exact value */
			told = histogram_percentile(&h, 50);
			assert_true(told >= value);
			assert_true(told - value <= value / 32);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_histogram_is_zero),
		cmocka_unit_test(percentiles_of_small_values_are_exact),
		cmocka_unit_test(one_outlier_is_the_max_and_not_the_median),
		cmocka_unit_test(every_value_is_told_within_a_32nd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
