/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the next checkpoint is due: an interval after the last one was, so that their number in a
 * second is what was asked for. A VM runs at least as long as it has just stood still, up to an
 * interval: otherwise one whose pause takes most of a short interval would hardly run, and one
 * whose pause took longer not at all. What that delays is made up for, but for no more than an
 * interval.
 */
#ifndef REMUS_PACE_H
#define REMUS_PACE_H

#include <stdint.h>

struct pace {
	int64_t due_ns;	 /* of the beat */
	int64_t next_ns; /* when the checkpoint may begin: not before */
};

/* The beat begins now. */
static inline void pace_begin(struct pace *pace, int64_t now_ns)
{
	pace->due_ns = pace->next_ns = now_ns;
}

/* A checkpoint has ended, for which the VM stood still. */
static inline void pace_next(
	struct pace *pace, int64_t interval_ns, int64_t now_ns, int64_t paused_ns)
{
	int64_t may_run_ns = now_ns + (paused_ns < interval_ns ? paused_ns : interval_ns);

	pace->due_ns += interval_ns;
	if (pace->due_ns < now_ns - interval_ns)
		pace->due_ns = now_ns - interval_ns;
	pace->next_ns = pace->due_ns > may_run_ns ? pace->due_ns : may_run_ns;
}

#endif
