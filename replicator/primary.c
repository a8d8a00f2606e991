/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary's loop: clock, link, renicd, commands; see primary.h. What may follow what, fsm.c
 * says. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "event.h"
#include "primary.h"

enum {
	CHECK_MS = 100,	      /* how often the VMs are looked at */
	RETRY_MS = 200,	      /* after a connection that failed */
	DAEMON_RETRY_MS = 20, /* while renicd is away */
	DRAIN_MS = 3000,  /* planned switch: to the last acknowledgement, and until all has left */
	TAKEN_MS = 15000, /* from the handover to its answer */
	FENCE_AGAIN_MS = 5000,
	IDLE_MS = 50,
};

static int64_t in_ms(int64_t ms)
{
	return now_ns() + ms * NS_PER_MS;
}

/* Take the arc, and say so. */
static bool go(struct primary *p, enum primary_event event, const char *why)
{
	enum primary_state before = p->state;

	if (!primary_next(&p->state, event))
		return false;
	if (p->state != before)
		event_post("state", "%s -> %s: %s", primary_state_name(before),
			primary_state_name(p->state), why);
	return true;
}

/* ---- renicd ---- */

static void on_daemon_error(struct primary *p, int rc, const struct nic_error *err)
{
	if (rc == RENIC_E_TERM) {
		go(p, PE_STALE, err->message);
		return;
	}
	event_post("renicd", "%s", err->message);
	if (daemon_is_lost(rc) && !p->daemon_lost_ns)
		p->daemon_lost_ns = now_ns();
}

static void commit(struct primary *p)
{
	struct nic_error err = {0};
	int rc;

	if (p->acked <= p->committed || p->daemon_lost_ns)
		return;
	rc = daemon_commit(&p->daemon, p->acked, &err);
	if (rc)
		on_daemon_error(p, rc, &err);
	else
		p->committed = p->acked;
}

/* Hold what the VFs send from now on, or go on with that. */
static int protect(struct primary *p, struct nic_error *err)
{
	struct daemon_group group;
	int rc = daemon_group(&p->daemon, &group, err);

	if (rc)
		return rc;
	/* A renicd that forgot its term is told; the next connection carries it. */
	if (group.term > p->daemon.term)
		p->daemon.term = group.term;
	daemon_close(&p->daemon);
	if (!strcmp(group.state, "standby"))
		return nic_fail(err, RENIC_E_STATE, "group",
			"renicd's group \"%s\" is a standby: nothing to protect here",
			p->config->group);
	if (!strcmp(group.state, "suspended"))
		rc = daemon_abort(&p->daemon, err);
	if (!rc && !strcmp(group.state, "unprotected")) {
		rc = daemon_protect(&p->daemon, err);
		if (!rc)
			p->sealed = p->acked = p->committed = 0;
	} else if (!rc && !p->protecting) {
		p->ever_held = true; /* somebody's epochs are held: they were promised */
	}
	p->protecting = !rc;
	return rc;
}

static int unprotect(struct primary *p, bool discard)
{
	struct nic_error err = {0};
	int rc = p->protecting ? daemon_unprotect(&p->daemon, discard, &err) : 0;

	if (rc)
		event_post("renicd", "%s", err.message);
	else
		p->protecting = false;
	return rc;
}

static void start_copy(struct primary *p)
{
	struct nic_error err = {0};

	if (primary_copy_all(p, &err))
		event_post("error", "dirty pages cannot be tracked: %s", err.message);
}

/* All must go over again; of a stream from its beginning, to a standby that forgot it. */
static void resync(struct primary *p, const char *why)
{
	if (guests_have_stream(p->guests, p->config->n_vms))
		link_drop(p->link);
	else if (go(p, PE_RESYNC, why))
		start_copy(p);
}

/* It is back after a crash: what it holds it held, but its dirty pages are lost. */
static void retry_daemon(struct primary *p)
{
	struct nic_error err = {0};

	if (protect(p, &err)) {
		daemon_close(&p->daemon);
		return;
	}
	event_post(
		"renicd", "back after %" PRId64 " ms", (now_ns() - p->daemon_lost_ns) / NS_PER_MS);
	p->daemon_lost_ns = 0;
	p->may_pass = p->may_pass && !p->ever_held;
	commit(p);
	if (p->up)
		resync(p, "renicd lost track of the pages it wrote");
}

