/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that a standby took (nic_egress_load()), for standby.c. Control thread. */
#ifndef RENICD_NIC_STANDBY_EGRESS_H
#define RENICD_NIC_STANDBY_EGRESS_H

struct vf;

/* What was loaded is void. */
void standby_egress_drop(struct vf *vf);

/* It may leave: the VF was activated. Before anything that the guest sends from now on. */
void standby_egress_release(struct vf *vf);

#endif
