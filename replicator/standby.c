/* SPDX-License-Identifier: BSD-3-Clause */
/* The standby's loop; see standby.h. What may follow what, fsm.c says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "event.h"
#include "standby.h"

enum { IDLE_MS = 20, FRAMES_A_TURN = 64, WRITE_MS = 1000, CHECK_MS = 100 };

static bool go(struct standby *s, enum standby_event event, const char *why)
{
	enum standby_state before = s->state;

	if (!standby_next(&s->state, event))
		return false;
	if (s->state != before)
		event_post("state", "%s -> %s: %s", standby_state_name(before),
			standby_state_name(s->state), why);
	return true;
}

/* ---- the connection ---- */

static void hang_up(struct standby *s, const char *why)
{
	if (!s->conn)
		return;
	event_post("disconnected", "%s: %s", conn_peer(s->conn), why);
	conn_close(s->conn);
	s->conn = NULL;
	replica_end(&s->replica);
	if (!s->replica.valid)
		go(s, SE_GONE, why);
}

static int say(struct standby *s, const uint8_t *frame, size_t n)
{
	int rc = conn_write(s->conn, frame, n, WRITE_MS);

	s->said_ns = now_ns();
	return rc;
}

static void refuse(struct conn *conn, enum refuse_reason reason, uint64_t term, const char *why)
{
	struct msg_refuse m = {.reason = reason, .term = term};
	uint8_t frame[1024];

	snprintf(m.text, sizeof(m.text), "%.150s", why);
	for (char *p = m.text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	event_post("refused", "%s: %s", conn_peer(conn), why);
	conn_write(conn, frame, stream_put_refuse(frame, &m), WRITE_MS);
}

/* ---- a visitor ---- */

static bool same_vm(
	const struct standby *s, unsigned i, const struct msg_vm *theirs, struct nic_error *err)
{
	const struct guest *g = &s->guests[i];
	struct msg_vm ours;
	const char *what = NULL;

	guest_describe(g, i, &ours);
	if (strcmp(ours.name, theirs->name))
		what = "name";
	else if (strcmp(ours.driver, theirs->driver))
		what = "driver";
	else if (ours.n_vfs != theirs->n_vfs)
		what = "number of VFs";
	else if (ours.n_regions != theirs->n_regions ||
		 memcmp(ours.regions, theirs->regions, ours.n_regions * sizeof(ours.regions[0])))
		what = "RAM";
	if (what)
		nic_fail(err, RENIC_E_PARAMS, "vms",
			"VM %u (\"%s\" there, \"%s\" here): its %s differs", i, theirs->name,
			ours.name, what);
	return !what;
}

/* 0: it may come in, or the reason. */
static enum refuse_reason judge(
	const struct standby *s, const struct visitor *v, struct nic_error *err)
{
	enum standby_state state = s->state;

	if (v->hello.term < s->term) {
		nic_fail(err, RENIC_E_TERM, "term",
			"its term is %" PRIu64 ", but here it is %" PRIu64, v->hello.term, s->term);
		return REFUSE_TERM;
	}
	if (s->unfit) {
		nic_fail(err, RENIC_E_STATE, "", "the standby's renicd is away");
		return REFUSE_BUSY;
	}
	if (state != S_SYNCING && !standby_next(&state, SE_CONNECTED)) {
		nic_fail(
			err, RENIC_E_STATE, "", "this standby is %s", standby_state_name(s->state));
		return REFUSE_BUSY;
	}
	if (v->hello.n_vms != s->config->n_vms) {
		nic_fail(err, RENIC_E_PARAMS, "vms", "it has %u VMs, but here are %u",
			v->hello.n_vms, s->config->n_vms);
		return REFUSE_LAYOUT;
	}
	for (unsigned i = 0; i < s->config->n_vms; i++)
		if (!same_vm(s, i, &v->vms[i], err))
			return REFUSE_LAYOUT;
	return 0;
}

static void answer_hello(struct standby *s)
{
	struct msg_hello m = {
		.version = STREAM_VERSION,
		.compatible = STREAM_VERSION,
		.side = REMUS_STANDBY,
		.n_vms = (uint8_t)s->config->n_vms,
		.term = s->term,
		.session = s->replica.session,
		.epoch = s->replica.valid ? s->replica.epoch : 0,
		.heartbeat_ms = s->config->heartbeat_ms,
		.timeout_ms = s->config->timeout_ms,
	};
	uint8_t frame[1024];

	snprintf(m.group, sizeof(m.group), "%s", s->config->group);
	if (say(s, frame, stream_put_hello(frame, &m)))
		hang_up(s, "it does not take our hello");
}

static void welcome(struct standby *s, struct visitor *v)
{
	struct nic_error err = {0};
	enum refuse_reason reason = judge(s, v, &err);

	if (reason) {
		refuse(v->conn, reason, s->term, err.message);
		conn_close(v->conn);
		return;
	}
	hang_up(s, "another connection takes its place");
	s->conn = v->conn;
	s->term = v->hello.term;
	s->heard_ns = now_ns();
	s->rehearsed = false;
	reader_clear(&s->reader);
	snprintf(s->primary, sizeof(s->primary), "%s", conn_peer(s->conn));
	if (replica_begin(&s->replica, v->hello.session, v->hello.term, &err)) {
		hang_up(s, err.message);
		return;
	}
	event_post("connected", "%s, term %" PRIu64, s->primary, s->term);
	go(s, SE_CONNECTED, "a primary is there");
	answer_hello(s);
}

/* ---- taking over ---- */

static void take_over(struct standby *s)
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
		go(s, SE_FAILED, err.message);
		return;
	}
	event_post("failover",
		"epoch %" PRIu64 " runs here, in term %" PRIu64 ", after %" PRIu64 " us",
		s->replica.epoch, s->term, us);
	go(s, SE_ACTIVATED, "the VMs run here");
}

