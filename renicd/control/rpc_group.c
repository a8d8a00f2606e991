/* SPDX-License-Identifier: BSD-3-Clause */
/* Protection groups: group_create, group_delete, group_set, group_get, group_list. Control
 * thread; docs/protocol.md, "Methods". */
#include "json_group.h"
#include "rpc.h"
#include "schema.h"

_Static_assert(sizeof(struct group_config) <= RPC_PARAMS_BYTES, "raise RPC_PARAMS_BYTES");
_Static_assert(sizeof(struct vf_config) <= RPC_PARAMS_BYTES, "raise RPC_PARAMS_BYTES");

static const struct param name_params[] = {
	{
		.name = "name",
		.type = PARAM_NAME,
		.required = true,
		PARAM_FIELD(struct rpc_name, name),
		.help = "name of the group",
	},
};

static int answer_group(const char *name, struct rpc_call *call, struct nic_error *err)
{
	struct group_info info;
	int rc = nic_group_get(name, &info, err);

	if (rc == 0)
		json_group(call->out, &info);
	return rc;
}

static int group_create(struct rpc_call *call, struct nic_error *err)
{
	const struct group_config *config = call->params;
	int rc = nic_group_create(config, err);

	return rc ? rc : answer_group(config->name, call, err);
}

static int group_delete(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;
	int rc = nic_group_delete(p->name, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static int group_set(struct rpc_call *call, struct nic_error *err)
{
	const struct group_config *values = call->params;
	int rc;

	if (!call->given)
		return nic_fail(err, RENIC_E_PARAMS, "",
			"nothing to set: give one of internal, "
			"replicator_timeout_ms, on_replicator_lost");
	rc = nic_group_set(values->name, values, call->given, err);
	return rc ? rc : answer_group(values->name, call, err);
}

static int group_get(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;

	return answer_group(p->name, call, err);
}

static void list_group(const struct group_info *info, void *arg)
{
	struct json_writer *out = arg;

	json_group(out, info);
}

static int group_list(struct rpc_call *call, struct nic_error *err)
{
	jw_open(call->out, NULL, '[');
	nic_group_foreach(list_group, call->out);
	jw_close(call->out, ']');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "group_create",
		.handler = group_create,
		.flags = RPC_CHANGES_GROUPS,
		RPC_PARAMS(group_create_params),
		.params_size = sizeof(struct group_config),
		.help = "make a protection group of VFs",
	},
	{
		.name = "group_delete",
		.handler = group_delete,
		.flags = RPC_CHANGES_GROUPS,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "dissolve an unprotected group",
	},
	{
		.name = "group_set",
		.handler = group_set,
		.flags = RPC_CHANGES_GROUPS,
		RPC_PARAMS(group_set_params),
		.params_size = sizeof(struct group_config),
		.help = "change a group's policies",
	},
	{
		.name = "group_get",
		.handler = group_get,
		.flags = RPC_READ,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "configuration and state of a group",
	},
	{
		.name = "group_list",
		.handler = group_list,
		.flags = RPC_READ,
		.help = "all groups, as group_get shows them",
	},
};

const struct rpc_topic rpc_group = RPC_METHODS(methods);
