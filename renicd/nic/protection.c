/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection and checkpoints: what group.c allows, carried out on the lcores that own the
 * group's queue pairs. One message a lcore and command, whatever the number of VFs.
 *
 * Output commit (P1) rests on two facts: a queue pair appends to the log what it took from the
 * guest while `hold` is set, and the log's `committed` moves by nic_checkpoint_commit() and
 * nic_protection_stop() alone. Quiet when suspended (P3): `suspended` is set by the owner
 * between two rounds, and every access to guest memory asks for it. What a command decides is in
 * the journal before it is carried out (P6): after a crash the next daemon carries it out again.
 * Source: Remus (NSDI'08) section 3; design, "Checkpoint protocol".
 */
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "group_members.h"
#include "protection.h"

struct command {
	const struct group *group;
	void (*apply)(struct vf_qp *qp, void *epoch);
	uint64_t epoch;
	bool by_the_clock; /* the next one comes as long after this as this after the last */
};

static void run_on_own_qps(void *arg)
{
	struct command *cmd = arg;

	for (uint16_t v = 0; v < cmd->group->n_vfs; v++)
		vf_for_own_qps(cmd->group->vfs[v], cmd->apply, &cmd->epoch);
	if (cmd->by_the_clock)
		lcore_beat();
}

static void command_run(
	const struct group *g, void (*apply)(struct vf_qp *qp, void *epoch), uint64_t epoch)
{
	struct command cmd = {.group = g, .apply = apply, .epoch = epoch};

	lcore_call_all(run_on_own_qps, &cmd);
}

/* ---- on the lcores ---- */

enum { LATE_SHARE = 4 };

static void qp_start_hold(struct vf_qp *qp, void *epoch)
{
	egress_log_open(&qp->log, *(uint64_t *)epoch);
	qp->hold = true;
	qp->log_full = false;
}

static void qp_begin(struct vf_qp *qp, void *epoch)
{
	qp->suspended = true;
	egress_log_seal(&qp->log);
}

static void qp_resume(struct vf_qp *qp, void *epoch)
{
	qp->suspended = false;
}

/* What is left of the epochs before may be a share of the new one, since epochs differ. */
static void qp_commit(struct vf_qp *qp, void *epoch)
{
	const struct egress_log *log = &qp->log;
	uint64_t before = log->committed_pkts, left = before - log->released_pkts;

	egress_log_commit(&qp->log, *(uint64_t *)epoch);
	qp->is_late = left > (log->committed_pkts - before) / LATE_SHARE;
}

static void qp_release_all(struct vf_qp *qp, void *epoch)
{
	egress_log_commit_all(&qp->log);
	qp->hold = false;
}

static void qp_discard(struct vf_qp *qp, void *epoch)
{
	counter_add(&qp->counters.drops[DROP_DISCARDED], egress_log_discard(&qp->log));
	held_time_truncate(&qp->held_time, qp->log.appended_pkts);
	qp->hold = false;
}

/* ---- the replicator's life ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

enum { COME_BACK_MS = 5000 }; /* after a restart, where the group has no timeout */

/* Whoever drives the group is its replicator, until the connection closes or falls silent. */
static void adopt(struct group *g, uint64_t client)
{
	if (!client)
		return;
	g->client = client;
	g->replicator = REPLICATOR_CONNECTED;
	g->last_alive_ns = now_ns();
	g->give_up_ns = 0;
}

/* The guests' memory: what the device writes from now on is logged. */
static void log_dirty(struct group *g, bool complete)
{
	for (uint16_t v = 0; v < g->n_vfs; v++)
		dirty_log_start(&g->vfs[v]->dirty, complete);
}

static void stop(struct group *g, bool discard)
{
	g->discard = discard;
	group_fsm_stop(&g->fsm);
	group_note(g);
	/* Before the message: when it is answered no lcore marks any more, and a start may clear.
	 */
	for (uint16_t v = 0; v < g->n_vfs; v++)
		dirty_log_stop(&g->vfs[v]->dirty);
	command_run(g, discard ? qp_discard : qp_release_all, 0);
	g->client = 0;
	g->replicator = REPLICATOR_NONE;
	group_post_state(g);
}

/* With policy hold all stays as it is, a checkpoint under way included: who comes next resumes
 * or aborts it. With policy release the checkpoint is given up and the protection ends. */
static void replicator_lost(struct group *g, const char *why)
{
	g->client = 0;
	g->give_up_ns = 0;
	g->replicator = REPLICATOR_LOST;
	if (g->fsm.state != GROUP_PROTECTED && g->fsm.state != GROUP_SUSPENDED)
		return;
	nic_post_event(EVENT_REPLICATOR_LOST, g->config.name, "%s; policy: %s", why,
		g->config.on_replicator_lost == REPLICATOR_RELEASE ? "release" : "hold");
	if (g->config.on_replicator_lost != REPLICATOR_RELEASE)
		return;
	if (g->fsm.state == GROUP_SUSPENDED) {
		group_fsm_resume(&g->fsm);
		group_note(g);
		command_run(g, qp_resume, 0);
	}
	stop(g, false);
}

void protection_taken_up(struct group *g)
{
	uint32_t wait_ms = g->config.replicator_timeout_ms;

	log_dirty(g, false);
	g->replicator = REPLICATOR_LOST;
	if (g->config.on_replicator_lost == REPLICATOR_RELEASE)
		g->give_up_ns = now_ns() + (wait_ms ? wait_ms : COME_BACK_MS) * 1000000ULL;
	group_post_state(g);
}

void nic_client_alive(uint64_t client)
{
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next)
		if (g->client == client)
			g->last_alive_ns = now_ns();
}

