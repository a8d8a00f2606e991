/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An input as a list of changes to a large file that is right: a fuzzer would not find its way
 * through megabytes. Each: u8 region, u16 offset in it (little-endian, in units of the region),
 * u8 n, n bytes. What was changed is put back afterwards.
 */
#ifndef TESTS_FUZZ_PATCH_H
#define TESTS_FUZZ_PATCH_H

#include "fuzz.h"

enum { PATCHES_MAX = 64, PATCH_BYTES_MAX = 255 };

struct patch_region {
	size_t start, unit;
};

struct patch_undo {
	size_t n;
	struct {
		size_t at, n;
		uint8_t bytes[PATCH_BYTES_MAX];
	} patches[PATCHES_MAX];
};

/* Change map, noting in *undo what was there. */
static inline void patch_apply(uint8_t *map, size_t map_bytes, const struct patch_region *regions,
	size_t n_regions, const uint8_t *data, size_t size, struct patch_undo *undo)
{
	undo->n = 0;
	while (size >= 4 && undo->n < PATCHES_MAX) {
		const struct patch_region *region = &regions[data[0] % n_regions];
		size_t at = region->start + (data[1] | (size_t)data[2] << 8) * region->unit;
		size_t n = data[3] < size - 4 ? data[3] : size - 4;

		if (at < map_bytes) {
			size_t fit = n < map_bytes - at ? n : map_bytes - at;

			undo->patches[undo->n].at = at;
			undo->patches[undo->n].n = fit;
			memcpy(undo->patches[undo->n++].bytes, map + at, fit);
			memcpy(map + at, data + 4, fit);
		}
		data += 4 + n;
		size -= 4 + n;
	}
}

static inline void patch_undo(uint8_t *map, const struct patch_undo *undo)
{
	for (size_t i = undo->n; i-- > 0;)
		memcpy(map + undo->patches[i].at, undo->patches[i].bytes, undo->patches[i].n);
}

#endif
