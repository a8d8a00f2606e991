/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filling struct renic_error: from this side, or from the `error` member of a reply
 * (docs/protocol.md, "Errors"). The daemon's text is not trusted: any member may be missing or
 * of another type. No state, any thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static const struct {
	int code;
	const char *name;
} error_names[] = {
	{RENIC_E_STATE, "state"},
	{RENIC_E_NOT_FOUND, "not_found"},
	{RENIC_E_EXISTS, "exists"},
	{RENIC_E_BUSY, "busy"},
	{RENIC_E_RESOURCES, "resources"},
	{RENIC_E_PERMISSION, "permission"},
	{RENIC_E_UNSUPPORTED, "unsupported"},
	{RENIC_E_IO, "io"},
	{RENIC_E_TIMEOUT, "timeout"},
	{RENIC_E_TERM, "term"},
	{RENIC_E_PARSE, "parse"},
	{RENIC_E_REQUEST, "request"},
	{RENIC_E_METHOD, "method"},
	{RENIC_E_PARAMS, "params"},
	{RENIC_E_INTERNAL, "internal"},
	{RENIC_E_CONNECT, "connect"},
	{RENIC_E_CLOSED, "closed"},
	{RENIC_E_PROTOCOL, "protocol"},
	{RENIC_E_NO_ANSWER, "no_answer"},
	{RENIC_E_ARGUMENT, "argument"},
	{RENIC_E_MEMORY, "memory"},
};

const char *renic_error_name(int code)
{
	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++)
		if (error_names[i].code == code)
			return error_names[i].name;
	return "unknown";
}

bool renic_error_is_remote(int code)
{
	return code < 0 && (code > RENIC_E_CONNECT || code < RENIC_E_MEMORY);
}

int client_fail(struct renic_error *err, int code, int sys_errno, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!err)
		return code;
	memset(err, 0, sizeof(*err));
	err->code = code;
	err->sys_errno = sys_errno;
	va_start(ap, fmt);
	n = vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	if (sys_errno && n >= 0 && (size_t)n < sizeof(err->message))
		snprintf(err->message + n, sizeof(err->message) - (size_t)n, ": %s",
			strerror(sys_errno));
	return code;
}

/* A member as text, whatever its type: a number given as "vlan" reads as that number. */
static void copy_member(char *to, size_t size, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	char *text = NULL;

	if (!value || json_is_null(value))
		return;
	if (!json_is_string(value))
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	snprintf(to, size, "%s",
		json_is_string(value) ? json_string_value(value)
		: text		      ? text
				      : "");
	free(text);
}

int client_fail_remote(struct renic_error *err, struct span error)
{
	json_t *object = json_loadb(error.text, error.len, JSON_DECODE_ANY, NULL);
	const json_t *data = json_object_get(object, "data");
	json_int_t code = json_integer_value(json_object_get(object, "code"));

	/* A code outside the daemon's range could pass for success, or for one of ours. */
	if (code >= 0 || code < INT32_MIN || !renic_error_is_remote((int)code))
		code = RENIC_E_INTERNAL;
	if (err) {
		memset(err, 0, sizeof(*err));
		err->code = (int)code;
		copy_member(err->message, sizeof(err->message), object, "message");
		copy_member(err->field, sizeof(err->field), data, "field");
		copy_member(err->given, sizeof(err->given), data, "given");
		copy_member(err->expected, sizeof(err->expected), data, "expected");
		copy_member(err->state, sizeof(err->state), data, "state");
		if (!err->message[0])
			snprintf(err->message, sizeof(err->message), "refused (%s)",
				renic_error_name((int)code));
	}
	json_decref(object);
	return (int)code;
}
