/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The local renicd, as a replicator drives it: librenic's calls for one group, the checkpoint area
 * mapped, and a connection that may go and come back. One thread.
 */
#ifndef REPLICATOR_DAEMON_H
#define REPLICATOR_DAEMON_H

#include <renic.h>

#include "nic/error.h"
#include "nic/types.h"

/* A run of a VF's held records, whole ones, in the egress log's file. */
struct daemon_extent {
	uint16_t queue;
	uint64_t log_offset, file_offset, bytes;
};

enum { DAEMON_LOAD_MAX = 384 << 10 };

/* The egress log's file, and where a VF's records were at the last look. */
struct daemon_log {
	const uint8_t *file; /* NULL: not mapped */
	size_t file_bytes;
	struct daemon_extent *extents;
	size_t n_extents, room; /* there is room for */
};

struct daemon {
	const char *path, *group;
	struct renic_client *client; /* NULL: not connected */
	const uint8_t *area;	     /* the checkpoint area, or NULL */
	size_t area_bytes;
	uint64_t term;	/* that commands carry */
	int timeout_ms; /* of a call; 0: CALL_TIMEOUT_MS. For the next connection */
	struct renic_checkpoint_vf vfs[VF_MAX];
	size_t n_vfs; /* of the last checkpoint */
	struct renic_checkpoint checkpoint;
	struct daemon_log log;
};

/* How long a call may take where renicd may be away for so long: a fifth, a second at least. */
int daemon_call_ms(uint64_t renicd_timeout_ms);

struct daemon_group {
	char state[16]; /* "unprotected", "protected", "suspended", "standby" */
	uint64_t term, committed_epoch, held_pkts, held_bytes;
};

/* Connect, if it is not. 0 or a negative code with *err. */
int daemon_connect(struct daemon *d, struct nic_error *err);
void daemon_close(struct daemon *d);
/* The connection is of no use after this error. */
bool daemon_is_lost(int code);

int daemon_group(struct daemon *d, struct daemon_group *group, struct nic_error *err);
int daemon_protect(struct daemon *d, struct nic_error *err);
int daemon_unprotect(struct daemon *d, bool discard, struct nic_error *err);

/* While the VMs run: an error that daemon_begin() would give. */
int daemon_prepare(struct daemon *d, struct nic_error *err);
/* d->checkpoint and d->vfs are filled; the area holds them until the next call. */
int daemon_begin(struct daemon *d, struct nic_error *err);
int daemon_resume(struct daemon *d, struct nic_error *err);
int daemon_abort(struct daemon *d, struct nic_error *err);
int daemon_commit(struct daemon *d, uint64_t epoch, struct nic_error *err);

/* The VF's snapshot and dirty bitmap in the area; NULL: not in the last checkpoint. */
const struct renic_checkpoint_vf *daemon_vf(const struct daemon *d, const char *name);

int daemon_standby_start(struct daemon *d, struct nic_error *err);

/* One of a checkpoint's snapshots, for standby_restore. */
struct daemon_snapshot {
	const char *vf;
	const uint8_t *bytes;
	size_t n;
};

int daemon_restore(
	struct daemon *d, const struct daemon_snapshot *snapshots, size_t n, struct nic_error *err);
/* ---- daemon_log.c: held frames ---- */

/* Fill d->log with what the VF holds now. */
int daemon_log_look(struct daemon *d, const char *vf, struct nic_error *err);
void daemon_log_close(struct daemon_log *log);
/* A standby's VF takes these records (egress_load): at most DAEMON_LOAD_MAX bytes, whole ones. */
int daemon_log_load(
	struct daemon *d, const char *vf, const uint8_t *records, size_t n, struct nic_error *err);

/* Calls of other files: what a call failed with, and whether the connection is of use still. */
int daemon_done(struct daemon *d, int rc, const char *what, const struct renic_error *why,
	struct nic_error *err);

/* *term: the new one. */
int daemon_activate(struct daemon *d, uint64_t *term, struct nic_error *err);

#endif
