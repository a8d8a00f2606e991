/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going on where an earlier daemon stopped: VFs, groups, epochs and held frames from the journal
 * and the egress logs, brought together with what the config file lists. Control thread.
 */
#ifndef RENICD_NIC_RECOVER_H
#define RENICD_NIC_RECOVER_H

#include "error.h"
#include "types.h"

/* What the config file lists. */
struct nic_listed {
	const struct vf_config *vfs;
	uint16_t n_vfs;
	const struct group_config *groups;
	uint16_t n_groups;
};

/*
 * Make all VFs and groups, then let them run; once, after nic_init() and the uplink.
 *
 * A VF or group that was made over the control socket comes back as it was. One of the config file
 * comes back with what was changed at run time, unless its entry in the file is another one now:
 * then the file counts (for a group: not while it is protected). One that the file does not list
 * any more comes back only if it is protected or holds frames, or if a group names it that was made
 * over the control socket.
 *
 * On failure *list ("vfs" or "groups") and *index say which entry of the file is at fault; *list is
 * NULL where none is.
 */
int nic_start(
	const struct nic_listed *listed, const char **list, uint16_t *index, struct nic_error *err);

#endif
