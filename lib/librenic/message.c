/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a received line is: a reply, an event, another notification, or nonsense.
 * JSON-RPC 2.0, sections 4.1 and 5. Only the envelope is read here. Any thread.
 */
#include <string.h>

#include "client.h"

/* Exactly one of result and error, and an id that this library could have sent. An id of null
 * says that the daemon could not read the request: only an error can say that. */
static enum message_kind check_reply(struct message *message, struct span id)
{
	message->has_id = span_uint(id, &message->id);
	if (!message->result.text == !message->error.text)
		return MESSAGE_BAD;
	if (!message->has_id && (!span_is(id, "null") || !message->error.text))
		return MESSAGE_BAD;
	return MESSAGE_REPLY;
}

void message_parse(struct span line, struct message *message)
{
	struct span id = {0}, method = {0}, name, value;
	struct skim skim;

	memset(message, 0, sizeof(*message));
	skim_start(&skim, line);
	while (skim_member(&skim, &name, &value)) {
		if (span_is(name, "id"))
			id = value;
		else if (span_is(name, "result"))
			message->result = value;
		else if (span_is(name, "error"))
			message->error = value;
		else if (span_is(name, "method"))
			method = value;
		else if (span_is(name, "params"))
			message->params = value;
	}
	if (skim.failed)
		message->kind = MESSAGE_BAD;
	else if (span_is(method, "\"event\"") && message->params.text)
		message->kind = MESSAGE_EVENT;
	else if (method.text)
		message->kind = MESSAGE_OTHER;
	else
		message->kind = check_reply(message, id);
}
