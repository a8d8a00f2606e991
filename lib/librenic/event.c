/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events: docs/protocol.md, "Events". They can arrive at any time, also between a request and
 * its reply; then they are queued here. The queue is bounded: the oldest give way, counted in
 * the next one's `lost`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static void read_event(struct span params, struct renic_event *event)
{
	json_t *object = json_loadb(params.text, params.len, JSON_DECODE_ANY, NULL);
	const char *type = json_string_value(json_object_get(object, "type"));
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *detail = json_string_value(json_object_get(object, "detail"));
	json_int_t time_us = json_integer_value(json_object_get(object, "time_us"));

	memset(event, 0, sizeof(*event));
	snprintf(event->type, sizeof(event->type), "%s", type ? type : "unknown");
	snprintf(event->name, sizeof(event->name), "%s", name ? name : "");
	snprintf(event->detail, sizeof(event->detail), "%s", detail ? detail : "");
	event->time_us = time_us > 0 ? (uint64_t)time_us : 0;
	json_decref(object);
}

static struct queued_event *unqueue(struct renic_client *client)
{
	struct queued_event *first = STAILQ_FIRST(&client->events);

	STAILQ_REMOVE_HEAD(&client->events, next);
	client->n_events--;
	return first;
}

/* The oldest is dropped; the event now at the front takes over what it knew of losses. */
static void drop_oldest(struct renic_client *client)
{
	struct queued_event *oldest = unqueue(client), *front = STAILQ_FIRST(&client->events);
	uint64_t lost = oldest->event.lost + 1;

	if (front)
		front->event.lost += lost;
	else
		client->lost += lost;
	free(oldest);
}

void client_queue_event(struct renic_client *client, struct span params)
{
	struct queued_event *queued = malloc(sizeof(*queued));

	if (!queued) {
		client->lost++;
		return;
	}
	if (client->n_events == RENIC_EVENTS_MAX)
		drop_oldest(client);
	read_event(params, &queued->event);
	queued->event.lost = client->lost;
	client->lost = 0;
	STAILQ_INSERT_TAIL(&client->events, queued, next);
	client->n_events++;
}

void client_free_events(struct renic_client *client)
{
	while (!STAILQ_EMPTY(&client->events))
		free(unqueue(client));
}

/* A line while no call is under way: an event, or a reply that comes too late. */
static int take_line(struct renic_client *client, struct span line, struct renic_error *err)
{
	struct message message;

	message_parse(line, &message);
	if (message.kind == MESSAGE_EVENT)
		client_queue_event(client, message.params);
	else if (message.kind == MESSAGE_BAD)
		return stream_refuse(&client->stream, err, "a line is not a JSON-RPC message");
	else if (message.kind == MESSAGE_REPLY && message.has_id && message.id > client->last_id)
		return stream_refuse(&client->stream, err, "a reply to what was not asked");
	stream_drop_fds(&client->stream, stream_position(&client->stream));
	return 0;
}

int renic_event_wait(struct renic_client *client, int timeout_ms, struct renic_event *event,
	struct renic_error *err)
{
	int64_t deadline = deadline_after_ms(timeout_ms);
	struct queued_event *queued;
	bool tried = false;
	struct span line;
	int ret = 0;

	while (STAILQ_EMPTY(&client->events) && !ret) {
		if (stream_line(&client->stream, &line)) {
			ret = take_line(client, line, err);
			continue;
		}
		/* A peer that sends everything but events must not keep us. */
		if (tried && deadline_passed(deadline))
			return 0;
		tried = true;
		ret = stream_fill(&client->stream, deadline, STREAM_INTERRUPTIBLE, err);
	}
	if (ret)
		return ret == RENIC_E_NO_ANSWER ? 0 : ret;
	queued = unqueue(client);
	*event = queued->event;
	free(queued);
	return 1;
}

int renic_events_subscribe(
	struct renic_client *client, const char *const *types, struct renic_error *err)
{
	json_t *params = NULL, *list;

	if (types) {
		list = json_array();
		for (; *types; types++)
			json_array_append_new(list, json_string(*types));
		params = json_pack("{s:o}", "types", list);
	}
	return renic_call(client, "events_subscribe", params, NULL, err);
}

int renic_events_unsubscribe(struct renic_client *client, struct renic_error *err)
{
	return renic_call(client, "events_unsubscribe", NULL, NULL, err);
}
