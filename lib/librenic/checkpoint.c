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

struct number {
	const char *name;
	uint64_t *value;
	bool seen;
};

/* The object's members that `numbers` names. `visit` (may be NULL) is shown every member. */
static bool read_numbers(struct span object, struct number *numbers, size_t n,
	bool (*visit)(struct span name, struct span value, void *arg), void *arg)
{
	struct span name, value;
	struct skim skim;
	bool all = true;

	skim_start(&skim, object);
	while (skim_member(&skim, &name, &value)) {
		for (size_t i = 0; i < n; i++)
			if (span_is(name, numbers[i].name))
				numbers[i].seen = span_uint(value, numbers[i].value);
		all = all && (!visit || visit(name, value, arg));
	}
	for (size_t i = 0; i < n; i++)
		all = all && numbers[i].seen;
	return all && !skim.failed;
}

/* All four numbers must be there: a caller commits what this says. */
static bool read_checkpoint(struct span result, struct renic_checkpoint *checkpoint,
	bool (*visit)(struct span name, struct span value, void *arg), void *arg)
{
	struct number numbers[] = {
		{"epoch", &checkpoint->epoch, false},
		{"held_pkts", &checkpoint->held_pkts, false},
		{"held_bytes", &checkpoint->held_bytes, false},
		{"duration_us", &checkpoint->duration_us, false},
	};

	return read_numbers(result, numbers, 4, visit, arg);
}

static bool visit_vf(struct span name, struct span value, void *arg)
{
	struct renic_checkpoint_vf *vf = arg;
	struct number at[] = {
		{"offset", &vf->snapshot_offset, false}, {"bytes", &vf->snapshot_bytes, false}};
	struct number log[] = {{"offset", &vf->dirty_offset, false},
		{"bytes", &vf->dirty_bytes, false}, {"pages", &vf->dirty_pages, false}};
	struct span member, flag;
	struct skim skim;

	if (span_is(name, "name")) {
		if (value.len < 3 || value.len - 2 >= sizeof(vf->name))
			return false;
		memcpy(vf->name, value.text + 1, value.len - 2);
		vf->name[value.len - 2] = '\0';
	} else if (span_is(name, "snapshot")) {
		return read_numbers(value, at, 2, NULL, NULL);
	} else if (span_is(name, "dirty")) {
		skim_start(&skim, value);
		while (skim_member(&skim, &member, &flag))
			if (span_is(member, "complete"))
				vf->dirty_complete = span_is(flag, "true");
		return read_numbers(value, log, 3, NULL, NULL);
	}
	return true;
}

struct vf_list {
	struct renic_checkpoint_vf *vfs;
	size_t room, n;
	bool seen;
};

static bool visit_vfs(struct span name, struct span value, void *arg)
{
	struct vf_list *list = arg;
	struct span element;
	struct skim skim;

	if (!span_is(name, "vfs"))
		return true;
	list->seen = true;
	skim_start_array(&skim, value);
	while (skim_element(&skim, &element)) {
		struct renic_checkpoint_vf *vf = &list->vfs[list->n];

		if (list->n == list->room)
			return false;
		*vf = (struct renic_checkpoint_vf){
			.snapshot_bytes = UINT64_MAX, .dirty_bytes = UINT64_MAX};
		if (!read_numbers(element, NULL, 0, visit_vf, vf) || !vf->name[0] ||
			vf->snapshot_bytes == UINT64_MAX || vf->dirty_bytes == UINT64_MAX)
			return false;
		list->n++;
	}
	return !skim.failed;
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

int renic_checkpoint_prepare(
	struct renic_client *client, const char *group, struct renic_error *err)
{
	struct span result;

	return call_group(client, "checkpoint_prepare", group, "", &result, err);
}

static int begin(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, struct vf_list *list, int *fd, struct renic_error *err)
{
	struct span result = {0};
	struct renic_error why;
	int ret;

	err = err ? err : &why;
	ret = exchange_group(
		client, "checkpoint_begin", group, fd ? "" : ",\"area\":\"keep\"", &result, err);
	/* A daemon of before there was this parameter: nothing is suspended. */
	if (!fd && ret == RENIC_E_PARAMS && !strcmp(err->field, "area"))
		ret = exchange_group(client, "checkpoint_begin", group, "", &result, err);
	if (fd)
		*fd = -1;
	if (!ret && (!read_checkpoint(result, checkpoint, list ? visit_vfs : NULL, list) ||
			    (list && !list->seen)))
		ret = stream_refuse(&client->stream, err, "checkpoint_begin's result");
	if (ret || !fd)
		stream_drop_fds(&client->stream, UINT64_MAX);
	else
		*fd = take_fd(&client->stream);
	return ret;
}

int renic_checkpoint_begin_fd(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, int *fd, struct renic_error *err)
{
	return begin(client, group, checkpoint, NULL, fd, err);
}

int renic_checkpoint_begin_vfs(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, struct renic_checkpoint_vf *vfs, size_t *n_vfs,
	int *fd, struct renic_error *err)
{
	struct vf_list list = {.vfs = vfs, .room = *n_vfs};
	int ret = begin(client, group, checkpoint, &list, fd, err);

	*n_vfs = ret ? 0 : list.n;
	return ret;
}

int renic_checkpoint_begin(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, struct renic_error *err)
{
	return begin(client, group, checkpoint, NULL, NULL, err);
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
