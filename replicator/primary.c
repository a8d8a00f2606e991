/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary's loop: clock and commands; see primary.h. What may follow what, fsm.c says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "event.h"
#include "hurry.h"
#include "primary.h"

enum {
	CHECK_MS = 100,	      /* how often the VMs are looked at */
	DAEMON_RETRY_MS = 20, /* while renicd is away */
	IDLE_MS = 50,
};

/* Take the arc, and say so. */
bool primary_go(struct primary *p, enum primary_event event, const char *why)
{
	enum primary_state before = p->state;

	if (!primary_next(&p->state, event))
		return false;
	if (p->state != before)
		event_post("state", "%s -> %s: %s", primary_state_name(before),
			primary_state_name(p->state), why);
	return true;
}

/* ---- the clock ---- */

void primary_checkpoint_failed(struct primary *p, int rc, const struct nic_error *err)
{
	bool broken = p->stream_broken;

	p->stream_broken = false;
	if (rc == CHECKPOINT_LINK_LOST)
		return; /* the link says so itself */
	if (rc == REMUS_E_VM_GONE) {
		primary_vm_lost(p, err->message);
	} else if (rc == CHECKPOINT_RESYNC) {
		primary_resync(p, err->message);
	} else if (rc == CHECKPOINT_REFUSED) {
		event_post("renicd", "%s", err->message);
		if (!p->daemon_lost_ns)
			p->daemon_lost_ns = now_ns(); /* it may have to be protected anew */
	} else if (daemon_is_lost(rc) || rc == RENIC_E_TERM) {
		primary_daemon_failed(p, rc, err);
	} else {
		event_post("checkpoint_failed", "%s", err->message);
	}
	if (broken && rc != REMUS_E_VM_GONE)
		link_drop(p->link);
}

static void copy_some(struct primary *p)
{
	struct nic_error err = {0};
	int rc;

	if (primary_copy_some(p, &rc, &err)) {
		p->copying = false;
		pace_begin(&p->pace, now_ns());
	}
	if (rc)
		primary_checkpoint_failed(p, rc, &err);
}

static void tick(struct primary *p)
{
	struct nic_error err = {0};
	int rc = 0;

	p->paused_ns = 0;
	if (p->copying) {
		if (p->may_pass)
			rc = primary_pass(p, &err);
	} else if (p->n_flights >= p->config->in_flight) {
		pthread_mutex_lock(&p->role->lock);
		p->role->status.stats.kept_open++;
		pthread_mutex_unlock(&p->role->lock);
	} else {
		rc = primary_checkpoint(p, false, &err);
	}
	if (rc)
		primary_checkpoint_failed(p, rc, &err);
	pace_next(&p->pace, p->config->interval_us * NS_PER_US, now_ns(), p->paused_ns);
}

static void check_vms(struct primary *p)
{
	struct nic_error err = {0};

	p->next_check_ns = in_ms(CHECK_MS);
	for (unsigned i = 0; i < p->config->n_vms && !p->vms_stopped; i++)
		if (p->guests[i].driver->check(p->guests[i].vm, &err)) {
			primary_vm_lost(p, err.message);
			return;
		}
}

/* ---- commands ---- */

/* The standby says that it has forgotten its checkpoint; only then what is held may leave. */
static bool say_bye(struct primary *p)
{
	int64_t deadline = in_ms(PRIMARY_DRAIN_MS);

	if (!p->up)
		return !p->ever_held;
	if (staging_put(&p->staging, (struct slot){.type = SLOT_BYE}, NULL, 0))
		return false;
	staging_publish(&p->staging);
	while (now_ns() < deadline && p->view.state == LINK_UP && !p->view.taken) {
		role_wait(p->role, -1, in_ms(IDLE_MS));
		link_look(p->link, &p->view);
	}
	return p->view.taken && p->view.answer.ok;
}

static void stop(struct primary *p)
{
	enum primary_state after = p->state;

	if (!primary_next(&after, PE_STOP) || !say_bye(p) || primary_unprotect(p, false))
		event_post("stop_failed",
			"in state %s: the standby may still take over, what is held stays held",
			primary_state_name(p->state));
	else
		primary_go(p, PE_STOP, "protection ended by the operator");
}

static void run_command(struct primary *p)
{
	enum role_command command = role_take(p->role);

	switch (command) {
	case ROLE_FAILOVER:
		primary_begin_switch(p);
		break;
	case ROLE_STOP:
	case ROLE_QUIT:
		stop(p);
		p->quit = command == ROLE_QUIT;
		break;
	case ROLE_FAILOVER_FENCED:
	case ROLE_PROTECT:
		event_post("refused", "this is the primary");
		break;
	case ROLE_NONE:
		break;
	}
}

/* ---- the loop ---- */

static void show(struct primary *p)
{
	struct role_status *s = &p->role->status;

	pthread_mutex_lock(&p->role->lock);
	s->state = primary_state_name(p->state);
	s->connected = p->up;
	s->term = p->daemon.term;
	s->epoch = p->sealed;
	s->acked = p->acked;
	s->committed = p->committed;
	s->in_flight = p->n_flights;
	s->sync_round = p->copying ? p->copy_round : 0;
	s->sync_pages = p->copying ? p->copy_left : 0;
	s->sync_left = p->copying ? p->copy_left - p->copy_done : 0;
	s->held_pkts = p->daemon.checkpoint.held_pkts;
	s->held_bytes = p->daemon.checkpoint.held_bytes;
	s->stats.bytes_sent = p->view.bytes_sent;
	s->stats.encoded = p->view.pages;
	s->stats.reconnects = p->generation ? p->generation - 1 : 0;
	snprintf(s->error, sizeof(s->error), "%s", p->up ? "" : p->view.error);
	pthread_mutex_unlock(&p->role->lock);
}

