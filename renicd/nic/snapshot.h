/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's snapshot (renic_snapshot.h) made of what the device knows of it. Control thread; no DPDK
 * in here.
 */
#ifndef RENICD_NIC_SNAPSHOT_H
#define RENICD_NIC_SNAPSHOT_H

#include <renic_snapshot.h>

#include "nic.h"

/*
 * All of *s from `info`, which nic_vf_get() or nic_vf_foreach() gave, and the group's term (1..).
 * The epoch is the last one that was sealed. Whatever a front-end did, the result can be encoded:
 * rings that cannot be as it said, and those of a VF without a front-end, are left unknown (all
 * zero). Addresses are the caller's to add.
 */
void nic_snapshot_fill(const struct vf_info *info, uint64_t term, struct renic_snapshot *s);

/* The snapshot of a VF as it is now. 0, or RENIC_E_NOT_FOUND with *err filled, *s unchanged. */
int nic_snapshot_get(const char *vf, struct renic_snapshot *s, struct nic_error *err);

#endif
