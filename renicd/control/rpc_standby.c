/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standby and failover: standby_start, standby_stop, standby_restore, egress_load, activate,
 * vf_announce
 * (docs/protocol.md, "Failover"). Snapshots come from another machine: base64 and format are
 * judged here, what they say by the device, and all of it before anything changes.
 * Control thread.
 */
#include <stdlib.h>

#include <renic_snapshot.h>

#include "group_command.h"
#include "json_group.h"
#include "json_vf.h"

struct restore_entry {
	char name[NIC_NAME_SIZE];
	const char *snapshot;
};

struct restore_params {
	char group[NIC_NAME_SIZE];
	uint64_t term;
	uint16_t n;
	struct restore_entry entries[VF_MAX];
};

_Static_assert(sizeof(struct restore_params) <= RPC_PARAMS_BYTES, "raise RPC_PARAMS_BYTES");

struct load_params {
	char name[NIC_NAME_SIZE];
	uint64_t term;
	const char *frames;
};

struct announce_params {
	char name[NIC_NAME_SIZE];
	uint32_t rounds;
};

static const struct param raise_table[] = {
	GROUP_ROW(struct group_ref),
	TERM_ROW(struct group_ref, TERM_RAISE_HELP),
};

static const struct param stop_table[] = {
	GROUP_ROW(struct group_ref),
	TERM_ROW(struct group_ref, TERM_SAME_HELP),
};

static const struct param entry_fields[] = {
	{
		.name = "name",
		.type = PARAM_NAME,
		.required = true,
		PARAM_FIELD(struct restore_entry, name),
	},
	{
		.name = "snapshot",
		.type = PARAM_BASE64,
		.required = true,
		.max = RENIC_BASE64_SIZE(RENIC_SNAPSHOT_MAX_BYTES) - 1,
		PARAM_FIELD(struct restore_entry, snapshot),
	},
};

static const struct param entry = {
	.name = "snapshot",
	.type = PARAM_OBJECT,
	.size = sizeof(struct restore_entry),
	.fields = entry_fields,
	.n_fields = 2,
};

static const struct param restore_table[] = {
	GROUP_ROW(struct restore_params),
	{
		.name = "snapshots",
		.type = PARAM_LIST,
		.required = true,
		.offset = offsetof(struct restore_params, entries),
		.size = sizeof(struct restore_entry),
		.min = 1,
		.max = VF_MAX,
		.element = &entry,
		.count_offset = offsetof(struct restore_params, n),
		.help = "{name, snapshot} of each VF of the group: a checkpoint's, in base64",
	},
	TERM_ROW(struct restore_params, TERM_RAISE_HELP),
};

static const struct param load_table[] = {
	VF_NAME_ROW(struct load_params, name),
	{
		.name = "frames",
		.type = PARAM_BASE64,
		.required = true,
		.max = RENIC_BASE64_SIZE(EGRESS_CHUNK_BYTES) - 1,
		PARAM_FIELD(struct load_params, frames),
		.help = "records of the primary's egress log, each with its queue, in base64",
	},
	TERM_ROW(struct load_params, TERM_SAME_HELP),
};

static const struct param announce_table[] = {
	VF_NAME_ROW(struct announce_params, name),
	{
		.name = "rounds",
		.type = PARAM_UINT,
		PARAM_FIELD(struct announce_params, rounds),
		.min = 1,
		.max = ANNOUNCE_ROUNDS_MAX,
		.help = "how often (default 5), at growing distances",
	},
};

static void announce_defaults(void *params)
{
	*(struct announce_params *)params = (struct announce_params){.rounds = ANNOUNCE_ROUNDS};
}

static int answer_group(const char *name, struct rpc_call *call, struct nic_error *err)
{
	struct group_info info;
	int rc = nic_group_get(name, &info, err);

	if (rc == 0)
		json_group(call->out, &info);
	return rc;
}

/* A method that takes a group and a term alone. */
static int run(struct rpc_call *call,
	int (*command)(const struct group_command *cmd, struct nic_error *err),
	struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	int rc = command(&cmd, err);

	return rc ? rc : answer_group(p->group, call, err);
}

static int standby_start(struct rpc_call *call, struct nic_error *err)
{
	return run(call, nic_standby_start, err);
}

