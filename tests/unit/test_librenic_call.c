/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librenic's calls against a scripted daemon: replies in any shape and size, errors, garbage,
 * silence, ends in the middle, descriptors. docs/protocol.md, JSON-RPC 2.0.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "renic.h"
#include "test_librenic_peer.h"

static struct peer peer;
static struct renic_error err;
static unsigned fds_before;

static struct renic_client *start(void (*script)(struct peer *peer), void *arg)
{
	struct renic_client *client;

	fds_before = count_fds();
	peer_start(&peer, script, arg);
	client = renic_connect(peer.path, &err);
	assert_non_null(client);
	return client;
}

/* Every test also proves that nothing is left open. */
static void finish(struct renic_client *client)
{
	renic_close(client);
	peer_join(&peer);
	assert_int_equal(count_fds(), fds_before);
}

static void answer_version(struct peer *p)
{
	peer_read(p);
	if (strcmp(p->line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}"))
		peer_fail(p, "got %s", p->line);
	peer_result(p, "{\"renicd\":\"0.1\"}");
	peer_expect(p, "\"id\":2,\"method\":\"vf_get\",\"params\":{\"name\":\"vf0\"}");
	peer_result(p, "true");
}

static void call_sends_one_line_and_returns_the_result(void **state)
{
	struct renic_client *client = start(answer_version, NULL);
	json_t *result;

	assert_int_equal(renic_call(client, "version", NULL, &result, &err), 0);
	assert_string_equal(json_string_value(json_object_get(result, "renicd")), "0.1");
	json_decref(result);
	assert_int_equal(
		renic_call(client, "vf_get", json_pack("{s:s}", "name", "vf0"), &result, NULL), 0);
	assert_true(json_is_true(result));
	json_decref(result);
	finish(client);
}

static void answer_error(struct peer *p)
{
	peer_read(p);
	peer_error(p, p->arg);
	if (peer_read(p))
		peer_result(p, "1");
}

static void error_carries_code_and_what_is_at_fault(void **state)
{
	struct renic_client *client = start(answer_error,
		"{\"code\":-32602,\"message\":\"vlan: no\",\"data\":{\"field\":\"vlan\","
		"\"given\":5000,\"expected\":\"0 to 4094\",\"state\":\"odd\"}}");
	json_t *result;

	assert_int_equal(renic_call(client, "vf_set", NULL, &result, &err), RENIC_E_PARAMS);
	assert_null(result);
	assert_int_equal(err.code, RENIC_E_PARAMS);
	assert_string_equal(err.message, "vlan: no");
	assert_string_equal(err.field, "vlan");
	assert_string_equal(err.given, "5000");
	assert_string_equal(err.expected, "0 to 4094");
	assert_string_equal(err.state, "odd");
	assert_true(renic_error_is_remote(err.code));
	/* The connection is as good as before. */
	assert_int_equal(renic_call(client, "version", NULL, NULL, &err), 0);
	finish(client);
}

static void error_that_could_pass_for_something_else_is_internal(void **state)
{
	static const char *const errors[] = {"{}", "7", "null", "{\"code\":0,\"message\":\"m\"}",
		"{\"code\":5}", "{\"code\":\"-1\"}", "{\"code\":-1002,\"message\":\"closed\"}",
		"{\"code\":-9223372036854775808}", "{\"code\":4294967295}",
		"{\"code\":-4294967297}"};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct renic_client *client = start(answer_error, (void *)errors[i]);

		assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_INTERNAL);
		assert_true(err.message[0] != '\0');
		finish(client);
	}
}

static void answer_bytewise(struct peer *p)
{
	static const char reply[] =
		"{\"result\": [1, \"a\\\"}\\n\"] ,\"id\":1, \"jsonrpc\":\"2.0\"}\n";

	peer_read(p);
	for (size_t i = 0; reply[i]; i++)
		peer_send_n(p, &reply[i], 1);
}

