/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection as a stream of lines with descriptors: see client.h.
 *
 * The usual case costs one write and one read: the socket is blocking with its own timeouts
 * (SO_RCVTIMEO, SO_SNDTIMEO), and poll() is needed only when less came than was asked for.
 *
 * Descriptors come with the bytes they were sent with (unix(7)): a read never goes beyond such
 * bytes, but what was sent before can be in front of them. So each is kept with the stream offset
 * where the read that brought it ended, and the caller decides which line they belong to.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

enum {
	BUFFER_INITIAL = 64 << 10,
	BUFFER_KEEP = 1 << 20, /* given back when a reply made it larger */
	READ_MIN = 4 << 10,    /* room made before each read */
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t deadline_after_ms(int timeout_ms)
{
	return timeout_ms < 0 ? DEADLINE_NEVER : now_ns() + timeout_ms * INT64_C(1000000);
}

bool deadline_passed(int64_t deadline)
{
	return deadline != DEADLINE_NEVER && now_ns() >= deadline;
}

int stream_init(struct stream *stream, int fd)
{
	memset(stream, 0, sizeof(*stream));
	stream->fd = fd;
	stream->buf = malloc(BUFFER_INITIAL);
	stream->size = BUFFER_INITIAL;
	return stream->buf ? 0 : -ENOMEM;
}

void stream_fini(struct stream *stream)
{
	stream_drop_fds(stream, UINT64_MAX);
	free(stream->buf);
	close(stream->fd);
}

void stream_set_timeout(struct stream *stream, int timeout_ms)
{
	struct timeval tv = {0}; /* zero: no timeout */

	if (timeout_ms > 0) {
		tv.tv_sec = timeout_ms / 1000;
		tv.tv_usec = timeout_ms % 1000 * 1000;
	} else if (timeout_ms == 0) {
		tv.tv_usec = 1;
	}
	setsockopt(stream->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(stream->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

void stream_drop_fds(struct stream *stream, uint64_t end)
{
	size_t kept = 0;

	for (size_t i = 0; i < stream->n_fds; i++) {
		if (stream->fd_end[i] <= end) {
			close(stream->fds[i]);
			continue;
		}
		stream->fds[kept] = stream->fds[i];
		stream->fd_end[kept++] = stream->fd_end[i];
	}
	stream->n_fds = kept;
}

/* No line can be trusted from here on. The descriptor stays ours until renic_close(). */
static int stream_break(struct stream *stream, int code)
{
	stream->broken = code;
	shutdown(stream->fd, SHUT_RDWR);
	return code;
}

int stream_refuse(struct stream *stream, struct renic_error *err, const char *why)
{
	return client_fail(err, stream_break(stream, RENIC_E_PROTOCOL), 0,
		"the peer does not speak renicd's protocol: %s", why);
}

static int stream_closed(struct stream *stream, int sys_errno, struct renic_error *err)
{
	return client_fail(err, stream_break(stream, RENIC_E_CLOSED), sys_errno,
		"the daemon closed the connection");
}

static int check_usable(const struct stream *stream, struct renic_error *err)
{
	if (!stream->broken)
		return 0;
	return client_fail(err, RENIC_E_CLOSED, 0, "this connection has ended; connect again");
}

/* Returns 0 when the socket is ready (or in error), -ETIMEDOUT, or -EINTR. */
static int wait_for(const struct stream *stream, short what, int64_t deadline)
{
	struct pollfd pfd = {.fd = stream->fd, .events = what};
	struct timespec ts, *timeout = NULL;
	int n;

	if (deadline != DEADLINE_NEVER) {
		int64_t left = deadline - now_ns();

		if (left < 0)
			left = 0;
		ts.tv_sec = left / 1000000000;
		ts.tv_nsec = left % 1000000000;
		timeout = &ts;
	}
	n = ppoll(&pfd, 1, timeout, NULL);
	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -EINTR;
}

int stream_send(struct stream *stream, const char *data, size_t len, int64_t deadline,
	struct renic_error *err)
{
	int flags = MSG_NOSIGNAL, ret = check_usable(stream, err);
	size_t sent = 0;

	if (ret)
		return ret;
	while (sent < len) {
		ssize_t n = send(stream->fd, data + sent, len - sent, flags);

		if (n > 0) {
			sent += (size_t)n;
			flags |= MSG_DONTWAIT;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return stream_closed(stream, errno, err);
		flags |= MSG_DONTWAIT;
		if (wait_for(stream, POLLOUT, deadline) != -ETIMEDOUT)
			continue;
		/* Half a request would make the next one nonsense. */
		if (sent > 0)
			stream_break(stream, RENIC_E_CLOSED);
		return client_fail(
			err, RENIC_E_NO_ANSWER, 0, "the daemon did not read the request in time");
	}
	return 0;
}

bool stream_line(struct stream *stream, struct span *line)
{
	char *end = memchr(stream->buf + stream->scanned, '\n', stream->tail - stream->scanned);

	if (!end) {
		stream->scanned = stream->tail;
		return false;
	}
	line->text = stream->buf + stream->head;
	line->len = (size_t)(end - line->text);
	stream->head = stream->scanned = (size_t)(end + 1 - stream->buf);
	return true;
}

uint64_t stream_position(const struct stream *stream)
{
	return stream->offset + stream->head;
}

static int resize(struct stream *stream, size_t size)
{
	char *buf = realloc(stream->buf, size);

	if (!buf)
		return -ENOMEM;
	stream->buf = buf;
	stream->size = size;
	return 0;
}

/* Have READ_MIN bytes of room behind the tail: move what is left to the front, grow, up to the
 * longest reply. */
static int make_room(struct stream *stream, struct renic_error *err)
{
	if (stream->head == stream->tail || stream->size - stream->tail < READ_MIN) {
		memmove(stream->buf, stream->buf + stream->head, stream->tail - stream->head);
		stream->offset += stream->head;
		stream->tail -= stream->head;
		stream->scanned -= stream->head;
		stream->head = 0;
	}
	if (stream->tail - stream->head >= RENIC_REPLY_MAX)
		return stream_refuse(stream, err, "a line is over 64 MiB");
	if (stream->tail == 0 && stream->size > BUFFER_KEEP)
		return resize(stream, BUFFER_INITIAL);
	if (stream->size - stream->tail >= READ_MIN)
		return 0;
	if (resize(stream, stream->size * 2))
		return client_fail(err, stream_break(stream, RENIC_E_MEMORY), 0,
			"out of memory for a reply of over %zu bytes", stream->tail);
	return 0;
}

/* Keep the descriptors of one read; false when there were more than one reply may bring. */
static bool keep_fds(struct stream *stream, struct msghdr *msg)
{
	uint64_t end = stream->offset + stream->tail;
	bool fit = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (stream->n_fds == RENIC_FDS_MAX) {
				close(fd);
				fit = false;
				continue;
			}
			stream->fds[stream->n_fds] = fd;
			stream->fd_end[stream->n_fds++] = end;
		}
	}
	return fit;
}

/* One read. Returns the bytes read, 0 at the end of the stream, or -errno. */
static ssize_t receive(struct stream *stream, int flags, bool *fds_fit)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(RENIC_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {stream->buf + stream->tail, stream->size - stream->tail};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(stream->fd, &msg, flags | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	stream->tail += (size_t)n;
	*fds_fit = keep_fds(stream, &msg);
	return n;
}

int stream_no_answer(struct renic_error *err)
{
	return client_fail(err, RENIC_E_NO_ANSWER, 0, "the daemon did not answer in time");
}

int stream_fill(struct stream *stream, int64_t deadline, unsigned flags, struct renic_error *err)
{
	int how = flags & STREAM_FRESH ? 0 : MSG_DONTWAIT, ret = check_usable(stream, err);

	if (!ret)
		ret = make_room(stream, err);
	if (ret)
		return ret;
	for (;;) {
		bool fds_fit = true;
		ssize_t n = receive(stream, how, &fds_fit);

		if (n > 0)
			return fds_fit ? 0
				       : stream_refuse(stream, err, "too many descriptors at once");
		if (n == 0)
			return stream_closed(stream, 0, err);
		if (n != -EAGAIN && n != -EINTR)
			return stream_closed(stream, (int)-n, err);
		how = MSG_DONTWAIT;
		ret = wait_for(stream, POLLIN, deadline);
		if (ret == -ETIMEDOUT || (ret == -EINTR && flags & STREAM_INTERRUPTIBLE))
			return stream_no_answer(err);
	}
}
