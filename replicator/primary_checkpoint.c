/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints, and the first copy; see primary.h. From pause to resume the VM stands still: only
 * copies in memory, and the calls that cannot be left out, to the hypervisor and to renicd.
 */
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "event.h"
#include "primary.h"

enum {
	WORD_BITS = 64,
	COPY_ROUNDS_MAX = 8,
	COPY_LEFT_MAX = 1024, /* pages that are left to a checkpoint */
	COPY_SLICE_NS = 4 * NS_PER_MS,
};

/* Where the time of one checkpoint went. */
struct times {
	int64_t start, paused, begun, scanned, copied, state, resumed;
};

/* ---- sets of pages ---- */

static unsigned next_place(const struct primary *p)
{
	return (p->head + p->n_flights) % p->places;
}

void primary_land(struct primary *p, uint64_t epoch)
{
	while (p->n_flights && p->flights[p->head].epoch <= epoch) {
		for (unsigned i = 0; i < p->config->n_vms; i++) {
			struct guest *g = &p->guests[i];

			memset(g->sent[p->head], 0, g->n_words * sizeof(uint64_t));
		}
		p->head = (p->head + 1) % p->places;
		p->n_flights--;
	}
}

void primary_recall(struct primary *p)
{
	for (unsigned i = 0; i < p->config->n_vms; i++)
		for (unsigned k = 0; k < p->places; k++)
			guest_move(&p->guests[i], p->guests[i].carry, p->guests[i].sent[k]);
	p->n_flights = 0;
	memset(&p->counts, 0, sizeof(p->counts));
}

/* ---- staging ---- */

struct state_sink {
	struct remus_sink sink;
	struct primary *p;
	unsigned vm;
};

static int write_state(struct remus_sink *sink, const void *data, size_t bytes)
{
	struct state_sink *s = (struct state_sink *)sink;

	if (!bytes)
		return 0;
	if (staging_put(&s->p->staging, (struct slot){.type = SLOT_BLOB, .vm = (uint8_t)s->vm},
		    data, bytes))
		return CHECKPOINT_LINK_LOST;
	s->p->counts.blob_bytes += bytes;
	return 0;
}

/* Copy the pages `bits` of word w into staging. */
static int copy_bits(struct primary *p, unsigned vm, uint64_t w, uint64_t bits)
{
	const struct guest *g = &p->guests[vm];

	for (; bits; bits &= bits - 1) {
		uint64_t page = w * WORD_BITS + (unsigned)__builtin_ctzll(bits);
		uint8_t *data = staging_next_wait(&p->staging,
			(struct slot){SLOT_PAGE, (uint8_t)vm, REMUS_PAGE_BYTES, (uint32_t)page});

		if (!data)
			return CHECKPOINT_LINK_LOST;
		memcpy(data, guest_page(g, page), REMUS_PAGE_BYTES);
		p->counts.pages++;
	}
	return 0;
}

static int copy_pages(struct primary *p)
{
	unsigned place = next_place(p);

	for (unsigned i = 0; i < p->config->n_vms; i++) {
		struct guest *g = &p->guests[i];

		for (uint64_t w = 0; w < g->n_words; w++) {
			uint64_t bits = g->carry[w];

			if (!bits)
				continue;
			g->sent[place][w] |= bits;
			g->carry[w] = 0;
			if (copy_bits(p, i, w, bits))
				return CHECKPOINT_LINK_LOST;
		}
	}
	return 0;
}

/* ---- what a checkpoint has ---- */

static int add_vf(struct primary *p, unsigned vm, unsigned v, struct nic_error *err)
{
	struct guest *g = &p->guests[vm];
	const char *name = g->config->vfs[v].name;
	const struct renic_checkpoint_vf *vf = daemon_vf(&p->daemon, name);

	if (!vf)
		return nic_fail(err, RENIC_E_NOT_FOUND, "vfs",
			"VF \"%s\" is not in renicd's group \"%s\"", name, p->config->group);
	if (!vf->dirty_complete && g->n_pages)
		return nic_fail(err, CHECKPOINT_RESYNC, "",
			"renicd does not know all it wrote to VM \"%s\"", g->config->name);
	guest_add_gfns(g, g->carry, (const uint64_t *)(p->daemon.area + vf->dirty_offset),
		vf->dirty_bytes / sizeof(uint64_t));
	if (staging_put(&p->staging, (struct slot){SLOT_SNAPSHOT, (uint8_t)vm, 0, v},
		    p->daemon.area + vf->snapshot_offset, vf->snapshot_bytes))
		return CHECKPOINT_LINK_LOST;
	p->counts.snapshots++;
	return 0;
}