static void describe(struct primary *p)
{
	struct role_status *s = &p->role->status;

	pthread_mutex_lock(&p->role->lock);
	s->side = REMUS_PRIMARY;
	s->n_vms = p->config->n_vms;
	snprintf(s->peer, sizeof(s->peer), "%s", p->config->peer);
	for (unsigned i = 0; i < s->n_vms; i++) {
		const struct guest *g = &p->guests[i];

		snprintf(s->vms[i].name, REMUS_NAME_SIZE, "%s", g->config->name);
		snprintf(s->vms[i].driver, REMUS_NAME_SIZE, "%s", g->config->driver);
		snprintf(s->vms[i].engine, sizeof(s->vms[i].engine), "%s",
			g->driver->engine ? g->driver->engine(g->vm) : "");
		s->vms[i].ram_bytes = g->n_pages << REMUS_PAGE_SHIFT;
	}
	pthread_mutex_unlock(&p->role->lock);
}

static void act(struct primary *p)
{
	int64_t now = now_ns();

	if (p->daemon_lost_ns && !primary_is_final(p->state) && p->state != P_GIVING_UP) {
		if (now - p->daemon_lost_ns > p->config->renicd_timeout_ms * NS_PER_MS &&
			primary_can_hand_over(p))
			primary_vm_lost(p, "renicd is gone, and the VM has no network");
		else
			primary_retry_daemon(p);
	}
	if (now >= p->next_check_ns && !primary_is_final(p->state))
		check_vms(p);
	if (primary_is_bare(p) && !p->up && p->protecting && !p->daemon_lost_ns &&
		now >= p->deadline_ns)
		primary_release(p);
	if (p->up && staging_is_dead(&p->staging) && p->state != P_GIVING_UP)
		return; /* the link was dropped, and is about to say so */
	if (p->state == P_SWITCHING)
		primary_go_on_switching(p);
	else if (p->state == P_GIVING_UP)
		primary_go_on_giving_up(p);
	else if (p->state == P_BACKUP_LOST)
		primary_consider_fence(p);
	else if (p->state == P_FENCING)
		primary_go_on_fencing(p);
	if (!p->up || p->daemon_lost_ns || (p->state != P_SYNCING && p->state != P_PROTECTED))
		return;
	if (now >= p->pace.next_ns)
		tick(p);
	if (p->copying)
		copy_some(p);
}

static int64_t next_deadline(const struct primary *p)
{
	int64_t deadline = in_ms(IDLE_MS);

	if (p->copying || p->state == P_SWITCHING)
		return now_ns() + NS_PER_MS / 2;
	if (p->daemon_lost_ns)
		return in_ms(DAEMON_RETRY_MS);
	if (p->up && p->pace.next_ns < deadline)
		return p->pace.next_ns;
	return deadline;
}

static int loop(struct primary *p)
{
	while (!p->quit && !primary_is_final(p->state)) {
		role_wait(p->role, -1, next_deadline(p));
		primary_look(p);
		run_command(p);
		act(p);
		show(p);
	}
	show(p);
	return p->state == P_SWITCHED || p->state == P_STOPPED ? 0 : 1;
}

static int begin(struct primary *p, struct nic_error *err)
{
	struct daemon_group group;
	int rc = guests_open(p->guests, p->config, REMUS_PRIMARY, err);

	if (rc)
		return rc;
	rc = daemon_group(&p->daemon, &group, err);
	if (rc)
		return rc;
	p->daemon.term = group.term;
	daemon_close(&p->daemon);
	if (staging_init(&p->staging, (size_t)p->config->staging_mb << 20))
		return nic_fail(err, RENIC_E_RESOURCES, "staging_mb", "no memory for staging");
	primary_new_session(p);
	rc = link_new(p->config, p->guests, &p->staging, p->role->wake_fd, &p->link, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < p->config->n_vms; i++)
		event_post("vm", "\"%s\": %s, %" PRIu64 " MiB, dirty pages by %s",
			p->config->vms[i].name, p->config->vms[i].driver,
			p->guests[i].n_pages >> (20 - REMUS_PAGE_SHIFT),
			p->guests[i].driver->engine ? p->guests[i].driver->engine(p->guests[i].vm)
						    : "the driver");
	describe(p);
	return 0;
}

int primary_run(const struct remus_config *config, struct role *role, struct nic_error *err)
{
	struct primary *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	p->config = config;
	p->role = role;
	p->daemon = (struct daemon){.path = config->renicd,
		.group = config->group,
		.timeout_ms = daemon_call_ms(config->renicd_timeout_ms)};
	p->places = config->in_flight + 1;
	rc = begin(p, err);
	hurry_thread(0); /* not the link's, which were made in begin() */
	if (!rc)
		rc = loop(p);
	if (p->state == P_SWITCHING && p->paused && !p->handover_sent)
		primary_resume_vms(p, err); /* told to quit in the middle of a switch */
	link_free(p->link);
	staging_fini(&p->staging);
	held_free(&p->held);
	daemon_close(&p->daemon);
	guests_close(p->guests, config->n_vms);
	free(p);
	return rc;
}
