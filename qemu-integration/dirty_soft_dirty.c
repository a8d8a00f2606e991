/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine "soft-dirty": bit 55 of /proc/PID/pagemap, cleared for the whole process by writing
 * 4 to /proc/PID/clear_refs (Linux, Documentation/admin-guide/mm/soft-dirty.rst).
 *
 * Reading and clearing are two steps, so only a collection of a paused process clears. The bits
 * live in its page tables: the kernel must not take pages of shared memory away (QEMU:
 * -overcommit mem-lock=on, where the host swaps). For huge pages there are none: clearing passes
 * them by, and what is read is the mapping's flag, never set again (Linux, fs/proc/task_mmu.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty.h"

enum { ENTRIES = 8192 }; /* page table entries in one read: 32 MiB of RAM */

#define SOFT_DIRTY (UINT64_C(1) << 55)

struct soft_dirty {
	const struct dirty_target *target;
	int pagemap, clear;
	uint64_t entries[ENTRIES];
};

static void close_state(void *state)
{
	struct soft_dirty *s = state;

	if (s->pagemap >= 0)
		close(s->pagemap);
	if (s->clear >= 0)
		close(s->clear);
	free(s);
}

static int open_proc(pid_t pid, const char *file, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return open(path, flags | O_CLOEXEC);
}

/* Does a page of ours that was just written have the bit, and one read after a clear not? */
static bool kernel_has_it(void)
{
	void *page =
		mmap(NULL, DIRTY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile uint8_t *byte = page;
	int pagemap = open_proc(getpid(), "pagemap", O_RDONLY);
	int clear = open_proc(getpid(), "clear_refs", O_WRONLY);
	off_t at = (uintptr_t)page / DIRTY_BYTES * sizeof(uint64_t);
	uint64_t before = 0, after = 0;
	bool has = false;

	if (page == MAP_FAILED)
		goto out;
	*byte = 1;
	if (write(clear, "4", 1) == 1 &&
		pread(pagemap, &before, sizeof(before), at) == sizeof(before)) {
		*byte = 2;
		has = pread(pagemap, &after, sizeof(after), at) == sizeof(after) &&
		      !(before & SOFT_DIRTY) && (after & SOFT_DIRTY);
	}
	munmap(page, DIRTY_BYTES);
out:
	if (pagemap >= 0)
		close(pagemap);
	if (clear >= 0)
		close(clear);
	return has;
}

static int open_state(const struct dirty_target *target, void **state, struct nic_error *err)
{
	struct soft_dirty *s;

	if (target->page_bytes > DIRTY_BYTES)
		return nic_fail(
			err, RENIC_E_UNSUPPORTED, "dirty", "huge pages have no bits for it");
	if (!kernel_has_it())
		return nic_fail(err, RENIC_E_UNSUPPORTED, "dirty", "not in this kernel");
	s = calloc(1, sizeof(*s));
	if (!s)
		return nic_fail(err, RENIC_E_RESOURCES, "dirty", "no memory");
	s->target = target;
	s->pagemap = open_proc(target->pid, "pagemap", O_RDONLY);
	s->clear = open_proc(target->pid, "clear_refs", O_WRONLY);
	if (s->pagemap >= 0 && s->clear >= 0) {
		*state = s;
		return 0;
	}
	nic_fail(err, RENIC_E_UNSUPPORTED, "dirty", "page tables of process %d: %s",
		(int)target->pid, strerror(errno));
	close_state(s);
	return RENIC_E_UNSUPPORTED;
}

static int gone(const struct soft_dirty *s, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_IO, "dirty", "page tables of process %d: %s",
		(int)s->target->pid, strerror(errno));
}

static int start(void *state, struct nic_error *err)
{
	struct soft_dirty *s = state;

	return write(s->clear, "4", 1) == 1 ? 0 : gone(s, err);
}

static int read_area(struct soft_dirty *s, const struct dirty_area *area, uint64_t *bitmap)
{
	uint64_t left = (area->end - area->start) >> DIRTY_SHIFT, page = area->page;
	off_t at = (area->start >> DIRTY_SHIFT) * sizeof(uint64_t);

	while (left > 0) {
		uint64_t n = left < ENTRIES ? left : ENTRIES;
		ssize_t got = pread(s->pagemap, s->entries, n * sizeof(uint64_t), at);

		if (got < (ssize_t)sizeof(uint64_t))
			return -1;
		n = got / sizeof(uint64_t);
		for (uint64_t i = 0; i < n; i++)
			if (s->entries[i] & SOFT_DIRTY)
				dirty_mark(bitmap, page + i);
		page += n;
		left -= n;
		at += n * sizeof(uint64_t);
	}
	return 0;
}

static int collect(void *state, uint64_t *bitmap, bool paused, struct nic_error *err)
{
	struct soft_dirty *s = state;

	for (unsigned i = 0; i < s->target->n_areas; i++)
		if (read_area(s, &s->target->areas[i], bitmap) < 0)
			return gone(s, err);
	return paused ? start(s, err) : 0;
}

const struct dirty_engine dirty_soft_dirty = {
	.name = "soft-dirty",
	.open = open_state,
	.close = close_state,
	.start = start,
	.collect = collect,
};
