/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checkpoint path: docs/protocol.md, "A checkpoint". It runs while VMs are paused, so its
 * requests are formatted on the stack and its reply's numbers are read in place: the array of VFs
 * in it, tens of KiB for a large group, is only stepped over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum { GROUP_NAME_MAX = 128 };

/* Names are [A-Za-z0-9][A-Za-z0-9_.-]*: the daemon judges that. Here it only matters that the
 * name means itself inside a JSON string. */
static int check_group(const char *group, struct renic_error *err)
{
	size_t len = group ? strlen(group) : 0;
	bool plain = len > 0 && len <= GROUP_NAME_MAX;

	for (size_t i = 0; plain && i < len; i++)
		plain = group[i] > ' ' && group[i] < 0x7f && group[i] != '"' && group[i] != '\\';
	if (plain)
		return 0;
	client_fail(err, RENIC_E_ARGUMENT, 0, "group: not the name of a group or VF");
	if (err) {
		strcpy(err->field, "group");
		strcpy(err->expected, "letters, digits, '_', '.' and '-'");
	}
	return RENIC_E_ARGUMENT;
}

void renic_set_term(struct renic_client *client, uint64_t term)
{
	client->term = term;
}

/* Call a method that takes the group's name and `more` (JSON members after a comma, or ""). What
 * descriptors come with the reply stay in the stream. */
static int exchange_group(struct renic_client *client, const char *method, const char *group,
	const char *more, struct span *result, struct renic_error *err)
{
	char request[512], term[40] = "";
	int len, ret = check_group(group, err);

	if (ret)
		return ret;
	if (client->term)
		snprintf(term, sizeof(term), ",\"term\":%" PRIu64, client->term);
	len = snprintf(request, sizeof(request),
		"{\"jsonrpc\":\"2.0\",\"id\":%" PRIu64 ",\"method\":\"%s\","
		"\"params\":{\"group\":\"%s\"%s%s}}\n",
		++client->last_id, method, group, more, term);
	return client_exchange(client, request, (size_t)len, result, err);
}

static int call_group(struct renic_client *client, const char *method, const char *group,
	const char *more, struct span *result, struct renic_error *err)
{
	int ret = exchange_group(client, method, group, more, result, err);

	stream_drop_fds(&client->stream, UINT64_MAX);
	return ret;
}

int renic_protection_start(struct renic_client *client, const char *group, struct renic_error *err)
{
	struct span result;

	return call_group(client, "protection_start", group, "", &result, err);
}

int renic_protection_stop(struct renic_client *client, const char *group, enum renic_held held,
	struct renic_error *err)
{
	struct span result;

	return call_group(client, "protection_stop", group,
		held == RENIC_HELD_DISCARD ? ",\"held\":\"discard\"" : ",\"held\":\"release\"",
		&result, err);
}

/* All four numbers must be there: a caller commits what this says. */
static bool read_checkpoint(struct span result, struct renic_checkpoint *checkpoint)
{
	struct {
		const char *name;
		uint64_t *value;
		bool seen;
	} fields[] = {
		{"epoch", &checkpoint->epoch, false},
		{"held_pkts", &checkpoint->held_pkts, false},
		{"held_bytes", &checkpoint->held_bytes, false},
		{"duration_us", &checkpoint->duration_us, false},
	};
	struct span name, value;
	struct skim skim;
	bool all = true;

	skim_start(&skim, result);
	while (skim_member(&skim, &name, &value))
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (span_is(name, fields[i].name))
				fields[i].seen = span_uint(value, fields[i].value);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		all = all && fields[i].seen;
	return all && !skim.failed;
}

/* The first descriptor that came with the reply, or -1; the others are closed. */
static int take_fd(struct stream *stream)
{
	int fd = -1;

	if (stream->n_fds) {
		fd = stream->fds[0];
		stream->fds[0] = stream->fds[--stream->n_fds];
		stream->fd_end[0] = stream->fd_end[stream->n_fds];
	}
	stream_drop_fds(stream, UINT64_MAX);
	return fd;
}

int renic_checkpoint_begin_fd(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, int *fd, struct renic_error *err)
{
	struct span result = {0};
	int ret = exchange_group(client, "checkpoint_begin", group, "", &result, err);

	*fd = -1;
	if (!ret && !read_checkpoint(result, checkpoint))
		ret = stream_refuse(&client->stream, err, "checkpoint_begin's result");
	if (ret)
		stream_drop_fds(&client->stream, UINT64_MAX);
	else
		*fd = take_fd(&client->stream);
	return ret;
}

int renic_checkpoint_begin(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, struct renic_error *err)
{
	int fd, ret = renic_checkpoint_begin_fd(client, group, checkpoint, &fd, err);

	if (fd >= 0)
		close(fd);
	return ret;
}

int renic_checkpoint_resume(struct renic_client *client, const char *group, struct renic_error *err)
{
	struct span result;

	return call_group(client, "checkpoint_resume", group, "", &result, err);
}

int renic_checkpoint_abort(struct renic_client *client, const char *group, struct renic_error *err)
{
	struct span result;

	return call_group(client, "checkpoint_abort", group, "", &result, err);
}

int renic_checkpoint_commit(
	struct renic_client *client, const char *group, uint64_t epoch, struct renic_error *err)
{
	struct span result;
	char more[40];

	snprintf(more, sizeof(more), ",\"epoch\":%" PRIu64, epoch);
	return call_group(client, "checkpoint_commit", group, more, &result, err);
}
