/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection and checkpoints: what group.c allows, carried out on the lcores that own the
 * group's queue pairs. One message a lcore and command, whatever the number of VFs.
 *
 * Output commit (P1) rests on two facts: a queue pair appends to the log what it took from the
 * guest while `hold` is set, and the log's `committed` moves by nic_checkpoint_commit() and
 * nic_protection_stop() alone. Quiet when suspended (P3): `suspended` is set by the owner
 * between two rounds, and every access to guest memory asks for it.
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
};

static void run_on_own_qps(void *arg)
{
	struct command *cmd = arg;

	for (uint16_t v = 0; v < cmd->group->n_vfs; v++)
		vf_for_own_qps(cmd->group->vfs[v], cmd->apply, &cmd->epoch);
}

static void command_run(
	const struct group *g, void (*apply)(struct vf_qp *qp, void *epoch), uint64_t epoch)
{
	struct command cmd = {.group = g, .apply = apply, .epoch = epoch};

	lcore_call_all(run_on_own_qps, &cmd);
}

/* ---- on the lcores ---- */

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

static void qp_commit(struct vf_qp *qp, void *epoch)
{
	egress_log_commit(&qp->log, *(uint64_t *)epoch);
}

static void qp_release_all(struct vf_qp *qp, void *epoch)
{
	egress_log_commit_all(&qp->log);
	qp->hold = false;
}

static void qp_discard(struct vf_qp *qp, void *epoch)
{
	counter_add(&qp->counters.drops[DROP_DISCARDED], egress_log_discard(&qp->log));
	qp->hold = false;
}

/* ---- the replicator's life ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Whoever drives the group is its replicator, until the connection closes or falls silent. */
static void adopt(struct group *g, uint64_t client)
{
	if (!client)
		return;
	g->client = client;
	g->replicator = REPLICATOR_CONNECTED;
	g->last_alive_ns = now_ns();
}

static void announce(const struct group *g)
{
	nic_post_event(EVENT_GROUP_STATE, g->config.name, "%s", group_state_names[g->fsm.state]);
}

static void stop(struct group *g, bool discard)
{
	command_run(g, discard ? qp_discard : qp_release_all, 0);
	group_fsm_stop(&g->fsm);
	g->client = 0;
	g->replicator = REPLICATOR_NONE;
	announce(g);
}

/* With policy hold all stays as it is, a checkpoint under way included: who comes next resumes
 * or aborts it. With policy release the checkpoint is given up and the protection ends. */
static void replicator_lost(struct group *g, const char *why)
{
	g->client = 0;
	g->replicator = REPLICATOR_LOST;
	if (g->fsm.state == GROUP_UNPROTECTED)
		return;
	nic_post_event(EVENT_REPLICATOR_LOST, g->config.name, "%s; policy: %s", why,
		g->config.on_replicator_lost == REPLICATOR_RELEASE ? "release" : "hold");
	if (g->config.on_replicator_lost != REPLICATOR_RELEASE)
		return;
	if (g->fsm.state == GROUP_SUSPENDED) {
		command_run(g, qp_resume, 0);
		group_fsm_resume(&g->fsm);
	}
	stop(g, false);
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

void protection_check_timeouts(void)
{
	uint64_t now = now_ns();
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next) {
		uint64_t limit_ns = (uint64_t)g->config.replicator_timeout_ms * 1000000;

		if (g->client && limit_ns && now - g->last_alive_ns > limit_ns)
			replicator_lost(g, "silent for longer than replicator_timeout_ms");
	}
}

/* ---- what the control socket asks ---- */

/* The group, if `op` is legal now; the caller becomes its replicator. */
static struct group *enter(
	const char *name, enum group_op op, uint64_t client, struct nic_error *err)
{
	struct group *g = group_resolve(name, err);

	if (!g || group_check(&g->fsm, op, err))
		return NULL;
	adopt(g, client);
	return g;
}

static int code_of(const struct nic_error *err)
{
	return err->code;
}

int nic_protection_start(const char *name, uint64_t client, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = group_resolve_or_make(name, err);
	if (!g || group_check(&g->fsm, GROUP_START, err))
		return code_of(err);
	if (!g->n_vfs)
		return nic_fail(err, RENIC_E_PARAMS, "group", "group \"%s\" has no VFs", name);
	adopt(g, client);
	group_fsm_start(&g->fsm);
	command_run(g, qp_start_hold, g->fsm.epoch);
	announce(g);
	return 0;
}

int nic_protection_stop(const char *name, bool discard, uint64_t client, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(name, GROUP_STOP, client, err);
	if (!g)
		return code_of(err);
	stop(g, discard);
	return 0;
}

int nic_checkpoint_begin(
	const char *name, uint64_t client, struct checkpoint_info *info, struct nic_error *err)
{
	uint64_t start = rte_rdtsc(), age_us = 0;
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(name, GROUP_BEGIN, client, err);
	if (!g)
		return code_of(err);
	command_run(g, qp_begin, 0);
	*info = (struct checkpoint_info){.epoch = group_fsm_begin(&g->fsm)};
	info->duration_us = (rte_rdtsc() - start) * 1000000 / rte_get_tsc_hz();
	group_held(g, &info->held_pkts, &info->held_bytes, &age_us);
	return 0;
}

int nic_checkpoint_resume(const char *name, uint64_t client, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(name, GROUP_RESUME, client, err);
	if (!g)
		return code_of(err);
	command_run(g, qp_resume, 0);
	group_fsm_resume(&g->fsm);
	return 0;
}

int nic_checkpoint_abort(const char *name, uint64_t client, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = enter(name, GROUP_ABORT, client, err);
	if (!g)
		return code_of(err);
	command_run(g, qp_resume, 0);
	group_fsm_abort(&g->fsm);
	return 0;
}

int nic_checkpoint_commit(const char *name, uint64_t epoch, uint64_t client, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = group_resolve(name, err);
	if (!g || group_check_commit(&g->fsm, epoch, err))
		return code_of(err);
	adopt(g, client);
	if (epoch > g->fsm.committed_epoch) {
		command_run(g, qp_commit, epoch);
		group_fsm_commit(&g->fsm, epoch);
	}
	return 0;
}