static void reply_in_single_bytes_is_put_together(void **state)
{
	struct renic_client *client = start(answer_bytewise, NULL);
	json_t *result;

	assert_int_equal(renic_call(client, "x", NULL, &result, &err), 0);
	assert_string_equal(json_string_value(json_array_get(result, 1)), "a\"}\n");
	json_decref(result);
	finish(client);
}

static void answer_large(struct peer *p)
{
	size_t len = *(size_t *)p->arg;
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	text[0] = text[len - 1] = '"';
	text[len] = '\0';
	for (int i = 0; i < 2 && peer_read(p); i++)
		peer_result(p, text);
	free(text);
}

static void replies_of_megabytes_are_taken(void **state)
{
	size_t len = 5 << 20;
	struct renic_client *client = start(answer_large, &len);

	for (int i = 0; i < 2; i++) {
		json_t *result;

		assert_int_equal(renic_call(client, "x", NULL, &result, &err), 0);
		assert_int_equal(json_string_length(result), len - 2);
		json_decref(result);
	}
	finish(client);
}

static void reply_over_64_mib_ends_the_connection(void **state)
{
	size_t len = RENIC_REPLY_MAX + 1;
	struct renic_client *client = start(answer_large, &len);

	renic_set_timeout_ms(client, 60000);
	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_PROTOCOL);
	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_CLOSED);
	finish(client);
}

static void answer_raw(struct peer *p)
{
	peer_read(p);
	peer_send(p, p->arg);
	peer_wait_close(p);
}

static void nonsense_is_a_protocol_error_and_ends_the_connection(void **state)
{
	static const char *const lines[] = {"\n", "hello\n", "{\n", "[]\n", "{}\n", "{\"id\":1}\n",
		"{\"id\":1,\"result\":1,\"error\":{}}\n", "{\"id\":99,\"result\":1}\n",
		"{\"id\":\"1\",\"result\":1}\n", "{\"id\":-1,\"result\":1}\n",
		"{\"id\":1.5,\"result\":1}\n", "{\"id\":null,\"result\":1}\n", "{\"result\":1}\n",
		"{\"id\":1,\"result\":tru}\n", "{\"id\":1,\"result\":[}\n",
		"{\"id\":1,\"result\":\"\xff\"}\n", "{\"id\":1,\"result\":1} {}\n",
		"{\"id\":1,,\"result\":1}\n", "{\"id\" 1}\n", "\x01\x02\x03\n",
		"{\"id\":1,\"result\":\"abc\n", "{\"id\":1,\"result\":\"\\\n"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct renic_client *client = start(answer_raw, (void *)lines[i]);
		int ret = renic_call(client, "x", NULL, NULL, &err);

		if (ret != RENIC_E_PROTOCOL)
			fail_msg("%s gave %s", lines[i], renic_error_name(ret));
		assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_CLOSED);
		assert_false(renic_error_is_remote(err.code));
		finish(client);
	}
}

static void error_with_a_null_id_answers_the_call(void **state)
{
	struct renic_client *client = start(
		answer_raw, "{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"not JSON\"}}\n");

	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_PARSE);
	finish(client);
}

static void answer_and_close(struct peer *p)
{
	peer_read(p);
	peer_send(p, p->arg);
}

static void end_in_the_middle_of_a_reply_is_closed(void **state)
{
	static const char *const parts[] = {"", "{", "{\"id\":1,\"result\":true}"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct renic_client *client = start(answer_and_close, (void *)parts[i]);

		assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_CLOSED);
		assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_CLOSED);
		finish(client);
	}
}

static void answer_late(struct peer *p)
{
	peer_read(p); /* given up by the client, which then asks again */
	peer_read(p);
	peer_send(p, "{\"id\":1,\"result\":\"late\"}\n{\"id\":2,\"result\":\"in time\"}\n");
}

static void late_reply_is_not_taken_for_the_next_one(void **state)
{
	struct renic_client *client = start(answer_late, NULL);
	json_t *result;

	renic_set_timeout_ms(client, 50);
	assert_int_equal(renic_call(client, "a", NULL, NULL, &err), RENIC_E_NO_ANSWER);
	renic_set_timeout_ms(client, -1);
	assert_int_equal(renic_call(client, "b", NULL, &result, &err), 0);
	assert_string_equal(json_string_value(result), "in time");
	json_decref(result);
	finish(client);
}