static void primary_is_silent(struct standby *s)
{
	enum standby_event event = fence_is_configured(s->config) ? SE_SILENT : SE_SILENT_UNFENCED;
	struct nic_error err = {0};
	char why[96];

	snprintf(why, sizeof(why), "nothing was heard of the primary for %" PRId64 " ms",
		(now_ns() - s->heard_ns) / NS_PER_MS);
	hang_up(s, why);
	if (!go(s, event, why) || event == SE_SILENT_UNFENCED)
		return;
	if (!fence_start(&s->fence, s->config, REMUS_PRIMARY, s->primary, s->term, &err))
		return;
	event_post("fence", "%s", err.message);
	go(s, SE_FENCE_NO, "the fence command cannot be run");
}

static void look_at_fence(struct standby *s)
{
	switch (fence_poll(&s->fence)) {
	case FENCE_YES:
		if (go(s, SE_FENCE_YES, "the fence command says that the primary is dead"))
			take_over(s);
		break;
	case FENCE_NO:
		go(s, SE_FENCE_NO, "the fence command does not say that the primary is dead");
		break;
	case FENCE_RUNNING:
		break;
	}
}

/* ---- frames ---- */

static void answer_taken(struct standby *s, bool ok, const char *text)
{
	struct msg_taken m = {.ok = ok, .term = s->term};
	uint8_t frame[1024];

	snprintf(m.text, sizeof(m.text), "%.150s", text);
	if (s->conn)
		say(s, frame, stream_put_taken(frame, &m));
}

static int on_handover(struct standby *s, const struct frame *f, struct nic_error *err)
{
	struct msg_handover m;
	int rc = stream_get_handover(f, &m, err);

	if (rc)
		return rc;
	if (!s->replica.valid || m.term != s->term || (m.epoch && m.epoch != s->replica.epoch)) {
		answer_taken(s, false, "that checkpoint is not held here");
		return 0;
	}
	if (!go(s, SE_HANDOVER, m.lost ? "the primary has lost its VM" : "planned failover"))
		return nic_fail(err, RENIC_E_STATE, "", "a handover in state %s",
			standby_state_name(s->state));
	take_over(s);
	answer_taken(s, s->state == S_ACTIVE, s->state == S_ACTIVE ? "" : "activation failed");
	return nic_fail(err, RENIC_E_STATE, "", "the handover ends it");
}

static int on_end(struct standby *s, const struct frame *f, struct nic_error *err)
{
	struct msg_ack ack;
	uint8_t frame[64];
	int rc = replica_commit(&s->replica, f, err);

	/* What renicd would refuse at a failover, it refuses now. */
	if (!rc && !s->rehearsed)
		rc = takeover_restore(s, err);
	if (rc)
		return rc;
	s->rehearsed = true;
	ack = (struct msg_ack){.term = s->replica.term, .epoch = s->replica.epoch};
	go(s, SE_HELD, "a whole checkpoint is held");
	pthread_mutex_lock(&s->role->lock);
	s->role->status.stats.checkpoints++;
	pthread_mutex_unlock(&s->role->lock);
	return say(s, frame, stream_put_ack(frame, &ack))
		       ? nic_fail(err, RENIC_E_IO, "", "it takes no acknowledgement")
		       : 0;
}

