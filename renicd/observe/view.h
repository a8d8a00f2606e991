/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that there is to see of the device, copied on the control thread, to be shown by another
 * one in its own time. Any thread but data lcores and the port's.
 */
#ifndef RENICD_OBSERVE_VIEW_H
#define RENICD_OBSERVE_VIEW_H

#include "nic/nic.h"

struct view {
	struct vf_info *vfs; /* allocated, in order of creation */
	unsigned n_vfs;
	struct group_info *groups; /* allocated */
	unsigned n_groups;
	struct uplink_info uplink;
};

/* 0; -EAGAIN: the daemon starts or ends; -ENOMEM. Call view_free() after 0. */
int view_take(struct view *view);
void view_free(struct view *view);

#endif
