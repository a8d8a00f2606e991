/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection and checkpoints: protection_start, protection_stop, checkpoint_begin,
 * checkpoint_resume, checkpoint_abort, checkpoint_commit. The order of the calls is the
 * replicator's (docs/protocol.md); what is legal when, the group's state machine decides.
 *
 * checkpoint_begin is on a paused VM's clock: it writes no more than the replicator needs.
 * Control thread.
 */
#include "json_group.h"
#include "json_vf.h"
#include "rpc.h"

struct group_ref {
	char group[NIC_NAME_SIZE];
	uint64_t term;
};

struct stop_params {
	char group[NIC_NAME_SIZE];
	uint64_t term;
	bool discard;
};

struct commit_params {
	char group[NIC_NAME_SIZE];
	uint64_t term;
	uint64_t epoch;
};

#define GROUP_ROW(params)                                                                          \
	{                                                                                          \
		.name = "group", .type = PARAM_NAME, .required = true, PARAM_FIELD(params, group), \
		.help = "name of a group, or of a VF that is in none",                             \
	}

#define TERM_ROW(params)                                                                           \
	{                                                                                          \
		.name = "term", .type = PARAM_UINT, PARAM_FIELD(params, term), .min = 1,           \
		.max = INT64_MAX, .help = "refuse unless the group is in this term",               \
	}

static const char *const held_names[] = {"release", "discard"};

static const struct param ref_table[] = {
	GROUP_ROW(struct group_ref),
	TERM_ROW(struct group_ref),
};

static const struct param stop_table[] = {
	GROUP_ROW(struct stop_params),
	TERM_ROW(struct stop_params),
	{
		.name = "held",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct stop_params, discard),
		.choices = held_names,
		.n_choices = 2,
		.help = "uncommitted frames: release (default) or discard",
	},
};

static const struct param commit_table[] = {
	GROUP_ROW(struct commit_params),
	TERM_ROW(struct commit_params),
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

static struct group_command command_of(
	const struct rpc_call *call, const char *group, uint64_t term)
{
	return (struct group_command){
		.group = group,
		.client = call->peer->client,
		.term = term,
	};
}

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
	struct group_command cmd = command_of(call, p->group, p->term);
	int rc = nic_protection_start(&cmd, err);

	return rc ? rc : answer_group(p->group, call, err);
}

static int protection_stop(struct rpc_call *call, struct nic_error *err)
{
	const struct stop_params *p = call->params;
	struct group_command cmd = command_of(call, p->group, p->term);
	int rc = nic_protection_stop(&cmd, p->discard, err);

	return rc ? rc : answer_group(p->group, call, err);
}

/* The group's VFs as they are now, suspended. A VF cannot vanish in between: there is one
 * control thread. */
static void answer_vfs(const char *name, struct json_writer *out)
{
	struct group_info group;
	struct vf_info vf;
	uint16_t i;

	jw_open(out, "vfs", '[');
	if (nic_group_get(name, &group, NULL) == 0)
		for (i = 0; i < group.config.n_vfs; i++)
			if (nic_vf_get(group.config.vfs[i], &vf, NULL) == 0)
				json_vf_checkpoint(out, &vf);
	jw_close(out, ']');
}

static int checkpoint_begin(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct json_writer *out = call->out;
	struct group_command cmd = command_of(call, p->group, p->term);
	struct checkpoint_info info;
	int rc = nic_checkpoint_begin(&cmd, &info, err);

	if (rc)
		return rc;
	jw_open(out, NULL, '{');
	jw_str(out, "group", p->group);
	jw_u64(out, "term", info.term);
	jw_u64(out, "epoch", info.epoch);
	jw_u64(out, "held_pkts", info.held_pkts);
	jw_u64(out, "held_bytes", info.held_bytes);
	jw_u64(out, "duration_us", info.duration_us);
	answer_vfs(p->group, out);
	jw_close(out, '}');
	return 0;
}

static int checkpoint_resume(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = command_of(call, p->group, p->term);
	int rc = nic_checkpoint_resume(&cmd, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static int checkpoint_abort(struct rpc_call *call, struct nic_error *err)
{
	const struct group_ref *p = call->params;
	struct group_command cmd = command_of(call, p->group, p->term);
	int rc = nic_checkpoint_abort(&cmd, err);

	if (rc == 0)
		jw_bool(call->out, NULL, true);
	return rc;
}

static int checkpoint_commit(struct rpc_call *call, struct nic_error *err)
{
	const struct commit_params *p = call->params;
	struct group_command cmd = command_of(call, p->group, p->term);
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
		RPC_PARAMS(ref_table),
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
		.name = "checkpoint_begin",
		.handler = checkpoint_begin,
		RPC_PARAMS(ref_table),
		.params_size = sizeof(struct group_ref),
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
