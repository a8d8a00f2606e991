/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/control/jsonrpc.c: JSON-RPC 2.0's framing, and what is refused how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fakes/fake_nic.h"
#include "jsonrpc.h"

static struct rpc_peer owner = {.client = 7, .may_change = true};
static struct rpc_peer reader = {.client = 8, .may_change = false};

static int reset(void **state)
{
	fake_nic_reset();
	return 0;
}

/* The answer, a NUL-terminated line without its newline (free it), or NULL: none. */
static char *ask_n(struct rpc_peer *peer, const char *text, size_t len)
{
	struct rpc_reply reply = {0};
	char *line = NULL;

	jsonrpc_handle(peer, text, len, &reply);
	assert_false(reply.json.failed);
	assert_true(reply.json.len <= JSONRPC_ANSWER_MAX);
	if (reply.json.len) {
		assert_int_equal(reply.json.buf[reply.json.len - 1], '\n');
		line = strndup(reply.json.buf, reply.json.len - 1);
		assert_null(strchr(line, '\n'));
	}
	rpc_reply_drop_fds(&reply, 0);
	jw_free(&reply.json);
	return line;
}

static json_t *ask(struct rpc_peer *peer, const char *text)
{
	char *line = ask_n(peer, text, strlen(text));
	json_t *root = line ? json_loads(line, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (line && !root)
		fail_msg("not JSON: %s", line);
	free(line);
	return root;
}

static int error_code(const json_t *answer)
{
	return (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
}

static const char *error_data(const json_t *answer, const char *key)
{
	const json_t *data = json_object_get(json_object_get(answer, "error"), "data");
	const char *s = json_string_value(json_object_get(data, key));

	return s ? s : "";
}

static void id_comes_back_as_it_was(void **state)
{
	static const char *const ids[] = {"1", "0", "-5", "9007199254740993", "\"abc\"", "\"\"",
		"\"\xc3\xa9\\n\\\"\"", "null", "1.5", "1e300"};
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		json_t *sent = json_loads(ids[i], JSON_DECODE_ANY, NULL);
		char text[256];
		json_t *answer;

		snprintf(text, sizeof(text),
			"{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"vf_list\"}", ids[i]);
		answer = ask(&owner, text);
		assert_true(json_equal(json_object_get(answer, "id"), sent));
		assert_string_equal(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
		assert_non_null(json_object_get(answer, "result"));
		assert_int_equal(json_object_size(answer), 3);
		json_decref(answer);
		json_decref(sent);
	}
}

static void answer_has_result_or_error_never_both(void **state)
{
	json_t *answer = ask(&owner, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no_such\"}");

	assert_int_equal(json_object_size(answer), 3);
	assert_null(json_object_get(answer, "result"));
	assert_int_equal(error_code(answer), RENIC_E_METHOD);
	assert_string_equal(error_data(answer, "field"), "method");
	assert_string_equal(error_data(answer, "given"), "no_such");
	json_decref(answer);
}

static void what_is_no_request_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *id, *field;
	} rows[] = {
		{"{}", "null", "jsonrpc"},
		{"{\"id\":1,\"method\":\"version\"}", "1", "jsonrpc"},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"version\"}", "1", "jsonrpc"},
		{"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"version\"}", "1", "jsonrpc"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", "1", "method"},
		{"{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":\"bar\"}", "null", "method"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null}", "1", "method"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\",\"params\":5}", "1",
			"params"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\",\"params\":null}", "1",
			"params"},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"version\"}", "null", "id"},
		{"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"version\"}", "null", "id"},
		{"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"version\"}", "null", "id"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\",\"param\":{}}", "1", ""},
		{"1", "null", ""},
		{"\"version\"", "null", ""},
		{"null", "null", ""},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *answer = ask(&owner, rows[i].text);
		json_t *id = json_loads(rows[i].id, JSON_DECODE_ANY, NULL);

		if (error_code(answer) != RENIC_E_REQUEST)
			fail_msg("%s: %d", rows[i].text, error_code(answer));
		assert_true(json_equal(json_object_get(answer, "id"), id));
		assert_string_equal(error_data(answer, "field"), rows[i].field);
		json_decref(answer);
		json_decref(id);
	}
}

