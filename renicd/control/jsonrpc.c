/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0: framing and dispatch; see jsonrpc.h. A request passes the same steps in the same
 * order: shape, method, permission, parameters, handler. What fails is answered with an error,
 * unless it was a notification. Section numbers are the specification's.
 */
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jsonrpc.h"
#include "log.h"

/* One request's members, borrowed from its tree. */
struct request {
	const json_t *id; /* NULL: a notification */
	const char *method;
	const json_t *params;
};

/*
 * Nesting and number of values, without parsing: jansson takes 60 ms for a MiB of `[1,1,…`, and
 * everybody would wait. Brackets in strings do not count. Returns what is wrong, or NULL.
 */
static const char *check_bounds(const char *text, size_t len, unsigned values_max)
{
	unsigned depth = 0, values = 0;
	bool in_string = false;
	size_t i;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (c == '[' || c == '{')
			depth++;
		else if (c == ']' || c == '}')
			depth -= depth > 0;
		else if (c == ',' || c == ':')
			values++;
		if (depth > JSONRPC_DEPTH_MAX)
			return "nested too deeply";
		if (values > values_max)
			return "too many values in one message";
	}
	return NULL;
}

/*
 * Text to tree. A number beyond 64 bits is no reason to call the message unreadable: it is
 * decoded again with every number as a real, so that the parameter can be named.
 */
static json_t *parse(
	const struct rpc_peer *peer, const char *text, size_t len, struct nic_error *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	const char *bounds = check_bounds(
		text, len, peer->may_change ? JSONRPC_VALUES_MAX : JSONRPC_READER_VALUES_MAX);
	json_error_t why;
	json_t *root;

	if (bounds) {
		nic_fail(err, RENIC_E_PARSE, "", "%s", bounds);
		return NULL;
	}
	root = json_loadb(text, len, flags, &why);
	if (!root && json_error_code(&why) == json_error_numeric_overflow)
		root = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &why);
	if (!root)
		nic_fail(err, RENIC_E_PARSE, "", "not JSON: %s (column %d)", why.text, why.column);
	return root;
}

static void write_id(struct json_writer *w, const json_t *id)
{
	const double exact_max = 9007199254740992.0; /* 2^53 */
	char *text;

	if (json_is_integer(id)) {
		jw_i64(w, "id", json_integer_value(id));
	} else if (json_is_string(id)) {
		jw_strn(w, "id", json_string_value(id), json_string_length(id));
	} else if (json_is_real(id)) {
		double v = json_real_value(id);

		if (v > -exact_max && v < exact_max && v == (double)(int64_t)v) {
			jw_i64(w, "id", (int64_t)v);
			return;
		}
		text = json_dumps(id, JSON_ENCODE_ANY);
		jw_raw(w, "id", text ? text : "null", text ? strlen(text) : 4);
		free(text);
	} else {
		jw_raw(w, "id", "null", 4);
	}
}

static void open_answer(struct json_writer *w, const json_t *id)
{
	jw_open(w, NULL, '{');
	jw_str(w, "jsonrpc", "2.0");
	write_id(w, id);
}

static void put_if(struct json_writer *w, const char *key, const char *value)
{
	if (value[0])
		jw_str(w, key, value);
}

static void write_error(struct json_writer *w, const json_t *id, const struct nic_error *err)
{
	open_answer(w, id);
	jw_open(w, "error", '{');
	jw_i64(w, "code", err->code);
	jw_str(w, "message", err->message);
	if (err->field[0] || err->given[0] || err->expected[0] || err->state[0]) {
		jw_open(w, "data", '{');
		put_if(w, "field", err->field);
		put_if(w, "given", err->given);
		put_if(w, "expected", err->expected);
		put_if(w, "state", err->state);
		jw_close(w, '}');
	}
	jw_close(w, '}');
	jw_close(w, '}');
}

static int refuse_member(
	const char *name, const json_t *value, const char *expected, struct nic_error *err)
{
	char given[sizeof(err->given)];

	nic_fail_value(err, name, param_given(value, given, sizeof(given)), expected);
	return err->code = RENIC_E_REQUEST;
}

/* Section 4: is this a request object? Its id is kept where it can be, for the error. */
static int read_request(const json_t *object, struct request *r, struct nic_error *err)
{
	static const char *const known[] = {"jsonrpc", "id", "method", "params"};
	const json_t *version = json_object_get(object, "jsonrpc");
	const json_t *method = json_object_get(object, "method");
	const json_t *id = json_object_get(object, "id");
	unsigned i, n = 0;

	if (!json_is_object(object))
		return nic_fail(err, RENIC_E_REQUEST, "", "a request is an object");
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return refuse_member("id", id, "a string, a number or null", err);
	if (json_string_length(id) > JSONRPC_ID_MAX)
		return refuse_member("id", id, "a string of at most 128 bytes", err);
	r->id = id;
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return refuse_member("jsonrpc", version, "\"2.0\"", err);
	if (!json_is_string(method))
		return refuse_member("method", method, "the name of a method", err);
	r->method = json_string_value(method);
	r->params = json_object_get(object, "params");
	if (r->params && !json_is_object(r->params) && !json_is_array(r->params))
		return refuse_member("params", r->params, "an object", err);
	for (i = 0; i < 4; i++)
		n += json_object_get(object, known[i]) != NULL;
	if (json_object_size(object) != n)
		return nic_fail(err, RENIC_E_REQUEST, "",
			"a request has the members jsonrpc, id, method and params, no others");
	return 0;
}

