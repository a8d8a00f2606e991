/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_start, capture_stop, capture_list: a VF's frames into a pcapng file. Control thread;
 * docs/protocol.md, "Captures". */
#include <string.h>

#include "rpc.h"

enum {
	SNAPLEN_MIN = 14, /* an Ethernet header */
	SNAPLEN_MAX = 65535,
	FILE_MIN_BYTES = 4096,
	FILE_DEFAULT_BYTES = 64 << 20,
};

#define FILE_MAX_BYTES (UINT64_C(1) << 40)

static const char *const direction_names[] = {
	[CAPTURE_BOTH] = "both",
	[CAPTURE_EGRESS] = "egress",
	[CAPTURE_INGRESS] = "ingress",
};

static const char *const hold_names[] = {"before", "after"}; /* capture_config.after_hold */

static const struct param start_params[] = {
	VF_NAME_ROW(struct capture_config, vf),
	{
		.name = "file",
		.type = PARAM_NAME,
		PARAM_FIELD(struct capture_config, file),
		.help = "name of a new file in capture_dir (default NAME.pcapng)",
	},
	{
		.name = "direction",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct capture_config, direction),
		.choices = direction_names,
		.n_choices = 3,
		.help = "egress: what the guest sends; ingress: what it gets (default both)",
	},
	{
		.name = "hold",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct capture_config, after_hold),
		.choices = hold_names,
		.n_choices = 2,
		.help = "egress before the hold, as the guest sent it, or after, as it leaves "
			"(default before)",
	},
	{
		.name = "filter",
		.type = PARAM_STRING,
		PARAM_FIELD(struct capture_config, filter),
		.help = "pcap-filter expression of the frames that are wanted (default all)",
	},
	{
		.name = "snaplen",
		.type = PARAM_UINT,
		PARAM_FIELD(struct capture_config, snaplen),
		.min = SNAPLEN_MIN,
		.max = SNAPLEN_MAX,
		.help = "most bytes of a frame (default 65535)",
	},
	{
		.name = "max_bytes",
		.type = PARAM_BYTES,
		PARAM_FIELD(struct capture_config, max_bytes),
		.min = FILE_MIN_BYTES,
		.max = FILE_MAX_BYTES,
		.help = "most bytes of the file; the capture ends there (default 64 MiB)",
	},
};

static const struct param stop_params[] = {
	VF_NAME_ROW(struct rpc_name, name),
};

static void defaults(void *params)
{
	struct capture_config *config = params;

	memset(config, 0, sizeof(*config));
	config->snaplen = SNAPLEN_MAX;
	config->max_bytes = FILE_DEFAULT_BYTES;
}

static void json_capture(struct json_writer *w, const struct capture_info *info)
{
	const struct capture_config *c = &info->config;

	jw_open(w, NULL, '{');
	jw_str(w, "name", c->vf);
	jw_str(w, "path", info->path);
	jw_str(w, "state", info->state);
	jw_str(w, "direction", direction_names[c->direction]);
	jw_str(w, "hold", hold_names[c->after_hold]);
	jw_str(w, "filter", c->filter);
	jw_u64(w, "snaplen", c->snaplen);
	jw_u64(w, "max_bytes", c->max_bytes);
	jw_u64(w, "pkts", info->pkts);
	jw_u64(w, "bytes", info->bytes);
	jw_u64(w, "dropped", info->dropped);
	jw_close(w, '}');
}

static int capture_start(struct rpc_call *call, struct nic_error *err)
{
	struct capture_info info;
	int rc = nic_capture_start(call->params, &info, err);

	if (rc == 0)
		json_capture(call->out, &info);
	return rc;
}

static int capture_stop(struct rpc_call *call, struct nic_error *err)
{
	const struct rpc_name *p = call->params;
	struct capture_info info;
	int rc = nic_capture_stop(p->name, &info, err);

	if (rc == 0)
		json_capture(call->out, &info);
	return rc;
}

static void list_capture(const struct capture_info *info, void *arg)
{
	json_capture(arg, info);
}

static int capture_list(struct rpc_call *call, struct nic_error *err)
{
	jw_open(call->out, NULL, '[');
	nic_capture_foreach(list_capture, call->out);
	jw_close(call->out, ']');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "capture_start",
		.handler = capture_start,
		RPC_PARAMS(start_params),
		.params_size = sizeof(struct capture_config),
		.defaults = defaults,
		.help = "write a VF's frames into a pcapng file",
	},
	{
		.name = "capture_stop",
		.handler = capture_stop,
		RPC_PARAMS(stop_params),
		.params_size = sizeof(struct rpc_name),
		.help = "end a VF's capture; the file is whole then",
	},
	{
		.name = "capture_list",
		.handler = capture_list,
		.flags = RPC_READ,
		.help = "captures that run, or that have ended by themselves",
	},
};

const struct rpc_topic rpc_capture = RPC_METHODS(methods);
