/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/control/server.c, client.c and listener.c: what clients that hang, die, flood or
 * never read can do (nothing to anybody else), who may change, and whose socket it is. */
#include "fakes/control_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define VERSION "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}"
#define METHODS "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc_get_methods\"}"
#define CREATE "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vf_create\",\"params\":{\"name\":\"a\"}}"

static int error_code(const json_t *answer)
{
	return (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
}

/* The next line is an error of this code. */
static void expect_error(int fd, int code)
{
	json_t *answer = fixture_read(fd);

	assert_int_equal(error_code(answer), code);
	json_decref(answer);
}

static void expect_end(int fd)
{
	char *line = fixture_read_line(fd);

	if (line)
		fail_msg("expected the end, got %s", line);
	close(fd);
}

/* The server still does its work. */
static void expect_service(const struct control_fixture *f)
{
	int fd = fixture_connect(f);

	json_decref(fixture_call(fd, "version", NULL));
	close(fd);
}

/* ---- messages ---- */

static void request_in_single_bytes_is_answered(void **state)
{
	int fd = fixture_connect(*state);
	const char *at;

	for (at = VERSION "\n"; *at; at++)
		fixture_send(fd, at, 1);
	json_decref(fixture_read(fd));
	close(fd);
}

static void requests_in_one_write_are_answered_in_order(void **state)
{
	enum { REQUESTS = 500 };
	int fd = fixture_connect(*state);
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int i;

	for (i = 0; i < REQUESTS; i++)
		fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"version\"}\r\n", i);
	fclose(out);
	fixture_send(fd, text, len);
	free(text);
	for (i = 0; i < REQUESTS; i++) {
		json_t *answer = fixture_read(fd);

		assert_int_equal(json_integer_value(json_object_get(answer, "id")), i);
		json_decref(answer);
	}
	close(fd);
}

static void malformed_line_is_refused_and_the_next_is_served(void **state)
{
	int fd = fixture_connect(*state);

	fixture_send_line(fd, "hello");
	expect_error(fd, RENIC_E_PARSE);
	fixture_send_line(fd, "[]");
	expect_error(fd, RENIC_E_REQUEST);
	fixture_send_line(fd, "");
	fixture_send_line(fd, " \t\r");
	fixture_send_line(fd, VERSION);
	json_decref(fixture_read(fd));
	close(fd);
}

/* A version request, blanks up to `len` bytes, newline. */
static void send_padded(int fd, size_t len)
{
	char *text = malloc(len + 1);

	memset(text, ' ', len);
	memcpy(text, VERSION, strlen(VERSION));
	text[len] = '\n';
	fixture_send(fd, text, len + 1);
	free(text);
}

static void message_of_one_mib_is_served(void **state)
{
	int fd = fixture_connect(*state);
	int i;

	for (i = 0; i < 3; i++) {
		json_t *answer;

		send_padded(fd, JSONRPC_REQUEST_MAX - 1);
		answer = fixture_read(fd);
		assert_int_equal(error_code(answer), 0);
		json_decref(answer);
	}
	close(fd);
}

static void message_over_one_mib_is_refused_and_the_connection_closed(void **state)
{
	int fd = fixture_connect(*state);

	send_padded(fd, JSONRPC_REQUEST_MAX);
	expect_error(fd, RENIC_E_PARSE);
	expect_end(fd);
	expect_service(*state);
}

static void answers_before_an_overlong_message_still_arrive(void **state)
{
	int fd = fixture_connect(*state);
	char *junk = malloc(JSONRPC_REQUEST_MAX);

	fixture_send_line(fd, VERSION);
	memset(junk, 'x', JSONRPC_REQUEST_MAX);
	fixture_send(fd, junk, JSONRPC_REQUEST_MAX);
	free(junk);
	json_decref(fixture_read(fd));
	expect_error(fd, RENIC_E_PARSE);
	expect_end(fd);
}

