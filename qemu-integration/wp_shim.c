/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librenic-wp.so, preloaded into QEMU: lets another process see which pages of guest RAM are
 * written. QEMU's shared mappings of guest RAM are registered with userfaultfd in asynchronous
 * write-protect mode: a write to a protected page takes the protection away and goes on; nobody
 * is woken. PAGEMAP_SCAN from outside then finds the written pages and protects them again
 * (dirty_userfaultfd.c). Linux, Documentation/admin-guide/mm/userfaultfd.rst.
 *
 * Guest RAM is what QEMU maps shared and writable, of at least RAM_MIN_BYTES, from a memfd that
 * a memory backend made or from a file in tmpfs or hugetlbfs. Everything else passes untouched.
 * Such RAM gets no transparent huge pages, which QEMU asks for: where the kernel splits one of
 * shared memory (reclaim, a balloon) it unmaps it, and a scan no longer finds what was written.
 * Whatever fails, QEMU runs as without this library, and stderr says why.
 *
 * Any thread of QEMU; the descriptor is made once, under a lock, and stays open as long as QEMU.
 */
/* mmap and mmap64 are two symbols here, not one by a macro. */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "uffd_abi.h"

enum { RAM_MIN_BYTES = 1 << 20, RANGES_MAX = 16 };

static pthread_once_t opened = PTHREAD_ONCE_INIT;
static int uffd = -1;

/* What is tracked; a range of a mapping that is gone does no harm. */
static struct range {
	uintptr_t start, end;
} ranges[RANGES_MAX];
static unsigned n_ranges;
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;

/* userfaultfd with these features, or -1 with errno. A descriptor takes UFFDIO_API once. */
static int open_uffd(int flags)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_WP_ASYNC | UFFD_WP_UNPOPULATED | UFFD_WP_HUGETLBFS_SHMEM,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags), saved;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void open_once(void)
{
	uffd = open_uffd(0);
	if (uffd < 0 && errno == EPERM)
		uffd = open_uffd(UFFD_USER_MODE);
	if (uffd >= 0)
		return;
	fprintf(stderr, "librenic-wp: writes to guest RAM cannot be tracked by userfaultfd: %s%s\n",
		strerror(errno), errno == EINVAL || errno == ENOSYS ? " (it takes Linux 6.7)" : "");
}

/* Is this file a memory backend's: anonymous and named so by QEMU, or in a file system of RAM? */
static bool holds_guest_ram(int fd)
{
	char link[64], name[64] = "";
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fstatfs(fd, &fs) < 0)
		return false;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, name, sizeof(name) - 1) < 0)
		return false;
	/* Other memfds are QEMU's own: the in-flight log of vhost-user, dirty logs. */
	return strncmp(name, "/memfd:", 7) || !strncmp(name, "/memfd:memory-backend", 21);
}

static void note_range(uintptr_t start, size_t bytes)
{
	pthread_mutex_lock(&ranges_lock);
	if (n_ranges < RANGES_MAX)
		ranges[n_ranges++] = (struct range){start, start + bytes};
	pthread_mutex_unlock(&ranges_lock);
}

static bool is_tracked(uintptr_t start, size_t bytes)
{
	bool is = false;

	pthread_mutex_lock(&ranges_lock);
	for (unsigned i = 0; i < n_ranges && !is; i++)
		is = start < ranges[i].end && start + bytes > ranges[i].start;
	pthread_mutex_unlock(&ranges_lock);
	return is;
}

static void register_range(void *addr, size_t bytes)
{
	struct uffdio_register range = {
		.range = {.start = (uintptr_t)addr, .len = bytes},
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	pthread_once(&opened, open_once);
	if (uffd < 0)
		return;
	if (ioctl(uffd, UFFDIO_REGISTER, &range) < 0) {
		fprintf(stderr, "librenic-wp: %zu MiB of guest RAM cannot be tracked: %s\n",
			bytes >> 20, strerror(errno));
		return;
	}
	note_range((uintptr_t)addr, bytes);
	syscall(SYS_madvise, addr, bytes, MADV_NOHUGEPAGE);
	fprintf(stderr, "librenic-wp: tracking writes to %zu MiB of guest RAM\n", bytes >> 20);
}

static void *map(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	/* Not dlsym(): it allocates, and malloc may be what calls us. */
	void *p = (void *)syscall(SYS_mmap, addr, bytes, prot, flags, fd, offset);
	int type = flags & MAP_TYPE, saved = errno;

	if (p == MAP_FAILED || fd < 0 || bytes < RAM_MIN_BYTES || !(prot & PROT_WRITE))
		return p;
	if ((type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && holds_guest_ram(fd))
		register_range(p, bytes);
	errno = saved;
	return p;
}

void *mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return map(addr, bytes, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t bytes, int prot, int flags, int fd, off64_t offset)
{
	return map(addr, bytes, prot, flags, fd, offset);
}

int madvise(void *addr, size_t bytes, int advice)
{
	if (advice == MADV_HUGEPAGE && is_tracked((uintptr_t)addr, bytes))
		return 0;
	return (int)syscall(SYS_madvise, addr, bytes, advice);
}