/* ---- the end of a VM, or of its NIC ---- */

static void stop_vms(struct primary *p)
{
	struct nic_error err = {0};

	if (p->vms_stopped)
		return;
	p->vms_stopped = true;
	for (unsigned i = 0; i < p->config->n_vms; i++)
		if (p->guests[i].driver->stop(p->guests[i].vm, &err)) {
			event_post("error", "VM \"%s\" cannot be stopped: %s",
				p->config->vms[i].name, err.message);
			p->vms_stopped = false;
		}
}

static void send_handover(struct primary *p, bool lost)
{
	struct msg_handover m = {
		.lost = lost, .term = p->daemon.term, .epoch = lost ? 0 : p->sealed};

	if (staging_put(&p->staging, (struct slot){.type = SLOT_HANDOVER}, &m, sizeof(m)))
		return;
	staging_publish(&p->staging);
	p->handover_sent = true;
	p->deadline_ns = in_ms(TAKEN_MS);
}

/* Nobody needs to fence us when we say so ourselves; but only if the VMs surely do not run. */
static void vm_lost(struct primary *p, const char *why)
{
	if (!go(p, PE_VM_LOST, why))
		return;
	event_post("vm_lost", "%s", why);
	stop_vms(p);
	p->deadline_ns = in_ms(TAKEN_MS);
	if (p->state != P_GIVING_UP)
		return;
	if (!p->vms_stopped)
		link_drop(p->link);
	else if (p->up)
		send_handover(p, true);
}

/* The standby runs the VMs: here nothing of them may leave or be heard any more. */
static void switched(struct primary *p)
{
	struct nic_error err = {0};

	stop_vms(p);
	if (p->daemon_lost_ns || unprotect(p, true))
		return;
	p->daemon.term = p->view.answer.term;
	daemon_close(&p->daemon);
	if (daemon_standby_start(&p->daemon, &err))
		event_post("renicd", "%s", err.message);
}

/* ---- the link ---- */

