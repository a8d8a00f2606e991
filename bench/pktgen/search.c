/* SPDX-License-Identifier: BSD-3-Clause */
/* Bisection of rates; see search.h. */
#include "search.h"

static bool try_rate(struct search *search, double rate_pps)
{
	struct search_trial *trial = &search->trials[search->n_trials++];

	trial->rate_pps = rate_pps;
	trial->passed = search->trial(search->arg, rate_pps);
	return trial->passed;
}

double search_run(struct search *search)
{
	double low = 0, high = search->top_pps;

	search->n_trials = 0;
	if (try_rate(search, high))
		return high;
	while (high - low > search->resolution * search->top_pps &&
		search->n_trials < SEARCH_TRIALS_MAX) {
		double rate = (low + high) / 2;

		if (try_rate(search, rate))
			low = rate;
		else
			high = rate;
	}
	return low;
}
