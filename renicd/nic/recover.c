/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See recover.h. Order: every VF is made with its log, every group with its state; then each
 * queue is brought to its group's state; only then does a lcore or a front-end see any of them.
 *
 * The journal runs ahead of the queues, never behind (journal.h): a queue may lack a seal, a
 * commit, the start or the end of a protection. All of these can be repeated.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "filter_parse.h"
#include "group_members.h"
#include "journal.h"
#include "log_check.h"
#include "log.h"
#include "protection.h"
#include "recover.h"
#include "vf_config.h"

/* ---- what the file says, as a number ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n--)
		hash = (hash ^ *p++) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

#define HASH(hash, field) hash_bytes(hash, &(field), sizeof(field))
#define HASH_STR(hash, str) hash_bytes(hash, str, strlen(str) + 1)
#define HASH_START 0xcbf29ce484222325u

static uint64_t vf_config_hash(const struct vf_config *c)
{
	uint64_t h = HASH_STR(HASH_START, c->name);
	bool no_offloads = !c->offloads; /* 0: the default, as it was before that changed */

	h = hash_bytes(h, c->mac, sizeof(c->mac));
	h = HASH(h, c->vlan);
	h = HASH(h, c->qos);
	h = HASH(h, c->proto);
	h = HASH(h, c->trust);
	h = HASH(h, c->promisc);
	h = HASH(h, c->allmulti);
	h = HASH(h, c->state);
	h = HASH(h, c->max_tx_rate);
	h = HASH(h, c->min_tx_rate);
	h = HASH_STR(h, c->trunks);
	h = HASH(h, c->queues);
	h = HASH(h, c->server);
	h = HASH(h, c->packed);
	h = HASH(h, no_offloads);
	h = HASH(h, c->standby);
	h = HASH(h, c->spoofchk);
	h = HASH(h, c->mtu);
	h = HASH(h, c->ingress_hold_pkts);
	h = HASH(h, c->egress_log_bytes);
	h = HASH(h, c->transport);
	h = HASH(h, c->xen_domain);
	h = HASH(h, c->xen_handle);
	h = HASH_STR(h, c->socket);
	h = HASH_STR(h, c->hold_exempt);
	return h ? h : 1;
}

static uint64_t group_config_hash(const struct group_config *c)
{
	uint64_t h = HASH_STR(HASH_START, c->name);

	h = HASH(h, c->internal_pass);
	h = HASH(h, c->standby);
	h = HASH(h, c->replicator_timeout_ms);
	h = HASH(h, c->on_replicator_lost);
	for (uint16_t i = 0; i < c->n_vfs; i++)
		h = HASH_STR(h, c->vfs[i]);
	return h ? h : 1;
}

static const struct vf_config *listed_vf(const struct nic_listed *listed, const char *name)
{
	for (uint16_t i = 0; i < listed->n_vfs; i++)
		if (!strcmp(listed->vfs[i].name, name))
			return &listed->vfs[i];
	return NULL;
}

static const struct group_config *listed_group(const struct nic_listed *listed, const char *name)
{
	for (uint16_t i = 0; i < listed->n_groups; i++)
		if (!strcmp(listed->groups[i].name, name))
			return &listed->groups[i];
	return NULL;
}

/* ---- what the journal says ---- */

static int fail_entry(const char *what, unsigned index, const char *why, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_STATE, "run_dir", "%s/journal: %s %u: %s", nic.run_dir, what,
		index, why);
}

#define IS_STRING(array) (memchr(array, '\0', sizeof(array)) != NULL)

static bool vf_is_sane(const struct vf_config *c)
{
	return IS_STRING(c->name) && c->name[0] && IS_STRING(c->socket) &&
	       IS_STRING(c->hold_exempt) && c->queues >= 1 && c->queues <= VF_QPS_MAX &&
	       c->transport < TRANSPORTS;
}

static bool group_is_sane(const struct journal_group *entry, const struct journal_fsm *fsm)
{
	const struct group_config *c = &entry->config;
	bool sane = IS_STRING(c->name) && c->name[0] && c->n_vfs <= VF_MAX &&
		    fsm->fsm.state < GROUP_STATES && fsm->fsm.committed_epoch <= fsm->fsm.epoch;

	for (uint16_t i = 0; sane && i < c->n_vfs; i++)
		sane = IS_STRING(c->vfs[i]) && c->vfs[i][0];
	return sane;
}

