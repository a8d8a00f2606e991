/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of qemu-integration/qmp.c, against a scripted QEMU on a Unix socket. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "qmp.h"

enum { SOON_MS = 100, LONG_MS = 20000 };

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define EVENT "{\"event\": \"RTC_CHANGE\"}\r\n"
#define READY "{\"return\": {}, \"id\": 1}\r\n"

/*
 * The peer: sends the greeting, and for each line that it reads the next text of the script; after
 * the last one it closes, or stays silent, or sends events without end.
 */
struct peer {
	const char *greeting;
	const char *const *script;
	bool silent, endless;
	atomic_int sent; /* texts */
	char path[108];
	int listener;
	pthread_t thread;
};

static bool read_line(int fd)
{
	char byte = 0;

	while (byte != '\n')
		if (read(fd, &byte, 1) != 1)
			return false;
	return true;
}

/* That text n times, and an end. */
static void repeat(char *out, const char *text, unsigned n, const char *last)
{
	size_t len = strlen(text);

	for (; n > 0; n--, out += len)
		memcpy(out, text, len);
	strcpy(out, last);
}

/* Until the other side has closed. */
static void send_events(int fd)
{
	static char many[1000 * sizeof(EVENT)];

	repeat(many, EVENT, 1000, "");
	while (send(fd, many, strlen(many), MSG_NOSIGNAL) > 0)
		;
}

static void *serve(void *arg)
{
	struct peer *peer = arg;
	int fd = accept(peer->listener, NULL, NULL);

	send(fd, peer->greeting, strlen(peer->greeting), MSG_NOSIGNAL);
	for (const char *const *text = peer->script; *text && read_line(fd); text++) {
		send(fd, *text, strlen(*text), MSG_NOSIGNAL);
		atomic_fetch_add(&peer->sent, 1);
	}
	if (peer->endless)
		send_events(fd);
	while (peer->silent && read_line(fd))
		;
	close(fd);
	return NULL;
}

