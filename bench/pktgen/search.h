/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The search for the highest rate without loss, after RFC 2544 section 26.1: trials at fixed
 * rates, halving the distance between the highest rate that passed and the lowest that did not,
 * until they are close. Pure arithmetic; the trial is the caller's.
 */
#ifndef PKTGEN_SEARCH_H
#define PKTGEN_SEARCH_H

#include <stdbool.h>

enum { SEARCH_TRIALS_MAX = 32 };

struct search_trial {
	double rate_pps;
	bool passed;
};

struct search {
	double top_pps;	   /* where to begin: what went through flat out */
	double resolution; /* end when the bounds are this close, as a part of top_pps: 0.01 */
	/* Run one trial; did it pass? */
	bool (*trial)(void *arg, double rate_pps);
	void *arg;
	/* Results. */
	unsigned n_trials;
	struct search_trial trials[SEARCH_TRIALS_MAX];
};

/* Returns the highest rate that passed, frames a second; 0: none did. */
double search_run(struct search *search);

#endif
