/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request, one reply; see renic.h. docs/protocol.md, JSON-RPC 2.0 sections 4 and 5.
 *
 * Replies come in the order of the requests and one request is under way at a time, so a reply
 * with a smaller id answers a call that was given up, and one with a greater id is nonsense.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

/* What the descriptors received so far belong to: a late reply has those of reads that ended
 * with it; the reply waited for has all, since nothing can have been sent after it but events. */
static int take_reply(struct renic_client *client, const struct message *message,
	struct span *result, struct renic_error *err)
{
	if (message->has_id && message->id > client->last_id)
		return stream_refuse(&client->stream, err, "a reply to what was not asked");
	if (message->has_id && message->id < client->last_id) {
		stream_drop_fds(&client->stream, stream_position(&client->stream));
		return 0;
	}
	if (message->error.text)
		return client_fail_remote(err, message->error);
	*result = message->result;
	return 1;
}

/* Returns 1 when the line was the reply, with its result; 0 when it was anything else. */
static int take_line(
	struct renic_client *client, struct span line, struct span *result, struct renic_error *err)
{
	struct message message;

	message_parse(line, &message);
	switch (message.kind) {
	case MESSAGE_REPLY:
		return take_reply(client, &message, result, err);
	case MESSAGE_EVENT:
		client_queue_event(client, message.params);
		return 0;
	case MESSAGE_OTHER:
		return 0;
	case MESSAGE_BAD:
		break;
	}
	return stream_refuse(&client->stream, err, "a line is not a JSON-RPC message");
}

int client_exchange(struct renic_client *client, const char *request, size_t len,
	struct span *result, struct renic_error *err)
{
	int64_t deadline = deadline_after_ms(client->timeout_ms);
	struct stream *stream = &client->stream;
	unsigned flags = STREAM_FRESH;
	struct span line;
	int ret;

	/* Nothing that came before the request can belong to its reply. */
	stream_drop_fds(stream, UINT64_MAX);
	ret = stream_send(stream, request, len, deadline, err);
	while (!ret) {
		if (stream_line(stream, &line)) {
			ret = take_line(client, line, result, err);
			continue;
		}
		/* A peer that keeps sending other things must not keep us either. */
		if (flags != STREAM_FRESH && deadline_passed(deadline))
			ret = stream_no_answer(err);
		else
			ret = stream_fill(stream, deadline, flags, err);
		flags = 0;
	}
	return ret > 0 ? 0 : ret;
}

/* The request as a line of len bytes, malloc'd, or NULL with *err filled. */
static char *format_request(struct renic_client *client, const char *method, json_t *params,
	size_t *len, struct renic_error *err)
{
	json_t *request = json_pack("{s:s, s:I, s:s, s:O*}", "jsonrpc", "2.0", "id",
		(json_int_t)++client->last_id, "method", method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (!text) {
		client_fail(err, RENIC_E_ARGUMENT, 0, "the request cannot be written as JSON");
		return NULL;
	}
	*len = strlen(text) + 1;
	if (*len > RENIC_REQUEST_MAX) {
		client_fail(err, RENIC_E_ARGUMENT, 0,
			"a request of %zu bytes, over the limit of %d", *len, RENIC_REQUEST_MAX);
		free(text);
		return NULL;
	}
	text[*len - 1] = '\n'; /* in the NUL's place: a line needs none */
	return text;
}

static int decode_result(
	struct renic_client *client, struct span text, json_t **result, struct renic_error *err)
{
	json_error_t where;
	char why[sizeof(where.text) + 32];

	*result = json_loadb(text.text, text.len, JSON_DECODE_ANY, &where);
	if (*result)
		return 0;
	snprintf(why, sizeof(why), "a result is not JSON: %s", where.text);
	return stream_refuse(&client->stream, err, why);
}

/* Hands over what there is room for and closes the rest. Returns how many. */
static size_t hand_over_fds(struct stream *stream, int *fds, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < stream->n_fds; i++) {
		if (n < room)
			fds[n++] = stream->fds[i];
		else
			close(stream->fds[i]);
	}
	stream->n_fds = 0;
	return n;
}

int renic_call_fds(struct renic_client *client, const char *method, json_t *params, json_t **result,
	int *fds, size_t *n_fds, struct renic_error *err)
{
	size_t len, room = n_fds ? *n_fds : 0;
	struct span text = {0};
	json_t *value = NULL;
	char *request = NULL;
	int ret;

	if (result)
		*result = NULL;
	if (n_fds)
		*n_fds = 0;
	if (params && !json_is_object(params))
		ret = client_fail(err, RENIC_E_ARGUMENT, 0, "parameters must be an object");
	else
		request = format_request(client, method, params, &len, err);
	json_decref(params);
	if (!request)
		return RENIC_E_ARGUMENT;
	ret = client_exchange(client, request, len, &text, err);
	free(request);
	if (!ret)
		ret = decode_result(client, text, &value, err);
	room = hand_over_fds(&client->stream, fds, ret ? 0 : room);
	if (ret)
		return ret;
	if (n_fds)
		*n_fds = room;
	if (result)
		*result = value;
	else
		json_decref(value);
	return 0;
}

int renic_call(struct renic_client *client, const char *method, json_t *params, json_t **result,
	struct renic_error *err)
{
	return renic_call_fds(client, method, params, result, NULL, NULL, err);
}
