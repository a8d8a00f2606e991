/* SPDX-License-Identifier: BSD-3-Clause */
/* Time as the replicator counts it: nanoseconds of CLOCK_MONOTONIC. Any thread. */
#ifndef REPLICATOR_CLOCK_H
#define REPLICATOR_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* The instant so many milliseconds from now. */
static inline int64_t in_ms(int64_t ms)
{
	return now_ns() + ms * NS_PER_MS;
}

/* Milliseconds to `deadline`, rounded up, at least 0 and at most `most`: for poll(). */
static inline int ms_until(int64_t deadline, int most)
{
	int64_t left = deadline - now_ns();

	if (left <= 0)
		return 0;
	left = (left + NS_PER_MS - 1) / NS_PER_MS;
	return left > most ? most : (int)left;
}

#endif
