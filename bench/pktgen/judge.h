/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verdict on every stream: what arrived, where, when. Written by the ports as they receive
 * (judge_frame() in sender.h), read by the report. One thread.
 */
#ifndef PKTGEN_JUDGE_H
#define PKTGEN_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "tracker.h"

enum {
	STREAMS_MAX = 2 * VFS_MAX, /* from each guest, then from the far end to each guest */
	NO_RECEIVER = -1,
	WHOLE_EVERY = 64, /* of so many frames, one is compared byte by byte */
};

struct stream_in {
	struct tracker tracker;
	struct histogram latency_tsc; /* after the warm-up */
	int receiver;		      /* number of the port that should get it; NO_RECEIVER: none */
	uint64_t bytes, misdelivered, corrupt;
};

struct judge {
	struct stream_in *streams; /* [STREAMS_MAX] */
	bool measuring;		   /* latencies and silence count */
	uint64_t foreign;	   /* frames that are not ours */
	uint64_t received, bytes;  /* ours, all streams */
	uint64_t last_tsc;	   /* of the newest arrival */
	uint64_t silence_tsc;	   /* longest time between two arrivals, while measuring */
	uint32_t *bins;		   /* arrivals in each BIN_US, or NULL */
	uint64_t bins_start_tsc;
};

enum { BIN_US = 100, BINS = 10 * 1000 * 600 };

extern struct judge judge;

/* bins: count arrivals by time. false: no memory. */
bool judge_init(bool bins);

/* A stream that begins now, at number `first`. */
void judge_stream(unsigned stream, int receiver, uint64_t first);

/* The measurement is over: the time since the last arrival counts as silence too. */
void judge_silence_ends(uint64_t now_tsc);

#endif