static int for_each_vf(struct primary *p,
	int (*fn)(struct primary *p, unsigned vm, unsigned v, struct nic_error *err),
	struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms; i++)
		for (unsigned v = 0; v < p->guests[i].config->n_vfs && !rc; v++)
			rc = fn(p, i, v, err);
	return rc;
}

static int add_states(struct primary *p, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms && !rc; i++) {
		struct state_sink sink = {{write_state}, p, i};

		rc = p->guests[i].driver->state(p->guests[i].vm, &sink.sink, err);
	}
	return rc;
}

static int add_dirty(struct primary *p, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms && !rc; i++)
		if (p->guests[i].driver->dirty)
			rc = p->guests[i].driver->dirty(p->guests[i].vm, p->guests[i].carry, err);
	return rc;
}

/* Frames of the epoch that was just sealed wait in renicd for our commit, so they can be copied
 * while the VM runs again; and with them what an earlier backup may have had, and lost. */
static int add_held(struct primary *p, unsigned vm, unsigned v, struct nic_error *err)
{
	const char *vf = p->guests[vm].config->vfs[v].name;
	int rc = held_read(&p->daemon, vf, p->held_from, p->daemon.checkpoint.epoch, &p->held, err);

	if (rc)
		return rc;
	if (staging_put(&p->staging, (struct slot){SLOT_HELD, (uint8_t)vm, 0, v}, p->held.bytes,
		    p->held.n))
		return CHECKPOINT_LINK_LOST;
	p->counts.held_bytes += p->held.n;
	return 0;
}

static int add_end(struct primary *p)
{
	p->counts.term = p->daemon.term;
	p->counts.epoch = p->daemon.checkpoint.epoch;
	if (staging_put(
		    &p->staging, (struct slot){.type = SLOT_END}, &p->counts, sizeof(p->counts)))
		return CHECKPOINT_LINK_LOST;
	p->flights[next_place(p)] = (struct flight){
		.epoch = p->counts.epoch, .held_pkts = p->daemon.checkpoint.held_pkts};
	p->n_flights++;
	p->sealed = p->counts.epoch;
	p->held_from = p->sealed + 1;
	p->ever_held = true;
	p->may_pass = false;
	return 0;
}

/* Do all VMs of the group run on by themselves, once told so? */
static bool can_resume_soon(const struct primary *p)
{
	for (unsigned i = 0; i < p->config->n_vms; i++)
		if (!p->guests[i].driver->resume_soon)
			return false;
	return true;
}

static int resume_soon(struct primary *p, bool *renicd_resumed, struct nic_error *err)
{
	int rc = daemon_resume(&p->daemon, err);

	*renicd_resumed = !rc;
	for (unsigned i = 0; i < p->config->n_vms && !rc; i++)
		rc = p->guests[i].driver->resume_soon(p->guests[i].vm, err);
	return rc;
}

/* Everything but the device state is copied while that is being saved. */
static int collect(
	struct primary *p, bool stay, struct times *t, bool *renicd_resumed, struct nic_error *err)
{
	int rc = for_each_vf(p, add_vf, err);

	if (!rc)
		rc = add_dirty(p, err);
	t->scanned = now_ns();
	if (!rc)
		rc = copy_pages(p);
	t->copied = now_ns();
	if (!rc && !stay && can_resume_soon(p))
		rc = resume_soon(p, renicd_resumed, err);
	if (!rc)
		rc = add_states(p, err);
	t->state = now_ns();
	return rc;
}

/* ---- pause and resume ---- */

static int pause_vms(struct primary *p, struct nic_error *err)
{
	int rc = 0;
	unsigned i;

	for (i = 0; i < p->config->n_vms && !rc; i++)
		rc = p->guests[i].driver->pause(p->guests[i].vm, err);
	p->paused = true;
	return rc;
}

