/* SPDX-License-Identifier: BSD-3-Clause */
/* The scripted daemon; see test_librenic_peer.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "test_librenic_peer.h"

enum { PEER_TIMEOUT_MS = 10000 };

void peer_fail(struct peer *peer, const char *fmt, ...)
{
	va_list ap;

	if (peer->failure[0])
		return; /* the first one tells most */
	va_start(ap, fmt);
	vsnprintf(peer->failure, sizeof(peer->failure), fmt, ap);
	va_end(ap);
}

static bool readable(int fd, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, ms) > 0;
}

/* As soon as it was used, so that a test that fails later leaves nothing. */
static void remove_path(struct peer *peer)
{
	unlink(peer->path);
	rmdir(peer->dir);
}

static void *run(void *arg)
{
	struct peer *peer = arg;

	if (readable(peer->listen_fd, PEER_TIMEOUT_MS))
		peer->fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	remove_path(peer);
	if (peer->fd < 0)
		peer_fail(peer, "nobody connected");
	else
		peer->script(peer);
	peer_close(peer);
	return NULL;
}

void peer_start(struct peer *peer, void (*script)(struct peer *peer), void *arg)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
	peer->script = script;
	peer->arg = arg;
	strcpy(peer->dir, "/tmp/renic-peer-XXXXXX");
	assert_non_null(mkdtemp(peer->dir));
	snprintf(peer->path, sizeof(peer->path), "%s/control.sock", peer->dir);
	strcpy(addr.sun_path, peer->path);
	peer->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(peer->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(peer->listen_fd, 1), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
}

void peer_join(struct peer *peer)
{
	pthread_join(peer->thread, NULL);
	close(peer->listen_fd);
	free(peer->received);
	free(peer->line);
	if (peer->failure[0])
		fail_msg("%s", peer->failure);
}

static void remember_id(struct peer *peer)
{
	const char *id = strstr(peer->line, "\"id\":");

	peer->id = id ? strtoull(id + 5, NULL, 10) : 0;
}

/* Moves one line from what was received to peer->line. */
static bool take_line(struct peer *peer)
{
	char *end = peer->have ? memchr(peer->received, '\n', peer->have) : NULL;
	size_t len;

	if (!end)
		return false;
	len = (size_t)(end - peer->received);
	free(peer->line);
	peer->line = strndup(peer->received, len);
	peer->have -= len + 1;
	memmove(peer->received, end + 1, peer->have);
	remember_id(peer);
	return true;
}

const char *peer_read(struct peer *peer)
{
	while (!take_line(peer)) {
		ssize_t n;

		if (!readable(peer->fd, PEER_TIMEOUT_MS)) {
			peer_fail(peer, "no request came");
			return NULL;
		}
		peer->received = realloc(peer->received, peer->have + 65536);
		n = read(peer->fd, peer->received + peer->have, 65536);
		if (n <= 0)
			return NULL;
		peer->have += (size_t)n;
	}
	return peer->line;
}

void peer_expect(struct peer *peer, const char *part)
{
	const char *line = peer_read(peer);

	if (!line)
		peer_fail(peer, "expected %s, got the end of the connection", part);
	else if (!strstr(line, part))
		peer_fail(peer, "expected %s, got %s", part, line);
}

bool peer_quiet(struct peer *peer, int ms)
{
	return peer->have == 0 && !readable(peer->fd, ms);
}

/* A client that has gone is no failure of the script: the test asserts what it wants to. */
void peer_send_n(struct peer *peer, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = send(peer->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

void peer_send(struct peer *peer, const char *bytes)
{
	peer_send_n(peer, bytes, strlen(bytes));
}

void peer_send_fds(struct peer *peer, const char *bytes, const int *fds, size_t n)
{
	struct iovec iov = {(void *)bytes, strlen(bytes)};
	size_t space = CMSG_SPACE(n * sizeof(int));
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = calloc(1, space),
		.msg_controllen = space};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (sendmsg(peer->fd, &msg, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		peer_fail(peer, "sendmsg with %zu descriptors: %s", n, strerror(errno));
	free(msg.msg_control);
}

static void answer(struct peer *peer, const char *member, const char *value)
{
	char head[96];

	snprintf(head, sizeof(head), "{\"jsonrpc\":\"2.0\",\"id\":%" PRIu64 ",\"%s\":", peer->id,
		member);
	peer_send(peer, head);
	peer_send(peer, value);
	peer_send(peer, "}\n");
}

void peer_result(struct peer *peer, const char *result)
{
	answer(peer, "result", result);
}

void peer_error(struct peer *peer, const char *error)
{
	answer(peer, "error", error);
}

void peer_event(struct peer *peer, const char *type, const char *name)
{
	char text[256];

	snprintf(text, sizeof(text),
		"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{"
		"\"type\":\"%s\",\"name\":\"%s\",\"detail\":\"d\",\"time_us\":5}}\n",
		type, name);
	peer_send(peer, text);
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void peer_wait_close(struct peer *peer)
{
	char buf[4096];

	while (readable(peer->fd, PEER_TIMEOUT_MS))
		if (read(peer->fd, buf, sizeof(buf)) <= 0)
			return;
	peer_fail(peer, "the client did not close");
}

unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
