/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's DMA dirty log: the guest pages that the device wrote since the last checkpoint (P4). Two
 * bitmaps in the checkpoint area (checkpoint_area.h): one collects, the other is what the last
 * checkpoint_begin handed over. Bit n is guest page n: 4 KiB of guest physical addresses, as in
 * vhost-user's own log (vhost-user.rst, "Migration").
 *
 * The log collects while the group is protected. Marking: the lcores that own the VF's queue pairs,
 * all into one bitmap, a bit at a time and atomically; a bit that is set already costs a load.
 * The rest: control thread, with every lcore's queue pairs of the VF suspended, or not yet known;
 * but for dirty_log_warm(), which only looks.
 */
#ifndef RENICD_NIC_DIRTY_LOG_H
#define RENICD_NIC_DIRTY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "checkpoint_area.h"

enum {
	DIRTY_PAGE_SHIFT = 12,
	DIRTY_PART_SHIFT = 12, /* pages in 512 bytes of bitmap: cleared and counted as one */
	DIRTY_CHUNK_SHIFT = DIRTY_PART_SHIFT + 3, /* eight parts, a bit each of a byte */
	DIRTY_CHUNKS = CHECKPOINT_BITMAP_BYTES >> (DIRTY_CHUNK_SHIFT - 3),
};

struct dirty_log {
	uint64_t *words;    /* of the bitmap that collects */
	uint8_t *touched;   /* by chunk, atomic: its parts that have a bit */
	uint32_t *end;	    /* atomic: one past the last touched chunk */
	bool on;	    /* atomic */
	uint8_t collecting; /* 0 or 1 */
	bool incomplete;    /* atomic: a page was written that has no bit */
	uint32_t starts;    /* atomic: times that it was begun */
	uint16_t vf_id;
	uint32_t ends[2];
	uint8_t chunks[2][DIRTY_CHUNKS];
};

/* What checkpoint_begin tells of a VF's log. */
struct dirty_info {
	struct area_extent bitmap; /* bytes: up to the last word that is not zero */
	uint64_t pages;
	bool complete; /* false: any page may have been written */
};

/* Any lcore; with it comes which bitmap collects. */
static inline bool dirty_log_is_on(const struct dirty_log *log)
{
	return __atomic_load_n(&log->on, __ATOMIC_ACQUIRE);
}

/* Some page was written, and nobody knows which. Any lcore. */
static inline void dirty_log_lose(struct dirty_log *log)
{
	__atomic_store_n(&log->incomplete, true, __ATOMIC_RELAXED);
}

static inline void dirty_log_touch(struct dirty_log *log, uint64_t page)
{
	uint32_t end = __atomic_load_n(log->end, __ATOMIC_RELAXED);
	uint32_t chunk = (uint32_t)(page >> DIRTY_CHUNK_SHIFT);
	uint8_t part = (uint8_t)(1U << (page >> DIRTY_PART_SHIFT & 7));

	if (!(__atomic_load_n(&log->touched[chunk], __ATOMIC_RELAXED) & part))
		__atomic_fetch_or(&log->touched[chunk], part, __ATOMIC_RELAXED);
	while (end <= chunk && !__atomic_compare_exchange_n(log->end, &end, chunk + 1, true,
				       __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static inline void dirty_log_mark_page(struct dirty_log *log, uint64_t page)
{
	uint64_t *word, bit = 1ULL << (page & 63);

	if (__builtin_expect(page >> 3 >= CHECKPOINT_BITMAP_BYTES, false)) {
		dirty_log_lose(log);
		return;
	}
	word = &log->words[page >> 6];
	if (__builtin_expect(__atomic_load_n(word, __ATOMIC_RELAXED) & bit, true))
		return;
	__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	dirty_log_touch(log, page);
}

/* bytes > 0 from guest physical address gpa on were written. The lcore of the queue pair. */
static inline void dirty_log_mark(struct dirty_log *log, uint64_t gpa, uint64_t bytes)
{
	uint64_t page = gpa >> DIRTY_PAGE_SHIFT, last = (gpa + bytes - 1) >> DIRTY_PAGE_SHIFT;

	dirty_log_mark_page(log, page);
	while (page++ < last && !__atomic_load_n(&log->incomplete, __ATOMIC_RELAXED))
		dirty_log_mark_page(log, page);
}

/* For a new VF: off and empty. */
void dirty_log_init(struct dirty_log *log, uint16_t vf_id);

/* Collect from now on, from nothing. complete: false after a crash, when what was collected since
 * the last checkpoint is lost. */
void dirty_log_start(struct dirty_log *log, bool complete);
void dirty_log_stop(struct dirty_log *log);

/* Ask for what the next flip reads and writes, so that it need not wait for it: 64 VFs' logs lie on
 * pages that the caches have forgotten since the last. Control thread, before the guest stands
 * still. */
void dirty_log_warm(const struct dirty_log *log);

/* Hand over what was collected: it stays as it is until the next flip; the other bitmap, emptied,
 * collects. */
void dirty_log_flip(struct dirty_log *log, struct dirty_info *info);

#endif
