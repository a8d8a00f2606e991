/* SPDX-License-Identifier: BSD-3-Clause */
/* About the daemon itself: version, rpc_get_methods, log_set_level. Control thread;
 * docs/protocol.md, "Methods". */
#include <errno.h>
#include <unistd.h>

#include "log.h"
#include "renicd_version.h"
#include "rpc.h"
#include "schema.h"
#include "version.h"

enum { PROTOCOL_VERSION = 1 }; /* grows when a released method changes incompatibly */

static const struct param log_table[] = {
	{
		.name = "level",
		.type = PARAM_ENUM,
		.required = true,
		PARAM_FIELD(struct log_level_params, level),
		.choices = log_level_names,
		.n_choices = LOG_LEVELS,
		.help = "least important lines that are written",
	},
	{
		.name = "module",
		.type = PARAM_PATTERN,
		PARAM_FIELD(struct log_level_params, module),
		.help = "DPDK log types by pattern, such as lib.vhost.*; without: renicd's own",
	},
};

static int version(struct rpc_call *call, struct nic_error *err)
{
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "renicd", RENICD_VERSION);
	jw_u64(call->out, "protocol", PROTOCOL_VERSION);
	jw_str(call->out, "dpdk", renicd_dpdk_version());
	jw_i64(call->out, "pid", getpid());
	jw_close(call->out, '}');
	return 0;
}

/* Beyond what the type says: the words of an enum, the range of a number. */
static void list_limits(struct json_writer *w, const struct param *row)
{
	const struct param *value = row->type == PARAM_LIST ? row->element : row;
	unsigned i;

	if (value->type == PARAM_UINT || value->type == PARAM_BYTES) {
		jw_u64(w, "min", value->min);
		jw_u64(w, "max", value->max);
	}
	if (value->type == PARAM_ENUM) {
		jw_open(w, "values", '[');
		for (i = 0; i < value->n_choices; i++)
			jw_str(w, NULL, value->choices[i]);
		jw_close(w, ']');
	}
}

static void list_param(struct json_writer *w, const struct param *row)
{
	char type[64];

	jw_open(w, NULL, '{');
	jw_str(w, "name", row->name);
	jw_str(w, "type", param_type_text(row, type, sizeof(type)));
	jw_bool(w, "required", row->required);
	list_limits(w, row);
	jw_str(w, "help", row->help);
	jw_close(w, '}');
}

static void list_method(const struct rpc_method *method, void *arg)
{
	struct json_writer *w = arg;
	unsigned i;

	jw_open(w, NULL, '{');
	jw_str(w, "name", method->name);
	jw_str(w, "help", method->help);
	jw_bool(w, "read", method->flags & RPC_READ);
	jw_open(w, "params", '[');
	for (i = 0; i < method->n_params; i++)
		list_param(w, &method->params[i]);
	jw_close(w, ']');
	jw_close(w, '}');
}

static int rpc_get_methods(struct rpc_call *call, struct nic_error *err)
{
	jw_open(call->out, NULL, '[');
	rpc_foreach(list_method, call->out);
	jw_close(call->out, ']');
	return 0;
}

int log_level_apply(const struct log_level_params *p, struct nic_error *err)
{
	int rc = log_level_set(p->module[0] ? p->module : NULL, log_level_names[p->level]);

	if (rc == -ENOSPC)
		return nic_fail(err, RENIC_E_RESOURCES, "module",
			"levels of at most %d modules can be set", LOG_SETTINGS_MAX);
	if (rc)
		return nic_fail_value(err, "module", p->module, "a pattern that names log types");
	return 0;
}

/* By config_load a level may also be set for a driver that is not loaded here. */
static int log_set_level(struct rpc_call *call, struct nic_error *err)
{
	const struct log_level_params *p = call->params;
	int rc;

	if (p->module[0] && !log_type_exists(p->module))
		return nic_fail_value(err, "module", p->module,
			"a pattern of DPDK log types, such as lib.vhost.*");
	rc = log_level_apply(p, err);
	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static const struct rpc_method methods[] = {
	{
		.name = "version",
		.handler = version,
		.flags = RPC_READ,
		.help = "versions of the daemon, its protocol and DPDK; its process id",
	},
	{
		.name = "rpc_get_methods",
		.handler = rpc_get_methods,
		.flags = RPC_READ,
		.help = "this list",
	},
	{
		.name = "log_set_level",
		.handler = log_set_level,
		RPC_PARAMS(log_table),
		.params_size = sizeof(struct log_level_params),
		.help = "more or fewer log lines",
	},
};

const struct rpc_topic rpc_meta = RPC_METHODS(methods);