static int standby_stop(struct rpc_call *call, struct nic_error *err)
{
	return run(call, nic_standby_stop, err);
}

static int activate(struct rpc_call *call, struct nic_error *err)
{
	return run(call, nic_activate, err);
}

/* Number i of the list, out of base64 and decoded. */
static int decode(const struct restore_entry *e, unsigned i, struct renic_snapshot *snapshot,
	struct nic_error *err)
{
	struct renic_snapshot_error why = {.message = "not base64, or too long"};
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	char field[64];
	size_t n;

	if (renic_base64_decode(e->snapshot, bytes, sizeof(bytes), &n) == 0 &&
		renic_snapshot_decode(bytes, n, snapshot, &why) == 0)
		return 0;
	snprintf(field, sizeof(field), "snapshots[%u].snapshot%s%s", i, why.field[0] ? "." : "",
		why.field);
	return nic_fail(err, RENIC_E_PARAMS, field, "%s: %s", field, why.message);
}

static int standby_restore(struct rpc_call *call, struct nic_error *err)
{
	const struct restore_params *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	struct renic_snapshot *decoded = calloc(p->n, sizeof(*decoded));
	struct standby_snapshot snapshots[VF_MAX];
	int rc = 0;

	if (!decoded)
		return nic_fail(err, RENIC_E_RESOURCES, "snapshots", "no memory");
	for (unsigned i = 0; i < p->n && rc == 0; i++) {
		snapshots[i] = (struct standby_snapshot){p->entries[i].name, &decoded[i]};
		rc = decode(&p->entries[i], i, &decoded[i], err);
	}
	if (rc == 0)
		rc = nic_standby_restore(&cmd, snapshots, p->n, err);
	free(decoded);
	return rc ? rc : answer_group(p->group, call, err);
}

static int egress_load(struct rpc_call *call, struct nic_error *err)
{
	const struct load_params *p = call->params;
	uint8_t *records = malloc(EGRESS_CHUNK_BYTES);
	uint32_t pkts = 0;
	size_t n;
	int rc;

	if (!records)
		return nic_fail(err, RENIC_E_RESOURCES, "frames", "no memory");
	if (renic_base64_decode(p->frames, records, EGRESS_CHUNK_BYTES, &n))
		rc = nic_fail(err, RENIC_E_PARAMS, "frames", "frames: not base64, or too long");
	else
		rc = nic_egress_load(p->name, p->term, records, (uint32_t)n, &pkts, err);
	free(records);
	if (rc)
		return rc;
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "name", p->name);
	jw_u64(call->out, "pkts", pkts);
	jw_close(call->out, '}');
	return 0;
}

static int vf_announce(struct rpc_call *call, struct nic_error *err)
{
	const struct announce_params *p = call->params;
	int rc = nic_vf_announce(p->name, p->rounds, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static const struct rpc_method methods[] = {
	{
		.name = "standby_start",
		.handler = standby_start,
		RPC_PARAMS(raise_table),
		.params_size = sizeof(struct group_ref),
		.help = "make the group a backup's: nothing leaves, nothing enters",
	},
	{
		.name = "standby_stop",
		.handler = standby_stop,
		RPC_PARAMS(stop_table),
		.params_size = sizeof(struct group_ref),
		.help = "a standby no longer; no term begins, nothing is announced",
	},
	{
		.name = "standby_restore",
		.handler = standby_restore,
		RPC_PARAMS(restore_table),
		.params_size = sizeof(struct restore_params),
		.help = "load a checkpoint's snapshots into a standby group",
	},
	{
		.name = "egress_load",
		.handler = egress_load,
		RPC_PARAMS(load_table),
		.params_size = sizeof(struct load_params),
		.help = "a standby takes frames that its primary held: they leave when it is "
			"activated",
	},
	{
		.name = "activate",
		.handler = activate,
		RPC_PARAMS(raise_table),
		.params_size = sizeof(struct group_ref),
		.help = "the standby takes over: a new term, its guests are announced",
	},
	{
		.name = "vf_announce",
		.handler = vf_announce,
		RPC_PARAMS(announce_table),
		.params_size = sizeof(struct announce_params),
		.defaults = announce_defaults,
		.help = "tell the network where the VF's guest is",
	},
};

const struct rpc_topic rpc_standby = RPC_METHODS(methods);
