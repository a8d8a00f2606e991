/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary and its renicd: holding begins, commits, and a renicd that was away; see primary.h.
 */
#include <inttypes.h>
#include <sys/random.h>

#include "clock.h"
#include "event.h"
#include "primary.h"

void primary_daemon_failed(struct primary *p, int rc, const struct nic_error *err)
{
	if (rc == RENIC_E_TERM) {
		primary_go(p, PE_STALE, err->message);
		return;
	}
	event_post("renicd", "%s", err->message);
	if (daemon_is_lost(rc) && !p->daemon_lost_ns)
		p->daemon_lost_ns = now_ns();
}

void primary_commit(struct primary *p)
{
	struct nic_error err = {0};
	int rc;

	if (p->acked <= p->committed || p->daemon_lost_ns)
		return;
	rc = daemon_commit(&p->daemon, p->acked, &err);
	if (rc)
		primary_daemon_failed(p, rc, &err);
	else
		p->committed = p->acked;
}

void primary_new_session(struct primary *p)
{
	if (getrandom(&p->session, sizeof(p->session), 0) < 0)
		p->session++;
	p->session_has_epochs = false;
}

/* Epochs count from 1 again, so they are another session's; and since the VM sent unheld, what a
 * standby may hold of it is void. */
static void begin_anew(struct primary *p)
{
	p->sealed = p->acked = p->committed = 0;
	p->ever_held = false;
	p->is_void = true;
	primary_recall(p);
	if (!p->session_has_epochs)
		return;
	primary_new_session(p);
	if (p->up)
		link_drop(p->link);
}

/* Hold what the VFs send from now on, or go on with that. */
int primary_protect(struct primary *p, struct nic_error *err)
{
	struct daemon_group group;
	int rc = daemon_group(&p->daemon, &group, err);

	if (rc)
		return rc;
	/* A renicd that forgot its term is told; the next connection carries it. Not else: who
	 * closes the connection that drives a group is a lost replicator. */
	if (group.term != p->daemon.term)
		daemon_close(&p->daemon);
	if (group.term > p->daemon.term)
		p->daemon.term = group.term;
	if (!strcmp(group.state, "standby"))
		return nic_fail(err, RENIC_E_STATE, "group",
			"renicd's group \"%s\" is a standby: nothing to protect here",
			p->config->group);
	if (!strcmp(group.state, "suspended"))
		rc = daemon_abort(&p->daemon, err);
	if (!rc && !strcmp(group.state, "unprotected")) {
		begin_anew(p);
		p->protecting = false;
		if (!p->up)
			return 0; /* with nobody to protect it, it sends on */
		rc = daemon_protect(&p->daemon, err);
	} else if (!rc && !p->protecting && !p->is_void) {
		p->ever_held = true; /* somebody's epochs are held: they were promised */
	}
	p->protecting = !rc;
	return rc;
}

int primary_unprotect(struct primary *p, bool discard)
{
	struct nic_error err = {0};
	int rc = p->protecting ? daemon_unprotect(&p->daemon, discard, &err) : 0;
	struct daemon_group group;

	if (rc == RENIC_E_STATE && daemon_group(&p->daemon, &group, &err) == 0 &&
		!strcmp(group.state, "unprotected"))
		rc = 0;
	if (rc)
		event_post("renicd", "%s", err.message);
	else
		p->protecting = false;
	return rc;
}

void primary_start_copy(struct primary *p)
{
	struct nic_error err = {0};

	if (primary_copy_all(p, &err) == 0)
		return;
	event_post("error", "dirty pages cannot be tracked: %s", err.message);
	link_drop(p->link); /* and begin again */
}

/* All must go over again; of a stream from its beginning, to a standby that forgot it. */
void primary_resync(struct primary *p, const char *why)
{
	if (guests_have_stream(p->guests, p->config->n_vms))
		link_drop(p->link);
	else if (primary_go(p, PE_RESYNC, why))
		primary_start_copy(p);
}

/* Without a standby, and nothing is to be held. */
bool primary_is_bare(const struct primary *p)
{
	return p->state == P_CONNECTING || p->state == P_RELEASED;
}

/* Is there somebody who could run the VMs in our place: who has acknowledged a checkpoint, or has
 * come with one since which nothing was sent unheld? */
bool primary_can_hand_over(const struct primary *p)
{
	const struct msg_hello *peer = &p->view.peer;

	return p->up && !p->is_void &&
	       (p->view.acked > 0 || (peer->epoch > 0 && peer->session == p->session) ||
		       (peer->epoch > 0 && p->ever_held &&
			       !guests_have_stream(p->guests, p->config->n_vms)));
}

/* It is back after a crash: what it holds it held, but its dirty pages are lost. */
void primary_retry_daemon(struct primary *p)
{
	struct daemon_group group;
	struct nic_error err = {0};
	int rc = primary_is_bare(p) ? daemon_group(&p->daemon, &group, &err)
				    : primary_protect(p, &err);

	if (rc) {
		daemon_close(&p->daemon);
		return;
	}
	event_post(
		"renicd", "back after %" PRId64 " ms", (now_ns() - p->daemon_lost_ns) / NS_PER_MS);
	p->daemon_lost_ns = 0;
	if (p->up && p->is_void) {
		primary_forget_void(p);
		return;
	}
	p->may_pass = p->may_pass && !p->ever_held;
	primary_commit(p);
	if (p->up)
		primary_resync(p, "renicd lost track of the pages it wrote");
	for (unsigned i = 0; i < p->config->n_vms && !p->up; i++)
		guest_set_all(&p->guests[i], p->guests[i].carry);
}
