/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Little-endian numbers into and out of bounded memory. A writer that runs out of room, and a
 * reader that runs out of bytes, stays failed: check once, at the end. Any thread.
 */
#ifndef REPLICATOR_WIRE_H
#define REPLICATOR_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_out {
	uint8_t *p, *end;
	bool failed;
};

struct wire_in {
	const uint8_t *p, *end;
	bool failed;
};

/* n bytes to be read; none at NULL. */
static inline struct wire_in wire_over(const uint8_t *bytes, size_t n)
{
	return (struct wire_in){.p = bytes, .end = n ? bytes + n : bytes};
}

static inline void put_bytes(struct wire_out *w, const void *bytes, size_t n)
{
	if (w->failed || (size_t)(w->end - w->p) < n) {
		w->failed = true;
		return;
	}
	memcpy(w->p, bytes, n);
	w->p += n;
}

static inline void put_u8(struct wire_out *w, uint8_t n)
{
	put_bytes(w, &n, sizeof(n));
}

static inline void put_u16(struct wire_out *w, uint16_t n)
{
	n = htole16(n);
	put_bytes(w, &n, sizeof(n));
}

static inline void put_u32(struct wire_out *w, uint32_t n)
{
	n = htole32(n);
	put_bytes(w, &n, sizeof(n));
}

static inline void put_u64(struct wire_out *w, uint64_t n)
{
	n = htole64(n);
	put_bytes(w, &n, sizeof(n));
}

/* The next n bytes, in place; NULL when there are fewer. */
static inline const uint8_t *get_span(struct wire_in *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || (size_t)(r->end - r->p) < n) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline void get_bytes(struct wire_in *r, void *bytes, size_t n)
{
	const uint8_t *p = get_span(r, n);

	if (p)
		memcpy(bytes, p, n);
	else
		memset(bytes, 0, n);
}

static inline uint8_t get_u8(struct wire_in *r)
{
	uint8_t n;

	get_bytes(r, &n, sizeof(n));
	return n;
}

static inline uint16_t get_u16(struct wire_in *r)
{
	uint16_t n;

	get_bytes(r, &n, sizeof(n));
	return le16toh(n);
}

static inline uint32_t get_u32(struct wire_in *r)
{
	uint32_t n;

	get_bytes(r, &n, sizeof(n));
	return le32toh(n);
}

static inline uint64_t get_u64(struct wire_in *r)
{
	uint64_t n;

	get_bytes(r, &n, sizeof(n));
	return le64toh(n);
}

static inline size_t get_left(const struct wire_in *r)
{
	return (size_t)(r->end - r->p);
}

#endif
