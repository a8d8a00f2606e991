/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /renic/vf/list, /renic/vf/stats,NAME, /renic/group/list and /renic/group/info,NAME. DPDK calls
 * these on threads of its own (one a connection); each has the control thread copy what is asked
 * for (ask.h) and shows the copy.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_telemetry.h>

#include "control/ask.h"
#include "nic/nic.h"
#include "telemetry.h"

/* A copy under way: of the one that is asked for by name, or of all names. */
struct query {
	const char *name;
	struct rte_tel_data *list;
	union {
		struct vf_info vf;
		struct group_info group;
	};
	int rc;
};

static void add_vf_name(const struct vf_info *info, void *list)
{
	rte_tel_data_add_array_string(list, info->config.name);
}

static void add_group_name(const struct group_info *info, void *list)
{
	rte_tel_data_add_array_string(list, info->config.name);
}

/* ---- the control thread ---- */

static void list_vfs(void *arg)
{
	nic_vf_foreach(add_vf_name, arg);
}

static void list_groups(void *arg)
{
	nic_group_foreach(add_group_name, arg);
}

static void get_vf(void *arg)
{
	struct query *q = arg;

	q->rc = nic_vf_get(q->name, &q->vf, NULL);
}

static void get_group(void *arg)
{
	struct query *q = arg;

	q->rc = nic_group_get(q->name, &q->group, NULL);
}

/* ---- telemetry's threads ---- */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{"tx_pkts", offsetof(struct vf_counters, tx_pkts)},
	{"tx_bytes", offsetof(struct vf_counters, tx_bytes)},
	{"rx_pkts", offsetof(struct vf_counters, rx_pkts)},
	{"rx_bytes", offsetof(struct vf_counters, rx_bytes)},
	{"released_pkts", offsetof(struct vf_counters, released_pkts)},
	{"exempt_pkts", offsetof(struct vf_counters, exempt_pkts)},
	{"backpressure", offsetof(struct vf_counters, backpressure)},
	{"stuck_rings", offsetof(struct vf_counters, stuck_rings)},
};

static void add_counters(struct rte_tel_data *d, const struct vf_counters *c)
{
	struct rte_tel_data *drops = rte_tel_data_alloc();

	for (size_t i = 0; i < RTE_DIM(counters); i++)
		rte_tel_data_add_dict_u64(d, counters[i].name,
			*(const uint64_t *)((const char *)c + counters[i].offset));
	if (!drops)
		return;
	rte_tel_data_start_dict(drops);
	for (int r = 0; r < DROP_REASONS; r++)
		rte_tel_data_add_dict_u64(drops, drop_descs[r].name, c->drops[r]);
	rte_tel_data_add_dict_container(d, "drops", drops, 0);
}

static int vf_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	return ask_control(list_vfs, d);
}

static int vf_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = {.name = params};
	char name[16];

	if (!params || ask_control(get_vf, &q) || q.rc)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", q.vf.config.name);
	add_counters(d, &q.vf.counters);
	rte_tel_data_add_dict_u64(d, "held_pkts", q.vf.held_pkts);
	rte_tel_data_add_dict_u64(d, "held_bytes", q.vf.held_bytes);
	rte_tel_data_add_dict_u64(d, "held_age_us", q.vf.held_age_us);
	for (uint16_t i = 0; i < q.vf.n_queues; i++) {
		struct rte_tel_data *queue = rte_tel_data_alloc();

		if (!queue)
			break;
		rte_tel_data_start_dict(queue);
		add_counters(queue, &q.vf.queues[i].counters);
		snprintf(name, sizeof(name), "queue_%u", i);
		rte_tel_data_add_dict_container(d, name, queue, 0);
	}
	return 0;
}

static int group_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	return ask_control(list_groups, d);
}

static void add_members(struct rte_tel_data *d, const struct group_config *config)
{
	struct rte_tel_data *vfs = rte_tel_data_alloc();

	if (!vfs)
		return;
	rte_tel_data_start_array(vfs, RTE_TEL_STRING_VAL);
	for (uint16_t i = 0; i < config->n_vfs; i++)
		rte_tel_data_add_array_string(vfs, config->vfs[i]);
	rte_tel_data_add_dict_container(d, "vfs", vfs, 0);
}

static int group_info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = {.name = params};
	const struct group_info *g = &q.group;

	if (!params || ask_control(get_group, &q) || q.rc)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", g->config.name);
	add_members(d, &g->config);
	rte_tel_data_add_dict_string(d, "state", g->state);
	rte_tel_data_add_dict_string(d, "replicator", g->replicator);
	rte_tel_data_add_dict_u64(d, "term", g->term);
	rte_tel_data_add_dict_u64(d, "epoch", g->epoch);
	rte_tel_data_add_dict_u64(d, "committed_epoch", g->committed_epoch);
	rte_tel_data_add_dict_u64(d, "sealed_epochs", g->sealed_epochs);
	rte_tel_data_add_dict_u64(d, "held_pkts", g->held_pkts);
	rte_tel_data_add_dict_u64(d, "held_bytes", g->held_bytes);
	rte_tel_data_add_dict_u64(d, "held_age_us", g->held_age_us);
	rte_tel_data_add_dict_u64(d, "held_time_p50_us", held_histogram_us(&g->held_time, 0.5));
	rte_tel_data_add_dict_u64(d, "held_time_p99_us", held_histogram_us(&g->held_time, 0.99));
	return 0;
}

void telemetry_register(void)
{
	rte_telemetry_register_cmd("/renic/vf/list", vf_list, "Names of all VFs. No parameters");
	rte_telemetry_register_cmd("/renic/vf/stats", vf_stats,
		"A VF's counters, of each queue too. Parameters: name");
	rte_telemetry_register_cmd(
		"/renic/group/list", group_list, "Names of all protection groups. No parameters");
	rte_telemetry_register_cmd("/renic/group/info", group_info,
		"State and what is held of a protection group. Parameters: name");
}
