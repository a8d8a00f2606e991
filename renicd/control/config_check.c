/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration calls against each other and against what is there; see config_check.h. Names,
 * sockets, MACs in a VLAN and memberships are each for one. A VF or group that is there already
 * with the same settings is skipped; one with others is in the way.
 */
#include <stdio.h>
#include <string.h>

#include "config_check.h"
#include "log.h"
#include "nic/config_rules.h"
#include "nic/filter_parse.h"
#include "nic/nic.h"
#include "nic/vf_settings.h"

struct check {
	struct config_call *calls;
	unsigned n;
	unsigned *at;
	struct nic_error *err;
	int rc; /* of the first error */
};

static int fail_exists(
	struct nic_error *err, const char *field, const char *given, const char *taken_by)
{
	nic_fail(err, RENIC_E_EXISTS, field, "%s: %.100s is taken already, by %s", field, given,
		taken_by);
	if (err)
		snprintf(err->given, sizeof(err->given), "%.95s", given);
	return RENIC_E_EXISTS;
}

/* ---- two that may not both be; `taken_by` says what b is ---- */

static int check_vfs(const struct vf_config *a, const struct vf_config *b, const char *taken_by,
	struct nic_error *err)
{
	const char *taken = vf_clash(a, b);
	char mac[18];

	if (!taken)
		return 0;
	vf_mac_text(a, mac);
	return fail_exists(err, taken,
		!strcmp(taken, "name")	   ? a->name
		: !strcmp(taken, "socket") ? a->socket
					   : mac,
		taken_by);
}

static int check_groups(const struct group_config *a, const struct group_config *b,
	const char *taken_by, struct nic_error *err)
{
	if (!strcmp(a->name, b->name))
		return fail_exists(err, "name", a->name, taken_by);
	for (uint16_t i = 0; i < a->n_vfs; i++)
		if (group_has_member(b, a->vfs[i]))
			return fail_exists(err, "vfs", a->vfs[i], taken_by);
	return 0;
}

static int check_group_and_vf(const struct group_config *group, const char *vf,
	const char *taken_by, struct nic_error *err)
{
	return group_name_clash(group, vf) ? fail_exists(err, "name", vf, taken_by) : 0;
}

/* ---- calls with each other ---- */

static int check_pair(const struct config_call *a, const struct config_call *b,
	const char *taken_by, struct nic_error *err)
{
	if (a->kind == CALL_VF && b->kind == CALL_VF)
		return check_vfs(a->vf, b->vf, taken_by, err);
	if (a->kind == CALL_GROUP && b->kind == CALL_GROUP)
		return check_groups(a->group, b->group, taken_by, err);
	if (a->kind == CALL_GROUP && b->kind == CALL_VF)
		return check_group_and_vf(a->group, b->vf->name, taken_by, err);
	if (a->kind == CALL_VF && b->kind == CALL_GROUP)
		return check_group_and_vf(b->group, a->vf->name, taken_by, err);
	return 0;
}

/* The VF that is there, or that an earlier call creates; false: none. */
static bool find_vf(const struct check *c, unsigned i, const char *name, struct vf_config *config)
{
	struct vf_info info;

	if (nic_vf_get(name, &info, NULL) == 0) {
		*config = info.config;
		return true;
	}
	for (unsigned k = 0; k < i; k++)
		if (c->calls[k].kind == CALL_VF && !strcmp(c->calls[k].vf->name, name)) {
			*config = *c->calls[k].vf;
			return true;
		}
	return false;
}

static int check_members(const struct check *c, unsigned i)
{
	const struct group_config *group = c->calls[i].group;
	struct vf_config vf;
	char field[32];

	for (uint16_t m = 0; m < group->n_vfs; m++) {
		const char *name = group->vfs[m];

		snprintf(field, sizeof(field), "vfs[%u]", m);
		if (!find_vf(c, i, name, &vf)) {
			nic_fail_value(c->err, field, name,
				"the name of a VF that is there, or that an earlier call creates");
			return c->err->code = RENIC_E_NOT_FOUND;
		}
		for (uint16_t k = 0; k < m; k++)
			if (!strcmp(group->vfs[k], name))
				return nic_fail_value(c->err, field, name, "each VF once");
	}
	return 0;
}

