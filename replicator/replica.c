/* SPDX-License-Identifier: BSD-3-Clause */
/* What a standby holds; see replica.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page.h"
#include "replica.h"

enum {
	WORD_BITS = 64,
	SHADOW_KEEP_PAGES = 16384,  /* 64 MiB: a larger checkpoint's memory is given back */
	GIVE_BACK_BYTES = 64 << 20, /* at once */
	BLOB_ROOM_MIN = 64 << 10,
	MEMORY_SHARE = 4, /* of this host's memory one part may be blobs: the driver may copy it.
			   * And one may be held frames */
};

static int fail(struct nic_error *err, const char *field, const char *why)
{
	return nic_fail(err, RENIC_E_PARSE, field, "the stream makes no sense: %s", why);
}

int replica_init(struct replica *r, struct guest *guests, unsigned n_vms, struct nic_error *err)
{
	uint64_t share =
		(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / MEMORY_SHARE;

	*r = (struct replica){
		.guests = guests,
		.n_vms = n_vms,
		.large_blobs_max_bytes = share,
		.egress_max_bytes = share,
	};
	for (unsigned i = 0; i < n_vms; i++) {
		struct replica_vm *vm = &r->vms[i];

		vm->next = calloc(guests[i].config->n_vfs, sizeof(*vm->next));
		vm->held = calloc(guests[i].config->n_vfs, sizeof(*vm->held));
		vm->egress = calloc(guests[i].config->n_vfs, sizeof(*vm->egress));
		if (!vm->next || !vm->held || !vm->egress) {
			replica_fini(r);
			return nic_fail(err, RENIC_E_RESOURCES, "", "no memory for snapshots");
		}
		if (!guests[i].n_pages)
			continue;
		vm->filled = calloc(guests[i].n_words, sizeof(*vm->filled));
		vm->shadow = mmap(NULL, guests[i].n_pages << REMUS_PAGE_SHIFT,
			PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (vm->shadow == MAP_FAILED)
			vm->shadow = NULL;
		if (!vm->filled || !vm->shadow) {
			replica_fini(r);
			return nic_fail(
				err, RENIC_E_RESOURCES, "", "no memory for a shadow of RAM");
		}
	}
	return 0;
}

void replica_fini(struct replica *r)
{
	for (unsigned i = 0; i < r->n_vms; i++) {
		if (r->vms[i].shadow)
			munmap(r->vms[i].shadow, r->guests[i].n_pages << REMUS_PAGE_SHIFT);
		free(r->vms[i].filled);
		free(r->vms[i].blob);
		free(r->vms[i].next);
		free(r->vms[i].held);
		for (unsigned v = 0; r->vms[i].egress && v < r->guests[i].config->n_vfs; v++) {
			held_free(&r->vms[i].egress[v].next);
			held_free(&r->vms[i].egress[v].held);
		}
		free(r->vms[i].egress);
	}
	r->n_vms = 0;
}

/* ---- what came of the next checkpoint ---- */

static void got_on(const struct replica *r)
{
	if (r->progress)
		r->progress(r->progress_arg);
}

static void empty_blob(struct replica_vm *vm)
{
	vm->blob_bytes = 0;
	if (vm->blob_room <= REMUS_BLOB_MAX_BYTES)
		return;
	free(vm->blob);
	vm->blob = NULL;
	vm->blob_room = 0;
}

static void forget_blobs(struct replica *r)
{
	for (unsigned i = 0; i < r->n_vms; i++) {
		empty_blob(&r->vms[i]);
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++)
			r->vms[i].next[v].n = 0;
	}
	r->snapshots = r->blob_bytes = 0;
	replica_egress_end(r);
}

static void give_back(const struct replica *r, uint8_t *memory, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += GIVE_BACK_BYTES) {
		uint64_t left = bytes - at;

		madvise(memory + at, left < GIVE_BACK_BYTES ? left : GIVE_BACK_BYTES,
			MADV_DONTNEED);
		got_on(r);
	}
}

static void empty_shadow(struct replica *r, unsigned i)
{
	struct replica_vm *vm = &r->vms[i];

	if (!vm->n_filled)
		return;
	memset(vm->filled, 0, r->guests[i].n_words * sizeof(*vm->filled));
	if (vm->n_filled > SHADOW_KEEP_PAGES)
		give_back(r, vm->shadow, r->guests[i].n_pages << REMUS_PAGE_SHIFT);
	vm->n_filled = 0;
}

void replica_end(struct replica *r)
{
	forget_blobs(r);
	for (unsigned i = 0; i < r->n_vms; i++)
		empty_shadow(r, i);
	r->pages = 0;
}

void replica_forget(struct replica *r)
{
	replica_end(r);
	replica_egress_forget(r);
	r->valid = false;
	r->epoch = 0;
}