static void what_is_not_json_is_refused(void **state)
{
	static const char *const texts[] = {
		"{",
		"}",
		"{\"jsonrpc\":\"2.0\",",
		"hello",
		"{'a':1}",
		"[1,]",
		"{\"a\":1}x",
		"\"\xff\"",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc3\x28\"}",
		"\"\\ud800\"",
		"[1e999]",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"version\"}",
		("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_get\","
		 "\"params\":{\"name\":\"a\",\"name\":\"b\"}}"),
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *answer = ask(&owner, texts[i]);

		if (error_code(answer) != RENIC_E_PARSE)
			fail_msg("%s: %d", texts[i], error_code(answer));
		assert_true(json_is_null(json_object_get(answer, "id")));
		json_decref(answer);
	}
}

static void nul_byte_is_refused(void **state)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\0\"id\":1,\"method\":\"version\"}";
	char *line = ask_n(&owner, text, sizeof(text) - 1);

	assert_non_null(strstr(line, "-32700"));
	free(line);
}

static void deep_nesting_and_floods_of_values_are_refused_unparsed(void **state)
{
	enum { LEN = JSONRPC_REQUEST_MAX - 1 };
	char *text = malloc(LEN);
	char *line;
	size_t i;

	memset(text, '[', LEN);
	line = ask_n(&owner, text, LEN);
	assert_non_null(strstr(line, "-32700"));
	assert_non_null(strstr(line, "nested too deeply"));
	free(line);
	for (i = 0; i < LEN; i++)
		text[i] = i % 2 ? ',' : '1';
	text[0] = '[';
	line = ask_n(&owner, text, LEN);
	assert_non_null(strstr(line, "too many values"));
	free(line);
	/* Of a reader fewer are too many. */
	line = ask_n(&reader, text, 2 * JSONRPC_READER_VALUES_MAX + 4);
	assert_non_null(strstr(line, "too many values"));
	free(line);
	line = ask_n(&owner, text, 2 * JSONRPC_READER_VALUES_MAX + 4);
	assert_null(strstr(line, "too many values"));
	free(line);
	free(text);
}

static void brackets_in_strings_are_no_nesting(void **state)
{
	json_t *answer = ask(&owner, "{\"jsonrpc\":\"2.0\",\"method\":\"version\","
				     "\"id\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"{{{\"}");

	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
}

static void number_beyond_64_bits_is_out_of_range_not_unreadable(void **state)
{
	json_t *answer =
		ask(&owner, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"checkpoint_commit\","
			    "\"params\":{\"group\":\"g\",\"epoch\":99999999999999999999}}");

	assert_int_equal(error_code(answer), RENIC_E_PARAMS);
	assert_string_equal(error_data(answer, "field"), "epoch");
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), 3);
	json_decref(answer);
}

static void positional_parameters_are_refused_clearly(void **state)
{
	json_t *answer = ask(&owner, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_get\","
				     "\"params\":[\"a\"]}");
	const char *message =
		json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

	assert_int_equal(error_code(answer), RENIC_E_PARAMS);
	assert_string_equal(
		message, "parameters go by name, in an object; vf_get was given an array");
	json_decref(answer);
}

static void parameters_of_a_method_without_any_are_unknown(void **state)
{
	json_t *answer = ask(&owner, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_list\","
				     "\"params\":{\"name\":\"a\"}}");

	assert_int_equal(error_code(answer), RENIC_E_PARAMS);
	assert_string_equal(error_data(answer, "field"), "name");
	assert_string_equal(error_data(answer, "expected"), "no parameters");
	json_decref(answer);
	answer = ask(&owner, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_list\",\"params\":{}}");
	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
}

static void notification_is_carried_out_and_not_answered(void **state)
{
	assert_null(ask(&owner, "{\"jsonrpc\":\"2.0\",\"method\":\"vf_create\","
				"\"params\":{\"name\":\"a\"}}"));
	assert_int_equal(fake_nic.n_vfs, 1);
}

static void notification_that_fails_is_not_answered(void **state)
{
	assert_null(ask(&owner, "{\"jsonrpc\":\"2.0\",\"method\":\"no_such\"}"));
	assert_null(ask(&owner, "{\"jsonrpc\":\"2.0\",\"method\":\"vf_create\"}"));
	assert_null(ask(&reader, "{\"jsonrpc\":\"2.0\",\"method\":\"vf_create\","
				 "\"params\":{\"name\":\"a\"}}"));
	assert_int_equal(fake_nic.n_vfs, 0);
}

static void notification_keeps_no_descriptor(void **state)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"method\":\"egress_log_get\","
				   "\"params\":{\"name\":\"a\"}}";
	const struct vf_config config = {.name = "a"};
	struct rpc_reply reply = {0};

	nic_vf_create(&config, NULL);
	jsonrpc_handle(&owner, text, strlen(text), &reply);
	assert_int_equal(reply.n_fds, 0);
	assert_int_equal(reply.json.len, 0);
	jw_free(&reply.json);
}

