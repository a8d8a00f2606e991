/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One 4 KiB page on the wire: nothing at all when it is zero, as it is, compressed by LZ4, or as
 * the compressed XOR against what was sent of that page before, whichever is shortest. PAGES
 * frames: u16 VM, then records: u32 page, u8 kind, u8 0, u16 bytes, bytes.
 *
 * A page_cache remembers what was sent: direct-mapped, bounded, one per VM. It may forget, but
 * must never differ from what the other side has: page_cache_clear() with every new connection.
 * One thread each.
 */
#ifndef REPLICATOR_PAGE_H
#define REPLICATOR_PAGE_H

#include "driver.h"

enum page_kind { PAGE_ZERO, PAGE_RAW, PAGE_LZ4, PAGE_XOR, PAGE_KINDS };

enum {
	PAGE_RECORD_BYTES = 8,
	PAGE_RECORD_MAX = PAGE_RECORD_BYTES + REMUS_PAGE_BYTES,
};

struct page_cache {
	uint8_t *pages;
	uint64_t *owner; /* page number + 1; 0: nothing */
	size_t slots;	 /* a power of two, or 0: no deltas */
};

/* How often each kind was the shortest. */
struct page_stats {
	uint64_t kinds[PAGE_KINDS];
	uint64_t bytes; /* of records */
};

/* 0 or -ENOMEM. bytes: what the pages may take; 0: none. */
int page_cache_init(struct page_cache *cache, size_t bytes);
void page_cache_clear(struct page_cache *cache);
void page_cache_free(struct page_cache *cache);

/*
 * Write the record of page number `page` into out (PAGE_RECORD_MAX bytes): its length.
 * compress: false: zero or raw only. stats may be NULL.
 */
size_t page_encode(struct page_cache *cache, uint32_t page, const uint8_t *data, bool compress,
	uint8_t *out, struct page_stats *stats);

/*
 * The page that a record's payload means. before: the page as it was sent last; out: 4 KiB, may
 * be `before`. Returns 0, or -1 (out then is anything) for what no encoder writes.
 */
int page_decode(
	enum page_kind kind, const uint8_t *bytes, size_t n, const uint8_t *before, uint8_t *out);

#endif
