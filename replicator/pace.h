/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the next checkpoint is due: an interval after the last one was, but a VM runs at least as
 * long as it has just stood still, up to an interval. Otherwise one whose pause takes most of a
 * short interval would hardly run, and one whose pause took longer not at all.
 */
#ifndef REMUS_PACE_H
#define REMUS_PACE_H

#include <stdint.h>

/* due: when the checkpoint that has just ended was; paused: how long. All in ns. */
static inline int64_t pace_next(int64_t due, int64_t interval, int64_t now, int64_t paused)
{
	int64_t next = due + interval, run = paused < interval ? paused : interval;

	return next > now + run ? next : now + run;
}

#endif