static void batch_is_answered_in_order_without_its_notifications(void **state)
{
	json_t *answer = ask(&owner,
		"[{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"vf_create\","
		"\"params\":{\"name\":\"x\"}},"
		" {\"jsonrpc\":\"2.0\",\"method\":\"vf_create\",\"params\":{\"name\":\"y\"}},"
		" 5,"
		" {\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"vf_list\"}]");

	assert_int_equal(json_array_size(answer), 3);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(answer, 0), "id")), "a");
	assert_int_equal(error_code(json_array_get(answer, 1)), RENIC_E_REQUEST);
	assert_int_equal(json_array_size(json_object_get(json_array_get(answer, 2), "result")), 2);
	json_decref(answer);
}

static void batch_of_notifications_is_not_answered(void **state)
{
	assert_null(ask(&owner, "[{\"jsonrpc\":\"2.0\",\"method\":\"version\"},"
				"{\"jsonrpc\":\"2.0\",\"method\":\"version\"}]"));
}

static void empty_batch_is_one_error(void **state)
{
	json_t *answer = ask(&owner, "[]");

	assert_true(json_is_object(answer));
	assert_int_equal(error_code(answer), RENIC_E_REQUEST);
	json_decref(answer);
}

/* n times the same request, as a batch. */
static char *make_batch(const char *request, int n)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int i;

	for (i = 0; i < n; i++)
		fprintf(out, "%c%s", i ? ',' : '[', request);
	fputc(']', out);
	fclose(out);
	return text;
}

static void batch_over_the_limit_is_refused_whole(void **state)
{
	char *text = make_batch("{\"jsonrpc\":\"2.0\",\"method\":\"vf_create\","
				"\"params\":{\"name\":\"a\"}}",
		JSONRPC_BATCH_MAX + 1);
	json_t *answer = ask(&owner, text);

	assert_int_equal(error_code(answer), RENIC_E_REQUEST);
	assert_int_equal(fake_nic.n_vfs, 0);
	json_decref(answer);
	free(text);
}

/* As many VFs as there can be, each as long in JSON as it can be. */
static void many_vfs(void)
{
	struct vf_config config = {.queues = VF_QPS_MAX};
	int i;

	for (i = 0; i < VF_MAX; i++) {
		struct vf_info *vf = &fake_nic.vfs[i];

		snprintf(config.name, sizeof(config.name), "a-name-of-some-length-%04u", i % 10000u);
		assert_int_equal(nic_vf_create(&config, NULL), 0);
		memset(vf->queues, 0x7f, sizeof(vf->queues)); /* jansson has 63 bits */
		memset(vf->config.hold_exempt, '"', sizeof(vf->config.hold_exempt) - 1);
		memset(vf->config.socket, '\\', sizeof(vf->config.socket) - 1);
		vf->n_queues = VF_QPS_MAX;
	}
	for (i = 0; i < VF_MAX * VF_QPS_MAX; i++) /* a bool is not any byte */
		fake_nic.vfs[i / VF_QPS_MAX].queues[i % VF_QPS_MAX].enabled = true;
}

