/* SPDX-License-Identifier: BSD-3-Clause */
/* See dirty_log.h. Clearing and counting look at the touched parts alone: a checkpoint's cost
 * goes with what was written, not with the guest's size. */
#include <string.h>

#include "dirty_log.h"

enum { PART_WORDS = 1 << (DIRTY_PART_SHIFT - 6) };

/* Calls fn for each touched part, in order, with the bitmap and the number of the part's first
 * word. */
static void each_touched(const struct dirty_log *log, unsigned which,
	void (*fn)(uint64_t *words, uint64_t first, struct dirty_info *info),
	struct dirty_info *info)
{
	uint64_t *words = checkpoint_area_bitmap(log->vf_id, which);
	uint32_t end = __atomic_load_n(&log->ends[which], __ATOMIC_RELAXED);

	for (uint32_t chunk = 0; chunk < end; chunk++) {
		unsigned parts = __atomic_load_n(&log->chunks[which][chunk], __ATOMIC_RELAXED);

		for (; parts; parts &= parts - 1) {
			uint64_t part = (uint64_t)chunk * 8 + (unsigned)__builtin_ctz(parts);

			fn(words, part * PART_WORDS, info);
		}
	}
}

static void clear_part(uint64_t *words, uint64_t first, struct dirty_info *info)
{
	memset(&words[first], 0, PART_WORDS * sizeof(*words));
}

static void count_part(uint64_t *words, uint64_t first, struct dirty_info *info)
{
	for (uint64_t w = first; w < first + PART_WORDS; w++) {
		if (!words[w])
			continue;
		info->pages += (uint64_t)__builtin_popcountll(words[w]);
		info->bitmap.bytes = (w + 1) * sizeof(*words);
	}
}

static void clear(struct dirty_log *log, unsigned which)
{
	each_touched(log, which, clear_part, NULL);
	memset(log->chunks[which], 0, log->ends[which]);
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

static void warm_part(uint64_t *words, uint64_t first, struct dirty_info *info)
{
	for (uint64_t w = first; w < first + PART_WORDS; w += 64 / sizeof(*words))
		__builtin_prefetch(&words[w]);
}

void dirty_log_warm(const struct dirty_log *log)
{
	each_touched(log, 0, warm_part, NULL);
	each_touched(log, 1, warm_part, NULL);
}

void dirty_log_flip(struct dirty_log *log, struct dirty_info *info)
{
	uint8_t handed = log->collecting;

	*info = (struct dirty_info){
		.bitmap.offset = checkpoint_area_bitmap_offset(log->vf_id, handed),
		.complete = !__atomic_load_n(&log->incomplete, __ATOMIC_RELAXED),
	};
	each_touched(log, handed, count_part, info);
	clear(log, !handed);
	collect_in(log, !handed);
	__atomic_store_n(&log->incomplete, false, __ATOMIC_RELAXED);
}
