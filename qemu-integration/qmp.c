/* SPDX-License-Identifier: BSD-3-Clause */
/* QMP client; see qmp.h. The socket is non-blocking, every wait is a poll() with a deadline, and
 * reading ends soon after it too, whatever QEMU goes on to send. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "qmp.h"

enum {
	COMMAND_MAX = 4096,
	INPUT_INITIAL = 64 << 10,
	EMPTY_REPLY_MAX = 64,
	LATE_BYTES = 64 << 10, /* read after a deadline: they came while we did not run */
	LOOK_MS = 100,	       /* to read what is there, if it does not end */
};

struct qmp {
	int fd;
	bool closed;
	bool prepared; /* what was sent last is a command without its closing brace */
	struct qmp_run run;
	uint64_t last_id;
	/* Input: bytes [0, used); the part before `scanned` has no newline. */
	char *input;
	size_t size, used, scanned;
};

static int end(struct qmp *qmp, struct nic_error *err, const char *why)
{
	qmp->closed = true;
	return nic_fail(err, QMP_E_CLOSED, "qmp", "QMP connection: %s", why);
}

/* Until the socket is readable (POLLIN) or writable, at most until the deadline: 0; or until
 * another descriptor is readable, which may be -1: 1. */
static int await(struct qmp *qmp, short what, int other_fd, int64_t deadline, struct nic_error *err)
{
	struct pollfd p[] = {{.fd = qmp->fd, .events = what}, {.fd = other_fd, .events = POLLIN}};

	for (;;) {
		int left = ms_until(deadline, INT_MAX);
		int n = poll(p, 2, left);

		if (n > 0)
			return !p[0].revents;
		if (n < 0 && errno != EINTR)
			return end(qmp, err, strerror(errno));
		if (n == 0 && left == 0)
			return nic_fail(err, RENIC_E_TIMEOUT, "qmp", "QEMU does not answer");
	}
}

/* ---- output ---- */

