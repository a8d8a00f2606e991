/* SPDX-License-Identifier: BSD-3-Clause */
/* renic-pktgen's search for the highest rate without loss: bench/pktgen/search.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search.h"

/* A device that loses nothing up to `capacity`. */
static bool trial(void *arg, double rate_pps)
{
	return rate_pps <= *(const double *)arg;
}

static double find(double capacity, double top, double resolution, struct search *search)
{
	*search = (struct search){
		.top_pps = top, .resolution = resolution, .trial = trial, .arg = &capacity};
	return search_run(search);
}

static void the_answer_passed_and_is_as_close_as_asked(void **state)
{
	for (double capacity = 10; capacity < 1000; capacity += 37) {
		struct search search;
		double best = find(capacity, 1000, 0.01, &search);

		assert_true(best <= capacity);
		assert_true(best > capacity - 10);
	}
}

static void the_top_is_the_answer_where_it_passes(void **state)
{
	struct search search;

	assert_true(find(2000, 1000, 0.01, &search) == 1000);
	assert_int_equal(search.n_trials, 1);
}

static void nothing_passes_is_zero(void **state)
{
	struct search search;

	assert_true(find(0, 1000, 0.01, &search) == 0);
}

static void trials_are_kept_and_bounded(void **state)
{
	struct search search;

	find(333, 1000, 1e-12, &search);
	assert_int_equal(search.n_trials, SEARCH_TRIALS_MAX);
	assert_false(search.trials[0].passed);
	assert_true(search.trials[1].rate_pps == 500 && !search.trials[1].passed);
	assert_true(search.trials[2].rate_pps == 250 && search.trials[2].passed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_passed_and_is_as_close_as_asked),
		cmocka_unit_test(the_top_is_the_answer_where_it_passes),
		cmocka_unit_test(nothing_passes_is_zero),
		cmocka_unit_test(trials_are_kept_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
