/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints; see primary.h. From pause to resume the VM stands still: only
 * copies in memory, and the calls that cannot be left out, to the hypervisor and to renicd.
 */
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "event.h"
#include "primary.h"

/* Where the time of one checkpoint went. */
struct times {
	int64_t start, paused, begun, scanned, copied, state, resumed;
};

int primary_asked(int rc)
{
	return rc == RENIC_E_STATE ? CHECKPOINT_REFUSED : rc;
}

/* ---- what a checkpoint has ---- */

/* What renicd wrote: it tells that once, so all of it is noted, whatever fails. */
static int note_written(struct primary *p, unsigned vm, unsigned v, struct nic_error *err)
{
	struct guest *g = &p->guests[vm];
	const char *name = g->config->vfs[v].name;
	const struct renic_checkpoint_vf *vf = daemon_vf(&p->daemon, name);

	if (!vf)
		return nic_fail(err, RENIC_E_NOT_FOUND, "vfs",
			"VF \"%s\" is not in renicd's group \"%s\"", name, p->config->group);
	guest_add_gfns(g, g->carry, (const uint64_t *)(p->daemon.area + vf->dirty_offset),
		vf->dirty_bytes / sizeof(uint64_t));
	if (!vf->dirty_complete && g->n_pages)
		return nic_fail(err, CHECKPOINT_RESYNC, "",
			"renicd does not know all it wrote to VM \"%s\"", g->config->name);
	return 0;
}

static int note_all_written(struct primary *p, struct nic_error *err)
{
	struct nic_error one;
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms; i++)
		for (unsigned v = 0; v < p->guests[i].config->n_vfs; v++) {
			int failed = note_written(p, i, v, &one);

			if (failed && rc != CHECKPOINT_RESYNC) {
				rc = failed;
				*err = one;
			}
		}
	return rc;
}

static int add_vf(struct primary *p, unsigned vm, unsigned v, struct nic_error *err)
{
	const struct renic_checkpoint_vf *vf =
		daemon_vf(&p->daemon, p->guests[vm].config->vfs[v].name);

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
		struct primary_sink sink = primary_sink(p, i);

		rc = p->guests[i].driver->state(p->guests[i].vm, &sink.sink, err);
	}
	return rc;
}

/* Frames of the epoch that was just sealed wait in renicd for our commit, so they can be copied
 * while the VM runs again; and with them what an earlier backup may have had, and lost. */
static int add_held(struct primary *p, unsigned vm, unsigned v, struct nic_error *err)
{
	const char *vf = p->guests[vm].config->vfs[v].name;
	uint64_t left_out_bytes = 0;
	int rc = held_read(&p->daemon, vf, p->held_from, p->daemon.checkpoint.epoch,
		HELD_MESSAGE_MAX, &p->held, &left_out_bytes, err);

	if (rc)
		return rc;
	p->left_out_bytes += left_out_bytes;
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
	p->flights[primary_next_place(p)] = (struct flight){
		.epoch = p->counts.epoch, .held_pkts = p->daemon.checkpoint.held_pkts};
	p->n_flights++;
	p->sealed = p->counts.epoch;
	p->session_has_epochs = true;
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
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms && !rc; i++)
		rc = p->guests[i].driver->resume_soon(p->guests[i].vm, err);
	if (!rc)
		rc = daemon_resume(&p->daemon, err);
	*renicd_resumed = !rc;
	return rc;
}

/* Everything but the device state is copied while that is being saved. */
static int collect(
	struct primary *p, bool stay, struct times *t, bool *renicd_resumed, struct nic_error *err)
{
	int rc = note_all_written(p, err);

	if (!rc)
		rc = for_each_vf(p, add_vf, err);
	if (!rc)
		rc = primary_add_dirty(p, err);
	t->scanned = now_ns();
	if (!rc)
		rc = primary_put_carry(p);
	t->copied = now_ns();
	if (!rc && !stay && can_resume_soon(p))
		rc = resume_soon(p, renicd_resumed, err);
	if (!rc)
		rc = add_states(p, err);
	t->state = now_ns();
	return rc;
}

/* ---- pause and resume ---- */

static int pause_vms(struct primary *p, bool stay, struct nic_error *err)
{
	int rc = 0;
	unsigned i;

	for (i = 0; i < p->config->n_vms && !rc; i++)
		rc = p->guests[i].driver->pause(p->guests[i].vm, stay, err);
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

static void prepare_vms(struct primary *p)
{
	struct nic_error err;

	for (unsigned i = 0; i < p->config->n_vms; i++)
		if (p->guests[i].driver->prepare)
			p->guests[i].driver->prepare(p->guests[i].vm, &err);
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
	unsigned place = primary_next_place(p);

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
	struct times t = {0};
	struct nic_error second = {0};
	bool begun = false, renicd_resumed = false;
	int rc = p->paused ? 0 : primary_asked(daemon_prepare(&p->daemon, err)), end = 0;

	if (rc)
		return rc;
	t.start = now_ns();
	rc = pause_vms(p, stay, err);
	t.paused = now_ns();
	if (!rc) {
		rc = primary_asked(daemon_begin(&p->daemon, err));
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
	p->paused_ns = t.resumed - t.start;
	p->left_out_bytes = 0;
	if (!rc && !end && p->config->replicate_egress)
		rc = for_each_vf(p, add_held, err);
	if (!rc && !end)
		rc = add_end(p);
	if (rc && p->paused && primary_resume_vms(p, &second))
		rc = REMUS_E_VM_GONE;
	if (rc || end) {
		if (second.message[0] && (!rc || rc == REMUS_E_VM_GONE))
			*err = second;
		give_up(p);
		/* Its pages are in what was given up, and not dirty any more. */
		p->stream_broken = begun && guests_have_stream(p->guests, p->config->n_vms);
	} else {
		p->flights[(p->head + p->n_flights - 1) % p->places].resumed_ns = t.resumed;
		memset(&p->counts, 0, sizeof(p->counts));
		note(p, &t, pages, p->staging.waits - waits);
		role_left_out(p->role, p->left_out_bytes, "go to the standby at once");
	}
	staging_publish(&p->staging);
	if (!p->paused)
		prepare_vms(p);
	return rc ? rc : end;
}