static ssize_t send_some(struct qmp *qmp, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)text, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	return sendmsg(qmp->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int send_all(struct qmp *qmp, const char *text, size_t len, int fd, unsigned timeout_ms,
	struct nic_error *err)
{
	int64_t deadline = in_ms(timeout_ms);
	bool begun = false;
	int rc;

	if (qmp->closed)
		return end(qmp, err, "it has ended");
	while (len > 0) {
		ssize_t n = send_some(qmp, text, len, fd);

		if (n > 0) {
			text += n;
			len -= n;
			fd = -1;
			begun = true;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return end(qmp, err, strerror(errno));
		rc = await(qmp, POLLOUT, -1, deadline, err);
		if (rc < 0 && begun) /* half a command is none */
			qmp->closed = true;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* An unknown member: QEMU refuses the command, and nobody waits for that reply. */
#define WITHDRAWAL ",\"withdrawn\":0}\n"

/* The command but for its closing brace; what was prepared before is withdrawn. */
static int compose(struct qmp *qmp, const char *command, const char *args, char text[COMMAND_MAX],
	uint64_t *id, struct nic_error *err)
{
	int len;

	*id = ++qmp->last_id;
	len = snprintf(text, COMMAND_MAX, "%s{\"execute\":\"%s\"%s%s,\"id\":%" PRIu64,
		qmp->prepared ? WITHDRAWAL : "", command, args ? ",\"arguments\":" : "",
		args ? args : "", *id);
	if (len >= COMMAND_MAX - 2)
		return nic_fail(err, RENIC_E_REQUEST, "qmp", "%s: arguments too long", command);
	qmp->prepared = false;
	return len;
}

/* What goes on where a command was half sent: if it cannot, no other can be sent either. */
static int send_rest(struct qmp *qmp, bool half, const char *text, size_t len, int fd,
	unsigned timeout_ms, struct nic_error *err)
{
	int rc = send_all(qmp, text, len, fd, timeout_ms, err);

	if (rc < 0 && half)
		qmp->closed = true;
	return rc;
}

int qmp_send(struct qmp *qmp, const char *command, const char *args, int fd, unsigned timeout_ms,
	uint64_t *id, struct nic_error *err)
{
	bool half = qmp->prepared;
	char text[COMMAND_MAX];
	int len = compose(qmp, command, args, text, id, err);

	if (len < 0)
		return len;
	memcpy(text + len, "}\n", 2);
	return send_rest(qmp, half, text, len + 2, fd, timeout_ms, err);
}

int qmp_prepare(struct qmp *qmp, const char *command, const char *args, unsigned timeout_ms,
	uint64_t *id, struct nic_error *err)
{
	bool half = qmp->prepared;
	char text[COMMAND_MAX];
	int len = compose(qmp, command, args, text, id, err);
	int rc = len < 0 ? len : send_rest(qmp, half, text, len, -1, timeout_ms, err);

	qmp->prepared = rc == 0;
	return rc;
}

int qmp_go(struct qmp *qmp, unsigned timeout_ms, struct nic_error *err)
{
	if (!qmp->prepared)
		return nic_fail(err, RENIC_E_STATE, "qmp", "no command was prepared");
	qmp->prepared = false;
	return send_rest(qmp, true, "}\n", 2, -1, timeout_ms, err);
}

/* ---- input ---- */

static int make_room(struct qmp *qmp, struct nic_error *err)
{
	char *larger;

	if (qmp->used < qmp->size)
		return 0;
	if (qmp->size >= QMP_LINE_MAX)
		return end(qmp, err, "a line that is too long");
	larger = realloc(qmp->input, qmp->size * 2);
	if (!larger)
		return nic_fail(err, RENIC_E_RESOURCES, "qmp", "no memory");
	qmp->input = larger;
	qmp->size *= 2;
	return 0;
}

/* Read what is there. 1: something came, 0: nothing there. */
static int read_some(struct qmp *qmp, struct nic_error *err)
{
	int rc = make_room(qmp, err);
	ssize_t n;

	if (rc < 0)
		return rc;
	do
		n = recv(qmp->fd, qmp->input + qmp->used, qmp->size - qmp->used, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return end(qmp, err, "QEMU closed it");
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return end(qmp, err, strerror(errno));
	qmp->used += n;
	return 1;
}

/* Length of the first whole line with its newline, 0: none there yet. */
static size_t whole_line(struct qmp *qmp)
{
	char *newline = memchr(qmp->input + qmp->scanned, '\n', qmp->used - qmp->scanned);

	if (!newline) {
		qmp->scanned = qmp->used;
		return 0;
	}
	return newline - qmp->input + 1;
}

static void drop_line(struct qmp *qmp, size_t len)
{
	memmove(qmp->input, qmp->input + len, qmp->used - len);
	qmp->used -= len;
	qmp->scanned = 0;
}

/* A guest that sleeps (ACPI S3) stands still as well; a `stop` of it makes no event. */
static void note_event(struct qmp *qmp, const char *name)
{
	bool stop = !strcmp(name, "STOP"), sleep = !strcmp(name, "SUSPEND");
	bool resume = !strcmp(name, "RESUME") || !strcmp(name, "WAKEUP");

	qmp->run.stopped = (qmp->run.stopped || stop || sleep) && !resume;
	qmp->run.stops += stop;
	qmp->run.resumes += resume;
}

/* Parse a line that is no reply to keep: events are noted. NULL: not JSON. */
static json_t *parse(struct qmp *qmp, size_t len)
{
	json_t *message = json_loadb(qmp->input, len, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(message, "event"));

	if (name)
		note_event(qmp, name);
	return message;
}

/* The reply `message` to command `id`: 1 and *result, a refusal, or 0 when it is another's. */
static int take_reply(json_t *message, uint64_t id, json_t **result, struct nic_error *err)
{
	const json_t *of = json_object_get(message, "id"), *error;
	json_t *value;
	const char *text;

	if (!json_is_integer(of) || (uint64_t)json_integer_value(of) != id)
		return 0;
	error = json_object_get(message, "error");
	if (error) {
		text = json_string_value(json_object_get(error, "desc"));
		return nic_fail(err, RENIC_E_REQUEST, "qmp", "QEMU: %s", text ? text : "an error");
	}
	value = json_object_get(message, "return");
	if (!value)
		return nic_fail(
			err, RENIC_E_REQUEST, "qmp", "QEMU: a reply without return or error");
	if (result)
		*result = json_incref(value);
	return 1;
}

/* The first line there, as QEMU writes an empty reply to `id`? No parser, nothing allocated. */
static bool is_empty_reply(const struct qmp *qmp, size_t len, uint64_t id)
{
	char expected[EMPTY_REPLY_MAX];
	int n = snprintf(
		expected, sizeof(expected), "{\"return\": {}, \"id\": %" PRIu64 "}\r\n", id);

	return len == (size_t)n && !memcmp(qmp->input, expected, n);
}

/* Look at the first line; returns as take_reply(). */
static int take_line(
	struct qmp *qmp, size_t len, uint64_t id, json_t **result, struct nic_error *err)
{
	json_t *message;
	int rc;

	if (!result && is_empty_reply(qmp, len, id)) {
		drop_line(qmp, len);
		return 1;
	}
	message = parse(qmp, len);
	drop_line(qmp, len);
	if (!json_is_object(message)) {
		json_decref(message);
		return end(qmp, err, "not the protocol of QEMU");
	}
	rc = take_reply(message, id, result, err);
	json_decref(message);
	return rc;
}

/* How long a call may read. */
struct limit {
	int64_t deadline;
	size_t late_bytes; /* taken after it */
};

/* Have the next line taken; returns as take_reply(). With none there it reads: *got says whether
 * anything came. */
static int take_next(struct qmp *qmp, struct limit *limit, uint64_t id, json_t **result, bool *got,
	struct nic_error *err)
{
	size_t len = whole_line(qmp);
	int rc;

	*got = len > 0;
	if (len == 0) {
		rc = read_some(qmp, err);
		*got = rc > 0;
		return rc < 0 ? rc : 0;
	}
	if (now_ns() >= limit->deadline)
		limit->late_bytes += len;
	if (limit->late_bytes > LATE_BYTES)
		return nic_fail(err, RENIC_E_TIMEOUT, "qmp", "QEMU sends without end");
	return take_line(qmp, len, id, result, err);
}

/* 0: the reply came, 1: other_fd is readable. */
static int wait_reply(struct qmp *qmp, uint64_t id, int other_fd, unsigned timeout_ms,
	json_t **result, struct nic_error *err)
{
	struct limit limit = {.deadline = in_ms(timeout_ms)};
	bool got;
	int rc;

	if (qmp->closed)
		return end(qmp, err, "it has ended");
	for (;;) {
		rc = take_next(qmp, &limit, id, result, &got, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (!got)
			rc = await(qmp, POLLIN, other_fd, limit.deadline, err);
		if (rc != 0)
			return rc;
	}
}

int qmp_wait(
	struct qmp *qmp, uint64_t id, unsigned timeout_ms, json_t **result, struct nic_error *err)
{
	return wait_reply(qmp, id, -1, timeout_ms, result, err);
}

int qmp_wait_or(struct qmp *qmp, uint64_t id, int fd, unsigned timeout_ms, struct nic_error *err)
{
	return wait_reply(qmp, id, fd, timeout_ms, NULL, err);
}

int qmp_wait_stop(
	struct qmp *qmp, uint64_t id, uint64_t stops, unsigned timeout_ms, struct nic_error *err)
{
	struct limit limit = {.deadline = in_ms(timeout_ms)};
	int rc = qmp->closed ? end(qmp, err, "it has ended") : 0;
	bool got;

	while (rc == 0 && qmp->run.stops == stops) {
		rc = take_next(qmp, &limit, id, NULL, &got, err);
		if (rc == 0 && !got)
			rc = await(qmp, POLLIN, -1, limit.deadline, err);
	}
	return rc > 0 ? nic_fail(err, RENIC_E_STATE, "qmp", "QEMU did not stop its vCPUs") : rc;
}

int qmp_call(struct qmp *qmp, const char *command, json_t *args, unsigned timeout_ms,
	json_t **result, struct nic_error *err)
{
	char *text = args ? json_dumps(args, JSON_COMPACT) : NULL;
	uint64_t id;
	int rc;

	json_decref(args);
	rc = qmp_send(qmp, command, text, -1, timeout_ms, &id, err);
	free(text);
	return rc < 0 ? rc : qmp_wait(qmp, id, timeout_ms, result, err);
}

int qmp_look(struct qmp *qmp, struct nic_error *err)
{
	struct limit limit = {.deadline = in_ms(LOOK_MS)};
	int rc = qmp->closed ? end(qmp, err, "it has ended") : 0;
	bool got = true;

	while (rc == 0 && got)
		rc = take_next(qmp, &limit, 0, NULL, &got, err); /* 0 is no command's id */
	return rc;
}

struct qmp_run qmp_run(const struct qmp *qmp)
{
	return qmp->run;
}

void qmp_set_stopped(struct qmp *qmp, bool stopped)
{
	qmp->run.stopped = stopped;
}

/* ---- connection ---- */

pid_t qmp_peer(const struct qmp *qmp)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

/* Does the greeting offer this capability? */
static bool offers(const json_t *greeting, const char *capability)
{
	const json_t *list = json_object_get(json_object_get(greeting, "QMP"), "capabilities");
	size_t i;
	json_t *one;

	json_array_foreach ((json_t *)list, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), capability))
			return true;
	return false;
}

/* The first line of a connection: {"QMP": …}. *oob: it has out-of-band execution. */
static int greet(struct qmp *qmp, int64_t deadline, bool *oob, struct nic_error *err)
{
	json_t *greeting;
	bool right;
	size_t len;
	int rc;

	while ((len = whole_line(qmp)) == 0) {
		rc = read_some(qmp, err);
		if (rc == 0)
			rc = await(qmp, POLLIN, -1, deadline, err);
		if (rc < 0)
			return rc;
	}
	greeting = parse(qmp, len);
	drop_line(qmp, len);
	right = json_object_get(greeting, "QMP") != NULL;
	*oob = offers(greeting, "oob");
	json_decref(greeting);
	return right ? 0 : end(qmp, err, "not the protocol of QEMU");
}

static int dial(struct qmp *qmp, const char *path, struct nic_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		return nic_fail_value(err, "qmp", path, "a path of at most 107 bytes");
	strcpy(addr.sun_path, path);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd < 0 || connect(qmp->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return nic_fail(err, RENIC_E_IO, "qmp", "QMP socket %s: %s", path, strerror(errno));
	return 0;
}

int qmp_connect(const char *path, unsigned timeout_ms, struct qmp **out, struct nic_error *err)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	int64_t deadline = in_ms(timeout_ms);
	bool oob = false;
	int rc;

	if (!qmp)
		return nic_fail(err, RENIC_E_RESOURCES, "qmp", "no memory");
	qmp->fd = -1;
	qmp->size = INPUT_INITIAL;
	qmp->input = malloc(qmp->size);
	if (!qmp->input)
		rc = nic_fail(err, RENIC_E_RESOURCES, "qmp", "no memory");
	else
		rc = dial(qmp, path, err);
	if (rc == 0)
		rc = greet(qmp, deadline, &oob, err);
	/* With "oob", QEMU reads the next commands while it is busy with one; without, it wakes its
	 * reader between any two. */
	if (rc == 0)
		rc = qmp_call(qmp, "qmp_capabilities",
			oob ? json_pack("{s:[s]}", "enable", "oob") : NULL, timeout_ms, NULL, err);
	if (rc == 0)
		*out = qmp;
	else
		qmp_close(qmp);
	return rc;
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->fd >= 0)
		close(qmp->fd);
	free(qmp->input);
	free(qmp);
}