/* ---- clients that do not behave ---- */

static void request_that_its_sender_did_not_finish_is_not_carried_out(void **state)
{
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "version", NULL));
	fixture_send(fd, CREATE, strlen(CREATE)); /* whole, but for its newline */
	close(fd);
	fixture_wait(&fake_nic.gone_calls, 1);
	assert_int_equal(fake_nic.n_vfs, 0);
	expect_service(*state);
}

static void request_whose_sender_died_is_carried_out_and_harms_nobody(void **state)
{
	int fd = fixture_connect(*state);

	fixture_send_line(fd, CREATE);
	close(fd);
	fixture_wait(&fake_nic.gone_calls, 1);
	assert_int_equal(fake_nic.n_vfs, 1);
	expect_service(*state);
}

/* The line n times, in one piece: the server may read no more when it has served some. */
static void send_many(int fd, const char *line, int n)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (int i = 0; i < n; i++)
		fprintf(out, "%s\n", line);
	fclose(out);
	fixture_send(fd, text, len);
	free(text);
}

/* Until the server serves nobody any more for a while: output waits then, most likely. */
static void wait_for_stall(void)
{
	unsigned seen;

	do {
		seen = fake_nic.alive_calls;
		usleep(20000);
	} while (seen == 0 || seen != fake_nic.alive_calls);
}

static void half_closed_connection_gets_its_answers_then_the_end(void **state)
{
	enum { REQUESTS = 100 };
	int fd = fixture_connect(*state);
	int i;

	send_many(fd, METHODS, REQUESTS); /* their answers are more than the socket takes */
	shutdown(fd, SHUT_WR);
	wait_for_stall();
	for (i = 0; i < REQUESTS; i++)
		json_decref(fixture_read(fd));
	expect_end(fd);
}

static void client_that_hangs_in_a_message_delays_nobody(void **state)
{
	enum { HANGING = 8 };
	int hanging[HANGING];
	int i;

	for (i = 0; i < HANGING; i++) {
		hanging[i] = fixture_connect(*state);
		fixture_send(hanging[i], VERSION, 20 + (size_t)i);
	}
	for (i = 0; i < HANGING; i++)
		expect_service(*state);
	for (i = 0; i < HANGING; i++) { /* and goes on where it stopped */
		fixture_send_line(hanging[i], &VERSION[20 + i]);
		json_decref(fixture_read(hanging[i]));
		close(hanging[i]);
	}
}

/* Requests without reading their answers until the server takes no more for a while. */
static void flood(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	size_t sent = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < (64 << 20)) {
		ssize_t n = send(fd, METHODS "\n", strlen(METHODS) + 1, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			fail_msg("the server hung up: %s", strerror(errno));
		if (n < 0 && poll(&pfd, 1, 100) == 0)
			return;
		sent += n > 0 ? (size_t)n : 0;
	}
	fail_msg("the server takes everything");
}

static void client_that_never_reads_waits_and_others_are_served(void **state)
{
	int fd = fixture_connect(*state), other = fixture_connect(*state);

	json_decref(fixture_call(other, "version", NULL));
	flood(fd);
	json_decref(fixture_call(other, "version", NULL));
	assert_int_equal(fake_nic.gone_calls, 0);
	close(fd);
	fixture_wait(&fake_nic.gone_calls, 1);
	close(other);
}

static void subscriber_that_never_reads_is_dropped_and_others_get_all(void **state)
{
	enum { EVENTS = 40000, BURST = 100 };
	int lazy = fixture_connect(*state), eager = fixture_connect(*state);
	int i;

	json_decref(fixture_call(lazy, "events_subscribe", NULL));
	json_decref(fixture_call(eager, "events_subscribe", NULL));
	for (i = 0; i < EVENTS && fake_nic.gone_calls == 0; i++) {
		fake_nic_post(EVENT_FRONTEND_ERROR, "a-vf-with-a-name",
			"detail of 100 bytes "
			"....................................................................");
		if (i % BURST == BURST - 1) {
			int n;

			for (n = 0; n < BURST; n++)
				free(fixture_read_line(eager));
		}
	}
	assert_int_equal(fake_nic.gone_calls, 1);
	close(lazy);
	close(eager);
}

