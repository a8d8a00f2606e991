/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checkpoint area: one memfd of the daemon in which checkpoint_begin hands over what is too
 * large for a line of JSON: each VF's snapshot and its DMA dirty bitmap. Clients get a descriptor
 * through which they can only read; the file never grows or shrinks, so a mapping stays good.
 *
 * It is sparse: a slot per VF id, of which only what was written takes memory.
 *
 *   slot: snapshot (CHECKPOINT_SNAPSHOT_BYTES) | dirty bitmap 0 | dirty bitmap 1
 *
 * Of the two bitmaps one collects, the other is the one handed over last (nic/dirty_log.h).
 */
#ifndef RENICD_NIC_CHECKPOINT_AREA_H
#define RENICD_NIC_CHECKPOINT_AREA_H

#include <stdint.h>

#include "error.h"
#include "types.h"

enum {
	CHECKPOINT_SNAPSHOT_BYTES = 64 << 10,
	CHECKPOINT_BITMAP_BYTES = 32 << 20, /* a bit a 4 KiB page: 1 TiB of guest addresses */
};

#define CHECKPOINT_SLOT_BYTES (CHECKPOINT_SNAPSHOT_BYTES + 2 * (uint64_t)CHECKPOINT_BITMAP_BYTES)

/* Control thread. */
int checkpoint_area_create(struct nic_error *err);
void checkpoint_area_destroy(void);

/* A new read-only descriptor that the caller closes, or -errno. Control thread. */
int checkpoint_area_fd(void);

/* Where in the file, and where in memory (writable). which: 0 or 1. Any thread. */
uint64_t checkpoint_area_snapshot_offset(uint16_t vf_id);
void *checkpoint_area_snapshot(uint16_t vf_id);
uint64_t checkpoint_area_bitmap_offset(uint16_t vf_id, unsigned which);
uint64_t *checkpoint_area_bitmap(uint16_t vf_id, unsigned which);

/* The VF is gone: its slot is zero again and takes no memory. Control thread. */
void checkpoint_area_clear(uint16_t vf_id);

#endif
