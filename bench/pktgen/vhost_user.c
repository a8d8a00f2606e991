/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost-user messages of a front-end; see vhost_user.h. Blocking, with a bound on each answer. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost_user.h"

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

enum {
	FLAG_VERSION = 1,
	FLAG_REPLY = 1 << 2,
	FEATURE_PROTOCOL = 30,
	ANSWER_MS = 10000,
};

struct ring_state {
	uint32_t index, num;
};

struct ring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct memory_table {
	uint32_t n_regions, padding;
	uint64_t guest_addr, bytes, user_addr, mmap_offset;
};

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct ring_state state;
		struct ring_addr addr;
		struct memory_table memory;
	} __attribute__((packed));
} __attribute__((packed));

enum { HEADER_BYTES = offsetof(struct message, u64) };

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int close_with(int fd, int error)
{
	close(fd);
	return -error;
}

int vhost_user_connect(const char *path)
{
	struct sockaddr_un address;
	int fd = address_of(path, &address);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return close_with(fd, errno);
	return fd;
}

int vhost_user_accept(const char *path, int timeout_ms)
{
	struct sockaddr_un address;
	int fd = address_of(path, &address), connection = -1;
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return fd;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		return close_with(fd, errno);
	if (poll(&ready, 1, timeout_ms) == 1)
		connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close_with(fd, 0);
	return connection >= 0 ? connection : -ETIMEDOUT;
}

static int send_message(
	int fd, enum request request, const struct message *body, size_t size, int passed_fd)
{
	struct message message = *body;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = &message, .iov_len = HEADER_BYTES + size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	message.request = request;
	message.flags = FLAG_VERSION;
	message.size = (uint32_t)size;
	if (passed_fd >= 0) {
		struct cmsghdr *cmsg = &control.align;

		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
	}
	return sendmsg(fd, &header, MSG_NOSIGNAL) == (ssize_t)iov.iov_len ? 0 : -EIO;
}

static int read_all(int fd, void *to, size_t n)
{
	char *at = to;

	while (n) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&ready, 1, ANSWER_MS) != 1)
			return -ETIMEDOUT;
		got = recv(fd, at, n, 0);
		if (got <= 0)
			return -ECONNRESET;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Ask; the answer's payload is in *message. */
static int ask(int fd, enum request request, struct message *message, size_t size)
{
	int error = send_message(fd, request, message, size, -1);

	if (error)
		return error;
	error = read_all(fd, message, HEADER_BYTES);
	if (error)
		return error;
	if (message->request != request || !(message->flags & FLAG_REPLY) ||
		message->size > sizeof(*message) - HEADER_BYTES)
		return -EPROTO;
	return read_all(fd, &message->u64, message->size);
}

static int send_u64(int fd, enum request request, uint64_t value, int passed_fd)
{
	struct message message = {.u64 = value};

	return send_message(fd, request, &message, sizeof(value), passed_fd);
}

static int send_state(int fd, enum request request, uint32_t index, uint32_t num)
{
	struct message message = {.state = {index, num}};

	return send_message(fd, request, &message, sizeof(message.state), -1);
}

static int negotiate(
	int fd, const struct vhost_user_setup *setup, uint64_t *features, const char **why)
{
	struct message message = {0};
	int error = ask(fd, GET_FEATURES, &message, 0);

	*why = "GET_FEATURES was not answered";
	if (error)
		return error;
	*features = message.u64 & (setup->features | UINT64_C(1) << FEATURE_PROTOCOL);
	*why = "a feature that is needed is not offered";
	if ((*features & setup->features_needed) != setup->features_needed)
		return -ENOTSUP;
	*why = "the negotiation failed";
	if (*features >> FEATURE_PROTOCOL & 1) {
		error = ask(fd, GET_PROTOCOL_FEATURES, &message, 0);
		if (!error) /* none is needed for one queue pair */
			error = send_u64(fd, SET_PROTOCOL_FEATURES, 0, -1);
	}
	if (!error)
		error = send_message(fd, SET_OWNER, &message, 0, -1);
	return error ? error : send_u64(fd, SET_FEATURES, *features, -1);
}

static int give_memory(int fd, const struct vhost_user_setup *setup)
{
	struct message message = {.memory = {.n_regions = 1,
					  .bytes = setup->memory_bytes,
					  .user_addr = (uint64_t)(uintptr_t)setup->memory}};

	return send_message(fd, SET_MEM_TABLE, &message, sizeof(message.memory), setup->memory_fd);
}

static int start_ring(int fd, uint32_t index, const struct vhost_user_ring *ring, bool enable)
{
	struct message message = {.addr = {.index = index,
					  .desc = (uint64_t)(uintptr_t)ring->desc,
					  .used = (uint64_t)(uintptr_t)ring->used,
					  .avail = (uint64_t)(uintptr_t)ring->avail}};
	int error = send_state(fd, SET_VRING_NUM, index, ring->size);

	if (!error)
		error = send_state(fd, SET_VRING_BASE, index, 0);
	if (!error)
		error = send_message(fd, SET_VRING_ADDR, &message, sizeof(message.addr), -1);
	if (!error)
		error = send_u64(fd, SET_VRING_CALL, index, ring->call_fd);
	if (!error)
		error = send_u64(fd, SET_VRING_KICK, index, ring->kick_fd);
	if (!error && enable)
		error = send_state(fd, SET_VRING_ENABLE, index, 1);
	return error;
}

int vhost_user_start(
	int fd, const struct vhost_user_setup *setup, uint64_t *features, const char **why)
{
	struct message message = {0};
	int error = negotiate(fd, setup, features, why);

	if (error)
		return error;
	*why = "the rings cannot be set up";
	error = give_memory(fd, setup);
	for (uint32_t i = 0; i < 2 && !error; i++)
		error = start_ring(fd, i, &setup->rings[i], *features >> FEATURE_PROTOCOL & 1);
	/* Answered when all before it was carried out. */
	return error ? error : ask(fd, GET_FEATURES, &message, 0);
}

void vhost_user_stop(int fd)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct message message = {.state = {i, 0}};

		if (ask(fd, GET_VRING_BASE, &message, sizeof(message.state)))
			break;
	}
	close(fd);
}
