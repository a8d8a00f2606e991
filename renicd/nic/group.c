/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A protection group's states and epochs; see group.h. The table below is the specification of
 * what is legal when: what it does not name is refused.
 *
 * Epochs are sealed in order; a commit of e covers all epochs <= e, aborted ones too. The last
 * EPOCHS_IN_FLIGHT_MAX - 1 sealed ones are remembered, by `aborted` and by the egress logs' rings.
 * An uncommitted epoch older than that counts as an aborted one: its frames go with a later
 * commit, whose checkpoint has what caused them. So nothing leaves early, and who never commits
 * the epochs of checkpoints that came to nothing does not run out of them.
 * Control thread only. Source: Remus (NSDI'08), section 3.
 */
#include <stdio.h>
#include <string.h>

#include "group.h"

enum { IN_FLIGHT_LIMIT = EPOCHS_IN_FLIGHT_MAX - 1 };

static const struct group_arc {
	enum group_state state;
	enum group_op op;
	enum group_state next;
} group_arcs[] = {
	{GROUP_UNPROTECTED, GROUP_START, GROUP_PROTECTED},
	{GROUP_PROTECTED, GROUP_BEGIN, GROUP_SUSPENDED},
	{GROUP_PROTECTED, GROUP_COMMIT, GROUP_PROTECTED},
	{GROUP_PROTECTED, GROUP_STOP, GROUP_UNPROTECTED},
	{GROUP_SUSPENDED, GROUP_RESUME, GROUP_PROTECTED},
	{GROUP_SUSPENDED, GROUP_ABORT, GROUP_PROTECTED},
	{GROUP_SUSPENDED, GROUP_COMMIT, GROUP_SUSPENDED},
	{GROUP_UNPROTECTED, GROUP_STANDBY_START, GROUP_STANDBY},
	{GROUP_STANDBY, GROUP_RESTORE, GROUP_STANDBY},
	{GROUP_STANDBY, GROUP_ACTIVATE, GROUP_UNPROTECTED},
	{GROUP_STANDBY, GROUP_STANDBY_STOP, GROUP_UNPROTECTED},
};

const char *const group_state_names[GROUP_STATES] = {
	[GROUP_UNPROTECTED] = "unprotected",
	[GROUP_PROTECTED] = "protected",
	[GROUP_SUSPENDED] = "suspended",
	[GROUP_STANDBY] = "standby",
};

const char *const group_op_names[GROUP_OPS] = {
	[GROUP_START] = "protection_start",
	[GROUP_BEGIN] = "checkpoint_begin",
	[GROUP_RESUME] = "checkpoint_resume",
	[GROUP_ABORT] = "checkpoint_abort",
	[GROUP_COMMIT] = "checkpoint_commit",
	[GROUP_STOP] = "protection_stop",
	[GROUP_STANDBY_START] = "standby_start",
	[GROUP_STANDBY_STOP] = "standby_stop",
	[GROUP_RESTORE] = "standby_restore",
	[GROUP_ACTIVATE] = "activate",
};

/* What may carry a larger term, which the group then takes. */
static const bool op_may_raise_term[GROUP_OPS] = {
	[GROUP_START] = true,
	[GROUP_STANDBY_START] = true,
	[GROUP_RESTORE] = true,
	[GROUP_ACTIVATE] = true,
};

static const struct group_arc *arc_find(enum group_state state, enum group_op op)
{
	for (size_t i = 0; i < sizeof(group_arcs) / sizeof(group_arcs[0]); i++)
		if (group_arcs[i].state == state && group_arcs[i].op == op)
			return &group_arcs[i];
	return NULL;
}

/* The state, once the check has passed; an op that is not legal changes nothing. */
static void state_step(struct group_fsm *fsm, enum group_op op)
{
	const struct group_arc *arc = arc_find(fsm->state, op);

	if (arc)
		fsm->state = arc->next;
}

static bool *aborted_flag(struct group_fsm *fsm, uint64_t epoch)
{
	return &fsm->aborted[epoch % EPOCHS_IN_FLIGHT_MAX];
}

/* Of a sealed, uncommitted epoch. */
static bool is_aborted(const struct group_fsm *fsm, uint64_t epoch)
{
	return epoch + IN_FLIGHT_LIMIT < fsm->epoch || fsm->aborted[epoch % EPOCHS_IN_FLIGHT_MAX];
}

static int fail_state(
	const struct group_fsm *fsm, enum group_op op, const char *besides, struct nic_error *err)
{
	const char *state = group_state_names[fsm->state];

	nic_fail(err, RENIC_E_STATE, NULL, "%s is not possible: the group is %s%s",
		group_op_names[op], state, besides);
	if (err)
		snprintf(err->state, sizeof(err->state), "%s", state);
	return RENIC_E_STATE;
}

int group_check(const struct group_fsm *fsm, enum group_op op, struct nic_error *err)
{
	if (!arc_find(fsm->state, op))
		return fail_state(fsm, op, "", err);
	if (op == GROUP_ABORT && fsm->committed_epoch + 1 == fsm->epoch)
		return fail_state(fsm, op, ", and its checkpoint is committed", err);
	return 0;
}

int group_check_term(
	const struct group_fsm *fsm, enum group_op op, uint64_t term, struct nic_error *err)
{
	bool activate_last = op == GROUP_ACTIVATE && fsm->term == GROUP_TERM_MAX;
	const char *more = op_may_raise_term[op] ? " or a larger one" : "";

	if (activate_last)
		return nic_fail(err, RENIC_E_TERM, "term", "term %llu is the last one",
			(unsigned long long)fsm->term);
	if (!term || term == fsm->term ||
		(op_may_raise_term[op] && term > fsm->term && term <= GROUP_TERM_MAX))
		return 0;
	nic_fail(err, RENIC_E_TERM, "term", "%s in term %llu, but the group's is %llu%s",
		group_op_names[op], (unsigned long long)term, (unsigned long long)fsm->term,
		term < fsm->term ? ": it was activated since" : "");
	if (err) {
		snprintf(err->given, sizeof(err->given), "%llu", (unsigned long long)term);
		snprintf(err->expected, sizeof(err->expected), "%llu%s",
			(unsigned long long)fsm->term, more);
	}
	return RENIC_E_TERM;
}

static int fail_epoch(struct nic_error *err, uint64_t epoch, const char *expected)
{
	char given[24];

	snprintf(given, sizeof(given), "%llu", (unsigned long long)epoch);
	return nic_fail_value(err, "epoch", given, expected);
}

int group_check_commit(const struct group_fsm *fsm, uint64_t epoch, struct nic_error *err)
{
	char expected[128];
	int ret = group_check(fsm, GROUP_COMMIT, err);

	if (ret)
		return ret;
	if (epoch == 0 || epoch >= fsm->epoch) {
		if (fsm->epoch == 1)
			snprintf(expected, sizeof(expected), "a sealed epoch; there is none yet");
		else
			snprintf(expected, sizeof(expected), "a sealed epoch, 1 to %llu",
				(unsigned long long)(fsm->epoch - 1));
		return fail_epoch(err, epoch, expected);
	}
	if (epoch > fsm->committed_epoch && is_aborted(fsm, epoch)) {
		snprintf(expected, sizeof(expected),
			"one of the last %d epochs whose checkpoint was not aborted: a later one",
			IN_FLIGHT_LIMIT);
		return fail_epoch(err, epoch, expected);
	}
	return 0;
}

void group_fsm_init(struct group_fsm *fsm, uint64_t term)
{
	*fsm = (struct group_fsm){.state = GROUP_UNPROTECTED, .term = term ? term : 1};
}

void group_fsm_take_term(struct group_fsm *fsm, uint64_t term)
{
	if (term > fsm->term)
		fsm->term = term;
}

void group_fsm_start(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_START);
	fsm->epoch = 1;
	fsm->committed_epoch = 0;
	memset(fsm->aborted, 0, sizeof(fsm->aborted));
}