int primary_resume_vms(struct primary *p, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms; i++) {
		int one = p->guests[i].driver->resume(p->guests[i].vm, err);

		if (one)
			rc = REMUS_E_VM_GONE;
	}
	p->paused = false;
	return rc;
}

static uint64_t us(int64_t ns)
{
	return ns > 0 ? (uint64_t)(ns / NS_PER_US) : 0;
}

static void note(struct primary *p, const struct times *t, uint64_t pages, uint64_t waits)
{
	struct role_stats *s = &p->role->status.stats;

	pthread_mutex_lock(&p->role->lock);
	s->checkpoints++;
	s->overflowed += waits > 0;
	histogram_add(&s->pause_us, us(t->resumed - t->start));
	histogram_add(&s->pause_vm_us, us(t->paused - t->start));
	histogram_add(&s->begin_us, us(t->begun - t->paused));
	histogram_add(&s->scan_us, us(t->scanned - t->begun));
	histogram_add(&s->copy_us, us(t->copied - t->scanned));
	histogram_add(&s->state_us, us(t->state - t->copied));
	histogram_add(&s->resume_us, us(t->resumed - t->state));
	histogram_add(&s->pages, pages);
	histogram_add(&s->held_pkts, p->daemon.checkpoint.held_pkts);
	pthread_mutex_unlock(&p->role->lock);
}

/* Given up: what the standby got of it stays, but for its blobs. */
static void give_up(struct primary *p)
{
	struct role_stats *s = &p->role->status.stats;
	unsigned place = next_place(p);

	if (!staging_is_dead(&p->staging))
		staging_put(&p->staging, (struct slot){.type = SLOT_ABORT}, NULL, 0);
	p->counts.blob_bytes = p->counts.held_bytes = p->counts.snapshots = 0;
	for (unsigned i = 0; i < p->config->n_vms; i++)
		guest_move(&p->guests[i], p->guests[i].carry, p->guests[i].sent[place]);
	pthread_mutex_lock(&p->role->lock);
	s->aborted++;
	pthread_mutex_unlock(&p->role->lock);
}

int primary_checkpoint(struct primary *p, bool stay, struct nic_error *err)
{
	uint64_t waits = p->staging.waits, before = p->counts.pages, pages;
	struct times t = {.start = now_ns()};
	struct nic_error second = {0};
	bool begun = false, renicd_resumed = false;
	int rc, end = 0;

	rc = pause_vms(p, err);
	t.paused = now_ns();
	if (!rc) {
		rc = daemon_begin(&p->daemon, err);
		begun = !rc;
	}
	t.begun = now_ns();
	if (!rc)
		rc = collect(p, stay, &t, &renicd_resumed, err);
	pages = p->counts.pages - before;
	if (begun && rc && !renicd_resumed)
		daemon_abort(&p->daemon, &second);
	else if (begun && !renicd_resumed)
		end = daemon_resume(&p->daemon, &second);
	if ((rc || end || !stay) && primary_resume_vms(p, &second))
		rc = REMUS_E_VM_GONE;
	t.resumed = now_ns();
	if (!rc && !end && p->config->replicate_egress)
		rc = for_each_vf(p, add_held, err);
	if (!rc && !end)
		rc = add_end(p);
	if (rc && p->paused && primary_resume_vms(p, &second))
		rc = REMUS_E_VM_GONE;
	if (rc || end) {
		if (!rc || rc == REMUS_E_VM_GONE)
			*err = second;
		give_up(p);
		/* Its pages are in what was given up, and not dirty any more. */
		p->stream_broken = begun && guests_have_stream(p->guests, p->config->n_vms);
	} else {
		p->flights[(p->head + p->n_flights - 1) % p->places].resumed_ns = t.resumed;
		memset(&p->counts, 0, sizeof(p->counts));
		note(p, &t, pages, p->staging.waits - waits);
	}
	staging_publish(&p->staging);
	return rc ? rc : end;
}

/* ---- the first copy ---- */