/* What a client gets, and where in it the descriptors came. */
struct stream {
	char *bytes;
	size_t len, cap;
	size_t chunk_start, chunk_end; /* of the read that brought the descriptor */
	int n_fds;
};

static bool read_chunk(int fd, struct stream *s)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * RPC_REPLY_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = s->bytes + s->len, .iov_len = s->cap - s->len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (n <= 0)
		return false;
	if (cmsg) {
		int fds[RPC_REPLY_FDS_MAX];
		size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		size_t i;

		memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
		for (i = 0; i < count; i++)
			close(fds[i]);
		s->n_fds += (int)count;
		s->chunk_start = s->len;
		s->chunk_end = s->len + (size_t)n;
	}
	s->len += (size_t)n;
	return true;
}

/* Pipelines answers that are more than may ever wait, and reads when the server waits for it. */
static void slow_reader_gets_everything_in_order(void **state)
{
	enum { BYTES = 2 * CLIENT_OUTPUT_MAX };
	struct stream s = {.cap = 1 << 20};
	int fd = fixture_connect(*state), requests, answers = 0;
	size_t answer_len;
	char *first;

	fixture_send_line(fd, METHODS);
	first = fixture_read_line(fd);
	answer_len = strlen(first) + 1;
	requests = (int)(BYTES / answer_len);
	send_many(fd, METHODS, requests);
	wait_for_stall();
	expect_service(*state);
	s.bytes = malloc(s.cap);
	while (answers < requests && read_chunk(fd, &s)) {
		for (; s.len >= answer_len; s.len -= answer_len, answers++) {
			assert_memory_equal(s.bytes, first, answer_len - 1);
			assert_int_equal(s.bytes[answer_len - 1], '\n');
			memmove(s.bytes, s.bytes + answer_len, s.len - answer_len);
		}
	}
	assert_int_equal(answers, requests);
	free(s.bytes);
	free(first);
	close(fd);
}

static void descriptor_stays_with_its_answer_when_output_waits(void **state)
{
	enum { BEFORE = 200 };
	static const char get[] = "{\"jsonrpc\":\"2.0\",\"id\":\"log\",\"method\":"
				  "\"egress_log_get\",\"params\":{\"name\":\"a\"}}";
	struct stream s = {.cap = 8 << 20};
	int fd = fixture_connect(*state);
	size_t at;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	send_many(fd, METHODS, BEFORE);
	fixture_send_line(fd, get);
	fixture_send_line(fd, METHODS);
	fixture_send_line(fd, METHODS);
	shutdown(fd, SHUT_WR);
	wait_for_stall();
	s.bytes = malloc(s.cap);
	while (s.len < s.cap - 1 && read_chunk(fd, &s))
		;
	s.bytes[s.len] = '\0';
	assert_int_equal(s.n_fds, 1);
	assert_non_null(strstr(s.bytes, "\"id\":\"log\""));
	at = (size_t)(strstr(s.bytes, "{\"jsonrpc\":\"2.0\",\"id\":\"log\"") - s.bytes);
	assert_in_range(at, s.chunk_start, s.chunk_end - 1);
	free(s.bytes);
	close(fd);
}

