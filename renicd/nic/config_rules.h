/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which VFs and groups can be in one device: one set of rules for the config file, for the calls
 * of config_load and for the device itself. Of values alone: no state, no DPDK, any thread.
 */
#ifndef RENICD_NIC_CONFIG_RULES_H
#define RENICD_NIC_CONFIG_RULES_H

#include "error.h"
#include "types.h"

/*
 * Where the VF's guest is found: a socket, or a domain and one of its vifs, which then is
 * config->socket. run_dir: where the socket is by default; NULL: what is open stays open.
 * 0 or RENIC_E_PARAMS.
 */
int vf_transport_complete(struct vf_config *config, const char *run_dir, struct nic_error *err);

/* What only one of the two can have: "name", "socket" or "mac"; NULL: both can be. A standby may
 * have the MAC of whom it stands by for, who may be here too. What is left open clashes not. */
const char *vf_clash(const struct vf_config *a, const struct vf_config *b);

/* The MAC, for a message. */
void vf_mac_text(const struct vf_config *config, char text[18]);

/* Is there a VF in the group's list of that name? */
bool group_has_member(const struct group_config *group, const char *vf);

/* A group may have a VF's name when that VF is all of it: else one would be taken for the other. */
bool group_name_clash(const struct group_config *group, const char *vf);

/* A group's members are standbys, or none is. NULL: the VF may be in it; else what is expected. */
const char *group_refuses(const struct group_config *group, const struct vf_config *vf);

#endif
