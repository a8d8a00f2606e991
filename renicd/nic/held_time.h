/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long frames were held: a histogram of the time from a frame's append to its release.
 *
 * The log has no time per frame, so this keeps runs: frames that came within one quantum share the
 * time of the first. A run costs one comparison a burst; when the ring of runs is full, every two
 * become one and the quantum doubles, so that a time is wrong by at most 1/256 of what is held, or
 * HELD_QUANTUM_US. A frame that was in the log when the daemon started counts from then on.
 *
 * One writer, the queue's owner lcore; counts may be read by any thread (counter.h).
 */
#ifndef RENICD_NIC_HELD_TIME_H
#define RENICD_NIC_HELD_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "counter.h"
#include "types.h"

enum {
	HELD_RUNS = 512,
	HELD_QUANTUM_US = 50,
};

struct held_run {
	uint64_t end_pkts; /* frames appended until its end */
	uint64_t tsc;	   /* when its first frame came */
};

struct held_time {
	uint64_t done_pkts; /* frames that have left, counted or not */
	uint64_t tsc_per_us;
	uint64_t quantum_tsc;
	uint32_t first, n; /* ring of runs, oldest first */
	struct held_run runs[HELD_RUNS];
	struct held_histogram histogram;
};

void held_time_init(struct held_time *ht, uint64_t tsc_hz);

/* Out of a burst's way. */
void held_time_new_run(struct held_time *ht, uint64_t end_pkts, uint64_t now_tsc);

/* Frames were appended at now_tsc; end_pkts have been now, in all. */
static inline void held_time_append(struct held_time *ht, uint64_t end_pkts, uint64_t now_tsc)
{
	struct held_run *last = &ht->runs[(ht->first + ht->n - 1) % HELD_RUNS];

	if (__builtin_expect(ht->n && now_tsc - last->tsc < ht->quantum_tsc, true))
		last->end_pkts = end_pkts;
	else
		held_time_new_run(ht, end_pkts, now_tsc);
}

/* Frames have left at now_tsc; released_pkts have now, in all. */
void held_time_release(struct held_time *ht, uint64_t released_pkts, uint64_t now_tsc);

/* The youngest frames were discarded; end_pkts are left, in all. */
void held_time_truncate(struct held_time *ht, uint64_t end_pkts);

/* The bucket of a time: exact to 4 us, then four to each power of two. */
unsigned held_bucket(uint64_t us);

#endif