static void dribble(struct peer *p)
{
	const char *bytes = p->arg;

	peer_read(p);
	peer_send(p, "{\"id\":1,\"result\":\"");
	while (peer_quiet(p, 5)) /* the client's close makes the socket readable */
		peer_send(p, bytes);
}

static void peer_that_dribbles_cannot_hold_a_call(void **state)
{
	struct renic_client *client = start(dribble, "x");

	renic_set_timeout_ms(client, 100);
	assert_int_equal(renic_call(client, "a", NULL, NULL, &err), RENIC_E_NO_ANSWER);
	finish(client);
}

/* In large pieces, so that there is always something to read. */
static void flood(struct peer *p)
{
	static const char line[] = "{\"method\":\"event\",\"params\":{\"type\":\"t\"}}\n";
	static char lines[2000 * (sizeof(line) - 1) + 1];

	for (size_t i = 0; i < 2000; i++)
		memcpy(lines + i * (sizeof(line) - 1), line, sizeof(line));
	peer_read(p);
	while (peer_quiet(p, 0))
		peer_send(p, lines);
}

static void events_without_end_cannot_hold_a_call(void **state)
{
	struct renic_client *client = start(flood, NULL);

	renic_set_timeout_ms(client, 100);
	assert_int_equal(renic_call(client, "a", NULL, NULL, &err), RENIC_E_NO_ANSWER);
	finish(client);
}

static void never_read(struct peer *p)
{
	peer_wait_close(p);
}

static void ignore_until_told(struct peer *p)
{
	pthread_barrier_wait(p->arg);
	peer_wait_close(p);
}

static void request_sent_by_half_ends_the_connection(void **state)
{
	pthread_barrier_t told;
	struct renic_client *client;
	char *text = malloc(900 << 10);

	memset(text, 'a', 900 << 10);
	pthread_barrier_init(&told, NULL, 2);
	client = start(ignore_until_told, &told);
	renic_set_timeout_ms(client, 50);
	assert_int_equal(
		renic_call(client, "x", json_pack("{s:s#}", "k", text, 900 << 10), NULL, &err),
		RENIC_E_NO_ANSWER);
	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_CLOSED);
	pthread_barrier_wait(&told);
	finish(client);
	pthread_barrier_destroy(&told);
	free(text);
}

static void what_cannot_be_sent_is_refused_here(void **state)
{
	struct renic_client *client = start(never_read, NULL);
	char *text = malloc(RENIC_REQUEST_MAX);
	json_t *result;

	memset(text, 'a', RENIC_REQUEST_MAX);
	assert_int_equal(renic_call(client, "x", json_pack("{s:s#}", "k", text, RENIC_REQUEST_MAX),
				 &result, &err),
		RENIC_E_ARGUMENT);
	assert_null(result);
	assert_int_equal(renic_call(client, "x", json_array(), NULL, &err), RENIC_E_ARGUMENT);
	assert_int_equal(renic_call(client, "\xff", NULL, NULL, &err), RENIC_E_ARGUMENT);
	free(text);
	finish(client);
}

/* Two descriptors with what can be told apart. */
static void make_pipes(int in[2], int out[2])
{
	for (int i = 0; i < 2; i++) {
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		in[i] = ends[0];
		out[i] = ends[1];
		assert_int_equal(write(ends[1], i ? "B" : "A", 1), 1);
	}
}

static char read_one(int fd)
{
	char c = 0;

	assert_int_equal(read(fd, &c, 1), 1);
	close(fd);
	return c;
}

struct pipes {
	int in[2], out[2];
};

static void close_pipes(const struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		close(pipes->in[i]);
		close(pipes->out[i]);
	}
}

