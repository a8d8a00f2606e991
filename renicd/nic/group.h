/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A protection group's state machine and epoch book-keeping: what is legal when, which epochs
 * are sealed, aborted, committed. Pure logic, no DPDK, no lcores: nic.c carries out what this
 * allows. Control thread only.
 *
 *   unprotected --start--> protected --begin--> suspended --resume|abort--> protected
 *   protected --stop--> unprotected; commit in protected and suspended.
 *   unprotected --standby_start--> standby --restore--> standby --activate--> unprotected;
 *   standby --standby_stop--> unprotected.
 *
 * The term numbers the activations: a command that carries another one than the group's is
 * refused, so that a replicator that was failed over from can release nothing any more.
 *
 * Source: Remus (NSDI'08) section 3; the table in group.c is the specification.
 */
#ifndef RENICD_NIC_GROUP_H
#define RENICD_NIC_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "types.h"

enum group_state {
	GROUP_UNPROTECTED,
	GROUP_PROTECTED,
	GROUP_SUSPENDED,
	GROUP_STANDBY,
	GROUP_STATES,
};

enum group_op {
	GROUP_START,
	GROUP_BEGIN,
	GROUP_RESUME,
	GROUP_ABORT,
	GROUP_COMMIT,
	GROUP_STOP,
	GROUP_STANDBY_START,
	GROUP_STANDBY_STOP,
	GROUP_RESTORE,
	GROUP_ACTIVATE,
	GROUP_OPS,
};

/* Terms are 1..GROUP_TERM_MAX, as the largest integer of the control socket allows. */
#define GROUP_TERM_MAX ((uint64_t)INT64_MAX)

/* Plain data: whoever keeps a group over a restart keeps this as it is. */
struct group_fsm {
	enum group_state state;
	uint64_t term;			    /* 1.. ; never goes back */
	uint64_t epoch;			    /* open epoch, 1.. ; 0 while unprotected or standby */
	uint64_t committed_epoch;	    /* 0: none yet */
	bool aborted[EPOCHS_IN_FLIGHT_MAX]; /* [epoch %]: sealed, but its checkpoint was aborted; of
					     * the last EPOCHS_IN_FLIGHT_MAX - 1 sealed ones.
					     * Uncommitted ones before these count as aborted */
};

extern const char *const group_state_names[GROUP_STATES];
extern const char *const group_op_names[GROUP_OPS];

/*
 * May `op` be done now? Returns 0, or RENIC_E_STATE with err->state naming the state. Changes
 * nothing. For GROUP_ABORT also RENIC_E_STATE when the epoch under way is committed.
 */
int group_check(const struct group_fsm *fsm, enum group_op op, struct nic_error *err);

/*
 * May `epoch` be committed? RENIC_E_PARAMS (field "epoch", naming what is expected) when it is
 * not sealed yet, or its checkpoint was aborted, or EPOCHS_IN_FLIGHT_MAX - 1 have been sealed
 * since (then a later one must be committed). An epoch
 * that is committed already is fine, and changes nothing. RENIC_E_STATE when not protected.
 */
int group_check_commit(const struct group_fsm *fsm, uint64_t epoch, struct nic_error *err);

/*
 * May a command carry `term`? 0: it carries none, always fine. RENIC_E_TERM (field "term", naming
 * what was given and what is expected) when it is not the group's. Commands that begin something,
 * START, STANDBY_START, RESTORE and ACTIVATE, may carry a larger one. Changes nothing.
 */
int group_check_term(
	const struct group_fsm *fsm, enum group_op op, uint64_t term, struct nic_error *err);

/* A new group: unprotected, in a term that its VFs have not left behind. */
void group_fsm_init(struct group_fsm *fsm, uint64_t term);

/* Take a larger term; a smaller one, or none (0), changes nothing. */
void group_fsm_take_term(struct group_fsm *fsm, uint64_t term);

/* Do it. The check has passed. START opens epoch 1; BEGIN seals the open epoch (returned by
 * group_fsm_begin) and opens the next one; ABORT marks the epoch that BEGIN sealed as aborted. */
void group_fsm_start(struct group_fsm *fsm);
uint64_t group_fsm_begin(struct group_fsm *fsm);
void group_fsm_resume(struct group_fsm *fsm);
void group_fsm_abort(struct group_fsm *fsm);
void group_fsm_commit(struct group_fsm *fsm, uint64_t epoch);
void group_fsm_stop(struct group_fsm *fsm);
void group_fsm_standby_start(struct group_fsm *fsm);
void group_fsm_standby_stop(struct group_fsm *fsm);
/* The next term begins, or `term` where that is larger than the group's. */
void group_fsm_activate(struct group_fsm *fsm, uint64_t term);

/* After a crash in the middle of BEGIN: the epoch that it sealed counts as aborted, for nobody was
 * told of it. */
void group_fsm_unsealed(struct group_fsm *fsm);

/* Sealed and uncommitted epochs (aborted ones count until a later commit covers them). */
uint32_t group_fsm_sealed(const struct group_fsm *fsm);

#endif
