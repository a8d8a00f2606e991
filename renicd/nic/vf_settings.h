/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's settings as values: defaults, what a vf_set lays over them, and whether they go together.
 * Single values are in range already (control/schema.c). No DPDK, no state: any thread.
 */
#ifndef RENICD_NIC_VF_SETTINGS_H
#define RENICD_NIC_VF_SETTINGS_H

#include "error.h"
#include "types.h"

/* Take over what mask (enum vf_set_mask) names. */
void vf_settings_overlay(struct vf_config *config, const struct vf_config *values, unsigned mask);

/* As `ip link set … vf … vlan 0` does: without a port VLAN, its priority and protocol go too,
 * unless the same vf_set gives them. */
void vf_settings_set(struct vf_config *config, const struct vf_config *values, unsigned mask);

/* 0, or RENIC_E_PARAMS: *err names the setting that another one rules out. */
int vf_settings_check(const struct vf_config *config, struct nic_error *err);

#endif
