/* SPDX-License-Identifier: BSD-3-Clause */
/* One control connection's buffers; see client.h, unix(7) for SCM_RIGHTS. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

enum {
	READ_MAX = 64 << 10, /* bytes taken from one peer in one round */
	INPUT_MIN = 4 << 10,
	BUFFER_KEEP = 64 << 10, /* an empty buffer that is larger is given back */
};

struct client *client_new(int fd, const struct rpc_peer *peer)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->peer = *peer;
	c->request_max = peer->may_change ? JSONRPC_REQUEST_MAX : CLIENT_READER_REQUEST_MAX;
	return c;
}

void client_free(struct client *c)
{
	unsigned i;

	for (i = 0; i < c->n_fds; i++)
		close(c->fds[i].fd);
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

bool client_has_line(const struct client *c)
{
	return c->in_scanned < c->in_len;
}

bool client_line_too_long(const struct client *c)
{
	return !client_has_line(c) && c->in_len - c->in_head >= c->request_max;
}

/* in_scanned is the next newline's place, or in_len. */
static void scan(struct client *c)
{
	const char *nl = NULL;

	if (c->in_scanned < c->in_len)
		nl = memchr(c->in + c->in_scanned, '\n', c->in_len - c->in_scanned);
	c->in_scanned = nl ? (size_t)(nl - c->in) : c->in_len;
}

/* Start of the buffer again; a large empty one is given back. */
static void compact(struct client *c)
{
	size_t left = c->in_len - c->in_head;

	if (c->in_head && left)
		memmove(c->in, c->in + c->in_head, left);
	c->in_scanned -= c->in_head;
	c->in_head = 0;
	c->in_len = left;
	if (!left && c->in_cap > BUFFER_KEEP) {
		free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
}

/* Room for at least one more byte, at most for one request. */
static bool make_room(struct client *c)
{
	size_t max = c->request_max;
	size_t cap = c->in_cap ? c->in_cap * 2 : INPUT_MIN;
	char *in;

	compact(c);
	if (c->in_len < c->in_cap)
		return true;
	cap = cap < max ? cap : max;
	if (cap <= c->in_cap)
		return false;
	in = realloc(c->in, cap);
	if (!in)
		return false;
	c->in = in;
	c->in_cap = cap;
	return true;
}

void client_read(struct client *c)
{
	size_t room;
	ssize_t n;

	if (c->dead || c->eof || c->closing || client_has_line(c))
		return;
	if (!make_room(c)) {
		c->dead = true; /* no memory: a line that is too long is closed before this */
		return;
	}
	room = c->in_cap - c->in_len;
	n = recv(c->fd, c->in + c->in_len, room < READ_MAX ? room : READ_MAX, MSG_DONTWAIT);
	if (n > 0) {
		c->in_len += (size_t)n;
		scan(c);
	} else if (n == 0) {
		c->eof = true; /* what it sent before still counts; half a line does not */
	} else if (errno != EAGAIN && errno != EINTR) {
		c->dead = true;
	}
}

const char *client_next_line(struct client *c, size_t *len)
{
	const char *line;

	if (!client_has_line(c))
		return NULL;
	line = c->in + c->in_head;
	*len = c->in_scanned - c->in_head;
	c->in_head = ++c->in_scanned;
	scan(c);
	return line;
}

/* One sendmsg(2); returns bytes sent, 0 if the socket is full; marks the client dead on errors. */
static size_t send_some(
	struct client *c, const char *bytes, size_t len, const int *fds, unsigned n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * RPC_REPLY_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (n_fds) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		c->dead = true;
	c->out_sent += n > 0 ? (size_t)n : 0;
	return n > 0 ? (size_t)n : 0;
}

/* The descriptors that go with the next byte; *run: how many bytes until the next ones. */
static unsigned due_fds(const struct client *c, int fds[RPC_REPLY_FDS_MAX], size_t *run)
{
	unsigned due = 0;

	while (due < c->n_fds && c->fds[due].position == c->out_sent) {
		fds[due] = c->fds[due].fd;
		due++;
	}
	*run = c->out_len - c->out_head;
	if (due < c->n_fds && c->fds[due].position - c->out_sent < *run)
		*run = c->fds[due].position - c->out_sent;
	return due;
}

static void drop_fds(struct client *c, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		close(c->fds[i].fd);
	c->n_fds -= n;
	memmove(c->fds, c->fds + n, c->n_fds * sizeof(c->fds[0]));
}

void client_flush(struct client *c)
{
	while (!c->dead && client_has_output(c)) {
		int fds[RPC_REPLY_FDS_MAX];
		size_t run;
		unsigned due = due_fds(c, fds, &run);
		size_t sent = send_some(c, c->out + c->out_head, run, fds, due);

		if (!sent)
			return;
		drop_fds(c, due);
		c->out_head += sent;
	}
	if (client_has_output(c))
		return;
	c->out_head = c->out_len = 0;
	if (c->out_cap > BUFFER_KEEP) {
		free(c->out);
		c->out = NULL;
		c->out_cap = 0;
	}
}

/* Behind what waits already; false: more than CLIENT_OUTPUT_MAX, or no memory. */
static bool queue(struct client *c, const char *bytes, size_t len)
{
	size_t waiting = c->out_len - c->out_head;
	size_t cap = c->out_cap ? c->out_cap : INPUT_MIN;
	char *out;

	if (waiting + len > CLIENT_OUTPUT_MAX)
		return false;
	if (c->out_len + len > c->out_cap) {
		if (c->out_head)
			memmove(c->out, c->out + c->out_head, waiting);
		c->out_head = 0;
		c->out_len = waiting;
		while (cap < waiting + len)
			cap *= 2;
		out = realloc(c->out, cap);
		if (!out)
			return false;
		c->out = out;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
	return true;
}

/* Behind the last byte that is queued; what does not fit is closed. */
static bool queue_fds(struct client *c, const int *fds, unsigned n)
{
	bool fits = c->n_fds + n <= CLIENT_FDS_MAX;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (fits)
			c->fds[c->n_fds++] = (struct client_fd){
				.position = c->out_sent + (c->out_len - c->out_head),
				.fd = fds[i],
			};
		else
			close(fds[i]);
	}
	return fits;
}

void client_send(struct client *c, const char *bytes, size_t len, const int *fds, unsigned n_fds)
{
	size_t sent = 0;
	unsigned i;

	if (!c->dead && !client_has_output(c))
		sent = send_some(c, bytes, len, fds, n_fds);
	if (c->dead || sent) {
		for (i = 0; i < n_fds; i++)
			close(fds[i]);
		n_fds = 0;
	}
	if (c->dead || sent == len)
		return;
	if (!queue_fds(c, fds, n_fds) || !queue(c, bytes + sent, len - sent))
		c->dead = true;
}