static void start_peer(struct peer *peer)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(peer->path, sizeof(peer->path), "/tmp/test-qmp.%d", (int)getpid());
	unlink(peer->path);
	strcpy(addr.sun_path, peer->path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(peer->listener, 1), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

static void end_peer(struct peer *peer, struct qmp *qmp)
{
	qmp_close(qmp);
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	unlink(peer->path);
}

static struct nic_error err;

/* Connected to a peer with that script. */
static struct qmp *connected(struct peer *peer, const char *const *script, bool silent)
{
	struct qmp *qmp = NULL;

	*peer = (struct peer){.greeting = GREETING, .script = script, .silent = silent};
	start_peer(peer);
	assert_int_equal(qmp_connect(peer->path, LONG_MS, &qmp, &err), 0);
	return qmp;
}

static void a_reply_is_handed_over(void **state)
{
	static const char *const script[] = {
		READY, "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, false);
	json_t *result = NULL;

	assert_int_equal(qmp_call(qmp, "query-status", NULL, LONG_MS, &result, &err), 0);
	assert_string_equal(json_string_value(json_object_get(result, "status")), "running");
	json_decref(result);
	end_peer(&peer, qmp);
}

static void the_peer_is_known(void **state)
{
	static const char *const script[] = {READY, NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);

	assert_int_equal(qmp_peer(qmp), getpid());
	end_peer(&peer, qmp);
}

static void commands_may_be_under_way_together(void **state)
{
	static const char *const script[] = {READY, "",
		"{\"timestamp\": {}, \"event\": \"STOP\"}\r\n{\"return\": {}, \"id\": 2}\r\n"
		"{\"return\": {}, \"id\": 3}\r\n",
		NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);
	uint64_t first, second;

	assert_int_equal(qmp_send(qmp, "stop", NULL, -1, LONG_MS, &first, &err), 0);
	assert_int_equal(qmp_send(qmp, "save", "{\"live\":false}", -1, LONG_MS, &second, &err), 0);
	assert_int_equal(qmp_wait(qmp, first, LONG_MS, NULL, &err), 0);
	assert_int_equal(qmp_wait(qmp, second, LONG_MS, NULL, &err), 0);
	assert_int_equal(qmp_run(qmp).stops, 1);
	assert_true(qmp_run(qmp).stopped);
	assert_int_equal(qmp_look(qmp, &err), 0);
	end_peer(&peer, qmp);
}

static void a_prepared_command_begins_when_told(void **state)
{
	static const char *const script[] = {READY, "{\"return\": {}, \"id\": 2}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);
	uint64_t id;

	assert_int_equal(qmp_go(qmp, LONG_MS, &err), RENIC_E_STATE);
	assert_int_equal(qmp_prepare(qmp, "stop", NULL, LONG_MS, &id, &err), 0);
	assert_int_equal(qmp_wait(qmp, id, SOON_MS, NULL, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_go(qmp, LONG_MS, &err), 0);
	assert_int_equal(qmp_wait(qmp, id, LONG_MS, NULL, &err), 0);
	end_peer(&peer, qmp);
}

static void another_command_withdraws_a_prepared_one(void **state)
{
	static const char *const script[] = {
		READY, "{\"error\": {}, \"id\": 2}\r\n", "{\"return\": {}, \"id\": 3}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);
	uint64_t id;

	assert_int_equal(qmp_prepare(qmp, "save", "{\"n\":1}", LONG_MS, &id, &err), 0);
	assert_int_equal(qmp_call(qmp, "cont", NULL, LONG_MS, NULL, &err), 0);
	assert_int_equal(qmp_go(qmp, LONG_MS, &err), RENIC_E_STATE);
	end_peer(&peer, qmp);
}

static void a_stop_is_waited_for_without_its_reply(void **state)
{
	static const char *const script[] = {
		READY, "{\"event\": \"STOP\"}\r\n", "{\"return\": {}, \"id\": 3}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);
	uint64_t id;

	assert_int_equal(qmp_send(qmp, "save", NULL, -1, LONG_MS, &id, &err), 0);
	assert_int_equal(qmp_wait_stop(qmp, id, 0, LONG_MS, &err), 0);
	assert_int_equal(qmp_wait_stop(qmp, id, 1, SOON_MS, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_send(qmp, "save", NULL, -1, LONG_MS, &id, &err), 0);
	assert_int_equal(qmp_wait_stop(qmp, id, 1, LONG_MS, &err), RENIC_E_STATE);
	end_peer(&peer, qmp);
}

static void a_reply_or_another_descriptor_is_waited_for(void **state)
{
	static const char *const script[] = {READY, "{\"return\": {}, \"id\": 2}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);
	int ends[2];
	uint64_t id;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(qmp_wait_or(qmp, 2, ends[0], LONG_MS, &err), 1);
	assert_int_equal(read(ends[0], &(char){0}, 1), 1);
	assert_int_equal(qmp_send(qmp, "save", NULL, -1, LONG_MS, &id, &err), 0);
	assert_int_equal(qmp_wait_or(qmp, id, ends[0], LONG_MS, &err), 0);
	close(ends[0]);
	close(ends[1]);
	end_peer(&peer, qmp);
}

static void a_refusal_carries_qemu_s_words(void **state)
{
	static const char *const script[] = {READY,
		"{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"not now\"}}\r\n",
		"{\"return\": {}, \"id\": 3}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, false);

	assert_int_equal(qmp_call(qmp, "cont", NULL, LONG_MS, NULL, &err), RENIC_E_REQUEST);
	assert_non_null(strstr(err.message, "not now"));
	assert_int_equal(qmp_call(qmp, "cont", NULL, LONG_MS, NULL, &err), 0);
	end_peer(&peer, qmp);
}

static void silence_ends_a_wait_and_a_late_reply_is_dropped(void **state)
{
	static const char *const script[] = {READY, "",
		"{\"return\": {}, \"id\": 2}\r\n{\"return\": {\"n\": 1}, \"id\": 3}\r\n", NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);
	json_t *result = NULL;

	assert_int_equal(qmp_call(qmp, "stop", NULL, SOON_MS, NULL, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_call(qmp, "query", NULL, LONG_MS, &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "n")), 1);
	json_decref(result);
	end_peer(&peer, qmp);
}

static void the_end_of_qemu_is_told(void **state)
{
	static const char *const script[] = {READY, NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, false);

	assert_int_equal(qmp_call(qmp, "stop", NULL, LONG_MS, NULL, &err), QMP_E_CLOSED);
	assert_int_equal(qmp_call(qmp, "stop", NULL, LONG_MS, NULL, &err), QMP_E_CLOSED);
	assert_int_equal(qmp_look(qmp, &err), QMP_E_CLOSED);
	assert_int_equal(qmp_wait_stop(qmp, 3, 0, LONG_MS, &err), QMP_E_CLOSED);
	end_peer(&peer, qmp);
}

static void what_is_not_the_protocol_ends_the_connection(void **state)
{
	static const char *const lines[] = {"hello\r\n", "[1]\r\n", "{\"return\": \r\n", "\r\n",
		"{\"id\": 2, \"id\": 2}\r\n", "\"QMP\"\r\n", "\xff\xfe\r\n"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *const script[] = {READY, lines[i], NULL};
		struct peer peer;
		struct qmp *qmp = connected(&peer, script, true);

		assert_int_equal(qmp_call(qmp, "stop", NULL, LONG_MS, NULL, &err), QMP_E_CLOSED);
		end_peer(&peer, qmp);
	}
}

static void odd_replies_are_no_answers(void **state)
{
	static const char *const script[] = {READY,
		"{\"return\": {}}\r\n{\"id\": \"2\", \"return\": {}}\r\n{\"id\": -2}\r\n"
		"{\"event\": 5}\r\n{}\r\n{\"id\": 2}\r\n",
		NULL};
	struct peer peer;
	struct qmp *qmp = connected(&peer, script, true);

	assert_int_equal(qmp_call(qmp, "stop", NULL, LONG_MS, NULL, &err), RENIC_E_REQUEST);
	end_peer(&peer, qmp);
}

static void an_endless_line_ends_the_connection(void **state)
{
	char *line = malloc(QMP_LINE_MAX + 2);
	const char *const script[] = {READY, line, NULL};
	struct peer peer;
	struct qmp *qmp;

	memset(line, 'x', QMP_LINE_MAX + 1);
	line[QMP_LINE_MAX + 1] = '\0';
	qmp = connected(&peer, script, true);
	assert_int_equal(qmp_call(qmp, "stop", NULL, LONG_MS, NULL, &err), QMP_E_CLOSED);
	end_peer(&peer, qmp);
	free(line);
}

static void wait_sent(struct peer *peer, int texts)
{
	while (atomic_load(&peer->sent) < texts)
		usleep(100);
}

static void endless_events_end_a_wait(void **state)
{
	static const char *const script[] = {READY, "", NULL};
	struct peer peer = {.greeting = GREETING, .script = script, .endless = true};
	struct qmp *qmp = NULL;
	int ends[2], rc;
	uint64_t id;

	start_peer(&peer);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(qmp_connect(peer.path, LONG_MS, &qmp, &err), 0);
	assert_int_equal(qmp_send(qmp, "stop", NULL, -1, LONG_MS, &id, &err), 0);
	assert_int_equal(qmp_wait(qmp, id, SOON_MS, NULL, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_wait_or(qmp, id, ends[0], SOON_MS, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_wait_stop(qmp, id, 0, SOON_MS, &err), RENIC_E_TIMEOUT);
	rc = qmp_look(qmp, &err); /* where QEMU had no time to send, that was all */
	assert_true(rc == RENIC_E_TIMEOUT || rc == 0);
	close(ends[0]);
	close(ends[1]);
	end_peer(&peer, qmp);
}

/* What came in time is read late, by a process that did not run, but not all there may be. */
static void a_wait_reads_little_after_its_time(void **state)
{
	enum { FEW = 1000, MANY = 5000 }; /* events: less and more than 64 KiB */
	static char few[FEW * sizeof(EVENT) + 128], many[MANY * sizeof(EVENT) + 128];
	const char *const script[] = {READY, few, many, many, NULL};
	struct peer peer;
	struct qmp *qmp;
	uint64_t id;

	repeat(few, EVENT, FEW, "{\"return\": {}, \"id\": 2}\r\n");
	repeat(many, EVENT, MANY, "{\"return\": {}, \"id\": 3}\r\n");
	qmp = connected(&peer, script, true);
	assert_int_equal(qmp_send(qmp, "stop", NULL, -1, LONG_MS, &id, &err), 0);
	wait_sent(&peer, 2);
	assert_int_equal(qmp_wait(qmp, id, 0, NULL, &err), 0);
	assert_int_equal(qmp_send(qmp, "stop", NULL, -1, LONG_MS, &id, &err), 0);
	wait_sent(&peer, 3);
	assert_int_equal(qmp_wait(qmp, id, 0, NULL, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_wait(qmp, id, LONG_MS, NULL, &err), 0);
	repeat(many, EVENT, MANY, "{\"return\": {}, \"id\": 4}\r\n");
	assert_int_equal(qmp_send(qmp, "stop", NULL, -1, LONG_MS, &id, &err), 0);
	wait_sent(&peer, 4);
	assert_int_equal(qmp_wait_stop(qmp, id, 0, 0, &err), RENIC_E_TIMEOUT);
	assert_int_equal(qmp_wait(qmp, id, LONG_MS, NULL, &err), 0);
	end_peer(&peer, qmp);
}

static void a_long_reply_is_read_whole(void **state)
{
	enum { LEN = 1 << 20 };
	static char line[LEN + 64];
	const char *const script[] = {READY, line, NULL};
	json_t *result = NULL;
	struct peer peer;
	struct qmp *qmp;
	int n = sprintf(line, "{\"id\": 2, \"return\": \"");

	memset(line + n, 'y', LEN);
	strcpy(line + n + LEN, "\"}\r\n");
	qmp = connected(&peer, script, true);
	assert_int_equal(qmp_call(qmp, "info", NULL, LONG_MS, &result, &err), 0);
	assert_int_equal(json_string_length(result), LEN);
	json_decref(result);
	end_peer(&peer, qmp);
}

static void another_protocol_is_not_connected_to(void **state)
{
	static const char *const nothing[] = {NULL};
	struct peer peer = {.greeting = "220 mail ready\r\n", .script = nothing, .silent = true};
	struct qmp *qmp = NULL;

	start_peer(&peer);
	assert_int_equal(qmp_connect(peer.path, LONG_MS, &qmp, &err), QMP_E_CLOSED);
	end_peer(&peer, qmp);
}

static void a_socket_taken_by_another_client_does_not_hang(void **state)
{
	static const char *const nothing[] = {NULL};
	struct peer peer = {.greeting = "", .script = nothing, .silent = true};
	struct qmp *qmp = NULL;

	start_peer(&peer);
	assert_int_equal(qmp_connect(peer.path, SOON_MS, &qmp, &err), RENIC_E_TIMEOUT);
	end_peer(&peer, qmp);
}

static void nobody_there_is_an_error_with_the_path(void **state)
{
	struct qmp *qmp = NULL;

	assert_int_equal(qmp_connect("/nonexistent/qmp", SOON_MS, &qmp, &err), RENIC_E_IO);
	assert_non_null(strstr(err.message, "/nonexistent/qmp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_handed_over),
		cmocka_unit_test(the_peer_is_known),
		cmocka_unit_test(commands_may_be_under_way_together),
		cmocka_unit_test(a_prepared_command_begins_when_told),
		cmocka_unit_test(another_command_withdraws_a_prepared_one),
		cmocka_unit_test(a_stop_is_waited_for_without_its_reply),
		cmocka_unit_test(a_reply_or_another_descriptor_is_waited_for),
		cmocka_unit_test(a_refusal_carries_qemu_s_words),
		cmocka_unit_test(silence_ends_a_wait_and_a_late_reply_is_dropped),
		cmocka_unit_test(the_end_of_qemu_is_told),
		cmocka_unit_test(what_is_not_the_protocol_ends_the_connection),
		cmocka_unit_test(odd_replies_are_no_answers),
		cmocka_unit_test(an_endless_line_ends_the_connection),
		cmocka_unit_test(endless_events_end_a_wait),
		cmocka_unit_test(a_wait_reads_little_after_its_time),
		cmocka_unit_test(a_long_reply_is_read_whole),
		cmocka_unit_test(another_protocol_is_not_connected_to),
		cmocka_unit_test(a_socket_taken_by_another_client_does_not_hang),
		cmocka_unit_test(nobody_there_is_an_error_with_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