static void largest_list_is_answered_whole(void **state)
{
	json_t *answer;

	many_vfs();
	answer = ask(&owner, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_list\"}");
	assert_int_equal(json_array_size(json_object_get(answer, "result")), VF_MAX);
	json_decref(answer);
}

static void batch_whose_answer_is_full_carries_out_no_more(void **state)
{
	json_t *answer;

	many_vfs();
	answer = ask(&owner, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_list\"},"
			     "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"vf_delete\","
			     "\"params\":{\"name\":\"a-name-of-some-length-0000\"}}]");
	assert_int_equal(error_code(json_array_get(answer, 0)), 0);
	assert_int_equal(error_code(json_array_get(answer, 1)), RENIC_E_RESOURCES);
	assert_int_equal(fake_nic.n_vfs, VF_MAX);
	json_decref(answer);
}

static unsigned count_code(const json_t *answers, int code)
{
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(answers); i++)
		n += error_code(json_array_get(answers, i)) == code;
	return n;
}

/* The first call takes longer than a reader's batch may; everybody else would wait for the rest. */
static void batch_of_a_reader_that_takes_long_carries_out_no_more(void **state)
{
	char *text = make_batch("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_list\"}", 8);
	json_t *answer;

	fake_nic.list_takes_us = 4 * JSONRPC_READER_BATCH_US;
	answer = ask(&reader, text);
	assert_int_equal(error_code(json_array_get(answer, 0)), 0);
	assert_int_equal(count_code(answer, RENIC_E_RESOURCES), 7);
	json_decref(answer);
	answer = ask(&owner, text);
	assert_int_equal(json_array_size(answer), 8);
	assert_int_equal(count_code(answer, 0), 8);
	json_decref(answer);
	free(text);
}

static void batch_of_large_results_and_long_ids_stays_bounded(void **state)
{
	char request[400], id[JSONRPC_ID_MAX + 1];
	char *text;
	json_t *answer;
	size_t i;

	many_vfs();
	memset(id, '\x7f', JSONRPC_ID_MAX); /* each takes six bytes in the answer */
	id[JSONRPC_ID_MAX] = '\0';
	snprintf(request, sizeof(request),
		"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"vf_list\"}", id);
	text = make_batch(request, JSONRPC_BATCH_MAX);
	answer = ask(&owner, text); /* checks the length */
	assert_int_equal(json_array_size(answer), JSONRPC_BATCH_MAX);
	assert_int_equal(error_code(json_array_get(answer, 0)), 0);
	for (i = 1; i < JSONRPC_BATCH_MAX; i++)
		assert_int_equal(error_code(json_array_get(answer, i)), RENIC_E_RESOURCES);
	json_decref(answer);
	free(text);
}

static void long_id_is_refused(void **state)
{
	char id[JSONRPC_ID_MAX + 2], text[JSONRPC_ID_MAX + 100];
	json_t *answer;

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"version\"}",
		id);
	answer = ask(&owner, text);
	assert_int_equal(error_code(answer), RENIC_E_REQUEST);
	assert_true(json_is_null(json_object_get(answer, "id")));
	json_decref(answer);
	id[JSONRPC_ID_MAX] = '\0';
	snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"version\"}",
		id);
	answer = ask(&owner, text);
	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
}

/* Calls each method as a reader: exactly those without the read flag are forbidden. */
static void try_as_reader(const struct rpc_method *method, void *arg)
{
	char text[128];
	json_t *answer;
	unsigned *n = arg;

	snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}",
		method->name);
	answer = ask(&reader, text);
	if ((error_code(answer) == RENIC_E_PERMISSION) != !(method->flags & RPC_READ))
		fail_msg("%s: %d", method->name, error_code(answer));
	assert_true(method->params_size <= RPC_PARAMS_BYTES);
	assert_true(method->n_params == 0 || method->params_size > 0);
	json_decref(answer);
	(*n)++;
}