static int check_calls(struct check *c)
{
	char taken_by[32];
	int rc = 0;

	for (unsigned i = 0; i < c->n && !rc; i++) {
		*c->at = i;
		if (c->calls[i].kind == CALL_VF)
			rc = vf_transport_complete(c->calls[i].vf, NULL, c->err);
		for (unsigned k = 0; k < i && !rc; k++) {
			snprintf(taken_by, sizeof(taken_by), "calls[%u]", k);
			rc = check_pair(&c->calls[i], &c->calls[k], taken_by, c->err);
		}
		if (!rc && c->calls[i].kind == CALL_VF)
			rc = vf_settings_check(c->calls[i].vf, c->err);
		if (!rc && c->calls[i].kind == CALL_VF)
			rc = filter_check(c->calls[i].vf->hold_exempt, "hold_exempt", c->err);
		if (!rc && c->calls[i].kind == CALL_GROUP)
			rc = check_members(c, i);
	}
	return rc;
}

/* ---- calls with what is there ---- */

/* The first setting that differs, NULL: none. What the call leaves open may be anything. */
static const char *vf_difference(const struct vf_config *want, const struct vf_config *have)
{
	const struct {
		const char *name;
		bool differs;
	} settings[] = {
		{"mac", memcmp(want->mac, (uint8_t[6]){0}, sizeof(want->mac)) &&
				memcmp(want->mac, have->mac, sizeof(want->mac))},
		{"vlan", want->vlan != have->vlan},
		{"qos", want->qos != have->qos},
		{"proto", want->proto != have->proto},
		{"trust", want->trust != have->trust},
		{"trunks", strcmp(want->trunks, have->trunks)},
		{"promisc", want->promisc != have->promisc},
		{"allmulti", want->allmulti != have->allmulti},
		{"queues", want->queues != have->queues},
		{"role", want->server != have->server},
		{"packed", want->packed != have->packed},
		{"offloads", want->offloads != have->offloads},
		{"spoofchk", want->spoofchk != have->spoofchk},
		{"state", want->state != have->state},
		{"max_tx_rate", want->max_tx_rate != have->max_tx_rate},
		{"min_tx_rate", want->min_tx_rate != have->min_tx_rate},
		{"mtu", want->mtu != have->mtu},
		{"ingress_hold_pkts", want->ingress_hold_pkts != have->ingress_hold_pkts},
		{"egress_log_bytes",
			want->egress_log_bytes && want->egress_log_bytes != have->egress_log_bytes},
		{"socket", want->socket[0] && strcmp(want->socket, have->socket)},
		{"transport", want->transport != have->transport},
		{"xen_domain", want->xen_domain != have->xen_domain},
		{"xen_handle", want->xen_handle != have->xen_handle},
		{"hold_exempt", strcmp(want->hold_exempt, have->hold_exempt)},
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (settings[i].differs)
			return settings[i].name;
	return NULL;
}

static bool same_members(const struct group_config *a, const struct group_config *b)
{
	for (uint16_t i = 0; i < a->n_vfs; i++)
		if (!group_has_member(b, a->vfs[i]))
			return false;
	return a->n_vfs == b->n_vfs;
}

static const char *group_difference(
	const struct group_config *want, const struct group_config *have)
{
	if (!same_members(want, have))
		return "vfs";
	if (want->internal_pass != have->internal_pass)
		return "internal";
	if (want->replicator_timeout_ms != have->replicator_timeout_ms)
		return "replicator_timeout_ms";
	return want->on_replicator_lost != have->on_replicator_lost ? "on_replicator_lost" : NULL;
}

static int fail_differs(
	struct nic_error *err, const char *what, const char *name, const char *difference)
{
	return nic_fail(err, RENIC_E_EXISTS, difference, "%s: the %s %s exists, and differs in it",
		difference, what, name);
}

/* A VF that is there already is skipped, if it is as the call wants it. */
static void check_with_same_vf(const struct vf_info *info, void *arg)
{
	const struct vf_config *have = &info->config;
	struct check *c = arg;
	const char *difference;

	for (unsigned i = 0; i < c->n && !c->rc; i++) {
		struct config_call *call = &c->calls[i];

		*c->at = i;
		if (call->kind != CALL_VF || strcmp(call->vf->name, have->name))
			continue;
		difference = vf_difference(call->vf, have);
		call->skip = !difference;
		if (difference)
			c->rc = fail_differs(c->err, "VF", have->name, difference);
	}
}

static void check_with_vf(const struct vf_info *info, void *arg)
{
	const struct vf_config *have = &info->config;
	struct check *c = arg;
	char taken_by[NIC_NAME_SIZE + 16];

	snprintf(taken_by, sizeof(taken_by), "the VF %s", have->name);
	for (unsigned i = 0; i < c->n && !c->rc; i++) {
		struct config_call *call = &c->calls[i];

		*c->at = i;
		if (call->kind == CALL_GROUP) {
			c->rc = check_group_and_vf(call->group, have->name, taken_by, c->err);
		} else if (call->kind == CALL_VF && !call->skip) {
			c->rc = check_vfs(call->vf, have, taken_by, c->err);
		}
	}
}

/* Standbys go into a group of standbys, others into one of others. */
static int check_standbys(struct check *c)
{
	struct vf_config vf;
	char field[32];

	for (unsigned i = 0; i < c->n; i++) {
		const struct config_call *call = &c->calls[i];

		*c->at = i;
		if (call->kind != CALL_GROUP || call->skip)
			continue;
		for (uint16_t m = 0; m < call->group->n_vfs; m++) {
			const char *name = call->group->vfs[m];

			if (!find_vf(c, i, name, &vf) || !group_refuses(call->group, &vf))
				continue;
			snprintf(field, sizeof(field), "vfs[%u]", m);
			nic_fail_value(c->err, field, name, group_refuses(call->group, &vf));
			return c->err->code = RENIC_E_BUSY;
		}
	}
	return 0;
}

/* A lone VF's group that is not in use, or a standby's, gives way, but not to what would change its
 * settings. */
static void check_with_group(const struct group_info *info, void *arg)
{
	const struct group_config *have = &info->config;
	struct check *c = arg;
	bool gives_way = info->lone && (have->standby || !strcmp(info->state, "unprotected"));
	const char *difference;
	char taken_by[NIC_NAME_SIZE + 16];

	snprintf(taken_by, sizeof(taken_by), "the group %s", have->name);
	for (unsigned i = 0; i < c->n && !c->rc; i++) {
		struct config_call *call = &c->calls[i];

		*c->at = i;
		if (call->kind == CALL_VF && !info->lone) {
			c->rc = check_group_and_vf(have, call->vf->name, taken_by, c->err);
		} else if (call->kind == CALL_GROUP && !strcmp(call->group->name, have->name)) {
			difference = group_difference(call->group, have);
			call->skip = !difference;
			if (difference)
				c->rc = fail_differs(c->err, "group", have->name, difference);
		} else if (call->kind == CALL_GROUP && !gives_way) {
			c->rc = check_groups(call->group, have, taken_by, c->err);
		}
	}
}

/* ---- log levels ---- */

struct log_count {
	const char *module;
	unsigned n;
	bool known;
};

static const char *module_of(const struct log_level_params *p)
{
	return p->module[0] ? p->module : "renicd";
}

static void count_log_level(const char *module, const char *level, void *arg)
{
	struct log_count *count = arg;

	count->n++;
	count->known |= !strcmp(module ? module : "renicd", count->module);
}

/* Room for every module that is new, counting what other calls bring. */
static int check_log_room(struct check *c)
{
	unsigned fresh = 0;

	for (unsigned i = 0; i < c->n; i++) {
		struct log_count count = {0};

		if (c->calls[i].kind != CALL_LOG)
			continue;
		count.module = module_of(c->calls[i].log);
		log_level_foreach(count_log_level, &count);
		for (unsigned k = 0; k < i; k++)
			count.known |= c->calls[k].kind == CALL_LOG &&
				       !strcmp(module_of(c->calls[k].log), count.module);
		fresh += !count.known;
		*c->at = i;
		if (count.n + fresh > LOG_SETTINGS_MAX)
			return nic_fail(c->err, RENIC_E_RESOURCES, "module",
				"levels of at most %d modules can be set", LOG_SETTINGS_MAX);
	}
	return 0;
}

int config_calls_check(struct config_call *calls, unsigned n, unsigned *at, struct nic_error *err)
{
	struct check c = {.calls = calls, .n = n, .at = at, .err = err};

	c.rc = check_calls(&c);
	if (!c.rc)
		nic_vf_foreach(check_with_same_vf, &c);
	if (!c.rc)
		nic_vf_foreach(check_with_vf, &c);
	if (!c.rc)
		nic_group_foreach(check_with_group, &c);
	if (!c.rc)
		c.rc = check_standbys(&c);
	return c.rc ? c.rc : check_log_room(&c);
}
