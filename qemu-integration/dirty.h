/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages of another process's memory were written: the engines behind one interface, best
 * first. A target is the guest's RAM as that process maps it, and as we do; pages are counted
 * through it as renic-remus counts them (replicator/driver.h).
 *
 *  userfaultfd  write protection that a write takes away (the process preloads librenic-wp.so),
 * asked for and put back page by page by PAGEMAP_SCAN; Linux 6.7 soft-dirty   a bit in each page
 * table entry, cleared for a whole process (/proc/PID/clear_refs); kernels built with
 * CONFIG_MEM_SOFT_DIRTY, as Debian's compare      with a copy of all memory; anywhere
 *
 * The promise: a page written between two collections is reported by the second, at the latest
 * by the first one with `paused`. Too many is fine, too few never is. Only a collection with
 * `paused` need clear what it reports: soft-dirty cannot read and clear in one step, and compare
 * cannot tell a page that was changed and changed back while somebody copied it.
 *
 * One thread at a time. Between start and close nothing is allocated.
 */
#ifndef QEMU_DIRTY_H
#define QEMU_DIRTY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "nic/error.h"

enum { DIRTY_SHIFT = 12, DIRTY_BYTES = 1 << DIRTY_SHIFT, DIRTY_AREAS_MAX = 64 };

/* A mapping of the process that has guest RAM. */
struct dirty_area {
	uint64_t start, end; /* addresses there, page aligned */
	uint64_t page;	     /* the number of its first page */
	const uint8_t *base; /* the same memory here */
};

struct dirty_target {
	pid_t pid;
	uint64_t page_bytes; /* of the file: more than DIRTY_BYTES in a hugetlbfs; 0: as there */
	unsigned n_areas;
	struct dirty_area areas[DIRTY_AREAS_MAX];
};

struct dirty_engine {
	const char *name;

	/* Find out whether it works with this target, without changing what it does. 0 with *state,
	 * RENIC_E_UNSUPPORTED with why, or RENIC_E_RESOURCES. The target is used until close(). */
	int (*open)(const struct dirty_target *target, void **state, struct nic_error *err);
	void (*close)(void *state);

	/* Count from now on, from nothing; again later: the same. RENIC_E_IO: the process is gone.
	 */
	int (*start)(void *state, struct nic_error *err);

	/* OR into bitmap what was written. paused: no write happens during the call and until the
	 * caller copied the pages. */
	int (*collect)(void *state, uint64_t *bitmap, bool paused, struct nic_error *err);
};

extern const struct dirty_engine dirty_userfaultfd, dirty_soft_dirty, dirty_compare;

struct dirty_tracker {
	const struct dirty_engine *engine;
	void *state;
	char name[160]; /* for the log: the engine's, and why no better one */
};

/*
 * Take the engine of that name, or with NULL the best that works with the target, and open it.
 * RENIC_E_PARAMS (no such engine), RENIC_E_UNSUPPORTED (the wanted one does not work),
 * RENIC_E_RESOURCES.
 */
int dirty_tracker_open(struct dirty_tracker *tracker, const struct dirty_target *target,
	const char *wanted, struct nic_error *err);
void dirty_tracker_close(struct dirty_tracker *tracker);

/* "userfaultfd, soft-dirty, compare" */
#define DIRTY_ENGINE_NAMES "userfaultfd, soft-dirty, compare"

static inline void dirty_mark(uint64_t *bitmap, uint64_t page)
{
	bitmap[page >> 6] |= UINT64_C(1) << (page & 63);
}

/* Mark pages first .. first+n-1. */
void dirty_mark_run(uint64_t *bitmap, uint64_t first, uint64_t n);

#endif
