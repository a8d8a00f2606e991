/* SPDX-License-Identifier: BSD-3-Clause */
/* A VF's configuration inside the device; see vf_config.c. Control thread. */
#ifndef RENICD_NIC_VF_CONFIG_H
#define RENICD_NIC_VF_CONFIG_H

#include "vf.h"

/* Fill in what the operator left open: MAC, socket, share of the log. 0 or an error. */
int vf_config_complete(struct vf_config *config, struct nic_error *err);

/* Is config's MAC free in its VLAN? 0 or RENIC_E_EXISTS. */
int vf_config_check_mac(const struct vf_config *config, struct nic_error *err);

/* What the data path needs of config; NULL with *err. vf_policy_free() takes NULL too. */
struct vf_policy *vf_policy_make(
	const struct vf *vf, const struct vf_config *config, struct nic_error *err);
void vf_policy_free(const struct vf_policy *policy);

/* The VF of that name, or NULL with *err. */
struct vf *vf_find_or_fail(const char *name, struct nic_error *err);

#endif
