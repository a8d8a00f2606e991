/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A protection group's state machine and epoch book-keeping: what is legal when, which epochs
 * are sealed, aborted, committed. Pure logic, no DPDK, no lcores: nic.c carries out what this
 * allows. Control thread only.
 *
 *   unprotected --start--> protected --begin--> suspended --resume|abort--> protected
 *   protected --stop--> unprotected; commit in protected and suspended.
 *
 * Source: Remus (NSDI'08) section 3; the table in group.c is the specification.
 */
#ifndef RENICD_NIC_GROUP_H
#define RENICD_NIC_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "types.h"

enum group_state { GROUP_UNPROTECTED, GROUP_PROTECTED, GROUP_SUSPENDED, GROUP_STATES };

enum group_op {
	GROUP_START,
	GROUP_BEGIN,
	GROUP_RESUME,
	GROUP_ABORT,
	GROUP_COMMIT,
	GROUP_STOP,
	GROUP_OPS,
};

struct group_fsm {
	enum group_state state;
	uint64_t epoch;			    /* open epoch, 1.. ; 0 while unprotected */
	uint64_t committed_epoch;	    /* 0: none yet */
	bool aborted[EPOCHS_IN_FLIGHT_MAX]; /* [epoch %]: sealed, but its checkpoint was aborted;
					     * of the last EPOCHS_IN_FLIGHT_MAX - 1 sealed ones */
};

extern const char *const group_state_names[GROUP_STATES];
extern const char *const group_op_names[GROUP_OPS];

/*
 * May `op` be done now? Returns 0, or RENIC_E_STATE with err->state naming the state. Changes
 * nothing. For GROUP_BEGIN also RENIC_E_RESOURCES when an epoch that is neither committed nor
 * aborted is the oldest of EPOCHS_IN_FLIGHT_MAX - 1 sealed ones: so whoever only aborts is never
 * stuck. For GROUP_ABORT also RENIC_E_STATE when the epoch under way is committed.
 */
int group_check(const struct group_fsm *fsm, enum group_op op, struct nic_error *err);

/*
 * May `epoch` be committed? RENIC_E_PARAMS (field "epoch", naming what is expected) when it is
 * not sealed yet, or its checkpoint was aborted (then a later one must be committed). An epoch
 * that is committed already is fine, and changes nothing. RENIC_E_STATE when not protected.
 */
int group_check_commit(const struct group_fsm *fsm, uint64_t epoch, struct nic_error *err);

/* Do it. The check has passed. START opens epoch 1; BEGIN seals the open epoch (returned by
 * group_fsm_begin) and opens the next one; ABORT marks the epoch that BEGIN sealed as aborted. */
void group_fsm_start(struct group_fsm *fsm);
uint64_t group_fsm_begin(struct group_fsm *fsm);
void group_fsm_resume(struct group_fsm *fsm);
void group_fsm_abort(struct group_fsm *fsm);
void group_fsm_commit(struct group_fsm *fsm, uint64_t epoch);
void group_fsm_stop(struct group_fsm *fsm);

/* After a crash in the middle of BEGIN: the epoch that it sealed counts as aborted, for nobody was
 * told of it. */
void group_fsm_unsealed(struct group_fsm *fsm);

/* Sealed and uncommitted epochs (aborted ones count until a later commit covers them). */
uint32_t group_fsm_sealed(const struct group_fsm *fsm);

#endif
