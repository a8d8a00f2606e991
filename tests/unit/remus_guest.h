/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A standby's guest without a hypervisor, for tests of the stream: RAM of two regions with a hole
 * between them, one VF, and a driver that keeps what apply() was given. One at a time.
 */
#ifndef TESTS_REMUS_GUEST_H
#define TESTS_REMUS_GUEST_H

#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "replica.h"

enum { GUEST_PAGES = 96, GUEST_LOW_PAGES = 32, GUEST_BLOB_MAX = 4096 };

static struct {
	uint8_t ram[GUEST_PAGES * REMUS_PAGE_BYTES] __attribute__((aligned(4096)));
	uint8_t blob[GUEST_BLOB_MAX];
	size_t blob_bytes;
	uint64_t epoch;
	unsigned applied, reset;
	int apply_rc;
} stub;

static int stub_apply(
	struct remus_vm *vm, const void *blob, size_t bytes, uint64_t epoch, struct nic_error *err)
{
	stub.applied++;
	stub.epoch = epoch;
	stub.blob_bytes = bytes < GUEST_BLOB_MAX ? bytes : GUEST_BLOB_MAX;
	if (bytes)
		memcpy(stub.blob, blob, stub.blob_bytes);
	return stub.apply_rc;
}

static int stub_reset(struct remus_vm *vm, struct nic_error *err)
{
	stub.reset++;
	return 0;
}

static const struct remus_driver stub_driver = {
	.name = "stub", .apply = stub_apply, .reset = stub_reset};

static const struct config_vm stub_config = {
	.name = "vm", .driver = "stub", .n_vfs = 1, .vfs = {{"v"}}};

static inline void guest_make(struct guest *g)
{
	memset(&stub, 0, sizeof(stub));
	*g = (struct guest){.config = &stub_config,
		.driver = &stub_driver,
		.n_regions = 2,
		.regions = {{"low", 0, GUEST_LOW_PAGES * REMUS_PAGE_BYTES, stub.ram},
			{"high", 1ULL << 32, (GUEST_PAGES - GUEST_LOW_PAGES) * REMUS_PAGE_BYTES,
				stub.ram + GUEST_LOW_PAGES * REMUS_PAGE_BYTES}},
		.first = {0, GUEST_LOW_PAGES, GUEST_PAGES},
		.n_pages = GUEST_PAGES,
		.n_words = (GUEST_PAGES + 63) / 64};
}

/* A stream under construction. */
struct tape {
	uint8_t bytes[4 << 20];
	size_t n;
	struct msg_end end; /* what was put since the last END */
	struct page_cache cache;
};

static inline struct wire_out tape_open(struct tape *t)
{
	uint8_t *at = t->bytes + t->n;
	struct wire_out w = {.p = at + STREAM_HEADER_BYTES, .end = at + STREAM_FRAME_MAX};

	put_u16(&w, 0);
	return w;
}

static inline void tape_close(struct tape *t, const struct wire_out *w, enum frame_type type)
{
	uint8_t *at = t->bytes + t->n;
	uint32_t n = (uint32_t)(w->p - at - STREAM_HEADER_BYTES);

	stream_seal(at, type, n);
	t->n += STREAM_HEADER_BYTES + n;
}

static inline void tape_page(struct tape *t, uint32_t page, const uint8_t *data, bool compress)
{
	struct wire_out w = tape_open(t);

	w.p += page_encode(&t->cache, page, data, compress, w.p, NULL);
	tape_close(t, &w, FRAME_PAGES);
	t->end.pages++;
}

static inline void tape_blob(struct tape *t, const void *data, size_t n)
{
	struct wire_out w = tape_open(t);

	put_bytes(&w, data, n);
	tape_close(t, &w, FRAME_BLOB);
	t->end.blob_bytes += n;
}

static inline void tape_snapshot(struct tape *t, const void *data, size_t n)
{
	struct wire_out w = tape_open(t);

	put_u16(&w, 0);
	put_bytes(&w, data, n);
	tape_close(t, &w, FRAME_SNAPSHOT);
	t->end.snapshots++;
}

/* A VF's held message, or a piece of one. */
static inline void tape_held(struct tape *t, const void *data, size_t n)
{
	struct wire_out w = tape_open(t);

	put_u16(&w, 0);
	put_bytes(&w, data, n);
	tape_close(t, &w, FRAME_HELD);
	t->end.held_bytes += n;
}

static inline void tape_abort(struct tape *t)
{
	t->n += stream_put_empty(t->bytes + t->n, FRAME_ABORT);
	t->end.blob_bytes = t->end.held_bytes = t->end.snapshots = 0;
}

static inline void tape_end(struct tape *t, uint64_t term, uint64_t epoch)
{
	t->end.term = term;
	t->end.epoch = epoch;
	t->n += stream_put_end(t->bytes + t->n, &t->end);
	memset(&t->end, 0, sizeof(t->end));
}

/* Everything on the tape into the replica; the first error, and how many frames it took. */
static inline int tape_play(
	const struct tape *t, struct replica *r, unsigned *frames, struct nic_error *err)
{
	size_t at = 0;

	*frames = 0;
	while (at < t->n) {
		struct frame f;
		long n = stream_frame(t->bytes + at, t->n - at, &f, err);
		int rc;

		if (n <= 0)
			return n < 0 ? (int)n : RENIC_E_PARSE;
		rc = f.type == FRAME_END ? replica_commit(r, &f, err) : replica_take(r, &f, err);
		if (rc)
			return rc;
		at += (size_t)n;
		++*frames;
	}
	return 0;
}

#endif
