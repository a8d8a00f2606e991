/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_qemu.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "fake_qemu.h"

void fake_qemu_say(struct fake_qemu *q, const char *text)
{
	send(q->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void run(struct fake_qemu *q, bool on)
{
	q->running = on;
	fake_qemu_say(q, on ? "{\"event\": \"RESUME\"}\r\n" : "{\"event\": \"STOP\"}\r\n");
}

/* As QEMU opens it: by its own name of it, and willing to wait. */
static void write_state(struct fake_qemu *q)
{
	static char state[FAKE_STATE_BYTES];
	char path[64];
	int fd;

	memset(state, 's', sizeof(state));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", q->given);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0660);
	for (size_t done = 0, left; (left = q->state_bytes - done) > 0;) {
		ssize_t n = write(fd, state, left < FAKE_PART_BYTES ? left : FAKE_PART_BYTES);

		if (n <= 0)
			break;
		done += n;
		__atomic_store_n(&q->written, done, __ATOMIC_RELEASE);
	}
	close(fd);
}

static bool save(struct fake_qemu *q)
{
	bool was_running = q->running;

	if (q->before_save)
		fake_qemu_say(q, q->before_save);
	if (was_running)
		run(q, false);
	if (!q->refuses_save)
		write_state(q);
	if (was_running)
		run(q, true);
	if (q->after_save)
		fake_qemu_say(q, q->after_save);
	return !q->refuses_save;
}

/* The value of a reply that says something. */
static void tell(struct fake_qemu *q, const char *name, char *value, size_t size)
{
	if (!strcmp(name, "add-fd"))
		snprintf(value, size, "{\"fd\": %d}", q->given);
	else if (!strcmp(name, "query-named-block-nodes"))
		snprintf(value, size, "%s", q->has_disks ? "[{}]" : "[]");
	else if (!strcmp(name, "query-status"))
		snprintf(value, size, "{\"status\": \"%s\"}", q->running ? "running" : "paused");
	else if (!strcmp(name, "query-cpus-fast") || !strcmp(name, "query-pci") ||
		 !strcmp(name, "qom-list"))
		snprintf(value, size, "[]");
	else if (!strcmp(name, "query-memdev"))
		snprintf(value, size, "[{\"id\": \"mem\", \"size\": %" PRIu64 ", \"share\": true}]",
			q->ram_bytes);
	else if (!strcmp(name, "human-monitor-command")) /* info mtree */
		snprintf(value, size, "\"  0-%" PRIx64 " (prio 0, ram): mem\\r\\n\"",
			q->ram_bytes - 1);
}

/* A command with its arguments, as struct fake_answer has it. */
static void put_command(char *text, size_t size, const json_t *command)
{
	static const char *const names[] = {"path", "property"};
	const json_t *args = json_object_get(command, "arguments");

	snprintf(text, size, "%s", json_string_value(json_object_get(command, "execute")));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = json_string_value(json_object_get(args, names[i]));

		if (value)
			snprintf(text + strlen(text), size - strlen(text), " %s", value);
	}
}

/* From the table. */
static void answer_as_told(struct fake_qemu *q, const json_t *command)
{
	const struct fake_answer *a = q->answers;
	char text[256];

	put_command(text, sizeof(text), command);
	if (q->ends_at && !strcmp(text, q->ends_at)) {
		shutdown(q->fd, SHUT_RDWR);
		return;
	}
	while (a->command && strcmp(a->command, text))
		a++;
	fake_qemu_say(q, a->command ? "{\"return\": " : "{\"error\": ");
	fake_qemu_say(q, a->command ? a->value : "{}");
	snprintf(text, sizeof(text), ", \"id\": %lld}\r\n",
		(long long)json_integer_value(json_object_get(command, "id")));
	fake_qemu_say(q, text);
}

static void answer(struct fake_qemu *q, json_t *command)
{
	const char *name = json_string_value(json_object_get(command, "execute"));
	char text[512], value[256] = "{}";
	bool ok = !json_object_get(command, "withdrawn");

	if (ok)
		snprintf(q->log + strlen(q->log), FAKE_LOG_SIZE - strlen(q->log), "%s ", name);
	if (ok && !strcmp(name, "stop")) {
		if (q->running)
			run(q, false);
		if (q->drained)
			q->drained();
	} else if (ok && !strcmp(name, "cont") && (ok = !q->refuses_cont)) {
		run(q, true);
	} else if (ok && !strcmp(name, "xen-save-devices-state")) {
		ok = save(q);
	} else if (ok) {
		tell(q, name, value, sizeof(value));
	}
	snprintf(text, sizeof(text), "{\"%s\": %s, \"id\": %lld}\r\n", ok ? "return" : "error",
		value, (long long)json_integer_value(json_object_get(command, "id")));
	fake_qemu_say(q, text);
}

static bool receive(struct fake_qemu *q)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {q->input + q->used, sizeof(q->input) - q->used};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(q->fd, &message, 0);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (header) {
		memcpy(&q->given, CMSG_DATA(header), sizeof(int));
		fcntl(q->given, F_SETFL, 0); /* as QEMU does */
	}
	q->used += n > 0 ? n : 0;
	return n > 0;
}

static void *serve(void *arg)
{
	struct fake_qemu *q = arg;

	q->fd = accept(q->listener, NULL, NULL);
	fake_qemu_say(q, "{\"QMP\": {\"capabilities\": [\"oob\"]}}\r\n");
	while (receive(q)) {
		json_error_t where;
		json_t *command;

		while (q->used &&
			(command = json_loadb(q->input, q->used, JSON_DISABLE_EOF_CHECK, &where))) {
			q->used -= where.position;
			memmove(q->input, q->input + where.position, q->used);
			if (q->answers)
				answer_as_told(q, command);
			else
				answer(q, command);
			json_decref(command);
		}
	}
	close(q->fd);
	close(q->given);
	return NULL;
}

void fake_qemu_start(struct fake_qemu *q)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	signal(SIGPIPE, SIG_IGN); /* as QEMU does */
	*q = (struct fake_qemu){.running = true, .given = -1, .state_bytes = FAKE_STATE_BYTES};
	snprintf(q->path, sizeof(q->path), "/tmp/test-qemu.%d", (int)getpid());
	unlink(q->path);
	strcpy(addr.sun_path, q->path);
	q->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(q->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(q->listener, 1), 0);
	assert_int_equal(pthread_create(&q->thread, NULL, serve, q), 0);
}

void fake_qemu_end(struct fake_qemu *q)
{
	pthread_join(q->thread, NULL);
	close(q->listener);
	unlink(q->path);
}