static void batch_carries_several_descriptors(void **state)
{
	static const char get[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"egress_log_get\","
				  "\"params\":{\"name\":\"a\"}}";
	struct stream s = {.cap = 1 << 16};
	int fd = fixture_connect(*state);
	char *batch;
	size_t len, i;
	FILE *out = open_memstream(&batch, &len);
	json_t *root;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	for (i = 0; i < 20; i++)
		fprintf(out, "%c%s", i ? ',' : '[', get);
	fputc(']', out);
	fclose(out);
	fixture_send_line(fd, batch);
	free(batch);
	s.bytes = malloc(s.cap);
	while (!memchr(s.bytes, '\n', s.len) && read_chunk(fd, &s))
		;
	assert_int_equal(s.n_fds, RPC_REPLY_FDS_MAX);
	root = json_loadb(s.bytes, s.len, 0, NULL);
	for (i = 0; i < 20; i++)
		assert_int_equal(error_code(json_array_get(root, i)),
			i < RPC_REPLY_FDS_MAX ? 0 : RENIC_E_RESOURCES);
	json_decref(root);
	free(s.bytes);
	close(fd);
}

static unsigned count_open_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The server opens and closes a moment after it has counted a request or a client. */
static void wait_for_open_fds(unsigned wanted)
{
	for (int tries = 0; tries < 5000 && count_open_fds() != wanted; tries++)
		usleep(1000);
	assert_int_equal(count_open_fds(), wanted);
}

static void dropped_client_leaves_no_descriptor_open(void **state)
{
	/* So many wait with their answers when no further line is served. */
	enum { WAITING = CLIENT_FDS_MAX - RPC_REPLY_FDS_MAX + 1 };
	static const char get[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"egress_log_get\","
				  "\"params\":{\"name\":\"a\"}}\n";
	unsigned before, tries;
	int fd;

	expect_service(*state);
	fixture_wait(&fake_nic.gone_calls, 1);
	before = count_open_fds();
	fd = fixture_connect(*state);
	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (tries = 0; tries < 100000 && count_open_fds() < before + 2 + WAITING; tries++)
		if (send(fd, get, strlen(get), MSG_NOSIGNAL) < 0)
			usleep(1000);
	wait_for_open_fds(before + 2 + WAITING);
	close(fd);
	fixture_wait(&fake_nic.gone_calls, 2);
	wait_for_open_fds(before);
}

static void descriptors_sent_to_the_server_are_not_kept(void **state)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {.iov_base = VERSION "\n", .iov_len = strlen(VERSION) + 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fd = fixture_connect(*state);
	unsigned before;

	json_decref(fixture_call(fd, "version", NULL));
	before = count_open_fds();
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	assert_true(sendmsg(fd, &msg, 0) > 0);
	json_decref(fixture_read(fd));
	wait_for_open_fds(before);
	close(fd);
}

/* ---- signs of life ---- */

static void every_message_is_a_sign_of_life_and_the_end_is_told_once(void **state)
{
	int fd = fixture_connect(*state);

	fixture_send_line(fd, "");
	fixture_send_line(fd, "nonsense");
	expect_error(fd, RENIC_E_PARSE);
	json_decref(fixture_call(fd, "version", NULL));
	assert_int_equal(fake_nic.alive_calls, 3);
	close(fd);
	fixture_wait(&fake_nic.gone_calls, 1);
	expect_service(*state);
	fixture_wait(&fake_nic.gone_calls, 2);
	assert_int_equal(fake_nic.gone_calls, 2);
}

static void device_is_ticked_without_clients_and_when_it_asks(void **state)
{
	fixture_wait(&fake_nic.ticks, 3);
	fake_nic_post(EVENT_UPLINK_UP, "", "");
	fixture_wait(&fake_nic.ticks, 4);
}

static void daemon_that_ends_does_not_report_its_clients_as_lost(void **state)
{
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "version", NULL));
	fixture_stop(*state);
	assert_int_equal(fake_nic.gone_calls, 0);
	expect_end(fd);
}

static void sighup_changes_nothing(void **state)
{
	struct control_fixture *f = *state;

	pthread_kill(f->thread, SIGHUP);
	expect_service(f);
}

/* ---- who may what ---- */