static int begin_live(struct replica *r, struct nic_error *err)
{
	int rc = 0;

	r->live = true;
	for (unsigned i = 0; i < r->n_vms && !rc; i++)
		rc = r->guests[i].driver->reset(r->guests[i].vm, err);
	return rc;
}

static int replace_outdated(struct replica *r, struct nic_error *err)
{
	r->outdated = false;
	replica_forget(r);
	return begin_live(r, err);
}

int replica_begin(struct replica *r, uint64_t session, uint64_t term, struct nic_error *err)
{
	replica_end(r);
	r->live = false;
	r->next_session = session;
	r->next_term = term;
	r->pages_total = 0;
	/* A stream's driver cannot keep two checkpoints: with another session, what is held goes,
	 * but not before something of it came. */
	r->outdated = r->valid && r->session != session && guests_have_stream(r->guests, r->n_vms);
	return r->valid ? 0 : begin_live(r, err);
}

/* ---- frames ---- */

static int take_page(struct replica *r, unsigned i, struct wire_in *in, struct nic_error *err)
{
	struct replica_vm *vm = &r->vms[i];
	const struct guest *g = &r->guests[i];
	uint32_t page = get_u32(in);
	uint8_t kind = get_u8(in), zero = get_u8(in);
	uint16_t n = get_u16(in);
	const uint8_t *bytes = get_span(in, n);
	uint64_t bit = 1ULL << page % WORD_BITS;
	uint8_t *ram, *to;
	bool filled;

	if (!bytes || zero)
		return fail(err, "pages", "a page's record");
	if (page >= g->n_pages)
		return fail(err, "pages", "a page that the VM does not have");
	ram = guest_page(g, page);
	to = r->live ? ram : vm->shadow + ((uint64_t)page << REMUS_PAGE_SHIFT);
	filled = vm->filled[page / WORD_BITS] & bit;
	if (page_decode(kind, bytes, n, filled ? to : ram, to))
		return fail(err, "pages", "a page that cannot be decoded");
	if (!r->live && !filled) {
		vm->filled[page / WORD_BITS] |= bit;
		vm->n_filled++;
	}
	r->pages++;
	r->pages_total++;
	return 0;
}

static int take_pages(struct replica *r, unsigned i, struct wire_in *in, struct nic_error *err)
{
	int rc = 0;

	while (!rc && get_left(in))
		rc = take_page(r, i, in, err);
	return rc;
}

/* May n more bytes come? How much it may be at all, the VM's driver says; what is a lot must fit
 * this host too, whatever the primary says of its VM. */
static int check_blob(const struct replica *r, unsigned i, size_t n, struct nic_error *err)
{
	const struct guest *g = &r->guests[i];
	uint64_t max =
		g->driver->max_blob_bytes ? g->driver->max_blob_bytes(g->vm) : REMUS_BLOB_MAX_BYTES;
	uint64_t held = r->vms[i].blob_bytes, all = 0;

	if (held > max || n > max - held)
		return fail(err, "blob", "a device state that is too large");
	if (held + n <= REMUS_BLOB_MAX_BYTES)
		return 0;
	for (unsigned v = 0; v < r->n_vms; v++)
		all += r->vms[v].blob_bytes;
	if (all + n <= r->large_blobs_max_bytes)
		return 0;
	return nic_fail(err, RENIC_E_RESOURCES, "blob",
		"VM \"%s\": a checkpoint with more than %" PRIu64
		" MiB of state; expected at most a quarter of this host's memory",
		g->config->name, r->large_blobs_max_bytes >> 20);
}

static int take_blob(struct replica *r, unsigned i, struct wire_in *in, struct nic_error *err)
{
	const struct guest *g = &r->guests[i];
	struct replica_vm *vm = &r->vms[i];
	size_t n = get_left(in), room = vm->blob_room ? vm->blob_room : BLOB_ROOM_MIN;
	int rc;

	r->blob_bytes += n;
	if (r->live && g->driver->apply_live)
		return g->driver->apply_live(g->vm, in->p, n, err);
	rc = check_blob(r, i, n, err);
	if (rc)
		return rc;
	while (room < vm->blob_bytes + n)
		room *= 2;
	if (room != vm->blob_room) {
		uint8_t *grown = realloc(vm->blob, room);

		if (!grown)
			return nic_fail(err, RENIC_E_RESOURCES, "blob", "no memory");
		vm->blob = grown;
		vm->blob_room = room;
	}
	memcpy(vm->blob + vm->blob_bytes, in->p, n);
	vm->blob_bytes += n;
	return 0;
}

static int take_snapshot(struct replica *r, unsigned i, struct wire_in *in, struct nic_error *err)
{
	unsigned v = get_u16(in);
	size_t n = get_left(in);
	struct replica_vf *vf;

	if (in->failed || v >= r->guests[i].config->n_vfs)
		return fail(err, "snapshot", "a VF that the VM does not have");
	vf = &r->vms[i].next[v];
	if (n > sizeof(vf->snapshot) - vf->n)
		return fail(err, "snapshot", "a snapshot that is too large");
	r->snapshots += vf->n == 0;
	memcpy(vf->snapshot + vf->n, in->p, n);
	vf->n += n;
	return 0;
}