uint64_t group_fsm_begin(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_BEGIN);
	*aborted_flag(fsm, fsm->epoch) = false;
	return fsm->epoch++;
}

void group_fsm_resume(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_RESUME);
}

void group_fsm_abort(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_ABORT);
	*aborted_flag(fsm, fsm->epoch - 1) = true;
}

void group_fsm_commit(struct group_fsm *fsm, uint64_t epoch)
{
	state_step(fsm, GROUP_COMMIT);
	if (epoch > fsm->committed_epoch)
		fsm->committed_epoch = epoch;
}

void group_fsm_stop(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_STOP);
	fsm->epoch = 0;
	fsm->committed_epoch = 0;
}

void group_fsm_unsealed(struct group_fsm *fsm)
{
	if (fsm->epoch > fsm->committed_epoch + 1)
		*aborted_flag(fsm, fsm->epoch - 1) = true;
}

void group_fsm_standby_start(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_STANDBY_START);
}

void group_fsm_standby_stop(struct group_fsm *fsm)
{
	state_step(fsm, GROUP_STANDBY_STOP);
}

void group_fsm_activate(struct group_fsm *fsm, uint64_t term)
{
	state_step(fsm, GROUP_ACTIVATE);
	fsm->term = term > fsm->term ? term : fsm->term + 1;
}

uint32_t group_fsm_sealed(const struct group_fsm *fsm)
{
	return fsm->epoch ? (uint32_t)(fsm->epoch - 1 - fsm->committed_epoch) : 0;
}