static void stranger_may_read_and_not_change(void **state)
{
	json_t *data;
	int fd;

	fixture_peer_uid = FIXTURE_STRANGER;
	fd = fixture_connect(*state);
	json_decref(fixture_call(fd, "version", NULL));
	json_decref(fixture_call(fd, "vf_list", NULL));
	json_decref(fixture_call(fd, "events_subscribe", NULL));
	data = fixture_call_fails(fd, "vf_create", "{\"name\":\"a\"}", RENIC_E_PERMISSION);
	assert_string_equal(fixture_string(data, "field"), "method");
	json_decref(data);
	json_decref(fixture_call_fails(
		fd, "checkpoint_commit", "{\"group\":\"g\",\"epoch\":1}", RENIC_E_PERMISSION));
	json_decref(
		fixture_call_fails(fd, "egress_log_get", "{\"name\":\"a\"}", RENIC_E_PERMISSION));
	assert_int_equal(fake_nic.n_vfs, 0);
	close(fd);
}

static void root_and_the_sockets_owner_may_change(void **state)
{
	const struct listener l = {.owner = 1000};

	assert_true(listener_may_change(&l, 0));
	assert_true(listener_may_change(&l, 1000));
	assert_true(listener_may_change(&l, geteuid()));
	assert_false(listener_may_change(&l, FIXTURE_STRANGER));
	assert_false(listener_may_change(&l, CONTROL_NO_ID));
}

static void stranger_has_a_smaller_message(void **state)
{
	int fd;

	fixture_peer_uid = FIXTURE_STRANGER;
	fd = fixture_connect(*state);
	send_padded(fd, CLIENT_READER_REQUEST_MAX - 1);
	json_decref(fixture_read(fd));
	send_padded(fd, CLIENT_READER_REQUEST_MAX);
	expect_error(fd, RENIC_E_PARSE);
	expect_end(fd);
}