void nic_client_gone(uint64_t client)
{
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next)
		if (g->client == client)
			replicator_lost(g, "control connection closed");
}

/* NULL: in time. */
static const char *too_late(const struct group *g, uint64_t now)
{
	uint64_t limit_ns = (uint64_t)g->config.replicator_timeout_ms * 1000000;

	if (g->client && limit_ns && now - g->last_alive_ns > limit_ns)
		return "silent for longer than replicator_timeout_ms";
	return g->give_up_ns && now > g->give_up_ns ? "it did not come back after a restart" : NULL;
}

/* What clients sent while the control thread was busy with something else may not have been read
 * yet. So one that is too late has until the next tick: by then, all that was there has been. */
void protection_check_timeouts(void)
{
	uint64_t now = now_ns();
	const char *why;
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next) {
		why = too_late(g, now);
		if (why && g->is_late)
			replicator_lost(g, why);
		g->is_late = why != NULL;
	}
}

/* ---- what the control socket asks ---- */

static int check(const struct group *g, const struct group_command *cmd, enum group_op op,
	struct nic_error *err)
{
	int rc = group_check_term(&g->fsm, op, cmd->term, err);

	return rc ? rc : group_check(&g->fsm, op, err);
}

/* The group, if `op` is legal now; the caller becomes its replicator. */
static struct group *enter(const struct group_command *cmd, enum group_op op, struct nic_error *err)
{
	struct group *g = group_resolve(cmd->group, err);

	if (!g || check(g, cmd, op, err))
		return NULL;
	adopt(g, cmd->client);
	return g;
}

static int code_of(const struct nic_error *err)
{
	return err->code;
}

int nic_protection_start(const struct group_command *cmd, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;
	bool made;

	err = err ? err : &local;
	g = group_resolve_or_make(cmd->group, &made, err);
	if (!g)
		return code_of(err);
	if (check(g, cmd, GROUP_START, err)) {
		if (made)
			group_free(g);
		return code_of(err);
	}
	if (!g->n_vfs)
		return nic_fail(
			err, RENIC_E_PARAMS, "group", "group \"%s\" has no VFs", cmd->group);
	adopt(g, cmd->client);
	group_take_term(g, cmd->term);
	group_fsm_start(&g->fsm);
	group_note(g);
	log_dirty(g, true);
	command_run(g, qp_start_hold, g->fsm.epoch);
	group_post_state(g);
	return 0;
}

int nic_protection_stop(const struct group_command *cmd, bool discard, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(cmd, GROUP_STOP, err);
	if (!g)
		return code_of(err);
	stop(g, discard);
	return 0;
}

int nic_checkpoint_prepare(
	const struct group_command *cmd, struct checkpoint_info *info, struct nic_error *err)
{
	uint64_t age_us = 0;
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = group_resolve(cmd->group, err);
	if (!g || check(g, cmd, GROUP_BEGIN, err))
		return code_of(err);
	*info = (struct checkpoint_info){.term = g->fsm.term, .epoch = g->fsm.epoch};
	group_held(g, &info->held_pkts, &info->held_bytes, &age_us);
	return 0;
}

int nic_checkpoint_begin(
	const struct group_command *cmd, struct checkpoint_info *info, struct nic_error *err)
{
	uint64_t start = rte_rdtsc(), age_us = 0;
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(cmd, GROUP_BEGIN, err);
	if (!g)
		return code_of(err);
	*info = (struct checkpoint_info){
		.term = g->fsm.term,
		.epoch = group_fsm_begin(&g->fsm),
	};
	group_note(g);
	lcore_call_all(run_on_own_qps,
		&(struct command){.group = g, .apply = qp_begin, .by_the_clock = true});
	for (uint16_t v = 0; v < g->n_vfs; v++)
		dirty_log_flip(&g->vfs[v]->dirty, &g->vfs[v]->dirty_info);
	info->duration_us = (rte_rdtsc() - start) * 1000000 / rte_get_tsc_hz();
	group_held(g, &info->held_pkts, &info->held_bytes, &age_us);
	return 0;
}

int nic_checkpoint_resume(const struct group_command *cmd, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(cmd, GROUP_RESUME, err);
	if (!g)
		return code_of(err);
	group_fsm_resume(&g->fsm);
	group_note(g);
	command_run(g, qp_resume, 0);
	return 0;
}

int nic_checkpoint_abort(const struct group_command *cmd, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(cmd, GROUP_ABORT, err);
	if (!g)
		return code_of(err);
	group_fsm_abort(&g->fsm);
	group_note(g);
	command_run(g, qp_resume, 0);
	return 0;
}

int nic_checkpoint_commit(const struct group_command *cmd, uint64_t epoch, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = group_resolve(cmd->group, err);
	if (!g || group_check_term(&g->fsm, GROUP_COMMIT, cmd->term, err) ||
		group_check_commit(&g->fsm, epoch, err))
		return code_of(err);
	adopt(g, cmd->client);
	if (epoch > g->fsm.committed_epoch) {
		group_fsm_commit(&g->fsm, epoch);
		group_note(g);
		command_run(g, qp_commit, epoch);
	}
	return 0;
}