/* What the journal's groups say of a VF. */
struct membership {
	bool is_named;	     /* by some group */
	bool is_kept;	     /* by one that comes back, whatever the file lists */
	enum group_state in; /* state of the group that it is in */
};

static bool names_vf(const struct journal_group *entry, const char *name)
{
	for (uint16_t i = 0; i < entry->config.n_vfs; i++)
		if (!strcmp(entry->config.vfs[i], name))
			return true;
	return false;
}

static struct membership membership_of(const struct nic_listed *listed, const char *name)
{
	struct membership found = {.in = GROUP_UNPROTECTED};
	struct journal_group entry;
	struct journal_fsm state;

	for (uint16_t slot = 0; slot < GROUP_MAX; slot++) {
		if (!journal_get_group(slot, &entry) || !journal_get_fsm(slot, &state) ||
			!names_vf(&entry, name))
			continue;
		found.is_named = true;
		found.is_kept |=
			!entry.lone && !entry.file_hash && !listed_group(listed, entry.config.name);
		if (state.fsm.state == GROUP_UNPROTECTED)
			continue;
		found.is_kept = true;
		found.in = state.fsm.state;
	}
	return found;
}

/* ---- VFs ---- */

static uint32_t log_index(uint16_t id, uint16_t queue)
{
	return (uint32_t)id * VF_QPS_MAX + queue;
}

/* Does any of the VF's queues from `first` on hold frames? */
static bool id_holds(uint16_t id, uint16_t first)
{
	for (uint16_t q = first; q < VF_QPS_MAX; q++)
		if (log_state_holds(log_pool_state(nic.log_pool, log_index(id, q))))
			return true;
	return false;
}

static void forget_logs(uint16_t id, uint16_t first)
{
	for (uint16_t q = first; q < VF_QPS_MAX; q++)
		if (log_pool_state(nic.log_pool, log_index(id, q))->in_use)
			log_pool_forget(nic.log_pool, log_index(id, q));
}

/* The VF of that id as it is to be now; false: it is not to be. */
static bool choose_vf(const struct nic_listed *listed, uint16_t id, struct journal_vf *entry)
{
	const struct vf_config *file = listed_vf(listed, entry->config.name);
	uint64_t hash = file ? vf_config_hash(file) : 0;

	if (file && hash != entry->file_hash) {
		entry->config = *file;
		entry->file_hash = hash;
	}
	if (file || !entry->file_hash)
		return true;
	if (!id_holds(id, 0) && !membership_of(listed, entry->config.name).is_kept)
		return false;
	LOG_WARN("VF %s is not in the config file any more, but protected, a standby, in a group, "
		 "or holding frames: it stays",
		entry->config.name);
	return true;
}

/* One that an older renicd took and this one does not: then nothing is exempt, and all is held. */
static void check_exemption(struct vf_config *config)
{
	struct nic_error why;

	if (!filter_check(config->hold_exempt, "hold_exempt", &why))
		return;
	LOG_WARN("VF \"%s\": %s; it has none now", config->name, why.message);
	config->hold_exempt[0] = '\0';
}

static int recover_vf(const struct nic_listed *listed, uint16_t id, struct nic_error *err)
{
	struct membership group;
	struct journal_vf entry;
	bool was_standby;
	struct vf *vf;
	int rc;

	if (!journal_get_vf(id, &entry)) {
		if (id_holds(id, 0))
			return fail_entry("VF", id, "it holds frames, but is not there", err);
		forget_logs(id, 0);
		return 0;
	}
	if (!vf_is_sane(&entry.config))
		return fail_entry("VF", id, "nonsense", err);
	group = membership_of(listed, entry.config.name);
	was_standby = entry.config.standby;
	if (!choose_vf(listed, id, &entry)) {
		forget_logs(id, 0);
		journal_drop_vf(id);
		return 0;
	}
	if (id_holds(id, entry.config.queues))
		return nic_fail(err, RENIC_E_BUSY, "queues",
			"VF \"%s\" had more queues, and they hold frames: it cannot have %u now",
			entry.config.name, entry.config.queues);
	forget_logs(id, entry.config.queues);
	/* The group's entry counts: the two were not written at once. A VF that was in a group is
	 * what it was then; one that never was, a standby whose group was not written yet. */
	if (group.is_named)
		entry.config.standby = group.in == GROUP_STANDBY;
	else if (entry.term)
		entry.config.standby = was_standby;
	check_exemption(&entry.config);
	rc = vf_make(&entry.config, id, entry.file_hash, &vf, err);
	if (rc)
		return rc;
	vf->term = entry.term;
	vf->restored_term = entry.restored_term;
	vf->restored_epoch = entry.restored_epoch;
	vf_note(vf);
	return 0;
}

