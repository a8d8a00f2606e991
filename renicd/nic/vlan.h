/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VLANs as the switch tells them apart, and what a VF's policy says of them.
 *
 * A VLAN is one number: its 12-bit id, and VLAN_AD for the service VLANs of 802.1ad, which are
 * others than the customer VLANs of 802.1Q with the same id (IEEE 802.1Q-2018, clause 9). 0:
 * untagged, and frames that carry a priority alone.
 * Plain functions without DPDK; any thread.
 */
#ifndef RENICD_NIC_VLAN_H
#define RENICD_NIC_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "types.h"

enum {
	VLAN_NONE = 0,
	VLAN_ID_MAX = 4094,
	VLAN_ALL = 4095, /* of a VF: every VLAN, the guest tags by itself, as with none */
	VLAN_ID_MASK = 0xfff,
	VLAN_AD = 0x8000,
	VLAN_QOS_SHIFT = 13,
	VLAN_QOS_MAX = 7,
};

/* A set of VLAN ids. */
struct vlan_set {
	uint64_t bits[(VLAN_ID_MASK + 1) / 64];
};

static inline bool vlan_set_has(const struct vlan_set *set, uint16_t vlan)
{
	return set->bits[(vlan & VLAN_ID_MASK) / 64] >> (vlan % 64) & 1;
}

/* "0,10,20-29": ids from 0 (untagged) to 4094 and ranges of them, growing or not. false: it is
 * none. An empty list is an empty set. */
bool vlan_set_parse(const char *list, struct vlan_set *set);

/* Has the VF a port VLAN? */
static inline bool vlan_is_port(uint16_t vlan)
{
	return vlan != VLAN_NONE && vlan != VLAN_ALL;
}

/* The VF's port VLAN as the switch has it, or VLAN_NONE. */
uint16_t vlan_of_port(const struct vf_config *config);

/* Do vlan, qos, proto, trunks and trust go together? 0, or RENIC_E_PARAMS with *err. */
int vlan_check(const struct vf_config *config, struct nic_error *err);

#endif
