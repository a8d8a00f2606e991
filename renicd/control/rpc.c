/* SPDX-License-Identifier: BSD-3-Clause */
/* The method table, gathered from its topics, and an answer's descriptors; see rpc.h. */
#include <string.h>
#include <unistd.h>

#include "rpc.h"

static const struct rpc_topic *const topics[] = {
	&rpc_meta,
	&rpc_config,
	&rpc_uplink,
	&rpc_vf,
	&rpc_group,
	&rpc_checkpoint,
	&rpc_standby,
	&rpc_ingress,
	&rpc_snapshot,
	&rpc_capture,
	&rpc_events,
};

enum { TOPICS = sizeof(topics) / sizeof(topics[0]) };

const struct rpc_method *rpc_find(const char *name)
{
	size_t t, i;

	for (t = 0; t < TOPICS; t++)
		for (i = 0; i < topics[t]->n; i++)
			if (strcmp(topics[t]->methods[i].name, name) == 0)
				return &topics[t]->methods[i];
	return NULL;
}

void rpc_foreach(void (*visit)(const struct rpc_method *method, void *arg), void *arg)
{
	size_t t, i;

	for (t = 0; t < TOPICS; t++)
		for (i = 0; i < topics[t]->n; i++)
			visit(&topics[t]->methods[i], arg);
}

bool rpc_reply_add_fd(struct rpc_reply *reply, int fd)
{
	if (reply->n_fds == RPC_REPLY_FDS_MAX)
		return false;
	reply->fds[reply->n_fds++] = fd;
	return true;
}

void rpc_reply_drop_fds(struct rpc_reply *reply, unsigned keep)
{
	while (reply->n_fds > keep)
		close(reply->fds[--reply->n_fds]);
}
