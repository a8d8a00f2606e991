/* SPDX-License-Identifier: BSD-3-Clause */
/* VF methods: vf_create, vf_delete, vf_set, vf_get, vf_list, vf_stats, vf_reset,
 * egress_log_get. Control thread; docs/protocol.md, "Methods". */
#include <stdio.h>
#include <unistd.h>

#include "json_vf.h"
#include "rpc.h"
#include "schema.h"

enum { EXTENTS_MAX = 8192 }; /* of one answer: VF_QPS_MAX queues of 1 GiB each, in segments */

struct vf_delete {
	char name[NIC_NAME_SIZE];
	bool force;
};

static const struct param name_params[] = {
	VF_NAME_ROW(struct rpc_name, name),
};

static const struct param delete_params[] = {
	VF_NAME_ROW(struct vf_delete, name),
	{
		.name = "force",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct vf_delete, force),
		.help = "even while frames wait in its egress log (they are dropped and counted)",
	},
};

static int answer_vf(const char *name, struct rpc_call *call, struct nic_error *err)
{
	struct vf_info info;
	int rc = nic_vf_get(name, &info, err);

	if (rc == 0)
		json_vf(call->out, &info);
	return rc;
}

static int vf_create(struct rpc_call *call, struct nic_error *err)
{
	const struct vf_config *config = call->params;
	int rc = nic_vf_create(config, err);

	return rc ? rc : answer_vf(config->name, call, err);
}

static int vf_delete(struct rpc_call *call, struct nic_error *err)
{
	const struct vf_delete *p = call->params;
	int rc = nic_vf_delete(p->name, p->force, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

/* All parameters but the VF's name can be set. */
static int fail_nothing_to_set(struct nic_error *err)
{
	char names[sizeof(err->message)] = "";
	size_t len = 0;

	for (size_t i = 0; i < VF_SET_PARAMS && len < sizeof(names); i++)
		if (!vf_set_params[i].required)
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
				len ? ", " : "", vf_set_params[i].name);
	return nic_fail(err, RENIC_E_PARAMS, "", "nothing to set: give one of %s", names);
}

static int vf_set(struct rpc_call *call, struct nic_error *err)
{
	const struct vf_config *values = call->params;
	int rc;

	if (!call->given)
		return fail_nothing_to_set(err);
	rc = nic_vf_set(values->name, values, call->given, err);
	return rc ? rc : answer_vf(values->name, call, err);
}

static int vf_get(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;

	return answer_vf(p->name, call, err);
}

static void list_vf(const struct vf_info *info, void *arg)
{
	struct json_writer *out = arg;

	json_vf(out, info);
}

static int vf_list(struct rpc_call *call, struct nic_error *err)
{
	jw_open(call->out, NULL, '[');
	nic_vf_foreach(list_vf, call->out);
	jw_close(call->out, ']');
	return 0;
}

static int vf_stats(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;
	struct vf_info info;
	int rc = nic_vf_get(p->name, &info, err);

	if (rc == 0)
		json_vf_stats(call->out, &info);
	return rc;
}

static int vf_reset(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;
	int rc = nic_vf_reset(p->name, err);

	return rc ? rc : answer_vf(p->name, call, err);
}

static void json_extent(struct json_writer *w, const struct log_extent *e)
{
	jw_open(w, NULL, '{');
	jw_u64(w, "queue", e->queue);
	jw_u64(w, "log_offset", e->log_offset);
	jw_u64(w, "file_offset", e->file_offset);
	jw_u64(w, "bytes", e->bytes);
	jw_close(w, '}');
}

static int egress_log_get(struct rpc_call *call, struct nic_error *err)
{
	/* Too large for the stack, and there is one control thread. */
	static struct log_extent extents[EXTENTS_MAX];
	const struct rpc_name *p = call->params;
	int fd = -1;
	int n = nic_egress_log_get(p->name, extents, EXTENTS_MAX, &fd, err);
	int i;

	if (n < 0)
		return n;
	if (!rpc_reply_add_fd(call->reply, fd)) {
		close(fd);
		return nic_fail(err, RENIC_E_RESOURCES, "",
			"one answer carries at most %d descriptors", RPC_REPLY_FDS_MAX);
	}
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "name", p->name);
	jw_open(call->out, "extents", '[');
	for (i = 0; i < n; i++)
		json_extent(call->out, &extents[i]);
	jw_close(call->out, ']');
	jw_close(call->out, '}');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "vf_create",
		.handler = vf_create,
		RPC_PARAMS(vf_create_params),
		.params_size = sizeof(struct vf_config),
		.defaults = schema_vf_defaults,
		.help = "create a VF and its vhost-user socket",
	},
	{
		.name = "vf_delete",
		.handler = vf_delete,
		RPC_PARAMS(delete_params),
		.params_size = sizeof(struct vf_delete),
		.help = "delete a VF",
	},
	{
		.name = "vf_set",
		.handler = vf_set,
		RPC_PARAMS(vf_set_params),
		.params_size = sizeof(struct vf_config),
		.help = "change a VF under running traffic",
	},
	{
		.name = "vf_get",
		.handler = vf_get,
		.flags = RPC_READ,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "configuration and state of a VF",
	},
	{
		.name = "vf_list",
		.handler = vf_list,
		.flags = RPC_READ,
		.help = "all VFs, as vf_get shows them",
	},
	{
		.name = "vf_stats",
		.handler = vf_stats,
		.flags = RPC_READ,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "counters of a VF",
	},
	{
		.name = "vf_reset",
		.handler = vf_reset,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "a VF's policy back to its defaults, its counters to zero",
	},
	{
		.name = "egress_log_get",
		.handler = egress_log_get,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "where a VF's held frames lie; the log file's descriptor comes along",
	},
};

const struct rpc_topic rpc_vf = RPC_METHODS(methods);
