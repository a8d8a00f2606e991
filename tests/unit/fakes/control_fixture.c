/* SPDX-License-Identifier: BSD-3-Clause */
/* The control server in a thread, and a client; see control_fixture.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control_fixture.h"

atomic_uint fixture_peer_uid = CONTROL_NO_ID;

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int rc = __real_getsockopt(fd, level, name, value, len);

	if (rc == 0 && level == SOL_SOCKET && name == SO_PEERCRED &&
		fixture_peer_uid != CONTROL_NO_ID)
		((struct ucred *)value)->uid = fixture_peer_uid;
	return rc;
}

static void *serve(void *arg)
{
	struct control_fixture *f = arg;

	f->run_rc = control_server_run(f->server, NULL);
	return NULL;
}

void fixture_start(struct control_fixture *f)
{
	struct nic_error err = {0};

	if (control_server_start(&f->config, &f->server, &err) != 0)
		fail_msg("server does not start: %s", err.message);
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

void fixture_stop(struct control_fixture *f)
{
	if (!f->server)
		return;
	pthread_kill(f->thread, SIGTERM);
	pthread_join(f->thread, NULL);
	control_server_stop(f->server);
	f->server = NULL;
}

int fixture_setup(void **state)
{
	struct control_fixture *f = calloc(1, sizeof(*f));

	fake_nic_reset();
	fixture_peer_uid = CONTROL_NO_ID;
	strcpy(f->dir, "/tmp/renicd-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->config.socket, sizeof(f->config.socket), "%s/control.sock", f->dir);
	f->config.owner = f->config.group = CONTROL_NO_ID;
	f->config.mode = 0600;
	*state = f;
	fixture_start(f);
	return 0;
}

int fixture_teardown(void **state)
{
	struct control_fixture *f = *state;
	int rc;

	fixture_stop(f);
	rc = f->run_rc;
	if (rmdir(f->dir) != 0) { /* the server must have cleaned up */
		print_error("%s: %s\n", f->dir, strerror(errno));
		rc = -1;
	}
	free(f);
	return rc;
}

int fixture_connect(const struct control_fixture *f)
{
	const struct timeval timeout = {.tv_sec = FIXTURE_TIMEOUT_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, f->config.socket);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		fail_msg("connect: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	return fd;
}

void fixture_send(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			fail_msg("send: %s", strerror(errno));
		text += n;
		len -= (size_t)n;
	}
}

void fixture_send_line(int fd, const char *text)
{
	fixture_send(fd, text, strlen(text));
	fixture_send(fd, "\n", 1);
}

/* What is there, up to a newline and not beyond; bytes, 0: the end. */
static size_t read_some(int fd, char *to, size_t room)
{
	ssize_t n = recv(fd, to, room, MSG_PEEK);
	const char *newline = n > 0 ? memchr(to, '\n', (size_t)n) : NULL;

	if (n > 0)
		n = recv(fd, to, newline ? (size_t)(newline - to) + 1 : (size_t)n, 0);
	if (n < 0 && errno == EAGAIN)
		fail_msg("no answer in %d s", FIXTURE_TIMEOUT_S);
	return n > 0 ? (size_t)n : 0;
}

char *fixture_read_line(int fd)
{
	size_t len = 0, cap = 4096, n;
	char *line = malloc(cap);

	do {
		if (len == cap)
			line = realloc(line, cap *= 2);
		n = read_some(fd, line + len, cap - len);
		len += n;
		if (!n) {
			free(line);
			return NULL;
		}
	} while (line[len - 1] != '\n');
	line[len - 1] = '\0';
	return line;
}

json_t *fixture_read(int fd)
{
	char *line = fixture_read_line(fd);
	json_error_t why;
	json_t *root;

	assert_non_null(line);
	root = json_loads(line, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		fail_msg("not JSON: %s: %s", why.text, line);
	free(line);
	return root;
}

static json_t *call(int fd, const char *method, const char *params)
{
	char *text;

	if (asprintf(&text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"%s%s}\n", method,
		    params ? ",\"params\":" : "", params ? params : "") < 0)
		fail_msg("out of memory");
	fixture_send(fd, text, strlen(text));
	free(text);
	return fixture_read(fd);
}

json_t *fixture_call(int fd, const char *method, const char *params)
{
	json_t *answer = call(fd, method, params);
	json_t *result = json_object_get(answer, "result");

	if (!result)
		fail_msg("%s: %s", method, json_dumps(answer, 0));
	json_incref(result);
	json_decref(answer);
	return result;
}

json_t *fixture_call_fails(int fd, const char *method, const char *params, int code)
{
	json_t *answer = call(fd, method, params);
	json_t *error = json_object_get(answer, "error");
	json_t *data;

	if (json_integer_value(json_object_get(error, "code")) != code)
		fail_msg("%s: expected %d: %s", method, code, json_dumps(answer, 0));
	data = json_object_get(error, "data");
	data = data ? json_incref(data) : json_null();
	json_decref(answer);
	return data;
}

void fixture_wait(atomic_uint *counter, unsigned value)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	unsigned ms;

	for (ms = 0; *counter < value; ms++) {
		if (ms == FIXTURE_TIMEOUT_S * 1000)
			fail_msg("waited in vain: %u, expected %u", *counter, value);
		nanosleep(&pause, NULL);
	}
}

const char *fixture_string(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	if (!s)
		fail_msg("no string %s in %s", key, json_dumps(object, JSON_ENCODE_ANY));
	return s;
}