int primary_copy_all(struct primary *p, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms && !rc; i++) {
		struct guest *g = &p->guests[i];

		guest_set_all(g, g->carry);
		rc = g->driver->track(g->vm, err);
	}
	p->copying = true;
	p->copy_vm = 0;
	p->copy_word = p->copy_round = 0;
	p->copy_done = p->copy_left = 0;
	return rc;
}

static uint64_t count_carry(const struct primary *p)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < p->config->n_vms; i++)
		n += guest_count(&p->guests[i], p->guests[i].carry);
	return n;
}

/* A round begins: the dirty ones of the last one. true: it may as well be a checkpoint. */
static bool begin_round(struct primary *p, int *rc, struct nic_error *err)
{
	*rc = p->copy_round ? add_dirty(p, err) : 0;
	p->copy_left = count_carry(p);
	p->copy_done = 0;
	p->copy_round++;
	p->copy_vm = 0;
	p->copy_word = 0;
	if (p->copy_round == 1 && guests_have_stream(p->guests, p->config->n_vms))
		return false; /* none of its bytes is a page of ours, and none went over yet */
	return *rc == 0 && (p->copy_left <= COPY_LEFT_MAX || p->copy_round > COPY_ROUNDS_MAX);
}

/* A stream's driver says itself when it is done. */
static bool copy_stream(struct primary *p, int *rc, struct nic_error *err)
{
	struct state_sink sink = {{write_state}, p, p->copy_vm};
	struct guest *g = &p->guests[p->copy_vm];
	bool done = !g->driver->live;

	if (!done)
		*rc = g->driver->live(g->vm, &sink.sink, &done, err);
	return done;
}

/* Bits leave `carry` before their page is read: what is written after that is dirty again. */
static int copy_live_word(struct primary *p, struct guest *g, uint64_t w)
{
	uint64_t bits = g->carry[w];

	g->sent[next_place(p)][w] |= bits;
	g->carry[w] = 0;
	p->copy_done += (unsigned)__builtin_popcountll(bits);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return copy_bits(p, p->copy_vm, w, bits);
}

bool primary_copy_some(struct primary *p, int *rc, struct nic_error *err)
{
	int64_t until = now_ns() + COPY_SLICE_NS;

	*rc = 0;
	if (!p->copy_round && begin_round(p, rc, err))
		return true;
	while (!*rc && now_ns() < until && staging_room(&p->staging) > 2 * WORD_BITS) {
		struct guest *g = &p->guests[p->copy_vm];

		while (p->copy_word < g->n_words && !g->carry[p->copy_word])
			p->copy_word++;
		if (p->copy_word < g->n_words) {
			*rc = copy_live_word(p, g, p->copy_word++);
			continue;
		}
		if (!g->n_words && !copy_stream(p, rc, err))
			break;
		p->copy_word = 0;
		if (++p->copy_vm == p->config->n_vms && begin_round(p, rc, err))
			return true;
	}
	staging_publish(&p->staging);
	return false;
}

int primary_pass(struct primary *p, struct nic_error *err)
{
	int rc = daemon_begin(&p->daemon, err), end;

	if (rc)
		return rc;
	for (unsigned i = 0; i < p->config->n_vms; i++) {
		struct guest *g = &p->guests[i];

		for (unsigned v = 0; v < g->config->n_vfs; v++) {
			const struct renic_checkpoint_vf *vf =
				daemon_vf(&p->daemon, g->config->vfs[v].name);

			if (!vf)
				rc = nic_fail(err, RENIC_E_NOT_FOUND, "vfs",
					"VF \"%s\" is not in renicd's group \"%s\"",
					g->config->vfs[v].name, p->config->group);
			else if (!vf->dirty_complete)
				guest_set_all(g, g->carry);
			else
				guest_add_gfns(g, g->carry,
					(const uint64_t *)(p->daemon.area + vf->dirty_offset),
					vf->dirty_bytes / sizeof(uint64_t));
		}
	}
	end = daemon_resume(&p->daemon, err);
	if (!end)
		end = daemon_commit(&p->daemon, p->daemon.checkpoint.epoch, err);
	if (!end)
		p->sealed = p->acked = p->committed = p->daemon.checkpoint.epoch;
	return rc ? rc : end;
}
