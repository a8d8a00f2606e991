/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VLAN tags in frames and beside them. A frame's VLAN is the tag held beside it (BESIDE_8021Q, put
 * there by the port VLAN) or else the outer one in its bytes (IEEE 802.1Q-2018, clause 9).
 *
 * A VF with a port VLAN gets its frames without that tag; a VF without one is a trunk and gets them
 * as they are, as OVS and SR-IOV NICs in VGT mode do. A tag beside a frame is put into its bytes
 * before the frame leaves the switch: devices never see it.
 *
 * Frames may point into the egress log, whose bytes are nobody's to change: they are copied first.
 * All of it: a data lcore.
 */
#ifndef RENICD_NIC_VLAN_TAG_H
#define RENICD_NIC_VLAN_TAG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "vf.h"
#include "vlan.h"

/* Is it the type of a tag, of either protocol? */
static inline bool vlan_tag_is_type(rte_be16_t ether_type)
{
	return ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
	       ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* The VLAN that the frame is in, as vlan.h has it; m holds an Ethernet header at least. */
static inline uint16_t vlan_tag_vid(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(eth + 1);
	uint16_t id;

	if (m->ol_flags & RTE_MBUF_F_TX_VLAN)
		return (m->vlan_tci & VLAN_ID_MASK) |
		       (m->ol_flags & RTE_MBUF_F_TX_QINQ ? VLAN_AD : 0);
	if (likely(!vlan_tag_is_type(eth->ether_type)) || m->data_len < sizeof(*eth) + sizeof(*tag))
		return VLAN_NONE;
	id = rte_be_to_cpu_16(tag->vlan_tci) & VLAN_ID_MASK;
	return id && eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ) ? id | VLAN_AD : id;
}

/* Put the tag that is held beside the frame, if one is, into its bytes. *m may become another mbuf.
 * false: no mbufs; *m stays, with its tag beside it. */
static inline bool vlan_tag_insert(struct rte_mbuf **m)
{
	bool is_ad = (*m)->ol_flags & RTE_MBUF_F_TX_QINQ;

	if (!((*m)->ol_flags & RTE_MBUF_F_TX_VLAN))
		return true;
	if (!nic_make_writable(m) || rte_vlan_insert(m))
		return false;
	if (is_ad) {
		(*m)->ol_flags &= ~BESIDE_8021AD;
		rte_pktmbuf_mtod(*m, struct rte_ether_hdr *)->ether_type =
			RTE_BE16(RTE_ETHER_TYPE_QINQ);
	}
	return true;
}

/*
 * Give a frame of VLAN vid the look that a VF with port VLAN `vlan` (VLAN_NONE: it has none)
 * expects: without the tag of that VLAN, with any other in its bytes. *m may become another mbuf.
 * false: no mbufs, and *m stays. A frame that was changed is in another VLAN to whoever looks
 * again: it cannot be tried again.
 */
bool vlan_tag_shape(struct rte_mbuf **m, uint16_t vid, uint16_t vlan);

#endif
