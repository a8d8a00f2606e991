/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The failover itself (docs/protocol.md, "Failover"): snapshots into renicd, device state into the
 * VMs, then the VFs are activated, which announces them, then the VMs run. Activating before
 * running, as a front-end's rings must not be set up while their VF is suspended.
 */
#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "event.h"
#include "held.h"
#include "standby.h"

/* The snapshots of the checkpoint that is held, or of the next one, into renicd's standby group. */
static int restore(struct standby *s, bool next, struct nic_error *err)
{
	struct daemon_snapshot list[VF_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < s->config->n_vms; i++)
		for (unsigned v = 0; v < s->config->vms[i].n_vfs && n < VF_MAX; v++) {
			const struct replica_vm *vm = &s->replica.vms[i];
			const struct replica_vf *vf = next ? &vm->next[v] : &vm->held[v];

			list[n++] = (struct daemon_snapshot){
				s->config->vms[i].vfs[v].name, vf->snapshot, vf->n};
		}
	return daemon_restore(&s->daemon, list, n, err);
}

int takeover_rehearse(struct standby *s, struct nic_error *err)
{
	return restore(s, true, err);
}

/* Records of a VF to renicd, in chunks that it takes. */
static int load_held(struct standby *s, const char *vf, const struct held_bytes *held,
	uint64_t *frames, struct nic_error *err)
{
	struct wire_in in = wire_over(held->bytes, held->n);
	const uint8_t *begin = in.p;
	struct held_record record;
	int rc = 0;

	while (!rc && held_next(&in, &record)) {
		++*frames;
		if ((size_t)(in.p - begin) <= DAEMON_LOAD_MAX)
			continue;
		rc = daemon_log_load(&s->daemon, vf, begin, (size_t)(record.bytes - begin), err);
		begin = record.bytes;
	}
	if (!rc && in.p > begin)
		rc = daemon_log_load(&s->daemon, vf, begin, (size_t)(in.p - begin), err);
	return rc;
}

/* What the primary may not have sent, to be sent first. A VM that runs without it is better than
 * none: its clients' protocols know of loss. */
static void load_egress(struct standby *s)
{
	struct nic_error err = {0};
	uint64_t frames = 0;

	for (unsigned i = 0; i < s->config->n_vms; i++)
		for (unsigned v = 0; v < s->config->vms[i].n_vfs; v++) {
			const char *vf = s->config->vms[i].vfs[v].name;

			if (load_held(s, vf, &s->replica.vms[i].egress[v].held, &frames, &err))
				event_post("error", "VF \"%s\" goes on without held frames: %s", vf,
					err.message);
		}
	if (frames)
		event_post(
			"held", "%" PRIu64 " frames that the primary held are sent first", frames);
}

static int load(struct standby *s, struct nic_error *err)
{
	for (unsigned i = 0; i < s->config->n_vms; i++) {
		int rc = 0;

		s->spent = true;
		if (!s->loaded[i])
			rc = s->guests[i].driver->load(s->guests[i].vm, err);
		if (rc)
			return rc;
		s->loaded[i] = true;
	}
	return 0;
}

/* An answer that did not come is no "no", nor is what renicd says to the same a second time. */
static int ask_to_activate(struct standby *s, struct nic_error *err)
{
	bool before = s->asked;
	int rc;

	s->asked = true;
	rc = daemon_activate(&s->daemon, &s->term, err);
	if (rc && !daemon_is_lost(rc))
		s->asked = before;
	return rc;
}

bool standby_activated_nothing(const struct standby *s)
{
	return !s->asked && !s->activated;
}

/* It was asked, did it, and the answer was lost. */
static bool was_activated(const struct standby *s, const struct daemon_group *group)
{
	return s->asked && !strcmp(group->state, "unprotected") && group->term > s->term;
}

static int activate(struct standby *s, struct nic_error *err)
{
	struct daemon_group group;
	int rc;

	daemon_close(&s->daemon); /* it may be of a renicd that was there before */
	rc = daemon_group(&s->daemon, &group, err);

	if (!rc && was_activated(s, &group)) {
		s->term = group.term;
		s->activated = true;
		return 0;
	}
	if (!rc && strcmp(group.state, "standby"))
		rc = nic_fail(err, RENIC_E_STATE, "group",
			"renicd's group \"%s\" is %s, expected standby", s->config->group,
			group.state);
	if (!rc)
		rc = restore(s, false, err);
	if (!rc)
		load_egress(s);
	if (!rc)
		rc = load(s, err);
	if (!rc)
		rc = ask_to_activate(s, err);
	s->activated = !rc;
	return rc;
}

/* Restore, load, activate, run. A failed attempt may be repeated: what was done before is not done
 * again. */
static int takeover(struct standby *s, struct nic_error *err)
{
	int rc = s->activated ? 0 : activate(s, err);

	if (rc && s->asked && daemon_is_lost(rc))
		rc = activate(s, err); /* it may have been done */
	for (unsigned i = 0; i < s->config->n_vms && !rc; i++)
		rc = s->guests[i].driver->run(s->guests[i].vm, err);
	return rc;
}

/* ---- when ---- */

void standby_take_over(struct standby *s)
{
	struct nic_error err = {0};
	int64_t start = now_ns();
	int rc = takeover(s, &err);
	uint64_t us = (uint64_t)((now_ns() - start) / NS_PER_US);

	pthread_mutex_lock(&s->role->lock);
	s->role->status.stats.failover_us = rc ? 0 : us;
	snprintf(s->role->status.error, sizeof(s->role->status.error), "%s", rc ? err.message : "");
	pthread_mutex_unlock(&s->role->lock);
	if (rc) {
		standby_go(s, SE_FAILED, err.message);
		return;
	}
	event_post("failover",
		"epoch %" PRIu64 " runs here, in term %" PRIu64 ", after %" PRIu64 " us",
		s->replica.epoch, s->term, us);
	standby_go(s, SE_ACTIVATED, "the VMs run here");
}

void standby_primary_is_silent(struct standby *s)
{
	enum standby_event event = fence_is_configured(s->config) ? SE_SILENT : SE_SILENT_UNFENCED;
	struct nic_error err = {0};
	char why[96];

	snprintf(why, sizeof(why), "nothing was heard of the primary for %" PRId64 " ms",
		(now_ns() - s->heard_ns) / NS_PER_MS);
	standby_hang_up(s, why);
	if (!standby_go(s, event, why) || event == SE_SILENT_UNFENCED)
		return;
	if (!fence_start(&s->fence, s->config, REMUS_PRIMARY, s->primary, s->term, &err))
		return;
	event_post("fence", "%s", err.message);
	standby_go(s, SE_FENCE_NO, "the fence command cannot be run");
}

void standby_look_at_fence(struct standby *s)
{
	switch (fence_poll(&s->fence)) {
	case FENCE_YES:
		if (standby_go(s, SE_FENCE_YES, "the fence command says that the primary is dead"))
			standby_take_over(s);
		break;
	case FENCE_NO:
		standby_go(
			s, SE_FENCE_NO, "the fence command does not say that the primary is dead");
		break;
	case FENCE_RUNNING:
		break;
	}
}
