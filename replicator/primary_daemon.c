/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary and its renicd: holding begins, commits, and a renicd that was away; see primary.h.
 */
#include <inttypes.h>

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

/* Hold what the VFs send from now on, or go on with that. */
int primary_protect(struct primary *p, struct nic_error *err)
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

int primary_unprotect(struct primary *p, bool discard)
{
	struct nic_error err = {0};
	int rc = p->protecting ? daemon_unprotect(&p->daemon, discard, &err) : 0;

	if (rc)
		event_post("renicd", "%s", err.message);
	else
		p->protecting = false;
	return rc;
}

void primary_start_copy(struct primary *p)
{
	struct nic_error err = {0};

	if (primary_copy_all(p, &err))
		event_post("error", "dirty pages cannot be tracked: %s", err.message);
}

/* All must go over again; of a stream from its beginning, to a standby that forgot it. */
void primary_resync(struct primary *p, const char *why)
{
	if (guests_have_stream(p->guests, p->config->n_vms))
		link_drop(p->link);
	else if (primary_go(p, PE_RESYNC, why))
		primary_start_copy(p);
}

/* It is back after a crash: what it holds it held, but its dirty pages are lost. */
void primary_retry_daemon(struct primary *p)
{
	struct nic_error err = {0};

	if (primary_protect(p, &err)) {
		daemon_close(&p->daemon);
		return;
	}
	event_post(
		"renicd", "back after %" PRId64 " ms", (now_ns() - p->daemon_lost_ns) / NS_PER_MS);
	p->daemon_lost_ns = 0;
	p->may_pass = p->may_pass && !p->ever_held;
	primary_commit(p);
	if (p->up)
		primary_resync(p, "renicd lost track of the pages it wrote");
}
