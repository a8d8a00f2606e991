/* SPDX-License-Identifier: BSD-3-Clause */
/* The standby's loop; see standby.h. What may follow what, fsm.c says. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "event.h"
#include "standby.h"

enum { IDLE_MS = STANDBY_IDLE_MS, CHECK_MS = 100 };

bool standby_go(struct standby *s, enum standby_event event, const char *why)
{
	enum standby_state before = s->state;

	if (!standby_next(&s->state, event))
		return false;
	if (s->state != before)
		event_post("state", "%s -> %s: %s", standby_state_name(before),
			standby_state_name(s->state), why);
	return true;
}

/* ---- commands ---- */

static void run_command(struct standby *s)
{
	switch (role_take(s->role)) {
	case ROLE_FAILOVER_FENCED:
		standby_hang_up(s, "an operator says that the primary is fenced");
		if (s->replica.valid &&
			standby_go(s, SE_FENCE_YES, "an operator says that the primary is fenced"))
			standby_take_over(s);
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
			standby_hang_up(s, err.message);
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
		standby_hang_up(s, "renicd is away: nobody could take over here");
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
		standby_primary_is_silent(s);
	else if (s->state == S_SYNCING)
		standby_hang_up(s, "silent during the first copy");
}

static void loop(struct standby *s)
{
	int64_t turn = now_ns(), before;

	while (!s->quit && !s->protect) {
		struct visitor v;

		before = turn;
		turn = now_ns();
		if (s->conn)
			standby_listen(s);
		role_wait(s->role, -1, s->conn ? 0 : now_ns() + IDLE_MS * NS_PER_MS / 4);
		run_command(s);
		if (door_take(s->door, &v))
			standby_welcome(s, &v);
		if (s->state == S_FENCING)
			standby_look_at_fence(s);
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
	s->replica.progress = standby_progress;
	s->replica.progress_arg = s;
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
	s->daemon = (struct daemon){.path = config->renicd,
		.group = config->group,
		.timeout_ms = daemon_call_ms(config->renicd_timeout_ms)};
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
