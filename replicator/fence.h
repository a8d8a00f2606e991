/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fence command: a configured program that makes sure that the other side's VMs do not run, and
 * says so by exit code 0. Anything else, a timeout included, is no. It runs beside the caller. One
 * thread. Its environment has RENIC_GROUP, RENIC_SIDE (whose it is: "primary", "standby": the side
 * that is to be fenced), RENIC_PEER (its last known address) and RENIC_TERM.
 */
#ifndef REPLICATOR_FENCE_H
#define REPLICATOR_FENCE_H

#include <sys/types.h>

#include "config.h"

struct fence {
	pid_t pid; /* 0: not running */
	int64_t deadline_ns;
};

enum fence_answer { FENCE_RUNNING, FENCE_YES, FENCE_NO };

/* Is there a command? */
bool fence_is_configured(const struct remus_config *config);
/* Start it; it is not running. 0 or a negative code with *err. */
int fence_start(struct fence *f, const struct remus_config *config, enum remus_side victim,
	const char *peer, uint64_t term, struct nic_error *err);
/* Look whether it ended. After its timeout it is killed, and has said no. */
enum fence_answer fence_poll(struct fence *f);

#endif
