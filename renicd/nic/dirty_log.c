/* SPDX-License-Identifier: BSD-3-Clause */
/* See dirty_log.h. Clearing and counting look at the touched chunks alone: a checkpoint's cost
 * goes with what was written, not with the guest's size. */
#include <string.h>

#include "dirty_log.h"

enum { CHUNK_WORDS = 1 << (DIRTY_CHUNK_SHIFT - 6) };

/* The first touched chunk from `chunk` on, or the bitmap's end: most guests have a few chunks, of
 * thousands that there could be. */
static uint32_t next_touched(const struct dirty_log *log, unsigned which, uint32_t chunk)
{
	while (chunk < log->ends[which] && !log->chunks[which][chunk])
		chunk++;
	return chunk;
}

static void clear(struct dirty_log *log, unsigned which)
{
	uint64_t *words = checkpoint_area_bitmap(log->vf_id, which);
	uint32_t i = 0;

	while ((i = next_touched(log, which, i)) < log->ends[which]) {
		memset(&words[(uint64_t)i * CHUNK_WORDS], 0, CHUNK_WORDS * sizeof(*words));
		log->chunks[which][i++] = 0;
	}
	log->ends[which] = 0;
}

static void collect_in(struct dirty_log *log, uint8_t which)
{
	log->collecting = which;
	log->words = checkpoint_area_bitmap(log->vf_id, which);
	log->touched = log->chunks[which];
	log->end = &log->ends[which];
}

void dirty_log_init(struct dirty_log *log, uint16_t vf_id)
{
	memset(log, 0, sizeof(*log));
	log->vf_id = vf_id;
	collect_in(log, 0);
}

void dirty_log_start(struct dirty_log *log, bool complete)
{
	clear(log, 0);
	clear(log, 1);
	collect_in(log, 0);
	__atomic_store_n(&log->incomplete, !complete, __ATOMIC_RELAXED);
	__atomic_fetch_add(&log->starts, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&log->on, true, __ATOMIC_RELEASE);
}

void dirty_log_stop(struct dirty_log *log)
{
	__atomic_store_n(&log->on, false, __ATOMIC_RELEASE);
}

static void count_chunk(const uint64_t *words, uint64_t first, struct dirty_info *info)
{
	for (uint64_t w = first; w < first + CHUNK_WORDS; w++) {
		if (!words[w])
			continue;
		info->pages += (uint64_t)__builtin_popcountll(words[w]);
		info->bitmap.bytes = (w + 1) * sizeof(*words);
	}
}

static void count(const struct dirty_log *log, unsigned which, struct dirty_info *info)
{
	const uint64_t *words = checkpoint_area_bitmap(log->vf_id, which);
	uint32_t i = 0;

	while ((i = next_touched(log, which, i)) < log->ends[which])
		count_chunk(words, (uint64_t)i++ * CHUNK_WORDS, info);
}

void dirty_log_flip(struct dirty_log *log, struct dirty_info *info)
{
	uint8_t handed = log->collecting;

	*info = (struct dirty_info){
		.bitmap.offset = checkpoint_area_bitmap_offset(log->vf_id, handed),
		.complete = !__atomic_load_n(&log->incomplete, __ATOMIC_RELAXED),
	};
	count(log, handed, info);
	clear(log, !handed);
	collect_in(log, !handed);
	__atomic_store_n(&log->incomplete, false, __ATOMIC_RELAXED);
}
