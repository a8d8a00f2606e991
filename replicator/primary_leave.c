/* SPDX-License-Identifier: BSD-3-Clause */
/* How a VM leaves this host: lost, or by a planned switch; see primary.h. From the handover on it
 * stays paused here, whatever the answer is. */
#include "clock.h"
#include "event.h"
#include "primary.h"

enum {
	DRAIN_MS = PRIMARY_DRAIN_MS,
	TAKEN_MS = 15000, /* from the handover to its answer */
};

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

void primary_hand_over(struct primary *p, bool lost)
{
	struct msg_handover m = {
		.lost = lost, .term = p->daemon.term, .epoch = lost ? 0 : p->sealed};

	if (staging_put(&p->staging, (struct slot){.type = SLOT_HANDOVER}, &m, sizeof(m)))
		return;
	staging_publish(&p->staging);
	if (!lost || !p->handover_sent) /* a standby that failed is asked again, but not for ever */
		p->deadline_ns = in_ms(TAKEN_MS);
	p->handover_sent = true;
}

/* Nobody needs to fence us when we say so ourselves; but only if the VMs surely do not run. */
void primary_give_up(struct primary *p)
{
	stop_vms(p);
	if (!p->vms_stopped)
		link_drop(p->link);
	else if (p->up && p->is_void)
		primary_forget_void(p);
	else if (p->up)
		primary_hand_over(p, true);
}

void primary_vm_lost(struct primary *p, const char *why)
{
	if (!primary_go(p, PE_VM_LOST, why))
		return;
	event_post("vm_lost", "%s", why);
	p->deadline_ns = in_ms(TAKEN_MS);
	if (p->state == P_GIVING_UP)
		primary_give_up(p);
	else
		stop_vms(p);
}

/* The standby runs the VMs: here nothing of them may leave or be heard any more. */
void primary_switched(struct primary *p)
{
	struct nic_error err = {0};

	stop_vms(p);
	if (p->daemon_lost_ns || primary_unprotect(p, true))
		return;
	p->daemon.term = p->view.answer.term;
	daemon_close(&p->daemon);
	if (daemon_standby_start(&p->daemon, &err))
		event_post("renicd", "%s", err.message);
}

/* ---- planned switch ---- */

static void switch_failed(struct primary *p, const char *why)
{
	struct nic_error err = {0};

	event_post("failover_failed", "%s", why);
	p->handover_sent = false;
	if (primary_resume_vms(p, &err))
		primary_vm_lost(p, err.message);
	else
		primary_go(p, PE_BACK, why);
	pace_begin(&p->pace, now_ns());
}

/* The VMs run on, and what they send is held until there is a standby again. */
void primary_switch_refused(struct primary *p)
{
	if (p->state == P_SWITCH_LOST)
		switch_failed(p, p->view.refuse.text);
}

void primary_begin_switch(struct primary *p)
{
	struct nic_error err = {0};
	int rc;

	if (!p->up || p->daemon_lost_ns || !primary_go(p, PE_SWITCH, "planned failover")) {
		event_post("failover_failed", "not in state %s", primary_state_name(p->state));
		return;
	}
	p->handover_sent = false;
	p->deadline_ns = in_ms(DRAIN_MS);
	if (p->n_flights == p->places) {
		switch_failed(p, "the standby has not taken the checkpoints before");
		return;
	}
	rc = primary_checkpoint(p, true, &err);
	if (!rc)
		return;
	primary_go(p, PE_BACK, err.message); /* the VMs run again */
	event_post("failover_failed", "%s", err.message);
	primary_checkpoint_failed(p, rc, &err);
}

/* Everything that was acknowledged has left. */
static bool drained(struct primary *p)
{
	struct daemon_group group = {0};
	struct nic_error err = {0};
	int rc;

	if (!p->sealed || p->acked < p->sealed || p->committed < p->acked)
		return false;
	rc = daemon_group(&p->daemon, &group, &err);
	if (rc)
		primary_daemon_failed(p, rc, &err);
	return !rc && group.held_pkts == 0;
}

void primary_go_on_switching(struct primary *p)
{
	bool late = now_ns() > p->deadline_ns;

	if (!p->handover_sent) {
		if (drained(p))
			primary_hand_over(p, false);
		else if (late)
			switch_failed(p, "the standby or the network took too long");
	} else if (p->view.taken && p->view.answer.ok) {
		primary_go(p, PE_TAKEN, "the standby has taken over");
		primary_switched(p);
	} else if (p->view.taken) {
		switch_failed(p, p->view.answer.text);
	} else if (late) {
		link_drop(p->link); /* its next hello tells what became of it */
	}
}

void primary_go_on_giving_up(struct primary *p)
{
	if (p->view.taken && p->view.answer.ok && p->handover_sent) {
		primary_go(p, PE_TAKEN, "the standby has taken over");
		primary_switched(p);
	} else if (now_ns() > p->deadline_ns) {
		event_post("error", "the VM is lost, and no standby has said that it took over");
		p->quit = true;
	}
}
