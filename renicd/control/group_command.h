/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parameters of every group command have in common: the group and the term. Control
 * thread; docs/protocol.md, "A checkpoint" and "Failover". */
#ifndef RENICD_CONTROL_GROUP_COMMAND_H
#define RENICD_CONTROL_GROUP_COMMAND_H

#include "rpc.h"

struct group_ref {
	char group[NIC_NAME_SIZE];
	uint64_t term; /* 0: not given */
};

#define GROUP_ROW(params)                                                                          \
	{                                                                                          \
		.name = "group", .type = PARAM_NAME, .required = true, PARAM_FIELD(params, group), \
		.help = "name of a group, or of a VF that is in none",                             \
	}

#define TERM_ROW(params, text)                                                                     \
	{                                                                                          \
		.name = "term", .type = PARAM_UINT, PARAM_FIELD(params, term), .min = 1,           \
		.max = INT64_MAX, .help = text,                                                    \
	}

#define TERM_SAME_HELP "refuse unless the group is in this term"
#define TERM_RAISE_HELP "refuse when the group is in a later term; take it when in an earlier one"

static inline struct group_command group_command(
	const struct rpc_call *call, const char *group, uint64_t term)
{
	return (struct group_command){
		.group = group,
		.client = call->peer->client,
		.term = term,
	};
}

#endif
