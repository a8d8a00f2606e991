/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renicd, seen by the generator: the guests' VFs, their protection, checkpoints and commits, and
 * the daemon's own counters, all over the control socket (librenic).
 *
 * Calls block the one thread of the generator: between begin and resume the guests are paused
 * anyway, and a wait leaves the core to the daemon's control thread.
 *
 * Before a commit is asked for, the judge is told which numbers it lets out; so a frame that
 * comes although its epoch is not committed is known, whatever the daemon says of itself.
 */
#ifndef PKTGEN_DAEMON_H
#define PKTGEN_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <renic.h>

#include "histogram.h"
#include "options.h"
#include "sender.h"

enum { IN_FLIGHT_MAX = 64 }; /* sealed epochs that wait for their commit */

struct daemon_counters {
	uint64_t taken, released, drops; /* frames, all VFs */
};

struct sealed {
	uint64_t epoch;
	uint64_t due_tsc;
	uint64_t boundary[VFS_MAX]; /* first number of each VF that is not in it */
};

struct daemon {
	const struct options *options;
	struct renic_client *client;
	struct sender **guests;
	unsigned n_created;
	bool created[VFS_MAX], made_group;
	bool protected;
	char group[64];
	uint64_t taken_before[VFS_MAX]; /* tx_pkts of number 0, as it were */
	uint64_t next_tsc;		/* of the next checkpoint */
	struct sealed *sealed;		/* [IN_FLIGHT_MAX] */
	unsigned sealed_head, sealed_tail;
	/* results */
	uint64_t checkpoints, commits, held_max;
	struct histogram begin_ns, resume_ns, commit_ns, daemon_begin_us;
	struct renic_error error; /* of the call that failed */
};

/* Connect. 0, or a code with daemon->error filled. */
int daemon_connect(struct daemon *daemon, const struct options *options);

/* Guest `number`'s VF: created, where it is missing. path: its socket, PATH_MAX bytes. */
int daemon_vf(struct daemon *daemon, unsigned number, const uint8_t mac[6], char *path);

/* Until every guest's VF runs, and the uplink is up if there is a far end; a bound of 10 s. */
int daemon_wait_running(struct daemon *daemon);

/* Protect the guests: none may have frames under way. */
int daemon_protect(struct daemon *daemon, struct sender **guests);

/* Let everything go (or, with --last-commit, discard it), and end protection. */
int daemon_unprotect(struct daemon *daemon);

/* Checkpoint and commit, if it is time for it. */
int daemon_poll(struct daemon *daemon, uint64_t now_tsc);

int daemon_counters(struct daemon *daemon, struct daemon_counters *counters);

/* Delete what was created, hang up. */
void daemon_close(struct daemon *daemon);

#endif
