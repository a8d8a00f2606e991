/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection and checkpoints: protection_start, protection_stop, checkpoint_prepare,
 * checkpoint_begin, checkpoint_resume, checkpoint_abort, checkpoint_commit. The order of the calls
 * is the replicator's (docs/protocol.md); what is legal when, the group's state machine decides.
 *
 * checkpoint_begin is on a paused VM's clock: it writes no more than the replicator needs.
 * Control thread.
 */
#include <unistd.h>

#include "group_command.h"
#include "json_group.h"
#include "json_vf.h"

struct stop_params {
	char group[NIC_NAME_SIZE];
	uint64_t term;
	bool discard;
};

struct begin_params {
	char group[NIC_NAME_SIZE];
	uint64_t term;
	bool keep;
};

struct commit_params {
	char group[NIC_NAME_SIZE];
	uint64_t term;
	uint64_t epoch;
};

static const char *const held_names[] = {"release", "discard"};

static const struct param ref_table[] = {
	GROUP_ROW(struct group_ref),
	TERM_ROW(struct group_ref, TERM_SAME_HELP),
};

static const struct param start_table[] = {
	GROUP_ROW(struct group_ref),
	TERM_ROW(struct group_ref, TERM_RAISE_HELP),
};

static const struct param stop_table[] = {
	GROUP_ROW(struct stop_params),
	TERM_ROW(struct stop_params, TERM_SAME_HELP),
	{
		.name = "held",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct stop_params, discard),
		.choices = held_names,
		.n_choices = 2,
		.help = "uncommitted frames: release (default) or discard",
	},
};

static const char *const area_names[] = {"send", "keep"};

static const struct param begin_table[] = {
	GROUP_ROW(struct begin_params),
	TERM_ROW(struct begin_params, TERM_SAME_HELP),
	{
		.name = "area",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct begin_params, keep),
		.choices = area_names,
		.n_choices = 2,
		.help = "the checkpoint area's descriptor: send it (default), or keep it, which is "
			"faster: a client needs it once",
	},
};

