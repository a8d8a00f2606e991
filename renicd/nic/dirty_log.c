/* SPDX-License-Identifier: BSD-3-Clause */
/* See dirty_log.h. Clearing and counting look at the touched chunks alone: a checkpoint's cost
 * goes with what was written, not with the guest's size. */
#include <string.h>

#include "dirty_log.h"

enum { CHUNK_WORDS = 1 << (DIRTY_CHUNK_SHIFT - 6) };

static uint64_t *chunk_words(const struct dirty_log *log, unsigned which, uint32_t chunk)
{
	return checkpoint_area_bitmap(log->vf_id, which) + (uint64_t)chunk * CHUNK_WORDS;
}

static void clear(struct dirty_log *log, unsigned which)
{
	for (uint32_t i = 0; i < DIRTY_CHUNKS; i++) {
		if (!log->chunks[which][i])
			continue;
		memset(chunk_words(log, which, i), 0, CHUNK_WORDS * sizeof(uint64_t));
		log->chunks[which][i] = 0;
	}
}

static void collect_in(struct dirty_log *log, uint8_t which)
{
	log->collecting = which;
	log->words = checkpoint_area_bitmap(log->vf_id, which);
	log->touched = log->chunks[which];
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

static void count(const struct dirty_log *log, unsigned which, struct dirty_info *info)
{
	for (uint32_t i = 0; i < DIRTY_CHUNKS; i++) {
		const uint64_t *words = chunk_words(log, which, i);

		for (uint32_t w = 0; w < CHUNK_WORDS && log->chunks[which][i]; w++) {
			if (!words[w])
				continue;
			info->pages += (uint64_t)__builtin_popcountll(words[w]);
			info->bitmap.bytes = ((uint64_t)i * CHUNK_WORDS + w + 1) * sizeof(uint64_t);
		}
	}
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
