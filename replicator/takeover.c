/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The failover itself (docs/protocol.md, "Failover"): snapshots into renicd, device state into the
 * VMs, then the VFs are activated, which announces them, then the VMs run. Activating before
 * running, as a front-end's rings must not be set up while their VF is suspended.
 */
#include <inttypes.h>

#include "event.h"
#include "standby.h"

int takeover_restore(struct standby *s, struct nic_error *err)
{
	struct daemon_snapshot list[VF_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < s->config->n_vms; i++)
		for (unsigned v = 0; v < s->config->vms[i].n_vfs && n < VF_MAX; v++) {
			const struct replica_vf *vf = &s->replica.vms[i].held[v];

			list[n++] = (struct daemon_snapshot){
				s->config->vms[i].vfs[v].name, vf->snapshot, vf->n};
		}
	return daemon_restore(&s->daemon, list, n, err);
}

static int load(struct standby *s, struct nic_error *err)
{
	for (unsigned i = 0; i < s->config->n_vms; i++) {
		int rc = s->loaded[i] ? 0 : s->guests[i].driver->load(s->guests[i].vm, err);

		if (rc)
			return rc;
		s->loaded[i] = true;
	}
	return 0;
}

static int activate(struct standby *s, struct nic_error *err)
{
	struct daemon_group group;
	int rc;

	daemon_close(&s->daemon); /* it may be of a renicd that was there before */
	rc = daemon_group(&s->daemon, &group, err);

	if (!rc && strcmp(group.state, "standby"))
		rc = nic_fail(err, RENIC_E_STATE, "group",
			"renicd's group \"%s\" is %s, expected standby", s->config->group,
			group.state);
	if (!rc)
		rc = takeover_restore(s, err);
	if (!rc)
		rc = load(s, err);
	if (!rc)
		rc = daemon_activate(&s->daemon, &s->term, err);
	s->activated = !rc;
	return rc;
}

/* A failed attempt may be repeated: what was done before is not done again. */
int takeover(struct standby *s, struct nic_error *err)
{
	int rc = s->activated ? 0 : activate(s, err);

	for (unsigned i = 0; i < s->config->n_vms && !rc; i++)
		rc = s->guests[i].driver->run(s->guests[i].vm, err);
	return rc;
}
