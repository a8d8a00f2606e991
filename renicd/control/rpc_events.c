/* SPDX-License-Identifier: BSD-3-Clause */
/* events_subscribe and events_unsubscribe: which events this connection is sent. A second
 * subscription replaces the first. Control thread; docs/protocol.md, "Events". */
#include "rpc.h"

struct subscribe_params {
	uint16_t n_types;
	uint8_t types[EVENT_TYPES];
};

static const struct param type_element = {
	.name = "type",
	.type = PARAM_ENUM,
	.size = 1,
	.choices = nic_event_names,
	.n_choices = EVENT_TYPES,
};

static const struct param subscribe_table[] = {
	{
		.name = "types",
		.type = PARAM_LIST,
		.offset = offsetof(struct subscribe_params, types),
		.size = 1,
		.min = 1,
		.max = EVENT_TYPES,
		.element = &type_element,
		.count_offset = offsetof(struct subscribe_params, n_types),
		.help = "names of events (default: all)",
	},
};

static int events_subscribe(struct rpc_call *call, struct nic_error *err)
{
	const struct subscribe_params *p = call->params;
	uint32_t events = 0;
	uint16_t i;

	for (i = 0; i < p->n_types; i++)
		events |= UINT32_C(1) << p->types[i];
	call->peer->events = p->n_types ? events : (UINT32_C(1) << EVENT_TYPES) - 1;
	jw_bool(call->out, NULL, true);
	return 0;
}

static int events_unsubscribe(struct rpc_call *call, struct nic_error *err)
{
	call->peer->events = 0;
	jw_bool(call->out, NULL, true);
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "events_subscribe",
		.handler = events_subscribe,
		.flags = RPC_READ,
		RPC_PARAMS(subscribe_table),
		.params_size = sizeof(struct subscribe_params),
		.help = "send this connection a notification for each event",
	},
	{
		.name = "events_unsubscribe",
		.handler = events_unsubscribe,
		.flags = RPC_READ,
		.help = "send this connection no more events",
	},
};

const struct rpc_topic rpc_events = RPC_METHODS(methods);
