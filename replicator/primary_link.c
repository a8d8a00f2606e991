/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary and its link: hello, up, down, acknowledgements, and what to do about a backup that
 * is lost; see primary.h. */
#include <stdio.h>

#include "clock.h"
#include "event.h"
#include "primary.h"

enum {
	RETRY_MS = 200, /* after a connection that failed */
	FENCE_AGAIN_MS = 5000,
	RELEASE_AGAIN_MS = 500,
};

static void say_hello(struct primary *p)
{
	struct msg_hello hello = {
		.version = STREAM_VERSION,
		.compatible = guests_say_machines(p->guests, p->config->n_vms)
				      ? STREAM_VERSION
				      : STREAM_WITHOUT_MACHINES,
		.side = REMUS_PRIMARY,
		.n_vms = (uint8_t)p->config->n_vms,
		.term = p->daemon.term,
		.session = p->session,
		.epoch = p->sealed,
		.heartbeat_ms = p->config->heartbeat_ms,
		.timeout_ms = p->config->timeout_ms,
	};

	/* What is in flight of a stream cannot be sent again: the standby begins anew. */
	if (guests_have_stream(p->guests, p->config->n_vms)) {
		primary_new_session(p);
		hello.session = p->session;
	}
	snprintf(hello.group, sizeof(hello.group), "%s", p->config->group);
	staging_reset(&p->staging);
	link_allow(p->link, &hello);
}

static bool can_resume(const struct primary *p)
{
	const struct msg_hello *peer = &p->view.peer;

	return peer->epoch > 0 && peer->session == p->session && peer->epoch >= p->acked &&
	       peer->epoch <= p->sealed;
}

/* It held on to its checkpoint: what it does not have goes over, the rest need not. */
static void on_up_again(struct primary *p)
{
	primary_land(p, p->view.peer.epoch);
	p->acked = p->view.peer.epoch;
	p->held_from = p->acked + 1;
	primary_recall(p);
	primary_commit(p);
	p->copying = true;
	p->copy_round = 0;
	primary_go(p, PE_UP_AGAIN, "the standby is back, with its checkpoint");
}

void primary_forget_void(struct primary *p)
{
	event_post("void", "what the standby may hold is void, as the VM sent unheld since");
	if (!staging_put(&p->staging, (struct slot){.type = SLOT_BYE}, NULL, 0))
		staging_publish(&p->staging);
	primary_unprotect(p, false);
}

static void on_up_new(struct primary *p)
{
	if (p->is_void && p->view.peer.epoch) {
		primary_forget_void(p);
		return;
	}
	p->is_void = false;
	primary_recall(p);
	p->held_from = 1;
	p->may_pass = !p->ever_held && p->view.peer.epoch == 0;
	primary_go(p, PE_UP, "connected to a standby");
	primary_start_copy(p);
}

static void on_up(struct primary *p)
{
	uint64_t session = p->session;
	struct nic_error err = {0};

	p->up = true;
	p->generation = p->view.generation;
	pace_begin(&p->pace, now_ns());
	if (p->state == P_FENCING) {
		link_drop(p->link); /* the fence command decides; it may come again */
		return;
	}
	event_post("connected", "%s", p->view.peer_address);
	if (p->state == P_GIVING_UP) {
		primary_give_up(p);
		return;
	}
	if (p->paused && primary_resume_vms(p, &err)) {
		primary_vm_lost(p, err.message);
		return;
	}
	/* Of a renicd that is away it is asked when that is back. */
	if (!(p->daemon_lost_ns && can_resume(p)) && primary_protect(p, &err)) {
		event_post("error", "%s", err.message);
		link_drop(p->link);
		return;
	}
	if (p->session != session)
		return; /* the next connection tells it */
	if (can_resume(p))
		on_up_again(p);
	else
		on_up_new(p);
}

static void on_down(struct primary *p)
{
	struct nic_error err = {0};
	const char *why = p->view.error[0] ? p->view.error : "the connection ended";

	p->up = p->copying = false;
	p->retry_ns = in_ms(RETRY_MS);
	event_post("disconnected", "%s", why);
	if (p->state == P_SWITCHING && p->handover_sent && p->view.taken)
		primary_go_on_switching(p); /* its answer, and the end */
	if (primary_is_final(p->state))
		return;
	if (p->state != P_GIVING_UP)
		p->deadline_ns = in_ms(3 * p->config->timeout_ms);
	if (p->state == P_SWITCHING && !p->handover_sent) {
		if (primary_resume_vms(p, &err))
			primary_vm_lost(p, err.message);
		else
			primary_go(p, PE_BACK, why);
	}
	if (!p->ever_held && primary_go(p, PE_LOST_BARE, why))
		primary_unprotect(p, false);
	else
		primary_go(p, PE_LOST, why);
}

