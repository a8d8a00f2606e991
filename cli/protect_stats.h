/* SPDX-License-Identifier: BSD-3-Clause */
/* What `renicctl protect` measured, and how it tells. Latencies are the client's, microseconds. */
#ifndef CLI_PROTECT_STATS_H
#define CLI_PROTECT_STATS_H

#include "ctl.h"
#include "histogram.h"

struct protect_stats {
	uint64_t sealed, committed; /* epochs */
	uint64_t last_epoch;	    /* number of the last sealed, 0: none */
	uint64_t late;		    /* ticks that were missed */
	uint64_t kept_open;	    /* ticks without a seal: as many in flight as allowed */
	uint64_t held_pkts_max, held_bytes_max;
	struct histogram begin_us;     /* checkpoint_begin, call to reply */
	struct histogram suspended_us; /* begin's call to resume's reply */
};

void protect_stats_add(struct protect_stats *stats, const struct renic_checkpoint *checkpoint,
	uint64_t begin_us, uint64_t suspended_us);

void protect_stats_print(struct ctl *ctl, const char *group, const struct protect_stats *stats);

#endif