static void answer_fds(struct peer *p)
{
	struct pipes *pipes = p->arg;

	peer_expect(p, "egress_log_get");
	peer_event(p, "vf_created", "vf0"); /* one read can bring both */
	peer_send_fds(p, "{\"id\":1,\"result\":true}\n", pipes->in, 2);
	peer_expect(p, "egress_log_get");
	peer_send_fds(p, "{\"id\":2,\"result\":true}\n", pipes->in, 2);
	peer_expect(p, "version");
	peer_send_fds(p, "{\"id\":3,\"result\":true}\n", pipes->in, 2);
	peer_wait_close(p);
}

static void descriptors_come_with_their_reply(void **state)
{
	struct pipes pipes;
	struct renic_client *client;
	size_t n = 4;
	int fds[4];

	make_pipes(pipes.in, pipes.out);
	client = start(answer_fds, &pipes);
	assert_int_equal(renic_call_fds(client, "egress_log_get", NULL, NULL, fds, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read_one(fds[0]), 'A');
	assert_int_equal(read_one(fds[1]), 'B');
	/* Room for one: the other is closed. No room: both are; finish() counts. */
	n = 1;
	assert_int_equal(renic_call_fds(client, "egress_log_get", NULL, NULL, fds, &n, &err), 0);
	assert_int_equal(n, 1);
	close(fds[0]);
	assert_int_equal(renic_call(client, "version", NULL, NULL, &err), 0);
	finish(client);
	close_pipes(&pipes);
}

struct late {
	struct pipes pipes;
	pthread_barrier_t step;
};

/* Each time the client has given up a call (odd ids) and not read since, both replies are sent,
 * the second before its request: so one read brings as much of them as fits. */
static void answer_late_with_fds(struct peer *p)
{
	struct late *late = p->arg;
	char text[80000];

	peer_read(p);
	pthread_barrier_wait(&late->step);
	peer_send_fds(p, "{\"id\":1,\"result\":true}\n", &late->pipes.in[0], 1);
	peer_send_fds(p, "{\"id\":2,\"result\":true}\n", &late->pipes.in[1], 1);
	pthread_barrier_wait(&late->step);
	peer_read(p);
	peer_read(p); /* the late one has no descriptor */
	pthread_barrier_wait(&late->step);
	peer_send(p, "{\"id\":3,\"result\":true}\n");
	peer_send_fds(p, "{\"id\":4,\"result\":true}\n", &late->pipes.in[0], 1);
	pthread_barrier_wait(&late->step);
	peer_read(p);
	peer_read(p); /* the late one's end is in a second read, after a buffer's move */
	pthread_barrier_wait(&late->step);
	snprintf(text, sizeof(text), "{\"method\":\"other\"%62000s}\n", "");
	peer_send(p, text);
	peer_send_fds(p, "{\"id\":5,", &late->pipes.in[0], 1);
	peer_send(p, "\"result\":true}\n");
	peer_send_fds(p, "{\"id\":6,\"result\":true}\n", &late->pipes.in[1], 1);
	pthread_barrier_wait(&late->step);
	peer_wait_close(p);
}

/* Call once in vain, then again. Returns what the second call's one descriptor brings. */
static char call_twice(struct renic_client *client, struct late *late)
{
	size_t n = 2;
	int fds[2];

	renic_set_timeout_ms(client, 0);
	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_NO_ANSWER);
	pthread_barrier_wait(&late->step); /* given up */
	pthread_barrier_wait(&late->step); /* sent */
	renic_set_timeout_ms(client, -1);
	assert_int_equal(renic_call_fds(client, "x", NULL, NULL, fds, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(write(late->pipes.out[0], "A", 1), 1);
	assert_int_equal(write(late->pipes.out[1], "B", 1), 1);
	return read_one(fds[0]);
}

static void late_replys_descriptors_are_its_own(void **state)
{
	struct renic_client *client;
	struct late late;

	make_pipes(late.pipes.in, late.pipes.out);
	pthread_barrier_init(&late.step, NULL, 2);
	client = start(answer_late_with_fds, &late);
	assert_int_equal(call_twice(client, &late), 'B');
	assert_int_equal(call_twice(client, &late), 'A');
	assert_int_equal(call_twice(client, &late), 'B');
	finish(client);
	pthread_barrier_destroy(&late.step);
	close_pipes(&late.pipes);
}

static void answer_many_fds(struct peer *p)
{
	int fds[RENIC_FDS_MAX];

	for (int i = 0; i < RENIC_FDS_MAX; i++)
		fds[i] = p->listen_fd;
	peer_read(p);
	peer_send_fds(p, "{\"id\":1,", fds, RENIC_FDS_MAX);
	peer_send_fds(p, "\"result\":1}\n", fds, 1);
	peer_wait_close(p);
}

static void more_descriptors_than_allowed_end_the_connection(void **state)
{
	struct renic_client *client = start(answer_many_fds, NULL);

	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_PROTOCOL);
	finish(client);
}

static void connect_says_why_it_failed(void **state)
{
	char path[200];

	assert_null(renic_connect("/nonexistent/renic.sock", &err));
	assert_int_equal(err.code, RENIC_E_CONNECT);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_non_null(strstr(err.message, "/nonexistent/renic.sock"));
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_null(renic_connect(path, &err));
	assert_int_equal(err.code, RENIC_E_ARGUMENT);
	assert_null(renic_connect("/dev/null", NULL));
}

static void path_comes_from_caller_environment_default(void **state)
{
	unsetenv("RENIC_SOCKET");
	assert_string_equal(renic_socket_path(NULL), RENIC_DEFAULT_SOCKET);
	setenv("RENIC_SOCKET", "/tmp/env.sock", 1);
	assert_string_equal(renic_socket_path(NULL), "/tmp/env.sock");
	assert_string_equal(renic_socket_path("/tmp/arg.sock"), "/tmp/arg.sock");
	setenv("RENIC_SOCKET", "", 1);
	assert_string_equal(renic_socket_path(NULL), RENIC_DEFAULT_SOCKET);
	unsetenv("RENIC_SOCKET");
}

static void every_code_has_a_name(void **state)
{
	assert_string_equal(renic_error_name(RENIC_E_STATE), "state");
	assert_string_equal(renic_error_name(RENIC_E_TIMEOUT), "timeout");
	assert_string_equal(renic_error_name(RENIC_E_TERM), "term");
	assert_string_equal(renic_error_name(RENIC_E_MEMORY), "memory");
	assert_string_equal(renic_error_name(3), "unknown");
	for (int code = RENIC_E_TERM; code <= RENIC_E_STATE; code++)
		assert_string_not_equal(renic_error_name(code), "unknown");
	for (int code = RENIC_E_MEMORY; code <= RENIC_E_CONNECT; code++)
		assert_false(renic_error_is_remote(code));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_sends_one_line_and_returns_the_result),
		cmocka_unit_test(error_carries_code_and_what_is_at_fault),
		cmocka_unit_test(error_that_could_pass_for_something_else_is_internal),
		cmocka_unit_test(reply_in_single_bytes_is_put_together),
		cmocka_unit_test(replies_of_megabytes_are_taken),
		cmocka_unit_test(reply_over_64_mib_ends_the_connection),
		cmocka_unit_test(nonsense_is_a_protocol_error_and_ends_the_connection),
		cmocka_unit_test(error_with_a_null_id_answers_the_call),
		cmocka_unit_test(end_in_the_middle_of_a_reply_is_closed),
		cmocka_unit_test(late_reply_is_not_taken_for_the_next_one),
		cmocka_unit_test(peer_that_dribbles_cannot_hold_a_call),
		cmocka_unit_test(events_without_end_cannot_hold_a_call),
		cmocka_unit_test(request_sent_by_half_ends_the_connection),
		cmocka_unit_test(what_cannot_be_sent_is_refused_here),
		cmocka_unit_test(descriptors_come_with_their_reply),
		cmocka_unit_test(late_replys_descriptors_are_its_own),
		cmocka_unit_test(more_descriptors_than_allowed_end_the_connection),
		cmocka_unit_test(connect_says_why_it_failed),
		cmocka_unit_test(path_comes_from_caller_environment_default),
		cmocka_unit_test(every_code_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