static int on_frame(struct standby *s, const struct frame *f, struct nic_error *err)
{
	switch (f->type) {
	case FRAME_HEARTBEAT:
		return 0;
	case FRAME_END:
		return on_end(s, f, err);
	case FRAME_HANDOVER:
		return on_handover(s, f, err);
	case FRAME_BYE:
		replica_forget(&s->replica);
		go(s, SE_BYE, "the primary ended protection");
		answer_taken(s, true, "");
		return nic_fail(err, RENIC_E_STATE, "", "it said good-bye");
	default:
		return replica_take(&s->replica, f, err);
	}
}

/* Read what is there, some frames of it; wait for more at most until the next heartbeat. */
static void listen_to_primary(struct standby *s)
{
	int64_t beat = s->said_ns + s->config->heartbeat_ms * NS_PER_MS;
	struct nic_error err = {0};
	uint8_t frame[64];
	int rc = 1;

	for (unsigned i = 0; i < FRAMES_A_TURN && rc == 1 && s->conn; i++) {
		struct frame f;
		bool got;

		rc = reader_next(
			&s->reader, s->conn, i ? 0 : ms_until(beat, IDLE_MS), &f, &got, &err);
		if (got || rc == 1)
			s->heard_ns = now_ns();
		if (rc == 1) {
			int bad = on_frame(s, &f, &err);

			rc = bad ? bad : 1;
		}
	}
	if (rc < 0)
		hang_up(s, err.message);
	else if (s->conn && now_ns() >= beat &&
		 say(s, frame, stream_put_empty(frame, FRAME_HEARTBEAT)))
		hang_up(s, "it takes no heartbeat");
}

/* ---- commands ---- */

static void run_command(struct standby *s)
{
	switch (role_take(s->role)) {
	case ROLE_FAILOVER_FENCED:
		hang_up(s, "an operator says that the primary is fenced");
		if (s->replica.valid &&
			go(s, SE_FENCE_YES, "an operator says that the primary is fenced"))
			take_over(s);
		else
			event_post(
				"failover_failed", "not in state %s", standby_state_name(s->state));
		break;
	case ROLE_FAILOVER:
		event_post(
			"failover_failed", "this is the standby: ask the primary, or say --fenced");
		break;
	case ROLE_PROTECT:
		s->protect = s->state == S_ACTIVE;
		if (!s->protect)
			event_post("refused", "protect: not in state %s",
				standby_state_name(s->state));
		break;
	case ROLE_STOP:
	case ROLE_QUIT:
		s->quit = true;
		break;
	case ROLE_NONE:
		break;
	}
}

/* ---- could it take over? ---- */

/* Without its VM there is nothing to take over with: somebody has to prepare another one. */
static void check_vms(struct standby *s)
{
	struct nic_error err = {0};

	for (unsigned i = 0; i < s->config->n_vms; i++)
		if (s->guests[i].driver->check(s->guests[i].vm, &err)) {
			event_post("vm_lost", "%s", err.message);
			replica_forget(&s->replica);
			hang_up(s, err.message);
			s->vm_lost = s->quit = true;
			return;
		}
}

/* Nor without renicd; but that may come back, and what is held stays held. */
static void check_daemon(struct standby *s)
{
	struct daemon_group group;
	struct nic_error err = {0};
	int rc = daemon_group(&s->pulse, &group, &err);

	if (!rc && !strcmp(group.state, "unprotected"))
		rc = daemon_standby_start(&s->pulse, &err);
	if (!rc && s->unfit) {
		event_post("renicd", "back");
		daemon_close(&s->daemon);
	}
	if (rc && !s->unfit) {
		event_post("renicd", "%s", err.message);
		hang_up(s, "renicd is away: nobody could take over here");
	}
	s->unfit = rc != 0;
}

static void check_fitness(struct standby *s)
{
	if (now_ns() < s->next_check_ns || s->state == S_ACTIVATING || s->state == S_ACTIVE ||
		s->state == S_FAILED)
		return;
	s->next_check_ns = now_ns() + CHECK_MS * NS_PER_MS;
	check_vms(s);
	if (!s->vm_lost)
		check_daemon(s);
}

