/* SPDX-License-Identifier: BSD-3-Clause */
/* The first copy: all of RAM, in rounds while the VMs run, until what is left fits a checkpoint;
 * see primary.h. */
#include "clock.h"
#include "primary.h"

enum {
	WORD_BITS = 64,
	COPY_ROUNDS_MAX = 8,
	COPY_LEFT_MAX = 1024, /* pages that are left to a checkpoint */
	COPY_SLICE_NS = 4 * NS_PER_MS,
};

int primary_copy_all(struct primary *p, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms; i++)
		guest_set_all(&p->guests[i], p->guests[i].carry);
	for (unsigned i = 0; i < p->config->n_vms && !rc; i++)
		rc = p->guests[i].driver->track(p->guests[i].vm, err);
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
	*rc = p->copy_round ? primary_add_dirty(p, err) : 0;
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
	struct primary_sink sink = primary_sink(p, p->copy_vm);
	struct guest *g = &p->guests[p->copy_vm];
	bool done = !g->driver->live;

	if (!done)
		*rc = g->driver->live(g->vm, &sink.sink, &done, err);
	if (*rc)
		p->stream_broken = true;
	return done;
}

/* Bits leave `carry` before their page is read: what is written after that is dirty again. */
static int copy_live_word(struct primary *p, struct guest *g, uint64_t w)
{
	uint64_t bits = g->carry[w];

	g->sent[primary_next_place(p)][w] |= bits;
	g->carry[w] = 0;
	p->copy_done += (unsigned)__builtin_popcountll(bits);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return primary_put_pages(p, p->copy_vm, w, bits);
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
	int rc = primary_asked(daemon_begin(&p->daemon, err)), end;

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