static void say_hello(struct primary *p)
{
	struct msg_hello hello = {
		.version = STREAM_VERSION,
		.compatible = STREAM_VERSION,
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
		if (getrandom(&p->session, sizeof(p->session), 0) < 0)
			p->session++;
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
	commit(p);
	p->copying = true;
	p->copy_round = 0;
	go(p, PE_UP_AGAIN, "the standby is back, with its checkpoint");
}

static void on_up_new(struct primary *p)
{
	struct nic_error err = {0};
	int rc;

	primary_recall(p);
	rc = protect(p, &err);
	if (rc) {
		event_post("error", "%s", err.message);
		link_drop(p->link);
		return;
	}
	p->held_from = 1;
	p->may_pass = !p->ever_held && p->view.peer.epoch == 0;
	go(p, PE_UP, "connected to a standby");
	start_copy(p);
}

static void on_up(struct primary *p)
{
	struct nic_error err = {0};

	p->up = true;
	p->generation = p->view.generation;
	p->next_tick_ns = now_ns();
	if (p->state == P_FENCING) {
		link_drop(p->link); /* the fence command decides; it may come again */
		return;
	}
	event_post("connected", "%s", p->view.peer_address);
	if (p->state == P_GIVING_UP) {
		send_handover(p, true);
		return;
	}
	if (p->paused && primary_resume_vms(p, &err)) {
		vm_lost(p, err.message);
		return;
	}
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
	p->deadline_ns = in_ms(3 * p->config->timeout_ms);
	event_post("disconnected", "%s", why);
	if (p->state == P_SWITCHING && !p->handover_sent) {
		if (primary_resume_vms(p, &err))
			vm_lost(p, err.message);
		else
			go(p, PE_BACK, why);
	}
	if (p->ever_held || p->state == P_GIVING_UP)
		go(p, PE_LOST, why);
	else if (go(p, PE_LOST_BARE, why))
		unprotect(p, false);
}

static void on_idle(struct primary *p)
{
	if (p->up)
		on_down(p);
	if (p->view.state == LINK_REFUSED && p->view.refuse.reason == REFUSE_TERM) {
		p->view.answer.term = p->view.refuse.term;
		if (go(p, PE_STALE, p->view.refuse.text) && p->state == P_SWITCHED)
			switched(p);
		return;
	}
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
	commit(p);
	if (p->state == P_SYNCING && !p->copying)
		go(p, PE_SYNCED, "the standby holds a whole checkpoint");
}

static void look(struct primary *p)
{
	link_look(p->link, &p->view);
	if (p->view.state == LINK_UP && !p->up && p->view.generation != p->generation)
		on_up(p);
	if (p->up && p->view.state == LINK_UP)
		on_ack(p);
	if (p->view.idle && !primary_is_final(p->state))
		on_idle(p);
}

/* ---- the clock ---- */

static void on_checkpoint_error(struct primary *p, int rc, const struct nic_error *err)
{
	bool broken = p->stream_broken;

	p->stream_broken = false;
	if (rc == CHECKPOINT_LINK_LOST)
		return; /* the link says so itself */
	if (rc == REMUS_E_VM_GONE) {
		vm_lost(p, err->message);
	} else if (rc == CHECKPOINT_RESYNC) {
		resync(p, err->message);
	} else if (daemon_is_lost(rc) || rc == RENIC_E_TERM) {
		on_daemon_error(p, rc, err);
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
		p->next_tick_ns = now_ns();
	}
	if (rc)
		on_checkpoint_error(p, rc, &err);
}

static void tick(struct primary *p)
{
	struct nic_error err = {0};
	int rc = 0;

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
		on_checkpoint_error(p, rc, &err);
	p->next_tick_ns += p->config->interval_us * NS_PER_US;
	if (p->next_tick_ns < now_ns())
		p->next_tick_ns = now_ns();
}

static void check_vms(struct primary *p)
{
	struct nic_error err = {0};

	p->next_check_ns = in_ms(CHECK_MS);
	for (unsigned i = 0; i < p->config->n_vms && !p->vms_stopped; i++)
		if (p->guests[i].driver->check(p->guests[i].vm, &err)) {
			vm_lost(p, err.message);
			return;
		}
}

/* ---- planned switch ---- */

static void switch_failed(struct primary *p, const char *why)
{
	struct nic_error err = {0};

	event_post("failover_failed", "%s", why);
	if (primary_resume_vms(p, &err))
		vm_lost(p, err.message);
	else
		go(p, PE_BACK, why);
	p->next_tick_ns = now_ns();
}

static void begin_switch(struct primary *p)
{
	struct nic_error err = {0};
	int rc;

	if (!p->up || p->daemon_lost_ns || !go(p, PE_SWITCH, "planned failover")) {
		event_post("failover_failed", "not in state %s", primary_state_name(p->state));
		return;
	}
	p->handover_sent = false;
	p->deadline_ns = in_ms(DRAIN_MS);
	if (p->n_flights == p->places)
		return;
	rc = primary_checkpoint(p, true, &err);
	if (!rc)
		return;
	go(p, PE_BACK, err.message); /* the VMs run again */
	event_post("failover_failed", "%s", err.message);
	on_checkpoint_error(p, rc, &err);
}

/* Everything that was acknowledged has left. */
static bool drained(struct primary *p)
{
	struct daemon_group group = {0};
	struct nic_error err = {0};
	int rc;

	if (p->acked < p->sealed || p->committed < p->acked)
		return false;
	rc = daemon_group(&p->daemon, &group, &err);
	if (rc)
		on_daemon_error(p, rc, &err);
	return !rc && group.held_pkts == 0;
}

static void go_on_switching(struct primary *p)
{
	bool late = now_ns() > p->deadline_ns;

	if (!p->handover_sent) {
		if (drained(p))
			send_handover(p, false);
		else if (late)
			switch_failed(p, "the standby or the network took too long");
	} else if (p->view.taken && p->view.answer.ok) {
		go(p, PE_TAKEN, "the standby has taken over");
		switched(p);
	} else if (p->view.taken) {
		switch_failed(p, p->view.answer.text);
	} else if (late) {
		link_drop(p->link); /* its next hello tells what became of it */
	}
}

static void go_on_giving_up(struct primary *p)
{
	if (p->view.taken && p->view.answer.ok && p->handover_sent) {
		go(p, PE_TAKEN, "the standby has taken over");
		switched(p);
	} else if (now_ns() > p->deadline_ns) {
		event_post("error", "the VM is lost, and no standby has said that it took over");
		p->quit = true;
	}
}

/* ---- backup lost: policy ---- */

static void consider_fence(struct primary *p)
{
	struct nic_error err = {0};

	if (p->config->on_backup_lost != BACKUP_LOST_RELEASE || !fence_is_configured(p->config) ||
		now_ns() < p->deadline_ns)
		return;
	p->deadline_ns = in_ms(FENCE_AGAIN_MS);
	if (fence_start(&p->fence, p->config, REMUS_STANDBY, p->config->peer, p->daemon.term, &err))
		event_post("fence", "%s", err.message);
	else
		go(p, PE_FENCE, "asking the fence command about the backup");
}

static void go_on_fencing(struct primary *p)
{
	enum fence_answer answer = fence_poll(&p->fence);

	if (answer == FENCE_RUNNING)
		return;
	if (answer == FENCE_NO) {
		p->deadline_ns = in_ms(FENCE_AGAIN_MS);
		go(p, PE_FENCE_NO, "the fence command does not say that the backup is dead");
		return;
	}
	/* Whatever it held, it will not run: a checkpoint of another session replaces it. */
	go(p, PE_FENCE_YES, "the backup is fenced: what is held leaves");
	if (unprotect(p, false) == 0)
		p->ever_held = false;
	if (getrandom(&p->session, sizeof(p->session), 0) < 0)
		p->session++;
	primary_recall(p);
}

/* ---- commands ---- */

/* The standby says that it has forgotten its checkpoint; only then what is held may leave. */
static bool say_bye(struct primary *p)
{
	int64_t deadline = in_ms(DRAIN_MS);

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

	if (!primary_next(&after, PE_STOP) || !say_bye(p) || unprotect(p, false))
		event_post("stop_failed",
			"in state %s: the standby may still take over, what is held stays held",
			primary_state_name(p->state));
	else
		go(p, PE_STOP, "protection ended by the operator");
}

static void run_command(struct primary *p)
{
	enum role_command command = role_take(p->role);

	switch (command) {
	case ROLE_FAILOVER:
		begin_switch(p);
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
		if (now - p->daemon_lost_ns > p->config->renicd_timeout_ms * NS_PER_MS)
			vm_lost(p, "renicd is gone, and the VM has no network");
		else
			retry_daemon(p);
	}
	if (now >= p->next_check_ns && !primary_is_final(p->state))
		check_vms(p);
	if (p->state == P_SWITCHING)
		go_on_switching(p);
	else if (p->state == P_GIVING_UP)
		go_on_giving_up(p);
	else if (p->state == P_BACKUP_LOST)
		consider_fence(p);
	else if (p->state == P_FENCING)
		go_on_fencing(p);
	if (!p->up || p->daemon_lost_ns || (p->state != P_SYNCING && p->state != P_PROTECTED))
		return;
	if (now >= p->next_tick_ns)
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
	if (p->up && p->next_tick_ns < deadline)
		return p->next_tick_ns;
	return deadline;
}

static int loop(struct primary *p)
{
	while (!p->quit && !primary_is_final(p->state)) {
		role_wait(p->role, -1, next_deadline(p));
		look(p);
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
	if (getrandom(&p->session, sizeof(p->session), 0) < 0)
		return nic_fail(err, RENIC_E_IO, "", "no random numbers");
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
	p->daemon = (struct daemon){.path = config->renicd, .group = config->group};
	p->places = config->in_flight + 1;
	rc = begin(p, err);
	if (!rc)
		rc = loop(p);
	link_free(p->link);
	staging_fini(&p->staging);
	held_free(&p->held);
	daemon_close(&p->daemon);
	guests_close(p->guests, config->n_vms);
	free(p);
	return rc;
}