/* ---- the loop ---- */

static void show(struct standby *s)
{
	struct role_status *r = &s->role->status;

	pthread_mutex_lock(&s->role->lock);
	r->state = standby_state_name(s->state);
	r->connected = s->conn != NULL;
	r->term = s->term;
	r->epoch = r->acked = s->replica.valid ? s->replica.epoch : 0;
	r->sync_pages = s->replica.pages_total;
	r->stats.bytes_received = s->reader.bytes;
	snprintf(r->peer, sizeof(r->peer), "%s", s->primary);
	pthread_mutex_unlock(&s->role->lock);
}

/* Is nothing heard for too long? What came before `turn` has been read by now. A turn that came
 * late (this process was stopped, the machine busy) says nothing about the primary. */
static void mind_silence(struct standby *s, int64_t turn, int64_t before)
{
	int64_t timeout = s->config->timeout_ms * NS_PER_MS;

	if ((turn - before > timeout / 2 || s->unfit) && turn > s->heard_ns)
		s->heard_ns = turn;
	if (turn - s->heard_ns <= timeout)
		return;
	if (s->state == S_READY)
		primary_is_silent(s);
	else if (s->state == S_SYNCING)
		hang_up(s, "silent during the first copy");
}

static void loop(struct standby *s)
{
	int64_t turn = now_ns(), before;

	while (!s->quit && !s->protect) {
		struct visitor v;

		before = turn;
		turn = now_ns();
		if (s->conn)
			listen_to_primary(s);
		role_wait(s->role, -1, s->conn ? 0 : now_ns() + IDLE_MS * NS_PER_MS / 4);
		run_command(s);
		if (door_take(s->door, &v))
			welcome(s, &v);
		if (s->state == S_FENCING)
			look_at_fence(s);
		check_fitness(s);
		mind_silence(s, turn, before);
		show(s);
	}
}

static int begin(struct standby *s, struct nic_error *err)
{
	struct daemon_group group;
	int rc = guests_open(s->guests, s->config, REMUS_STANDBY, err);

	if (!rc)
		rc = daemon_group(&s->daemon, &group, err);
	if (!rc && !strcmp(group.state, "unprotected"))
		rc = daemon_standby_start(&s->daemon, err);
	else if (!rc && strcmp(group.state, "standby"))
		rc = nic_fail(err, RENIC_E_STATE, "group", "renicd's group \"%s\" is %s",
			s->config->group, group.state);
	if (!rc)
		s->term = group.term;
	if (!rc)
		rc = replica_init(&s->replica, s->guests, s->config->n_vms, err);
	if (!rc)
		rc = reader_init(&s->reader, err);
	if (!rc)
		rc = door_open(s->config, s->role->wake_fd, &s->door, err);
	return rc;
}

static void describe(struct standby *s)
{
	struct role_status *r = &s->role->status;

	pthread_mutex_lock(&s->role->lock);
	r->side = REMUS_STANDBY;
	r->n_vms = s->config->n_vms;
	for (unsigned i = 0; i < r->n_vms; i++) {
		const struct guest *g = &s->guests[i];

		snprintf(r->vms[i].name, REMUS_NAME_SIZE, "%s", g->config->name);
		snprintf(r->vms[i].driver, REMUS_NAME_SIZE, "%s", g->config->driver);
		r->vms[i].ram_bytes = g->n_pages << REMUS_PAGE_SHIFT;
	}
	pthread_mutex_unlock(&s->role->lock);
	show(s);
}

int standby_run(const struct remus_config *config, struct role *role, struct nic_error *err)
{
	struct standby *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	s->config = config;
	s->role = role;
	s->daemon = (struct daemon){.path = config->renicd, .group = config->group};
	s->pulse = s->daemon;
	s->pulse.timeout_ms = config->timeout_ms / 2; /* a turn that takes longer is late */
	rc = begin(s, err);
	if (!rc) {
		describe(s);
		event_post("listening", "on %s", config->listen);
		loop(s);
		rc = s->protect ? 1 : s->vm_lost ? 2 : 0;
	}
	door_close(s->door);
	conn_close(s->conn);
	reader_fini(&s->reader);
	replica_fini(&s->replica);
	daemon_close(&s->daemon);
	daemon_close(&s->pulse);
	guests_close(s->guests, config->n_vms);
	free(s);
	return rc;
}
