/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The carrier that a VF's guest sees (`state`). vhost-user has no message for it: QEMU takes the
 * guest's link down when the socket's other end goes, and up again when it is back
 * (net/vhost-user.c), and so do other front-ends. So a VF whose carrier is off has no port: its
 * socket is closed, frames for it are dropped as without a front-end, what it sent before leaves,
 * and what is in the guest's rings stays there. Control thread.
 */
#ifndef RENICD_NIC_VF_LINK_H
#define RENICD_NIC_VF_LINK_H

#include "vf.h"

/* Could the guest stand config's carrier changes? RENIC_E_UNSUPPORTED: its rings are packed, and
 * after a new connection nobody would know where they stand. */
int vf_link_check(const struct vf *vf, const struct vf_config *config, struct nic_error *err);

/* Bring the carrier up if config wants it so and it is not. 0, or the port's error. */
int vf_link_up(struct vf *vf, const struct vf_config *config, struct nic_error *err);

/* Take it down if the VF's configuration does not want it. */
void vf_link_down(struct vf *vf);

/* Both, for the VF as it is now: the uplink's carrier has changed. A failure is logged. */
void vf_link_follow(struct vf *vf);

#endif