static void on_idle(struct primary *p)
{
	if (p->up)
		on_down(p);
	if (primary_is_final(p->state))
		return;
	if (p->view.state == LINK_REFUSED && p->view.refuse.reason == REFUSE_TERM) {
		p->view.answer.term = p->view.refuse.term;
		if (primary_go(p, PE_STALE, p->view.refuse.text) && p->state == P_SWITCHED)
			primary_switched(p);
		return;
	}
	if (p->view.state == LINK_REFUSED && p->view.refuse.reason == REFUSE_FAILED)
		primary_switch_refused(p);
	if (p->state == P_FENCING || now_ns() < p->retry_ns)
		return;
	p->retry_ns = in_ms(RETRY_MS);
	say_hello(p);
}

static void on_ack(struct primary *p)
{
	struct role_stats *s = &p->role->status.stats;
	int64_t now = now_ns();

	if (p->view.acked <= p->acked || p->view.acked > p->sealed)
		return;
	pthread_mutex_lock(&p->role->lock);
	for (unsigned i = 0; i < p->n_flights; i++) {
		const struct flight *f = &p->flights[(p->head + i) % p->places];

		if (f->epoch <= p->view.acked && f->resumed_ns)
			histogram_add(&s->ack_us, (uint64_t)((now - f->resumed_ns) / NS_PER_US));
	}
	pthread_mutex_unlock(&p->role->lock);
	p->acked = p->view.acked;
	primary_land(p, p->acked);
	primary_commit(p);
	if (p->state == P_SYNCING && !p->copying)
		primary_go(p, PE_SYNCED, "the standby holds a whole checkpoint");
}

/* What the checkpoints took that were sent since the last look. */
static void note_bytes(struct primary *p)
{
	if (p->ends_seen == p->view.ends)
		return;
	pthread_mutex_lock(&p->role->lock);
	for (; p->ends_seen < p->view.ends; p->ends_seen++)
		histogram_add(
			&p->role->status.stats.bytes, p->view.end_bytes[p->ends_seen % LINK_ENDS]);
	pthread_mutex_unlock(&p->role->lock);
}

void primary_look(struct primary *p)
{
	link_look(p->link, &p->view);
	note_bytes(p);
	if (p->view.state == LINK_UP && !p->up && p->view.generation != p->generation)
		on_up(p);
	if (p->up && p->view.state == LINK_UP)
		on_ack(p);
	if (p->view.idle && !primary_is_final(p->state))
		on_idle(p);
}

/* ---- backup lost: policy ---- */

void primary_consider_fence(struct primary *p)
{
	struct nic_error err = {0};

	if (p->config->on_backup_lost != BACKUP_LOST_RELEASE || !fence_is_configured(p->config) ||
		now_ns() < p->deadline_ns)
		return;
	p->deadline_ns = in_ms(FENCE_AGAIN_MS);
	if (fence_start(&p->fence, p->config, REMUS_STANDBY, p->config->peer, p->daemon.term, &err))
		event_post("fence", "%s", err.message);
	else
		primary_go(p, PE_FENCE, "asking the fence command about the backup");
}

void primary_go_on_fencing(struct primary *p)
{
	enum fence_answer answer = fence_poll(&p->fence);

	if (answer == FENCE_RUNNING)
		return;
	if (answer == FENCE_NO) {
		p->deadline_ns = in_ms(FENCE_AGAIN_MS);
		primary_go(
			p, PE_FENCE_NO, "the fence command does not say that the backup is dead");
		return;
	}
	/* Whatever it held, it will not run: a checkpoint of another session replaces it. */
	primary_go(p, PE_FENCE_YES, "the backup is fenced: what is held leaves");
	primary_new_session(p);
	primary_recall(p);
	primary_release(p);
}

void primary_release(struct primary *p)
{
	if (primary_unprotect(p, false) == 0)
		p->ever_held = false;
	else
		p->deadline_ns = in_ms(RELEASE_AGAIN_MS);
}
