/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a standby holds: the group's VMs as of the last whole checkpoint, and what came of the next
 * one. Frames come from another machine: nothing of them is believed.
 *
 * While a checkpoint is held, the pages of the next one wait in a shadow of the RAM, so that RAM
 * is always one whole checkpoint; END copies them over. Before the first END there is nothing
 * to lose, and pages go to RAM directly. The shadow takes memory only where pages came, and gives
 * it back after a large checkpoint.
 *
 * One thread.
 */
#ifndef REPLICATOR_REPLICA_H
#define REPLICATOR_REPLICA_H

#include <renic_snapshot.h>

#include "guest.h"
#include "held.h"
#include "stream.h"

struct replica_vf {
	uint8_t snapshot[RENIC_SNAPSHOT_MAX_BYTES];
	size_t n;
};

/* A VF's held frames (held.h): what came with the next checkpoint, and what has not left yet of
 * those up to the held one. */
struct replica_egress {
	struct held_bytes next, held;
	uint64_t left_out_bytes; /* of the next message, all its records: there was no room */
};

struct replica_vm {
	uint8_t *shadow;  /* n_pages pages, or NULL: no RAM */
	uint64_t *filled; /* pages of the shadow that are newer than RAM */
	uint64_t n_filled;
	uint8_t *blob;
	size_t blob_bytes, blob_room;
	struct replica_vf *next, *held; /* one for each VF */
	struct replica_egress *egress;	/* the same */
};

struct replica {
	struct guest *guests;
	unsigned n_vms;
	bool valid;		       /* a whole checkpoint is held: */
	uint64_t session, term, epoch; /* which */
	bool live;		       /* of the connection: no END yet, and nothing valid */
	bool outdated; /* what is held is of another session; the first frame replaces it */
	uint64_t next_session, next_term;
	uint64_t pages, snapshots, blob_bytes, held_bytes; /* came since the last END */
	uint64_t pages_total;
	uint64_t large_blobs_max_bytes; /* of all VMs, where one's is over REMUS_BLOB_MAX_BYTES */
	uint64_t egress_max_bytes;	/* held frames of all VFs */
	uint64_t left_out_bytes; /* of held frames: the held checkpoint's, there was no room */
	struct replica_vm vms[STREAM_VMS_MAX];
	/* What may take long calls it each time that some of it is done; NULL: nobody cares. */
	void (*progress)(void *arg);
	void *progress_arg;
};

int replica_init(struct replica *r, struct guest *guests, unsigned n_vms, struct nic_error *err);
void replica_fini(struct replica *r);

/* A connection begins. resume: it goes on with the checkpoints of the session that is held. */
int replica_begin(struct replica *r, uint64_t session, uint64_t term, struct nic_error *err);

/* It ended: what is not whole is forgotten. */
void replica_end(struct replica *r);

/* Nothing is held any more. */
void replica_forget(struct replica *r);

/* A PAGES, BLOB, SNAPSHOT, HELD or ABORT frame: 0, or a negative code with *err. */
int replica_take(struct replica *r, const struct frame *frame, struct nic_error *err);

/* An END frame: is the checkpoint whole, and the one that comes next? Nothing changes. */
int replica_check(const struct replica *r, const struct frame *frame, struct nic_error *err);

/* An END frame: the checkpoint is whole, and held from now on. What was held is held no more. */
int replica_commit(struct replica *r, const struct frame *frame, struct nic_error *err);

/* ---- replica_egress.c ---- */

/* A piece of a VF's message of held frames. 0 or a negative code with *err. */
int replica_egress_take(struct replica *r, unsigned vm, unsigned v, const uint8_t *bytes, size_t n,
	struct nic_error *err);
/* The checkpoint is whole: what came is held with it. RENIC_E_PARSE: it is none, nothing changed.
 */
int replica_egress_join(struct replica *r, uint64_t epoch, struct nic_error *err);
/* What came is nobody's; what is held is held no more. */
void replica_egress_end(struct replica *r);
void replica_egress_forget(struct replica *r);

#endif
