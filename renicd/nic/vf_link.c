/* SPDX-License-Identifier: BSD-3-Clause */
/* See vf_link.h. */
#include <renic_snapshot.h>

#include "log.h"
#include "vf_link.h"

static bool wants_carrier(const struct vf_config *config)
{
	if (config->state == LINK_AUTO)
		return !nic.uplink || nic.uplink->is_up();
	return config->state == LINK_ENABLE;
}

int vf_link_check(const struct vf *vf, const struct vf_config *config, struct nic_error *err)
{
	if (config->state == LINK_ENABLE || config->state == vf->config.state || !vf->port ||
		!(vf->ops->features(vf->port) & RENIC_FEATURE_PACKED))
		return 0;
	return nic_fail(err, RENIC_E_UNSUPPORTED, "state",
		"state: the guest's rings are packed, and could not go on when the carrier comes "
		"back; create the VF with packed off");
}

int vf_link_up(struct vf *vf, const struct vf_config *config, struct nic_error *err)
{
	if (vf->port || !wants_carrier(config))
		return 0;
	return vf->ops->create(vf, &vf->config, &vf->port, err);
}

static void take_up(struct vf_qp *qp, void *arg)
{
	qp->leaving = false;
	lcore_add_poller(&qp->poller);
}

/* No lcore waits for a ring's lock while the port waits for its own. The VF is still known to the
 * switch: if the rings started now, frames would go to memory that the port takes away. */
static void let_go(struct vf_qp *qp, void *arg)
{
	qp->running = false;
	qp->leaving = true;
	lcore_remove_poller(&qp->poller);
	qp_waits_no_more(qp);
}

void vf_link_down(struct vf *vf)
{
	if (!vf->port || wants_carrier(&vf->config))
		return;
	vf_for_each_qp(vf, let_go, NULL);
	vf->ops->destroy(vf->port);
	vf->port = NULL;
	vf_frontend_disconnected(vf, NULL);
	vf_for_each_qp(vf, take_up, NULL);
}

void vf_link_follow(struct vf *vf)
{
	struct nic_error err;

	if (!vf->runs)
		return;
	vf_link_down(vf);
	if (vf_link_up(vf, &vf->config, &err))
		LOG_ERR("VF %s: its carrier stays off: %s", vf->config.name, err.message);
}
