/* SPDX-License-Identifier: BSD-3-Clause */
/* The standby and its primary: who is let in, and what it says; see standby.h. Nothing of it is
 * believed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "event.h"
#include "rehearsal.h"
#include "standby.h"

enum {
	IDLE_MS = STANDBY_IDLE_MS,
	FRAMES_A_TURN = 64,
	WRITE_MS = 1000,
	LINE_SHOWN = 48,
	LINE_NEAR = 8
};

/* ---- the connection ---- */

void standby_hang_up(struct standby *s, const char *why)
{
	if (!s->conn)
		return;
	event_post("disconnected", "%s: %s", conn_peer(s->conn), why);
	conn_close(s->conn);
	s->conn = NULL;
	replica_end(&s->replica);
	if (!s->replica.valid)
		standby_go(s, SE_GONE, why);
}

static int say(struct standby *s, const uint8_t *frame, size_t n)
{
	int rc = s->mute ? -EPIPE : conn_write(s->conn, frame, n, WRITE_MS);

	s->mute = rc != 0;
	s->said_ns = now_ns();
	return rc;
}

/* A heartbeat, if one is due. The primary waits only timeout_ms for one, so what may take longer
 * beats too; but only as it gets on, never from a thread or a timer: a standby that is stuck is
 * none. */
static int beat(struct standby *s)
{
	uint8_t frame[64];

	if (now_ns() < s->said_ns + s->config->heartbeat_ms * NS_PER_MS)
		return s->mute ? -EPIPE : 0;
	return say(s, frame, stream_put_empty(frame, FRAME_HEARTBEAT));
}

/* Where it cannot be said, whoever says something next learns of it. */
void standby_progress(void *arg)
{
	struct standby *s = arg;

	if (s->conn)
		beat(s);
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

/* What is shown of a line: its beginning, or its first two words and what is near `at`. */
static void show_line(char shown[LINE_SHOWN + 1], const char *line, size_t at)
{
	int bytes = (int)strcspn(line, "\n"), name;

	if (at < LINE_SHOWN - LINE_NEAR) {
		snprintf(shown, LINE_SHOWN + 1, "%.*s", bytes, line);
		return;
	}
	name = (int)strcspn(line, " \n");
	name += line[name] == ' ' ? 1 + (int)strcspn(line + name + 1, " \n") : 0;
	snprintf(shown, LINE_SHOWN + 1, "%.*s ... %.*s",
		name < LINE_SHOWN / 2 ? name : LINE_SHOWN / 2, line, bytes - (int)(at - LINE_NEAR),
		line + at - LINE_NEAR);
}

/* The first line in which they differ. */
static void other_machine(
	const char *theirs, const char *ours, unsigned index, struct nic_error *err)
{
	char there[LINE_SHOWN + 1], here[LINE_SHOWN + 1];
	size_t line = 0, i = 0;

	for (; theirs[i] && theirs[i] == ours[i]; i++)
		if (theirs[i] == '\n')
			line = i + 1;
	show_line(there, theirs + line, i - line);
	show_line(here, ours + line, i - line);
	nic_fail(err, RENIC_E_PARAMS, "vms",
		"VM %u: its machine differs: \"%s\" there, \"%s\" here", index, there, here);
}

/* Where both say of which form it is, and that is one. */
static bool same_machine(const char *theirs, const char *ours)
{
	size_t form = strcspn(ours, "\n") + 1;

	return !ours[0] || strncmp(theirs, ours, form) || !strcmp(theirs, ours);
}

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
	if (!what && !same_machine(theirs->machine, ours.machine)) {
		what = "machine";
		other_machine(theirs->machine, ours.machine, i, err);
	}
	return !what;
}

/* After an activation that failed, too, as long as nothing of it is left. */
static enum standby_event event_of_visit(const struct standby *s)
{
	bool returned = s->state == S_FAILED && standby_activated_nothing(s) && !s->spent;

