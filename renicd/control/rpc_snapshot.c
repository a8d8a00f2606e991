/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot_get: a VF's snapshot (renic_snapshot.h) as base64. Control
 * thread; docs/protocol.md, "Methods". */
#include <renic_snapshot.h>

#include "nic/snapshot.h"
#include "rpc.h"

static const struct param name_params[] = {
	VF_NAME_ROW(struct rpc_name, name),
};

/* What the device says of a VF that the format cannot hold is its own fault, not the caller's. */
static int fail_encode(const struct renic_snapshot *s, struct nic_error *err)
{
	struct renic_snapshot_error why = {.message = "it is too long"};

	renic_snapshot_check(s, &why);
	return nic_fail(err, RENIC_E_INTERNAL, "", "no snapshot can be made: %s", why.message);
}

static int snapshot_get(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	char text[RENIC_BASE64_SIZE(sizeof(bytes))];
	struct renic_snapshot snapshot;
	int rc = nic_snapshot_get(p->name, &snapshot, err);
	size_t n;

	if (rc)
		return rc;
	n = renic_snapshot_encode(&snapshot, bytes, sizeof(bytes));
	if (n == 0)
		return fail_encode(&snapshot, err);
	renic_base64_encode(bytes, n, text, sizeof(text));
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "name", p->name);
	jw_str(call->out, "snapshot", text);
	jw_close(call->out, '}');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "snapshot_get",
		.handler = snapshot_get,
		.flags = RPC_READ,
		RPC_PARAMS(name_params),
		.params_size = sizeof(struct rpc_name),
		.help = "a VF's state as a snapshot, in base64",
	},
};

const struct rpc_topic rpc_snapshot = RPC_METHODS(methods);