static int make_listed_vfs(
	const struct nic_listed *listed, const char **list, uint16_t *index, struct nic_error *err)
{
	struct vf *vf;
	int rc;

	for (uint16_t i = 0; i < listed->n_vfs; i++) {
		if (vf_find(listed->vfs[i].name))
			continue;
		rc = vf_make(&listed->vfs[i], -1, vf_config_hash(&listed->vfs[i]), &vf, err);
		if (rc) {
			*list = "vfs";
			*index = i;
			return rc;
		}
	}
	return 0;
}

/* ---- groups ---- */

/* The group as it is to be now; false: it is not to be, or as the file lists it. */
static bool choose_group(
	const struct nic_listed *listed, struct journal_group *entry, const struct group_fsm *fsm)
{
	const struct group_config *file = listed_group(listed, entry->config.name);
	bool same = file ? group_config_hash(file) == entry->file_hash : !entry->file_hash;

	if (same)
		return !entry->lone || fsm->state != GROUP_UNPROTECTED;
	if (fsm->state == GROUP_UNPROTECTED)
		return false;
	LOG_WARN("group %s is %s: the change of its entry in the config file waits",
		entry->config.name, group_state_names[fsm->state]);
	return true;
}

static void end_protection(struct vf_qp *qp, bool discard)
{
	if (!qp->log.state->epoch)
		return;
	if (discard) {
		qp->counters.drops[DROP_DISCARDED] += egress_log_discard(&qp->log);
		held_time_truncate(&qp->held_time, qp->log.appended_pkts);
	} else {
		egress_log_commit_all(&qp->log);
	}
}

/* The group does not come back: what it was told to do with what it held is done now. */
static void drop_group(const struct nic_listed *listed, uint16_t slot,
	const struct journal_group *entry, bool discard)
{
	for (uint16_t i = 0; i < entry->config.n_vfs; i++) {
		struct vf *vf = vf_find(entry->config.vfs[i]);

		if (!vf || membership_of(listed, vf->config.name).in != GROUP_UNPROTECTED)
			continue;
		for (uint16_t q = 0; q < vf->n_qps; q++)
			end_protection(vf->qps[q], discard);
	}
	journal_drop_group(slot);
}

static int recover_group(const struct nic_listed *listed, uint16_t slot, struct nic_error *err)
{
	struct journal_group entry;
	struct journal_fsm state;

	if (!journal_get_group(slot, &entry) || !journal_get_fsm(slot, &state))
		return 0;
	if (!group_is_sane(&entry, &state))
		return fail_entry("group", slot, "nonsense", err);
	if (!choose_group(listed, &entry, &state.fsm)) {
		drop_group(listed, slot, &entry, state.discard);
		return 0;
	}
	return group_make(&entry.config,
		&(struct group_origin){
			.slot = slot,
			.file_hash = entry.file_hash,
			.lone = entry.lone,
			.fsm = &state.fsm,
			.discard = state.discard,
		},
		err);
}

static int make_listed_groups(
	const struct nic_listed *listed, const char **list, uint16_t *index, struct nic_error *err)
{
	struct group_info info;
	int rc;

	for (uint16_t i = 0; i < listed->n_groups; i++) {
		const struct group_config *config = &listed->groups[i];
		struct group_origin origin = {.slot = -1, .file_hash = group_config_hash(config)};

		/* What a standby's group of one is, its entry says. */
		if (nic_group_get(config->name, &info, NULL) == 0 &&
			!(info.lone && info.config.standby && config->standby))
			continue;
		rc = group_make(config, &origin, err);
		if (rc) {
			*list = "groups";
			*index = i;
			return rc;
		}
	}
	return 0;
}