static int take_held(struct replica *r, unsigned i, struct wire_in *in, struct nic_error *err)
{
	unsigned v = get_u16(in);

	if (in->failed || v >= r->guests[i].config->n_vfs)
		return fail(err, "held", "held frames of a VF that the VM does not have");
	return replica_egress_take(r, i, v, in->p, get_left(in), err);
}

int replica_take(struct replica *r, const struct frame *frame, struct nic_error *err)
{
	struct wire_in in = {.p = frame->payload, .end = frame->payload + frame->bytes};
	unsigned vm;
	int rc;

	if (frame->type == FRAME_ABORT) {
		forget_blobs(r);
		return 0;
	}
	vm = get_u16(&in);
	if (in.failed || vm >= r->n_vms)
		return fail(err, "vm", "a VM that is not there");
	rc = r->outdated ? replace_outdated(r, err) : 0;
	if (rc)
		return rc;
	switch (frame->type) {
	case FRAME_PAGES:
		return take_pages(r, vm, &in, err);
	case FRAME_BLOB:
		return take_blob(r, vm, &in, err);
	case FRAME_SNAPSHOT:
		return take_snapshot(r, vm, &in, err);
	case FRAME_HELD:
		return take_held(r, vm, &in, err);
	default:
		return fail(err, "type", "a frame of no checkpoint");
	}
}

/* ---- the whole ---- */

/* The pages of one word of the shadow's map. */
static void apply_word(const struct replica_vm *vm, const struct guest *g, uint64_t word)
{
	for (uint64_t bits = vm->filled[word]; bits; bits &= bits - 1) {
		uint64_t page = word * WORD_BITS + (unsigned)__builtin_ctzll(bits);

		memcpy(guest_page(g, page), vm->shadow + (page << REMUS_PAGE_SHIFT),
			REMUS_PAGE_BYTES);
	}
}

static void apply_pages(struct replica *r, unsigned i)
{
	struct replica_vm *vm = &r->vms[i];
	const struct guest *g = &r->guests[i];

	for (uint64_t w = 0; vm->n_filled && w < g->n_words; w++)
		if (vm->filled[w]) {
			apply_word(vm, g, w);
			got_on(r);
		}
	empty_shadow(r, i);
}

/* Does END say what came, and does it come next? */
static int check_end(const struct replica *r, const struct msg_end *end, struct nic_error *err)
{
	uint64_t vfs = 0;

	for (unsigned i = 0; i < r->n_vms; i++)
		vfs += r->guests[i].config->n_vfs;
	if (r->outdated)
		return fail(err, "end", "a checkpoint with nothing in it");
	if (end->term != r->next_term)
		return fail(err, "term", "a checkpoint of another term");
	if (r->valid && r->session == r->next_session && end->epoch <= r->epoch)
		return fail(err, "epoch", "a checkpoint that is not newer");
	if (end->pages != r->pages || end->blob_bytes != r->blob_bytes ||
		end->snapshots != r->snapshots || end->held_bytes != r->held_bytes)
		return fail(err, "end", "something of the checkpoint is missing");
	if (r->snapshots != vfs)
		return fail(err, "end", "a checkpoint without a snapshot of each VF");
	return 0;
}

/* A driver's error leaves RAM newer than its device state: then nothing is held any more. */
static int apply(struct replica *r, const struct msg_end *end, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < r->n_vms && !rc; i++) {
		struct replica_vm *vm = &r->vms[i];

		apply_pages(r, i);
		memcpy(vm->held, vm->next, r->guests[i].config->n_vfs * sizeof(*vm->held));
		rc = r->guests[i].driver->apply(
			r->guests[i].vm, vm->blob, vm->blob_bytes, end->epoch, err);
	}
	if (rc)
		replica_forget(r);
	return rc;
}

int replica_check(const struct replica *r, const struct frame *frame, struct nic_error *err)
{
	struct msg_end end;
	int rc = stream_get_end(frame, &end, err);

	return rc ? rc : check_end(r, &end, err);
}

int replica_commit(struct replica *r, const struct frame *frame, struct nic_error *err)
{
	struct msg_end end;
	int rc = stream_get_end(frame, &end, err);

	if (!rc)
		rc = check_end(r, &end, err);
	if (!rc)
		rc = replica_egress_join(r, end.epoch, err);
	if (!rc)
		rc = apply(r, &end, err);
	if (rc)
		return rc;
	r->valid = true;
	r->live = false;
	r->session = r->next_session;
	r->term = r->next_term;
	r->epoch = end.epoch;
	r->pages = 0;
	forget_blobs(r);
	return 0;
}
