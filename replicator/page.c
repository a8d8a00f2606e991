/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages on the wire; see page.h. LZ4: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>

#include "page.h"
#include "wire.h"

typedef uint64_t __attribute__((may_alias)) word;

enum { WORDS = REMUS_PAGE_BYTES / sizeof(word) };

int page_cache_init(struct page_cache *cache, size_t bytes)
{
	size_t slots = 0;

	for (size_t n = 1; n * REMUS_PAGE_BYTES <= bytes; n *= 2)
		slots = n;
	*cache = (struct page_cache){.slots = slots};
	if (!slots)
		return 0;
	cache->pages = malloc(slots * REMUS_PAGE_BYTES);
	cache->owner = calloc(slots, sizeof(*cache->owner));
	if (cache->pages && cache->owner)
		return 0;
	page_cache_free(cache);
	return -ENOMEM;
}

void page_cache_clear(struct page_cache *cache)
{
	if (cache->slots)
		memset(cache->owner, 0, cache->slots * sizeof(*cache->owner));
}

void page_cache_free(struct page_cache *cache)
{
	free(cache->pages);
	free(cache->owner);
	*cache = (struct page_cache){0};
}

static bool is_zero(const uint8_t *data)
{
	const word *w = (const word *)data;
	word any = 0;

	for (unsigned i = 0; i < WORDS; i += 8) {
		for (unsigned k = 0; k < 8; k++)
			any |= w[i + k];
		if (any)
			return false;
	}
	return true;
}

static void xor_page(const uint8_t *a, const uint8_t *b, uint8_t *out)
{
	const word *wa = (const word *)a, *wb = (const word *)b;
	word *w = (word *)out;

	for (unsigned i = 0; i < WORDS; i++)
		w[i] = wa[i] ^ wb[i];
}

/* The page's place, and whether it holds what was sent of this page. */
static uint8_t *cache_slot(struct page_cache *cache, uint32_t page, bool *known)
{
	size_t slot = page & (cache->slots - 1);

	*known = false;
	if (!cache->slots)
		return NULL;
	*known = cache->owner[slot] == (uint64_t)page + 1;
	cache->owner[slot] = (uint64_t)page + 1;
	return cache->pages + slot * REMUS_PAGE_BYTES;
}

/* LZ4 of one page, if that is shorter than it was: its length, or 0. */
static int compress_page(const uint8_t *data, uint8_t *out)
{
	return LZ4_compress_default(
		(const char *)data, (char *)out, REMUS_PAGE_BYTES, REMUS_PAGE_BYTES - 1);
}

static size_t encode_payload(struct page_cache *cache, uint32_t page, const uint8_t *data,
	bool compress, uint8_t *out, enum page_kind *kind)
{
	uint8_t delta[REMUS_PAGE_BYTES] __attribute__((aligned(64)));
	bool known;
	uint8_t *before = cache_slot(cache, page, &known);
	int n = 0;

	*kind = PAGE_ZERO;
	if (is_zero(data)) {
		if (before)
			memset(before, 0, REMUS_PAGE_BYTES);
		return 0;
	}
	if (known && compress) {
		xor_page(data, before, delta);
		n = compress_page(delta, out);
		*kind = PAGE_XOR;
	}
	if (before)
		memcpy(before, data, REMUS_PAGE_BYTES);
	if (n > 0)
		return (size_t)n;
	n = compress ? compress_page(data, out) : 0;
	*kind = n > 0 ? PAGE_LZ4 : PAGE_RAW;
	if (n > 0)
		return (size_t)n;
	memcpy(out, data, REMUS_PAGE_BYTES);
	return REMUS_PAGE_BYTES;
}

size_t page_encode(struct page_cache *cache, uint32_t page, const uint8_t *data, bool compress,
	uint8_t *out, struct page_stats *stats)
{
	struct wire_out w = {.p = out, .end = out + PAGE_RECORD_BYTES};
	enum page_kind kind;
	size_t n = encode_payload(cache, page, data, compress, out + PAGE_RECORD_BYTES, &kind);

	put_u32(&w, page);
	put_u8(&w, (uint8_t)kind);
	put_u8(&w, 0);
	put_u16(&w, (uint16_t)n);
	if (stats) {
		stats->kinds[kind]++;
		stats->bytes += PAGE_RECORD_BYTES + n;
	}
	return PAGE_RECORD_BYTES + n;
}

static int expand(const uint8_t *bytes, size_t n, uint8_t *out)
{
	int got = LZ4_decompress_safe((const char *)bytes, (char *)out, (int)n, REMUS_PAGE_BYTES);

	return got == REMUS_PAGE_BYTES ? 0 : -1;
}

int page_decode(
	enum page_kind kind, const uint8_t *bytes, size_t n, const uint8_t *before, uint8_t *out)
{
	uint8_t delta[REMUS_PAGE_BYTES] __attribute__((aligned(64)));

	if (n > REMUS_PAGE_BYTES)
		return -1;
	switch (kind) {
	case PAGE_ZERO:
		memset(out, 0, REMUS_PAGE_BYTES);
		return n ? -1 : 0;
	case PAGE_RAW:
		if (n != REMUS_PAGE_BYTES)
			return -1;
		memcpy(out, bytes, n);
		return 0;
	case PAGE_LZ4:
		return n ? expand(bytes, n, out) : -1;
	case PAGE_XOR:
		if (!n || expand(bytes, n, delta))
			return -1;
		xor_page(before, delta, out);
		return 0;
	default:
		return -1;
	}
}
