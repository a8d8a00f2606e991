/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedded layer-2 switch, as an SR-IOV NIC has it: VFs are known by their MAC and VLAN,
 * nothing is learned; unknown unicast from a VF goes to the uplink, broadcast and multicast to
 * everybody in the VLAN.
 *
 * What it is made of: the MAC table (mac_table.h), a frame's destination (dest.h), its VLAN tag
 * (vlan_tag.h), who goes first where not all can (tx_sched.h, turns.h), the ways out (transmit.h),
 * copies for many (flood.h) and for onlookers (promisc.h). Everything here: a data lcore.
 */
#ifndef RENICD_NIC_SWITCH_H
#define RENICD_NIC_SWITCH_H

#include <stdint.h>

#include "vf.h"

/* What a VF with a rate sends to the uplink; added up. */
struct uplink_tally {
	uint64_t bytes; /* that left */
	bool any_left;
	bool any_waits; /* it was refused, or others went first */
};

/* What a frame that a VF sent may do. */
struct switch_from {
	struct vf_qp *qp;      /* drops are counted here; NULL: from the uplink */
	const uint16_t *flags; /* EGRESS_RECORD_ flags of each frame, or NULL */
	uint32_t group_id;     /* sender's group, for EGRESS_RECORD_SKIP_GROUP */
	bool offloads;	       /* some may ask for checksums or segments */
	bool was_held;	       /* waits for the uplink instead of being dropped */
	/* longest not 0: all are untagged, for one MAC, and ask for nothing; bytes may be 0:
	 * unknown */
	struct alike alike;
	struct uplink_tally *tally; /* NULL: nobody asks */
};

/*
 * Send frames, in order, to where they belong. Returns how many were taken (sent, queued or
 * dropped with a count): the rest was refused for now and stays the caller's. A data lcore.
 */
uint16_t switch_send(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n);

/* Frames that came in through the uplink; all are taken. A data lcore. */
void switch_from_uplink(struct rte_mbuf **pkts, uint16_t n, uint64_t *drops);

/*
 * internal: pass. If m is for a VF of group group_id alone, deliver it now and return true. A
 * flooded frame is copied to the group's VFs; it returns false, and *flags has
 * EGRESS_RECORD_SKIP_GROUP: it is to be held for all others.
 */
bool switch_pass_inside(struct vf_qp *qp, uint32_t group_id, struct rte_mbuf *m, uint16_t *flags);

#endif
