/* SPDX-License-Identifier: BSD-3-Clause */
/* config_save and config_load: all that an operator set, as a list of calls that can be replayed.
 * Control thread; docs/protocol.md, "A saved configuration". */
#include "config_calls.h"
#include "rpc.h"

struct load_params {
	uint16_t version;
	bool check;
	const json_t *calls;
};

static const struct param load_params[] = {
	{
		.name = "version",
		.type = PARAM_UINT,
		PARAM_FIELD(struct load_params, version),
		.min = CONFIG_CALLS_VERSION,
		.max = CONFIG_CALLS_VERSION,
		.help = "of the list, as config_save gave it",
	},
	{
		.name = "calls",
		.type = PARAM_CALLS,
		.required = true,
		PARAM_FIELD(struct load_params, calls),
		.max = CONFIG_CALLS_MAX,
		.help = "each {method, params}, as config_save gave them",
	},
	{
		.name = "check",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct load_params, check),
		.help = "only tell what is wrong with them; nothing is changed",
	},
};

static int config_save(struct rpc_call *call, struct nic_error *err)
{
	jw_open(call->out, NULL, '{');
	jw_u64(call->out, "version", CONFIG_CALLS_VERSION);
	config_calls_write(call->out, "calls");
	jw_close(call->out, '}');
	return 0;
}

static int config_load(struct rpc_call *call, struct nic_error *err)
{
	const struct load_params *p = call->params;
	struct config_calls_result result;
	int rc = config_calls_load(p->calls, p->check, &result, err);

	if (rc)
		return rc;
	jw_open(call->out, NULL, '{');
	jw_u64(call->out, "applied", p->check ? 0 : result.applied);
	jw_u64(call->out, "skipped", result.skipped);
	jw_u64(call->out, "checked", result.applied + result.skipped);
	jw_close(call->out, '}');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "config_save",
		.handler = config_save,
		.flags = RPC_READ,
		.help = "the calls that bring back what is set now",
	},
	{
		.name = "config_load",
		.handler = config_load,
		.flags = RPC_CHANGES_GROUPS,
		RPC_PARAMS(load_params),
		.params_size = sizeof(struct load_params),
		.help = "carry out what config_save gave: all of it or nothing",
	},
};

const struct rpc_topic rpc_config = RPC_METHODS(methods);