/* Standbys that the file lists and that are new. */
static int make_lone_standbys(struct nic_error *err)
{
	struct vf *vf;
	int rc = 0;

	TAILQ_FOREACH (vf, &nic.vfs, next)
		if (!rc && vf->config.standby && !vf->group)
			rc = group_make_standby(vf, err);
	return rc;
}

/* ---- queues ---- */

/* Bring a queue to where its group is. false: the seal under way had not reached it. */
static bool align_queue(struct vf_qp *qp, const struct group *g)
{
	struct egress_log *log = &qp->log;
	bool was_open = log->state->epoch && log->state->epoch < g->fsm.epoch;

	if (!log->state->epoch)
		egress_log_open(log, g->fsm.epoch);
	while (log->state->epoch < g->fsm.epoch)
		egress_log_seal(log);
	egress_log_commit(log, g->fsm.committed_epoch);
	qp->hold = true;
	qp->suspended = g->fsm.state == GROUP_SUSPENDED;
	return !was_open;
}

static bool is_held(const struct group *g)
{
	return g->fsm.state == GROUP_PROTECTED || g->fsm.state == GROUP_SUSPENDED;
}

/* What a standby was given to send first (egress_load) is nobody's any more: who takes over gives
 * it again. */
static void align_group(struct group *g)
{
	bool sealed = true, is_standby = g->fsm.state == GROUP_STANDBY;

	for (uint16_t v = 0; v < g->n_vfs; v++)
		for (uint16_t q = 0; q < g->vfs[v]->n_qps; q++) {
			struct vf_qp *qp = g->vfs[v]->qps[q];

			if (is_held(g))
				sealed &= align_queue(qp, g);
			else
				end_protection(qp, g->discard || is_standby);
			qp->suspended |= is_standby;
		}
	/* Nobody was told of an epoch whose seal was not complete: nobody can commit it. */
	if (!sealed) {
		group_fsm_unsealed(&g->fsm);
		group_note(g);
	}
}

/* A queue in no group that still has an epoch: its frames stay held, and somebody must say what is
 * to become of them. */
static int check_lone(const struct vf *vf, struct nic_error *err)
{
	for (uint16_t q = 0; q < vf->n_qps && !vf->group; q++)
		if (vf->qps[q]->log.state->epoch)
			return fail_entry("VF", vf->id, "it is protected, but in no group", err);
	return 0;
}

static int align_queues(struct nic_error *err)
{
	struct group *g;
	struct vf *vf;
	int rc = 0;

	TAILQ_FOREACH (g, &nic.groups, next)
		align_group(g);
	TAILQ_FOREACH (vf, &nic.vfs, next)
		if (!rc)
			rc = check_lone(vf, err);
	return rc;
}

static void report(void)
{
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next) {
		uint64_t pkts = 0, bytes = 0, age_us = 0;

		if (!is_held(g))
			continue;
		group_held(g, &pkts, &bytes, &age_us);
		LOG_NOTICE("group %s: taken up %s, epoch %" PRIu64 ", committed %" PRIu64
			   ", %" PRIu64 " frames held",
			g->config.name, group_state_names[g->fsm.state], g->fsm.epoch,
			g->fsm.committed_epoch, pkts);
		protection_taken_up(g);
	}
}

int nic_start(
	const struct nic_listed *listed, const char **list, uint16_t *index, struct nic_error *err)
{
	struct vf *vf;
	int rc = 0;

	*list = NULL;
	for (uint16_t id = 0; id < VF_MAX && !rc; id++)
		rc = recover_vf(listed, id, err);
	if (!rc)
		rc = make_listed_vfs(listed, list, index, err);
	for (uint16_t slot = 0; slot < GROUP_MAX && !rc; slot++)
		rc = recover_group(listed, slot, err);
	if (!rc)
		rc = make_lone_standbys(err);
	if (!rc)
		rc = make_listed_groups(listed, list, index, err);
	if (!rc)
		rc = align_queues(err);
	if (rc)
		return rc;
	report();
	TAILQ_FOREACH (vf, &nic.vfs, next) {
		rc = vf_run(vf, err);
		if (rc)
			return rc;
	}
	return 0;
}
