/* SPDX-License-Identifier: BSD-3-Clause */
/* See group_members.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_rules.h"
#include "group_members.h"
#include "journal.h"

static const char *const replicator_names[] = {"none", "connected", "lost"};

/* A VF's part in each state of its group. */
static const char *const role_names[GROUP_STATES] = {
	[GROUP_UNPROTECTED] = "unprotected",
	[GROUP_PROTECTED] = "protected",
	[GROUP_SUSPENDED] = "protected",
	[GROUP_STANDBY] = "standby",
};

__attribute__((format(printf, 4, 5))) static int fail_in_state(
	enum group_state state, const char *field, struct nic_error *err, const char *fmt, ...)
{
	char message[sizeof(err->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	nic_fail(err, RENIC_E_STATE, field, "%s", message);
	if (err)
		snprintf(err->state, sizeof(err->state), "%s", group_state_names[state]);
	return RENIC_E_STATE;
}

struct group *group_find(const char *name)
{
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next)
		if (!strcmp(g->config.name, name))
			return g;
	return NULL;
}

uint32_t group_id(const struct group *group)
{
	return group ? group->id : 0;
}

bool group_internal_pass(const struct group *group)
{
	return group && group->config.internal_pass;
}

static struct group *group_new(
	const struct group_config *config, const struct group_origin *origin, struct nic_error *err)
{
	static uint32_t last_id;
	int slot = origin->slot < 0 ? journal_free_slot() : origin->slot;
	struct group *g = slot < 0 ? NULL : calloc(1, sizeof(*g));

	if (!g) {
		nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
		return NULL;
	}
	g->config = *config;
	g->id = ++last_id;
	g->slot = (uint16_t)slot;
	g->file_hash = origin->file_hash;
	g->lone = origin->lone;
	g->discard = origin->discard;
	g->has_passed = config->internal_pass || origin->fsm; /* what it held before: not known */
	group_fsm_init(&g->fsm, 0);
	if (config->standby)
		group_fsm_standby_start(&g->fsm);
	if (origin->fsm)
		g->fsm = *origin->fsm;
	g->config.standby = g->fsm.state == GROUP_STANDBY;
	return g;
}

/* Give the members back their policies without a group. */
static void unlink_members(struct group *g)
{
	for (uint16_t i = 0; i < g->n_vfs; i++) {
		g->vfs[i]->group = NULL;
		vf_publish_policy(g->vfs[i], NULL);
	}
}

void group_free(struct group *g)
{
	unlink_members(g);
	TAILQ_REMOVE(&nic.groups, g, next);
	journal_drop_group(g->slot);
	free(g);
}

void group_note(const struct group *g)
{
	struct journal_fsm entry = {.fsm = g->fsm, .discard = g->discard};

	journal_put_fsm(g->slot, &entry);
}

void group_note_all(const struct group *g)
{
	struct journal_group entry = {
		.config = g->config, .file_hash = g->file_hash, .lone = g->lone};

	group_note(g);
	journal_put_group(g->slot, &entry);
}

void group_take_term(struct group *g, uint64_t term)
{
	group_fsm_take_term(&g->fsm, term);
	group_note(g);
	for (uint16_t i = 0; i < g->n_vfs; i++) {
		g->vfs[i]->term = g->fsm.term;
		vf_note(g->vfs[i]);
	}
}

static int link_members(struct group *g, struct nic_error *err)
{
	int rc;

	for (uint16_t i = 0; i < g->n_vfs; i++)
		group_take_term(g, g->vfs[i]->term);
	for (uint16_t i = 0; i < g->n_vfs; i++) {
		g->vfs[i]->group = g;
		rc = vf_publish_policy(g->vfs[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

/* A VF may join from a group of its own that is in the state in which the new one begins. */
static int check_joins(
	const struct vf *vf, const struct group_config *config, struct nic_error *err)
{
	const char *name = vf->config.name;

	if (vf->group && !vf->group->lone)
		return nic_fail(err, RENIC_E_BUSY, "vfs", "VF \"%s\" is in group \"%s\"", name,
			vf->group->config.name);
	if (group_refuses(config, &vf->config))
		return nic_fail(err, RENIC_E_BUSY, "vfs", "VF \"%s\" is %s standby", name,
			config->standby ? "no" : "a");
	if (vf->group && !config->standby && vf->group->fsm.state != GROUP_UNPROTECTED)
		return nic_fail(err, RENIC_E_BUSY, "vfs", "VF \"%s\" is protected", name);
	return 0;
}

/* Find the VFs that the config names; none may be in a group that is in use. */
static int find_members(struct group *g, struct nic_error *err)
{
	int rc;

	for (uint16_t i = 0; i < g->config.n_vfs; i++) {
		struct vf *vf = vf_find(g->config.vfs[i]);

		if (!vf)
			return nic_fail(err, RENIC_E_NOT_FOUND, "vfs", "no VF named \"%s\"",
				g->config.vfs[i]);
		for (uint16_t k = 0; k < g->n_vfs; k++)
			if (g->vfs[k] == vf)
				return nic_fail_value(err, "vfs", g->config.vfs[i], "each VF once");
		rc = check_joins(vf, &g->config, err);
		if (rc)
			return rc;
		g->vfs[g->n_vfs++] = vf;
	}
	return 0;
}

static int group_add(struct group *g, struct nic_error *err)
{
	int rc = find_members(g, err);

	if (rc) {
		free(g);
		return rc;
	}
	for (uint16_t i = 0; i < g->n_vfs; i++)
		if (g->vfs[i]->group)
			group_free(g->vfs[i]->group);
	TAILQ_INSERT_TAIL(&nic.groups, g, next);
	rc = link_members(g, err);
	if (rc)
		group_free(g);
	else
		group_note_all(g);
	return rc;
}

/* A VF's group of one gives way to a group of that VF, which may have its name. */
static int check_name(const struct group_config *config, struct nic_error *err)
{
	const struct group *same = group_find(config->name);
	const char *name = config->name;

	if (vf_find(name) && group_name_clash(config, name))
		return nic_fail(err, RENIC_E_EXISTS, "name",
			"a VF is named \"%s\"; it would be taken for the group", name);
	if (same && !same->lone)
		return nic_fail(err, RENIC_E_EXISTS, "name", "a group named \"%s\" exists", name);
	return 0;
}

int group_make(
	const struct group_config *config, const struct group_origin *origin, struct nic_error *err)
{
	int rc = check_name(config, err);
	struct group *g;

	if (rc)
		return rc;
	g = group_new(config, origin, err);
	return g ? group_add(g, err) : RENIC_E_RESOURCES;
}

int nic_group_create(const struct group_config *config, struct nic_error *err)
{
	return group_make(config, &(struct group_origin){.slot = -1}, err);
}

static struct group *lone_group_new(const struct vf *vf, struct nic_error *err)
{
	struct group_config config = {.n_vfs = 1, .standby = vf->config.standby};

	memcpy(config.name, vf->config.name, sizeof(config.name));
	memcpy(config.vfs[0], vf->config.name, sizeof(config.vfs[0]));
	if (group_make(&config, &(struct group_origin){.slot = -1, .lone = true}, err))
		return NULL;
	return vf->group;
}

int group_make_standby(struct vf *vf, struct nic_error *err)
{
	const char *name = vf->config.name;

	if (group_find(name))
		return nic_fail(err, RENIC_E_EXISTS, "name", "a group named \"%s\" exists", name);
	if (lone_group_new(vf, err))
		return 0;
	return err ? err->code : RENIC_E_RESOURCES;
}

/* made: NULL, or whether a group was made of the VF. */
static struct group *resolve(const char *name, bool *made, struct nic_error *err)
{
	struct group *g = group_find(name);
	const struct vf *vf = vf_find(name);

	if (made)
		*made = false;
	if (g)
		return g;
	if (!vf) {
		nic_fail(err, RENIC_E_NOT_FOUND, "group", "no group or VF named \"%s\"", name);
		return NULL;
	}
	if (vf->group) {
		nic_fail(err, RENIC_E_BUSY, "group", "VF \"%s\" is in group \"%s\": name that",
			name, vf->group->config.name);
		return NULL;
	}
	if (!made) {
		fail_in_state(GROUP_UNPROTECTED, "group", err, "VF \"%s\" is unprotected", name);
		return NULL;
	}
	g = lone_group_new(vf, err);
	*made = g;
	return g;
}

struct group *group_resolve(const char *name, struct nic_error *err)
{
	return resolve(name, NULL, err);
}

struct group *group_resolve_or_make(const char *name, bool *made, struct nic_error *err)
{
	return resolve(name, made, err);
}

static struct group *find_or_fail(const char *name, struct nic_error *err)
{
	struct group *g = group_find(name);

	if (!g)
		nic_fail(err, RENIC_E_NOT_FOUND, "name", "no group named \"%s\"", name);
	return g;
}

static int refuse_unless_unprotected(const struct group *g, struct nic_error *err)
{
	if (g->fsm.state == GROUP_UNPROTECTED)
		return 0;
	return fail_in_state(g->fsm.state, "name", err, "group \"%s\" is %s: stop %s first",
		g->config.name, group_state_names[g->fsm.state],
		g->fsm.state == GROUP_STANDBY ? "that" : "the protection");
}

/* The members of a standby group stay standbys, each by itself. */
static int dissolve_standby(struct group *g, struct nic_error *err)
{
	uint16_t n_vfs = g->n_vfs;
	struct vf *vfs[VF_MAX];
	int rc = 0;

	if (g->lone)
		return fail_in_state(g->fsm.state, "name", err,
			"VF \"%s\" is a standby: stop that, or delete the VF", g->config.name);
	for (uint16_t i = 0; i < n_vfs; i++)
		if (group_find(g->vfs[i]->config.name) && group_find(g->vfs[i]->config.name) != g)
			return nic_fail(err, RENIC_E_EXISTS, "name",
				"a group has the name of VF \"%s\"", g->vfs[i]->config.name);
	memcpy(vfs, g->vfs, sizeof(vfs));
	group_free(g);
	for (uint16_t i = 0; i < n_vfs && !rc; i++)
		rc = group_make_standby(vfs[i], err);
	return rc;
}

void group_held(const struct group *g, uint64_t *pkts, uint64_t *bytes, uint64_t *age_us)
{
	for (uint16_t i = 0; i < g->n_vfs; i++)
		vf_held(g->vfs[i], pkts, bytes, age_us);
}

int nic_group_delete(const char *name, struct nic_error *err)
{
	struct group *g = find_or_fail(name, err);
	uint64_t pkts = 0, bytes = 0, age_us = 0;
	int rc;

	if (!g)
		return RENIC_E_NOT_FOUND;
	if (g->fsm.state == GROUP_STANDBY)
		return dissolve_standby(g, err);
	rc = refuse_unless_unprotected(g, err);
	if (rc)
		return rc;
	group_held(g, &pkts, &bytes, &age_us);
	/* A broadcast that the group's own VFs have had already must not reach them twice. */
	if (pkts && g->has_passed)
		return nic_fail(err, RENIC_E_BUSY, "name",
			"%" PRIu64 " committed frames of group \"%s\" still wait to leave", pkts,
			name);
	group_free(g);
	return 0;
}

int group_check_let_go(struct vf *vf, struct nic_error *err)
{
	struct group *g = vf->group;
	int rc;

	if (!g || (g->lone && g->fsm.state == GROUP_STANDBY))
		return 0;
	rc = refuse_unless_unprotected(g, err);
	if (rc)
		return rc;
	if (g->lone)
		return 0;
	return nic_fail(err, RENIC_E_BUSY, "name",
		"VF \"%s\" is a member of group \"%s\": delete the group first", vf->config.name,
		g->config.name);
}

int nic_group_set(
	const char *name, const struct group_config *values, unsigned mask, struct nic_error *err)
{
	struct group *g = find_or_fail(name, err);
	uint64_t pkts = 0, bytes = 0, age_us = 0;
	int rc = 0;

	if (!g)
		return RENIC_E_NOT_FOUND;
	if (mask & GROUP_SET_TIMEOUT)
		g->config.replicator_timeout_ms = values->replicator_timeout_ms;
	if (mask & GROUP_SET_POLICY)
		g->config.on_replicator_lost = values->on_replicator_lost;
	if (mask & GROUP_SET_INTERNAL) {
		group_held(g, &pkts, &bytes, &age_us);
		g->has_passed = values->internal_pass || (g->has_passed && pkts);
		g->config.internal_pass = values->internal_pass;
		for (uint16_t i = 0; i < g->n_vfs && !rc; i++)
			rc = vf_publish_policy(g->vfs[i], err);
	}
	group_note_all(g);
	return rc;
}

int nic_group_lone(const struct group_config *config, struct nic_error *err)
{
	bool made;

	if (!group_resolve_or_make(config->name, &made, err))
		return err ? err->code : RENIC_E_RESOURCES;
	return nic_group_set(config->name, config, GROUP_SET_ALL, err);
}

static void group_fill(const struct group *g, struct group_info *info)
{
	memset(info, 0, sizeof(*info));
	info->config = g->config;
	info->lone = g->lone;
	info->state = group_state_names[g->fsm.state];
	info->term = g->fsm.term;
	info->epoch = g->fsm.epoch;
	info->committed_epoch = g->fsm.committed_epoch;
	info->sealed_epochs = group_fsm_sealed(&g->fsm);
	info->replicator = replicator_names[g->replicator];
	group_held(g, &info->held_pkts, &info->held_bytes, &info->held_age_us);
	for (uint16_t i = 0; i < g->n_vfs; i++)
		for (uint16_t q = 0; q < g->vfs[i]->n_qps; q++)
			held_histogram_add(
				&info->held_time, &g->vfs[i]->qps[q]->held_time.histogram);
}

int nic_group_get(const char *name, struct group_info *info, struct nic_error *err)
{
	const struct group *g = find_or_fail(name, err);

	if (!g)
		return RENIC_E_NOT_FOUND;
	group_fill(g, info);
	return 0;
}

void nic_group_foreach(void (*visit)(const struct group_info *info, void *arg), void *arg)
{
	struct group_info info;
	struct group *g;

	TAILQ_FOREACH (g, &nic.groups, next) {
		group_fill(g, &info);
		visit(&info, arg);
	}
}

void group_post_state(const struct group *g)
{
	nic_post_event(EVENT_GROUP_STATE, g->config.name, "%s", group_state_names[g->fsm.state]);
}

bool vf_is_protected(const struct vf *vf)
{
	const struct group *g = vf->group;

	return g && (g->fsm.state == GROUP_PROTECTED || g->fsm.state == GROUP_SUSPENDED);
}

void group_describe_vf(const struct vf *vf, struct vf_info *info)
{
	const struct group *g = vf->group;

	info->role = "unprotected";
	info->term = vf->term ? vf->term : 1;
	if (!g)
		return;
	memcpy(info->group, g->config.name, sizeof(info->group));
	info->epoch = g->fsm.epoch;
	info->suspended = g->fsm.state == GROUP_SUSPENDED;
	info->role = role_names[g->fsm.state];
}