static void strangers_cannot_keep_the_owner_out(void **state)
{
	int fds[CONTROL_CLIENTS_MAX];
	int i, fd;

	fixture_peer_uid = FIXTURE_STRANGER;
	for (i = 0; i < CONTROL_READERS_MAX; i++) {
		fds[i] = fixture_connect(*state);
		json_decref(fixture_call(fds[i], "version", NULL));
	}
	fd = fixture_connect(*state);
	expect_error(fd, RENIC_E_RESOURCES);
	expect_end(fd);
	fixture_peer_uid = CONTROL_NO_ID;
	for (; i < CONTROL_CLIENTS_MAX; i++) {
		fds[i] = fixture_connect(*state);
		json_decref(fixture_call(fds[i], "version", NULL));
	}
	fd = fixture_connect(*state);
	expect_error(fd, RENIC_E_RESOURCES);
	expect_end(fd);
	close(fds[0]); /* makes room */
	fixture_wait(&fake_nic.gone_calls, 1);
	expect_service(*state);
	for (i = 1; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void strangers_that_flood_are_all_answered(void **state)
{
	enum { STRANGERS = 10, REQUESTS = 50 };
	int fds[STRANGERS];
	int i, n;

	fixture_peer_uid = FIXTURE_STRANGER;
	for (i = 0; i < STRANGERS; i++) {
		fds[i] = fixture_connect(*state);
		for (n = 0; n < REQUESTS; n++)
			fixture_send_line(fds[i], VERSION);
	}
	fixture_peer_uid = CONTROL_NO_ID;
	expect_service(*state);
	for (i = 0; i < STRANGERS; i++) {
		for (n = 0; n < REQUESTS; n++)
			json_decref(fixture_read(fds[i]));
		close(fds[i]);
	}
}

/* ---- whose socket it is ---- */

static void second_daemon_on_the_same_socket_is_refused(void **state)
{
	struct control_fixture *f = *state;
	struct control_server *second = NULL;
	struct nic_error err;
	char pid[32];

	assert_int_equal(control_server_start(&f->config, &second, &err), RENIC_E_EXISTS);
	snprintf(pid, sizeof(pid), "(pid %d)", getpid());
	assert_non_null(strstr(err.message, pid));
	assert_non_null(strstr(err.message, f->config.socket));
	assert_null(second);
	expect_service(f);
}

static void stale_socket_is_replaced(void **state)
{
	struct control_fixture *f = *state;
	struct listener dead;
	struct nic_error err;

	fixture_stop(f);
	/* As after kill -9: the files are there, nobody holds the lock or listens. */
	assert_int_equal(listener_open(&dead, &f->config, &err), 0);
	close(dead.fd);
	close(dead.lock_fd);
	assert_int_equal(access(f->config.socket, F_OK), 0);
	fixture_start(f);
	expect_service(f);
}

static void path_that_is_no_socket_is_left_alone(void **state)
{
	struct control_fixture *f = *state;
	struct control_server *server;
	struct nic_error err;
	int fd;

	fixture_stop(f);
	fd = open(f->config.socket, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(control_server_start(&f->config, &server, &err), RENIC_E_EXISTS);
	assert_non_null(strstr(err.message, "not a socket"));
	assert_int_equal(access(f->config.socket, F_OK), 0);
	unlink(f->config.socket);
}

static void missing_directory_is_named(void **state)
{
	struct control_fixture *f = *state;
	struct control_config config = f->config;
	struct control_server *server;
	struct nic_error err;

	snprintf(config.socket, sizeof(config.socket), "%s/none/control.sock", f->dir);
	assert_int_equal(control_server_start(&config, &server, &err), RENIC_E_IO);
	assert_non_null(strstr(err.message, config.socket));
	assert_string_equal(err.field, "control.socket");
}

static void socket_has_the_mode_and_owner_of_the_config(void **state)
{
	struct control_fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->config.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fixture_stop(f);
	f->config.mode = 0666;
	f->config.owner = geteuid();
	f->config.group = getegid();
	fixture_start(f);
	assert_int_equal(stat(f->config.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, getegid());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_in_single_bytes_is_answered),
		TEST(requests_in_one_write_are_answered_in_order),
		TEST(malformed_line_is_refused_and_the_next_is_served),
		TEST(message_of_one_mib_is_served),
		TEST(message_over_one_mib_is_refused_and_the_connection_closed),
		TEST(answers_before_an_overlong_message_still_arrive),
		TEST(request_that_its_sender_did_not_finish_is_not_carried_out),
		TEST(request_whose_sender_died_is_carried_out_and_harms_nobody),
		TEST(half_closed_connection_gets_its_answers_then_the_end),
		TEST(client_that_hangs_in_a_message_delays_nobody),
		TEST(client_that_never_reads_waits_and_others_are_served),
		TEST(subscriber_that_never_reads_is_dropped_and_others_get_all),
		TEST(slow_reader_gets_everything_in_order),
		TEST(descriptor_stays_with_its_answer_when_output_waits),
		TEST(batch_carries_several_descriptors),
		TEST(dropped_client_leaves_no_descriptor_open),
		TEST(descriptors_sent_to_the_server_are_not_kept),
		TEST(every_message_is_a_sign_of_life_and_the_end_is_told_once),
		TEST(device_is_ticked_without_clients_and_when_it_asks),
		TEST(daemon_that_ends_does_not_report_its_clients_as_lost),
		TEST(sighup_changes_nothing),
		TEST(stranger_may_read_and_not_change),
		TEST(root_and_the_sockets_owner_may_change),
		TEST(stranger_has_a_smaller_message),
		TEST(strangers_cannot_keep_the_owner_out),
		TEST(strangers_that_flood_are_all_answered),
		TEST(second_daemon_on_the_same_socket_is_refused),
		TEST(stale_socket_is_replaced),
		TEST(path_that_is_no_socket_is_left_alone),
		TEST(missing_directory_is_named),
		TEST(socket_has_the_mode_and_owner_of_the_config),
	};

	control_block_signals(); /* as main() does, before there are threads */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
