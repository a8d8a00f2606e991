/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What came of one numbered stream: received, repeated, reordered, let out early. A sliding bitmap
 * of the last TRACKER_WINDOW numbers tells a late frame from a repeated one; one that is older
 * than the window counts as repeated. Constant space, no allocation; one writer. No DPDK.
 */
#ifndef PKTGEN_TRACKER_H
#define PKTGEN_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

enum { TRACKER_WINDOW = 1 << 16 }; /* numbers; a power of two */

struct tracker {
	uint64_t next;	    /* one more than the highest number seen */
	uint64_t allowed;   /* numbers from here on may not have been let out yet, */
	uint64_t free_from; /* but those from here on were never held */
	uint64_t received;  /* frames, repeated ones too */
	uint64_t repeated;  /* seen before */
	uint64_t reordered; /* came after a higher number */
	uint64_t outside;   /* came from beyond what was allowed then: */
	uint64_t early;	    /* although it was held */
	uint64_t seen[TRACKER_WINDOW / 64];
};

/* Nothing is held: every number may come. */
#define TRACKER_ALL UINT64_MAX

/* Forget everything; the stream begins at `first`, and all of it is allowed. */
void tracker_reset(struct tracker *tracker, uint64_t first);

/* A number that is not the next one. Not for callers: see tracker_take(). */
void tracker_take_other(struct tracker *tracker, uint64_t seq);

/* A frame of this number arrived. */
static inline void tracker_take(struct tracker *tracker, uint64_t seq)
{
	tracker->received++;
	tracker->outside += seq >= tracker->allowed;
	tracker->early += (seq >= tracker->allowed) & (seq < tracker->free_from);
	if (__builtin_expect(seq != tracker->next, 0)) {
		tracker_take_other(tracker, seq);
		return;
	}
	if (seq % 64 == 0)
		tracker->seen[seq % TRACKER_WINDOW / 64] = 0;
	tracker->seen[seq % TRACKER_WINDOW / 64] |= UINT64_C(1) << seq % 64;
	tracker->next = seq + 1;
}

/* Different numbers that arrived. */
static inline uint64_t tracker_unique(const struct tracker *tracker)
{
	return tracker->received - tracker->repeated;
}

/* Of `sent` numbers, how many never arrived. */
static inline uint64_t tracker_lost(const struct tracker *tracker, uint64_t sent)
{
	uint64_t unique = tracker_unique(tracker);

	return sent > unique ? sent - unique : 0;
}

/* Of `sent` numbers, how many never arrived although they were let out. */
static inline uint64_t tracker_lost_of_allowed(const struct tracker *tracker, uint64_t sent)
{
	uint64_t let_out = sent < tracker->allowed ? sent : tracker->allowed;
	uint64_t came = tracker_unique(tracker) - tracker->outside;

	return let_out > came ? let_out - came : 0;
}

#endif
