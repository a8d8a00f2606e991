/* SPDX-License-Identifier: BSD-3-Clause */
/* A VF's configuration inside the device; see vf_config.c. Control thread. */
#ifndef RENICD_NIC_VF_CONFIG_H
#define RENICD_NIC_VF_CONFIG_H

#include "vf.h"

/* Fill in what the operator left open: MAC, socket, share of the log. 0 or an error. */
int vf_config_complete(struct vf_config *config, struct nic_error *err);

/* Is config's MAC free in its VLAN? 0 or RENIC_E_EXISTS. */
int vf_config_check_mac(const struct vf_config *config, struct nic_error *err);

/* Can the uplink carry the minima of all VFs, with config in the place of vf's (NULL: a new one)? 0
 * or RENIC_E_PARAMS. */
int vf_config_check_rates(
	const struct vf *vf, const struct vf_config *config, struct nic_error *err);

/* What the data path needs of config; NULL with *err. vf_policy_free() takes NULL too. */
struct vf_policy *vf_policy_make(
	const struct vf *vf, const struct vf_config *config, struct nic_error *err);
void vf_policy_free(const struct vf_policy *policy);

/* A VF's change to another configuration: prepared with all that can fail, then carried out or
 * dropped, so that several VFs change together or not at all. */
struct vf_change {
	struct vf *vf;
	struct vf_config config;
	struct vf_policy *policy;
	bool in_switch; /* its new place in the MAC table is taken already */
};

/* Nothing but room for frames has changed on an error. A standby's MAC need not be free. */
int vf_change_prepare(struct vf_change *change, struct vf *vf, const struct vf_config *config,
	struct nic_error *err);
void vf_change_apply(struct vf_change *change);
void vf_change_drop(struct vf_change *change);

/* The VF of that name, or NULL with *err. */
struct vf *vf_find_or_fail(const char *name, struct nic_error *err);

#endif
