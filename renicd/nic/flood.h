/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Broadcast and multicast: a copy for everybody in the VLAN but the sender, the uplink included
 * (IEEE 802.1Q-2018, clause 8.8). What is for the bridges of a link (table 8-1: STP, LLDP, LACP,
 * pause) goes to the uplink, and to VFs that ask for all multicast.
 *
 * Drops of copies are counted where the frame came from: other counters have other writers.
 * All of it: a data lcore.
 */
#ifndef RENICD_NIC_FLOOD_H
#define RENICD_NIC_FLOOD_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "switch.h"

/* Which VFs get a copy, by the sender's group. */
enum flood_choice { FLOOD_ALL, FLOOD_GROUP_ONLY, FLOOD_GROUP_SKIP };

/* A copy of m, which is in VLAN vid, for each VF of that VLAN but src (id, or -1: the uplink).
 * choice: of all groups, of group_id only, or of all but it. m stays the caller's. */
void flood_to_vfs(const struct rte_mbuf *m, uint16_t vid, int src, uint32_t group_id,
	enum flood_choice choice, uint64_t *drops);

/* A VF's frame, to the uplink and to VFs; EGRESS_RECORD_SKIP_GROUP in flags: those of the sender's
 * group have it already. Returns 1, and m is taken; or 0: the uplink, or the pool of mbufs, refused
 * it, nothing has happened, and it can be tried again. */
uint16_t flood(const struct switch_from *from, struct rte_mbuf *m, uint16_t vid, uint16_t flags);

#endif