static const struct param commit_table[] = {
	GROUP_ROW(struct commit_params),
	TERM_ROW(struct commit_params, TERM_SAME_HELP),
	{
		.name = "epoch",
		.type = PARAM_UINT,
		.required = true,
		PARAM_FIELD(struct commit_params, epoch),
		.min = 1,
		.max = INT64_MAX,
		.help = "the epoch that checkpoint_begin sealed: it and all before it may leave",
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

static int protection_start(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	int rc = nic_protection_start(&cmd, err);

	return rc ? rc : answer_group(p->group, call, err);
}

static int protection_stop(struct rpc_call *call, struct nic_error *err)
{
	const struct stop_params *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	int rc = nic_protection_stop(&cmd, p->discard, err);

	return rc ? rc : answer_group(p->group, call, err);
}

static void answer_vf(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg)
{
	struct json_writer *out = arg;

	json_vf_checkpoint(out, info, vf);
}

/* The checkpoint area goes along with the answer. */
static int answer_area(struct rpc_call *call, struct nic_error *err)
{
	int fd = nic_checkpoint_fd(err);

	if (fd < 0)
		return fd;
	if (rpc_reply_add_fd(call->reply, fd))
		return 0;
	close(fd);
	return nic_fail(err, RENIC_E_RESOURCES, "", "one answer carries at most %d descriptors",
		RPC_REPLY_FDS_MAX);
}

static void answer_epoch(
	struct json_writer *out, const char *group, const struct checkpoint_info *info)
{
	jw_str(out, "group", group);
	jw_u64(out, "term", info->term);
	jw_u64(out, "epoch", info->epoch);
	jw_u64(out, "held_pkts", info->held_pkts);
	jw_u64(out, "held_bytes", info->held_bytes);
}

/* Writes checkpoint_begin's answer, to forget it. */
static void rehearse(struct rpc_call *call, const char *group)
{
	size_t len = call->out->len;

	jw_open(call->out, "vfs", '[');
	nic_checkpoint_rehearse(group, answer_vf, call->out);
	jw_close(call->out, ']');
	jw_truncate(call->out, len);
}

/* What it tells is of less use than that it is called: this thread has slept since the last
 * checkpoint, and all that the next one reads is in the caches again when the VM is paused. */
static int checkpoint_prepare(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	struct checkpoint_info info;
	int rc = nic_checkpoint_prepare(&cmd, &info, err);

	if (rc)
		return rc;
	rehearse(call, p->group);
	jw_open(call->out, NULL, '{');
	answer_epoch(call->out, p->group, &info);
	jw_close(call->out, '}');
	return 0;
}

static int checkpoint_begin(struct rpc_call *call, struct nic_error *err)
{
	const struct begin_params *p = call->params;
	struct json_writer *out = call->out;
	struct group_command cmd = group_command(call, p->group, p->term);
	struct checkpoint_info info;
	int rc = p->keep ? 0 : answer_area(call, err);

	/* First what may fail: an error has not suspended anything. */
	if (rc == 0)
		rc = nic_checkpoint_begin(&cmd, &info, err);
	if (rc)
		return rc;
	jw_open(out, NULL, '{');
	answer_epoch(out, p->group, &info);
	jw_u64(out, "duration_us", info.duration_us);
	jw_open(out, "vfs", '[');
	nic_checkpoint_foreach(p->group, answer_vf, out);
	jw_close(out, ']');
	jw_close(out, '}');
	return 0;
}

static int checkpoint_resume(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	int rc = nic_checkpoint_resume(&cmd, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static int checkpoint_abort(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	int rc = nic_checkpoint_abort(&cmd, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static int checkpoint_commit(struct rpc_call *call, struct nic_error *err)
{
	const struct commit_params *p = call->params;
	struct group_command cmd = group_command(call, p->group, p->term);
	struct group_info info;
	int rc = nic_checkpoint_commit(&cmd, p->epoch, err);

	/* An older epoch than the last committed one is fine: the answer tells which that is. */
	if (rc == 0)
		rc = nic_group_get(p->group, &info, err);
	if (rc)
		return rc;
	jw_open(call->out, NULL, '{');
	jw_str(call->out, "group", p->group);
	jw_u64(call->out, "committed_epoch", info.committed_epoch);
	jw_close(call->out, '}');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "protection_start",
		.handler = protection_start,
		RPC_PARAMS(start_table),
		.params_size = sizeof(struct group_ref),
		.help = "hold what the group's VFs send until a checkpoint is committed",
	},
	{
		.name = "protection_stop",
		.handler = protection_stop,
		RPC_PARAMS(stop_table),
		.params_size = sizeof(struct stop_params),
		.help = "let frames pass again",
	},
	{
		.name = "checkpoint_prepare",
		.handler = checkpoint_prepare,
		RPC_PARAMS(ref_table),
		.params_size = sizeof(struct group_ref),
		.help = "before the VMs are paused: is checkpoint_begin legal? then it is fast",
	},
	{
		.name = "checkpoint_begin",
		.handler = checkpoint_begin,
		RPC_PARAMS(begin_table),
		.params_size = sizeof(struct begin_params),
		.help = "suspend the group's VFs and seal the open epoch",
	},
	{
		.name = "checkpoint_resume",
		.handler = checkpoint_resume,
		RPC_PARAMS(ref_table),
		.params_size = sizeof(struct group_ref),
		.help = "the VFs run again, in the next epoch",
	},
	{
		.name = "checkpoint_abort",
		.handler = checkpoint_abort,
		RPC_PARAMS(ref_table),
		.params_size = sizeof(struct group_ref),
		.help = "resume without a checkpoint: what was sealed goes with the next commit",
	},
	{
		.name = "checkpoint_commit",
		.handler = checkpoint_commit,
		RPC_PARAMS(commit_table),
		.params_size = sizeof(struct commit_params),
		.help = "the backup holds the checkpoint: frames of its epoch leave",
	},
};

const struct rpc_topic rpc_checkpoint = RPC_METHODS(methods);