static int fail_method(const char *name, struct nic_error *err)
{
	nic_fail(err, RENIC_E_METHOD, "method", "no method %s; rpc_get_methods lists them", name);
	snprintf(err->given, sizeof(err->given), "%s", name);
	return RENIC_E_METHOD;
}

/* Decode the parameters and run the method; its result is behind what `w` held. */
static int run_method(const struct rpc_method *m, struct rpc_peer *peer, const json_t *params,
	struct rpc_reply *reply, struct nic_error *err)
{
	alignas(max_align_t) unsigned char decoded[RPC_PARAMS_BYTES];
	struct rpc_call call = {
		.params = decoded,
		.peer = peer,
		.out = &reply->json,
		.reply = reply,
	};
	int rc;

	if (json_is_array(params))
		return nic_fail(err, RENIC_E_PARAMS, "params",
			"parameters go by name, in an object; %s was given an array", m->name);
	if (m->defaults)
		m->defaults(decoded);
	else
		memset(decoded, 0, m->params_size);
	rc = params_decode(m->params, m->n_params, params, decoded, &call.given, err);
	if (rc == 0)
		rc = m->handler(&call, err);
	if (rc == 0 && (m->flags & RPC_CHANGES_GROUPS))
		reply->groups_changed = true;
	return rc;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int dispatch(struct rpc_peer *peer, const struct request *r, struct rpc_reply *reply,
	struct nic_error *err)
{
	const struct rpc_method *m = rpc_find(r->method);

	if (!m)
		return fail_method(r->method, err);
	if (!(m->flags & RPC_READ) && !peer->may_change)
		return nic_fail(err, RENIC_E_PERMISSION, "method",
			"%s is for root and the owner of the socket; this peer may only read",
			m->name);
	if (reply->json.len > JSONRPC_BATCH_ANSWER_MAX)
		return nic_fail(err, RENIC_E_RESOURCES, "",
			"not carried out: the batch's answer is over %d bytes already",
			JSONRPC_BATCH_ANSWER_MAX);
	if (reply->end_us && now_us() >= reply->end_us)
		return nic_fail(err, RENIC_E_RESOURCES, "",
			"not carried out: the batch has taken over %d us already, and this peer "
			"may only read",
			JSONRPC_READER_BATCH_US);
	return run_method(m, peer, r->params, reply, err);
}

static void handle_request(struct rpc_peer *peer, const json_t *object, struct rpc_reply *reply)
{
	struct json_writer *w = &reply->json;
	struct request r = {0};
	struct nic_error err = {0};
	size_t start = w->len;
	unsigned n_fds = reply->n_fds;
	bool is_request;
	int rc = read_request(object, &r, &err);

	is_request = rc == 0;
	if (is_request) {
		open_answer(w, r.id);
		jw_key(w, "result"); /* the handler's value comes next */
		rc = dispatch(peer, &r, reply, &err);
		jw_close(w, '}');
	}
	if (rc) {
		jw_truncate(w, start);
		rpc_reply_drop_fds(reply, n_fds);
		LOG_DEBUG("client %llu: %s: %s", (unsigned long long)peer->client,
			r.method ? r.method : "request", err.message);
	}
	if (is_request && !r.id) { /* section 4.1: a notification is not answered */
		jw_truncate(w, start);
		rpc_reply_drop_fds(reply, n_fds);
	} else if (rc) {
		write_error(w, r.id, &err);
	}
}

/* Section 6. The answer is an array, unless all were notifications. */
static void handle_batch(struct rpc_peer *peer, const json_t *batch, struct rpc_reply *reply)
{
	struct json_writer *w = &reply->json;
	uint64_t end_us = peer->may_change ? 0 : now_us() + JSONRPC_READER_BATCH_US;
	size_t n = json_array_size(batch);
	struct nic_error err;
	size_t i;

	if (n == 0 || n > JSONRPC_BATCH_MAX) {
		nic_fail(&err, RENIC_E_REQUEST, "", "a batch has 1 to %d requests, not %zu",
			JSONRPC_BATCH_MAX, n);
		write_error(w, NULL, &err);
		return;
	}
	jw_open(w, NULL, '[');
	for (i = 0; i < n; i++) {
		handle_request(peer, json_array_get(batch, i), reply);
		reply->end_us = end_us;
	}
	if (w->len == 1)
		jw_truncate(w, 0);
	else
		jw_close(w, ']');
}

void jsonrpc_handle(struct rpc_peer *peer, const char *text, size_t len, struct rpc_reply *reply)
{
	struct nic_error err;
	json_t *root = parse(peer, text, len, &err);

	if (!root)
		write_error(&reply->json, NULL, &err);
	else if (json_is_array(root))
		handle_batch(peer, root, reply);
	else
		handle_request(peer, root, reply);
	if (reply->json.len)
		jw_bytes(&reply->json, "\n", 1);
	json_decref(root);
}

void jsonrpc_write_error(struct json_writer *w, const struct nic_error *err)
{
	write_error(w, NULL, err);
	jw_bytes(w, "\n", 1);
}

void jsonrpc_write_event(struct json_writer *w, const struct nic_event *event, uint64_t time_us)
{
	jw_open(w, NULL, '{');
	jw_str(w, "jsonrpc", "2.0");
	jw_str(w, "method", "event");
	jw_open(w, "params", '{');
	jw_str(w, "type", nic_event_names[event->type]);
	jw_str(w, "name", event->name);
	jw_str(w, "detail", event->detail);
	jw_u64(w, "time_us", time_us);
	jw_close(w, '}');
	jw_close(w, '}');
	jw_bytes(w, "\n", 1);
}
