/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_guard.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "guest_memory.h"
#include "types.h"
#include "vhost_guard.h"

enum { HEADER_BYTES = 12, FDS_MAX = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vhost_guard *guards[VF_MAX]; /* under lock */

/* What came with the message that this thread read last, while it is nobody's. */
static __thread int fds[FDS_MAX];
static __thread unsigned n_fds;

static void close_fds(void)
{
	while (n_fds)
		close(fds[--n_fds]);
}

static bool refuse(struct vhost_guard *guard, const char *why)
{
	snprintf(guard->why, sizeof(guard->why), "%s", why);
	return false;
}

/* ---- the header ---- */

static struct vhost_guard *guard_of(int fd)
{
	struct vhost_guard *found = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < VF_MAX && !found; i++)
		if (guards[i] && __atomic_load_n(&guards[i]->ino, __ATOMIC_RELAXED) == st.st_ino)
			found = guards[i];
	pthread_mutex_unlock(&lock);
	return found;
}

static void take_fds(struct msghdr *msg)
{
	n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < n && n_fds < FDS_MAX; i++)
			memcpy(&fds[n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/* What read the header has not read: the header is wrong, and was never there. */
static ssize_t look_at_header(struct vhost_guard *guard, struct msghdr *msg, ssize_t bytes)
{
	const struct vhost_message *m = msg->msg_iov[0].iov_base;

	take_fds(msg);
	if (bytes == HEADER_BYTES && !(msg->msg_flags & MSG_CTRUNC) &&
		vhost_rules_header(m, n_fds, guard->why))
		return bytes;
	if (bytes != HEADER_BYTES)
		refuse(guard, "a vhost-user message without a whole header");
	else if (msg->msg_flags & MSG_CTRUNC)
		refuse(guard, "a vhost-user message with more than 8 descriptors");
	close_fds();
	msg->msg_controllen = 0;
	errno = EPROTO;
	return -1;
}

/* A cancellation point, as libc's is: DPDK ends threads of its own that wait here so. */
static ssize_t cancellable_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n;
	int type;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	n = syscall(SYS_recvmsg, fd, msg, flags);
	pthread_setcanceltype(type, NULL);
	return n;
}

/* Replaces libc's: librte_vhost reads its headers with it. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = cancellable_recvmsg(fd, msg, flags);
	struct vhost_guard *guard;

	if (n <= 0 || msg->msg_iovlen != 1 || msg->msg_iov[0].iov_len != HEADER_BYTES)
		return n;
	guard = guard_of(fd);
	return guard ? look_at_header(guard, msg, n) : n;
}

/* ---- what came with it ---- */

/* Only tmpfs, hugetlbfs and memfd files have seals; asking asks no file system. */
static bool is_memory_file(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static bool file_holds(int fd, uint64_t bytes, struct stat *st)
{
	return is_memory_file(fd) && fstat(fd, st) == 0 && st->st_size >= 0 &&
	       (uint64_t)st->st_size >= bytes;
}

/* The library forgets its old memory before it maps the new: it must not fail then. */
static bool can_be_mapped(int fd, uint64_t bytes, uint64_t block)
{
	size_t size = (bytes + block - 1) / block * block;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return false;
	munmap(at, size);
	return true;
}

static bool check_memory_files(struct vhost_guard *guard, const struct vhost_message *m)
{
	char why[VHOST_RULES_WHY_SIZE];
	struct stat st;

	for (unsigned i = 0; i < m->memory.n; i++) {
		uint64_t bytes = m->memory.regions[i].bytes + m->memory.regions[i].file_offset;

		snprintf(why, sizeof(why), "memory region %u: its file is %s", i,
			is_memory_file(fds[i]) ? "shorter" : "not on tmpfs or hugetlbfs");
		if (!file_holds(fds[i], bytes, &st))
			return refuse(guard, why);
		snprintf(why, sizeof(why), "memory region %u cannot be mapped", i);
		if (!can_be_mapped(fds[i], bytes, (uint64_t)st.st_blksize))
			return refuse(guard, why);
	}
	return true;
}

static bool check_log_file(struct vhost_guard *guard, const struct vhost_message *m)
{
	struct stat st;

	if (!file_holds(fds[0], m->log.bytes, &st))
		return refuse(guard, "the dirty log's file is shorter, or not in memory");
	guard->log_dev = st.st_dev;
	guard->log_ino = st.st_ino;
	guard->log_bytes = m->log.bytes;
	return true;
}

/* Signals to the guest are written to it by an lcore, which must not have to wait. */
static bool check_event_fd(struct vhost_guard *guard, const struct vhost_message *m)
{
	static const char event[] = "anon_inode:[eventfd]";
	char link[32], what[sizeof(event)];
	int flags;

	if (!n_fds)
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fds[0]);
	if (readlink(link, what, sizeof(what)) != sizeof(event) - 1 ||
		memcmp(what, event, sizeof(event) - 1))
		return refuse(guard, "a ring's descriptor is no eventfd");
	flags = fcntl(fds[0], F_GETFL);
	if (flags < 0 || fcntl(fds[0], F_SETFL, flags | O_NONBLOCK) < 0)
		return refuse(guard, "a ring's eventfd does not become non-blocking");
	return true;
}

static bool check_fds(struct vhost_guard *guard, const struct vhost_message *m)
{
	switch (m->request) {
	case MSG_SET_MEM_TABLE:
		return check_memory_files(guard, m);
	case MSG_SET_LOG_BASE:
		return check_log_file(guard, m);
	case MSG_SET_VRING_KICK:
	case MSG_SET_VRING_CALL:
		return check_event_fd(guard, m);
	default:
		return true;
	}
}

bool vhost_guard_admits(struct vhost_guard *guard, int vid, struct vhost_message *m)
{
	if (!vhost_rules_check(&guard->rules, m, n_fds, guard->why) || !check_fds(guard, m)) {
		close_fds();
		return false;
	}
	n_fds = 0; /* the library's now */
	/* A failure is to end the connection, whether or not it is to be answered. */
	guard->need_reply = m->flags & MSG_FLAG_NEED_REPLY;
	m->flags &= ~(uint32_t)MSG_FLAG_NEED_REPLY;
	if (m->request == MSG_SET_MEM_TABLE)
		guest_memory_expect(guard->memory);
	return true;
}

void vhost_guard_drop(void)
{
	close_fds();
}

/* ---- what the library made of it ---- */

static bool note_memory(struct vhost_guard *guard, int vid)
{
	struct rte_vhost_memory *memory = NULL;

	if (rte_vhost_get_mem_table(vid, &memory) < 0)
		return refuse(guard, "the memory table cannot be read");
	for (uint32_t i = 0; i < GUEST_REGIONS_MAX; i++)
		guest_memory_set(guard->memory, i,
			i < memory->nregions ? memory->regions[i].mmap_addr : NULL,
			i < memory->nregions ? memory->regions[i].mmap_size : 0);
	free(memory);
	return true;
}

/* A line of /proc/self/maps: is it the dirty log, which the library does not show? */
static bool is_log(const struct vhost_guard *guard, const char *line, const void **start)
{
	unsigned long from, to, offset, ino;
	unsigned dev_major, dev_minor;

	if (sscanf(line, "%lx-%lx rw-s %lx %x:%x %lu", &from, &to, &offset, &dev_major, &dev_minor,
		    &ino) != 6)
		return false;
	*start = (const void *)from;
	return ino == guard->log_ino && makedev(dev_major, dev_minor) == guard->log_dev &&
	       !offset && !guest_memory_has(guard->memory, *start);
}

static bool note_log(struct vhost_guard *guard)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	const void *start;
	bool found = false;
	char line[256];

	guest_memory_set(guard->memory, GUEST_MAP_LOG, NULL, 0);
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = is_log(guard, line, &start);
	if (maps)
		fclose(maps);
	if (!found)
		return refuse(guard, "the dirty log is not mapped");
	guest_memory_set(guard->memory, GUEST_MAP_LOG, start, guard->log_bytes);
	return true;
}