static void readers_may_call_read_methods_and_no_others(void **state)
{
	unsigned n = 0;

	rpc_foreach(try_as_reader, &n);
	assert_true(n >= 25);
}

static void permission_is_checked_before_parameters(void **state)
{
	json_t *answer = ask(&reader, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_create\","
				      "\"params\":{\"nonsense\":1}}");

	assert_int_equal(error_code(answer), RENIC_E_PERMISSION);
	json_decref(answer);
}

static void event_is_a_notification(void **state)
{
	const struct nic_event event = {
		.type = EVENT_GROUP_STATE,
		.name = "g",
		.detail = "pro\"tected",
	};
	struct json_writer w = {0};
	json_t *root, *params;

	jsonrpc_write_event(&w, &event, UINT64_C(1700000000123456));
	assert_int_equal(w.buf[w.len - 1], '\n');
	root = json_loadb(w.buf, w.len, 0, NULL);
	assert_null(json_object_get(root, "id"));
	assert_string_equal(json_string_value(json_object_get(root, "method")), "event");
	params = json_object_get(root, "params");
	assert_string_equal(json_string_value(json_object_get(params, "type")), "group_state");
	assert_string_equal(json_string_value(json_object_get(params, "name")), "g");
	assert_string_equal(json_string_value(json_object_get(params, "detail")), "pro\"tected");
	assert_int_equal(json_integer_value(json_object_get(params, "time_us")), 1700000000123456);
	json_decref(root);
	jw_free(&w);
}

/* A cheap fuzz: every prefix, and every single byte replaced, gets a well-formed answer or none. */
static void mangled_requests_get_well_formed_answers(void **state)
{
	static const char good[] =
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_create\","
		"\"params\":{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"vlan\":5,"
		"\"packed\":false,\"role\":\"server\"}}]";
	static const char bytes[] = "\0 \"\\[]{},:0-e\x80\xff";
	char text[sizeof(good)];
	size_t i, b;

	for (i = 0; i < sizeof(good) - 1; i++) {
		free(ask_n(&owner, good, i));
		for (b = 0; b < sizeof(bytes) - 1; b++) {
			char *line;
			json_t *root;

			memcpy(text, good, sizeof(good));
			text[i] = bytes[b];
			line = ask_n(&owner, text, sizeof(good) - 1);
			if (!line)
				continue;
			root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
			assert_non_null(root);
			json_decref(root);
			free(line);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(id_comes_back_as_it_was),
		TEST(answer_has_result_or_error_never_both),
		TEST(what_is_no_request_is_refused),
		TEST(what_is_not_json_is_refused),
		TEST(nul_byte_is_refused),
		TEST(deep_nesting_and_floods_of_values_are_refused_unparsed),
		TEST(brackets_in_strings_are_no_nesting),
		TEST(number_beyond_64_bits_is_out_of_range_not_unreadable),
		TEST(positional_parameters_are_refused_clearly),
		TEST(parameters_of_a_method_without_any_are_unknown),
		TEST(notification_is_carried_out_and_not_answered),
		TEST(notification_that_fails_is_not_answered),
		TEST(notification_keeps_no_descriptor),
		TEST(batch_is_answered_in_order_without_its_notifications),
		TEST(batch_of_notifications_is_not_answered),
		TEST(empty_batch_is_one_error),
		TEST(batch_over_the_limit_is_refused_whole),
		TEST(largest_list_is_answered_whole),
		TEST(batch_whose_answer_is_full_carries_out_no_more),
		TEST(batch_of_a_reader_that_takes_long_carries_out_no_more),
		TEST(batch_of_large_results_and_long_ids_stays_bounded),
		TEST(long_id_is_refused),
		TEST(readers_may_call_read_methods_and_no_others),
		TEST(permission_is_checked_before_parameters),
		TEST(event_is_a_notification),
		TEST(mangled_requests_get_well_formed_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