	return returned ? SE_RETURNED : SE_CONNECTED;
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
	if (state != S_SYNCING && !standby_next(&state, event_of_visit(s))) {
		if (state == S_FAILED && standby_activated_nothing(s)) {
			nic_fail(err, RENIC_E_STATE, "",
				"this standby could not take over: prepare its VMs anew");
			return REFUSE_FAILED;
		}
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
		.compatible = STREAM_WITHOUT_MACHINES, /* what I say is as it was */
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
	s->mute = false;
	if (say(s, frame, stream_put_hello(frame, &m)))
		standby_hang_up(s, "it does not take our hello");
}

/* What a failover failed with is of the past. */
static void clear_error(struct standby *s)
{
	pthread_mutex_lock(&s->role->lock);
	s->role->status.error[0] = '\0';
	pthread_mutex_unlock(&s->role->lock);
}

void standby_welcome(struct standby *s, struct visitor *v)
{
	struct nic_error err = {0};
	enum refuse_reason reason = judge(s, v, &err);

	if (reason) {
		refuse(v->conn, reason, s->term, err.message);
		conn_close(v->conn);
		return;
	}
	standby_hang_up(s, "another connection takes its place");
	s->conn = v->conn;
	s->term = v->hello.term;
	s->heard_ns = now_ns();
	s->rehearsed = false;
	s->mute = true;
	reader_clear(&s->reader);
	snprintf(s->primary, sizeof(s->primary), "%s", conn_peer(s->conn));
	if (replica_begin(&s->replica, v->hello.session, v->hello.term, &err)) {
		standby_hang_up(s, err.message);
		return;
	}
	event_post("connected", "%s, term %" PRIu64, s->primary, s->term);
	if (standby_go(s, event_of_visit(s), "a primary is there"))
		clear_error(s);
	answer_hello(s);
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
	if (!standby_go(
		    s, SE_HANDOVER, m.lost ? "the primary has lost its VM" : "planned failover"))
		return nic_fail(err, RENIC_E_STATE, "", "a handover in state %s",
			standby_state_name(s->state));
	standby_take_over(s);
	if (s->state == S_ACTIVE)
		answer_taken(s, true, "");
	else if (standby_activated_nothing(s)) /* else nobody runs the VMs there */
		answer_taken(s, false, "activation failed");
	return nic_fail(err, RENIC_E_STATE, "", "the handover ends it");
}

static int on_end(struct standby *s, const struct frame *f, struct nic_error *err)
{
	struct msg_ack ack;
	uint8_t frame[64];
	int rc = replica_check(&s->replica, f, err);

	/* What renicd would refuse at a failover, it refuses now, before it counts as held. */
	if (!rc && (!s->rehearsed || rehearsal_is_due(&s->replica)))
		rc = takeover_rehearse(s, err);
	if (rc)
		return rc;
	s->rehearsed = true;
	rc = replica_commit(&s->replica, f, err);
	if (rc)
		return rc;
	ack = (struct msg_ack){.term = s->replica.term, .epoch = s->replica.epoch};
	standby_go(s, SE_HELD, "a whole checkpoint is held");
	role_left_out(s->role, s->replica.left_out_bytes, "be kept here");
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
		standby_go(s, SE_BYE, "the primary ended protection");
		answer_taken(s, true, "");
		return nic_fail(err, RENIC_E_STATE, "", "it said good-bye");
	default:
		return replica_take(&s->replica, f, err);
	}
}

/* Read what is there, some frames of it; wait for more at most until the next heartbeat. */
void standby_listen(struct standby *s)
{
	int64_t next_beat = s->said_ns + s->config->heartbeat_ms * NS_PER_MS;
	struct nic_error err = {0};
	int rc = 1;

	for (unsigned i = 0; i < FRAMES_A_TURN && rc == 1 && s->conn; i++) {
		struct frame f;
		bool got;

		rc = reader_next(
			&s->reader, s->conn, i ? 0 : ms_until(next_beat, IDLE_MS), &f, &got, &err);
		if (got || rc == 1)
			s->heard_ns = now_ns();
		if (rc == 1) {
			int bad = on_frame(s, &f, &err);

			rc = bad ? bad : 1;
		}
		if (rc >= 0 && s->conn && beat(s))
			rc = nic_fail(&err, RENIC_E_IO, "", "it takes no heartbeat");
	}
	if (rc < 0)
		standby_hang_up(s, err.message);
}