bool vhost_guard_done(struct vhost_guard *guard, int vid, struct vhost_message *m)
{
	guest_memory_expect(NULL);
	if (m->request == MSG_SET_MEM_TABLE && !note_memory(guard, vid))
		return false;
	if (m->request == MSG_SET_LOG_BASE && !note_log(guard))
		return false;
	vhost_rules_done(&guard->rules, m);
	if (guard->need_reply && !(m->flags & MSG_FLAG_REPLY))
		m->flags |= MSG_FLAG_NEED_REPLY;
	guard->need_reply = false;
	return true;
}

/* ---- life ---- */

static int swap(struct vhost_guard *from, struct vhost_guard *to)
{
	int rc = -ENOSPC;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < VF_MAX && rc; i++) {
		if (guards[i] != from)
			continue;
		guards[i] = to;
		rc = 0;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int vhost_guard_init(struct vhost_guard *guard)
{
	guard->memory = guest_memory_take();
	if (!guard->memory)
		return -ENOSPC;
	return swap(NULL, guard);
}

void vhost_guard_fini(struct vhost_guard *guard)
{
	swap(guard, NULL);
	if (guard->memory)
		guest_memory_give(guard->memory);
}

void vhost_guard_watch(struct vhost_guard *guard, int fd)
{
	struct stat st = {0};

	guest_memory_expect(NULL);
	if (fd >= 0 && fstat(fd, &st) < 0)
		st.st_ino = 0;
	guest_memory_connect(guard->memory, fd);
	if (fd >= 0) {
		vhost_rules_reset(&guard->rules);
		guard->why[0] = '\0';
		guard->need_reply = false;
	}
	__atomic_store_n(&guard->ino, st.st_ino, __ATOMIC_RELAXED);
}
