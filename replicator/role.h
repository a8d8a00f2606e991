/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the role's thread (primary.c, standby.c) and the control thread share: the command that
 * waits to be carried out, and what status shows. All under one lock, which is held for copying
 * only.
 */
#ifndef REPLICATOR_ROLE_H
#define REPLICATOR_ROLE_H

#include <pthread.h>

#include "../cli/histogram.h"
#include "config.h"
#include "page.h"

enum role_command {
	ROLE_NONE,
	ROLE_FAILOVER,
	ROLE_FAILOVER_FENCED,
	ROLE_STOP,
	ROLE_QUIT,
	ROLE_PROTECT
};

struct role_vm {
	char name[REMUS_NAME_SIZE], driver[REMUS_NAME_SIZE], engine[64];
	uint64_t ram_bytes;
};

/* Of this run. Histograms: one value a checkpoint. */
struct role_stats {
	uint64_t checkpoints, aborted, overflowed, kept_open, reconnects;
	uint64_t held_left_out_bytes;
	struct histogram pause_us, pages, bytes, ack_us, held_pkts;
	struct histogram pause_vm_us, begin_us, state_us, scan_us, copy_us, resume_us;
	uint64_t bytes_sent, bytes_received;
	struct page_stats encoded;
	uint64_t failover_us; /* from the decision to a running VM; 0: none yet */
};

struct role_status {
	enum remus_side side;
	const char *state;
	char peer[CONFIG_ADDRESS_SIZE], error[512];
	bool connected;
	uint64_t term, epoch, acked, committed;
	uint64_t sync_pages, sync_left; /* of the first copy: all, and those to go */
	unsigned sync_round, in_flight;
	uint64_t held_pkts, held_bytes;
	unsigned n_vms;
	struct role_vm vms[STREAM_VMS_MAX];
	struct role_stats stats;
};

struct role {
	int wake_fd; /* eventfd: a command waits, or the link has news */
	int quit_fd; /* signalfd, or -1 */
	pthread_mutex_t lock;
	enum role_command command;
	bool leaving_out; /* the last checkpoint had to do without held frames */
	struct role_status status;
};

int role_init(struct role *role);
void role_fini(struct role *role);

/* From the control thread: false: one waits already. */
bool role_post(struct role *role, enum role_command command);
/* From the role's: the command that waits, if any. */
enum role_command role_take(struct role *role);

/* A checkpoint was taken without so many bytes of held frames, or, 0, with all of them. Counted,
 * and the first of a run told: what "more than can ..." is. The role's thread. */
void role_left_out(struct role *role, uint64_t bytes, const char *more_than);

/* Wait for the wake descriptor, for a signal (it becomes ROLE_QUIT), or until deadline_ns. */
void role_wait(struct role *role, int more_fd, int64_t deadline_ns);

/* Copied under the lock; 30 KiB. */
void role_look(struct role *role, struct role_status *status);

#endif
