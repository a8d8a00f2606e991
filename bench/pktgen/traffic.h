/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run: every sender sends at its pace, every port receives, checkpoints come in between,
 * until the time is over and everything has arrived or will not. One thread.
 */
#ifndef PKTGEN_TRAFFIC_H
#define PKTGEN_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon.h"
#include "options.h"
#include "sender.h"
#include "tracker.h"

/* The ports of this process. */
struct field {
	struct sender *guests[VFS_MAX];
	struct sender *far_end; /* NULL: none */
	unsigned n_guests;
};

struct run_result {
	double seconds; /* that rates are taken over: without warm-up and drain */
	double tx_pps, tx_bps, rx_pps, rx_bps;
	bool have_counters;
	double taken_pps, released_pps; /* by the daemon's own counters */
	uint64_t drops;			/* the daemon's, whole run */
	double full;			/* part of the bursts that a port did not take whole */
	double silence_us;		/* longest time in which nothing arrived */
	uint64_t sent, received, lost, repeated, reordered, early, corrupt, misdelivered;
	bool judged; /* somebody receives what is sent */
};

/* Set by a signal: stop sending. */
extern volatile bool traffic_stop;

/* Returns 0, or a librenic code with daemon->error filled. rate_pps 0: flat out. */
int traffic_run(struct field *field, struct daemon *daemon, const struct options *options,
	double rate_pps, struct run_result *result);

/* Frames of `stream` that were numbered, and of those how many are missing at the receiver. */
uint64_t traffic_sent(const struct field *field, unsigned stream);

/* Of `sent` numbers of a stream, how many are missing: with --last-commit, of those let out. */
uint64_t traffic_lost(const struct options *options, const struct tracker *t, uint64_t sent);

#endif
