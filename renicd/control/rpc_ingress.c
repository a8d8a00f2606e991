/* SPDX-License-Identifier: BSD-3-Clause */
/* ingress_take and ingress_give: the frames that wait for a guest that moves to another host, as
 * base64. Control thread; docs/protocol.md, "Moving a guest". */
#include <stdlib.h>

#include <renic_snapshot.h>

#include "rpc.h"

struct give_params {
	char name[NIC_NAME_SIZE];
	const char *frames;
};

static const struct param take_table[] = {
	VF_NAME_ROW(struct rpc_name, name),
};

static const struct param give_table[] = {
	VF_NAME_ROW(struct give_params, name),
	{
		.name = "frames",
		.type = PARAM_BASE64,
		.required = true,
		.max = RENIC_BASE64_SIZE(INGRESS_CHUNK_BYTES) - 1,
		PARAM_FIELD(struct give_params, frames),
		.help = "as ingress_take answered",
	},
};

static void answer_chunk(struct rpc_call *call, const char *name, const struct ingress_chunk *chunk,
	char *text, size_t size)
{
	renic_base64_encode(chunk->records, chunk->bytes, text, size);
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "name", name);
	jw_u64(call->out, "pkts", chunk->pkts);
	jw_u64(call->out, "left", chunk->left);
	jw_str(call->out, "frames", text);
	jw_close(call->out, '}');
}

static int ingress_take(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;
	struct ingress_chunk *chunk = malloc(sizeof(*chunk));
	size_t size = RENIC_BASE64_SIZE(INGRESS_CHUNK_BYTES);
	char *text = malloc(size);
	int rc = RENIC_E_RESOURCES;

	if (chunk && text)
		rc = nic_ingress_take(p->name, chunk, err);
	else
		nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	if (rc == 0)
		answer_chunk(call, p->name, chunk, text, size);
	free(text);
	free(chunk);
	return rc;
}

static int ingress_give(struct rpc_call *call, struct nic_error *err)
{
	const struct give_params *p = call->params;
	uint8_t *records = malloc(INGRESS_CHUNK_BYTES);
	uint32_t pkts = 0;
	size_t n;
	int rc;

	if (!records)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	if (renic_base64_decode(p->frames, records, INGRESS_CHUNK_BYTES, &n))
		rc = nic_fail(err, RENIC_E_PARAMS, "frames", "frames: not base64, or too long");
	else
		rc = nic_ingress_give(p->name, records, (uint32_t)n, &pkts, err);
	free(records);
	if (rc)
		return rc;
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "name", p->name);
	jw_u64(call->out, "pkts", pkts);
	jw_close(call->out, '}');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "ingress_take",
		.handler = ingress_take,
		RPC_PARAMS(take_table),
		.params_size = sizeof(struct rpc_name),
		.help = "take the frames that wait for a paused guest, to be given to it elsewhere",
	},
	{
		.name = "ingress_give",
		.handler = ingress_give,
		RPC_PARAMS(give_table),
		.params_size = sizeof(struct give_params),
		.help = "let these frames wait for the guest, before those that do already",
	},
};

const struct rpc_topic rpc_ingress = RPC_METHODS(methods);
