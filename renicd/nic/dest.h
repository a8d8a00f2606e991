/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a frame goes: the switch's forwarding decision, by its MAC and VLAN (IEEE 802.1Q-2018,
 * clause 8.8, without learning). One VF that has the MAC in the frame's VLAN, or has it untagged
 * and takes that VLAN; everybody, for broadcast and multicast; the uplink, for what no VF has; or
 * nowhere, for a reason that is counted.
 *
 * Bursts mostly go to one place, so each sender keeps its last answer (struct dest_cache, the
 * sender's own), and a frame that goes along with the one before it is not looked up at all.
 * All of it: a data lcore.
 */
#ifndef RENICD_NIC_DEST_H
#define RENICD_NIC_DEST_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "drop.h"
#include "offload.h"
#include "vf.h"
#include "vlan_tag.h"

enum { DEST_UPLINK = -1, DEST_FLOOD = -2, DEST_DROP = -3 };

struct dest {
	int where; /* VF id or DEST_ */
	enum drop_reason reason;
	uint16_t vid;	 /* VLAN of the frame, of a run's first one */
	uint16_t tagged; /* not 0: some frame of the run is in a VLAN */
};

/* Too long for the uplink, its tag included? There is an uplink. */
static inline bool dest_exceeds_uplink(const struct rte_mbuf *m)
{
	uint32_t tag = m->ol_flags & RTE_MBUF_F_TX_VLAN ? sizeof(struct rte_vlan_hdr) : 0;

	return offload_frame_bytes(m) + tag > nic.uplink->max_frame_bytes;
}

/* Where m goes. src: id of the sending VF, or -1 for the uplink; cache: the sender's. `tagged` is
 * left 0: it is the caller's, who knows the run. */
struct dest dest_find(struct dest_cache *cache, const struct rte_mbuf *m, int src);

/* Most frames of a burst go one way: is m untagged, short enough for everybody, and for the MAC
 * that `first` is for? Then it goes where `first` goes, which is untagged and not dropped. */
static inline bool dest_goes_along(const struct rte_mbuf *m, const struct rte_mbuf *first)
{
	const struct rte_ether_hdr *a = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ether_hdr *b = rte_pktmbuf_mtod(first, const struct rte_ether_hdr *);

	return m->data_len >= sizeof(*a) && m->pkt_len <= first->pkt_len &&
	       !offload_is_tso(first) && !(m->ol_flags & RTE_MBUF_F_TX_VLAN) &&
	       !vlan_tag_is_type(a->ether_type) &&
	       rte_is_same_ether_addr(&a->dst_addr, &b->dst_addr);
}

/* Are frames of at most so many bytes short enough to go where one of them goes? d: what
 * dest_find() said of that one, with this cache. */
static inline bool dest_takes_all(
	const struct dest_cache *cache, const struct dest *d, uint32_t bytes)
{
	if (d->where == DEST_UPLINK)
		return bytes <= nic.uplink->max_frame_bytes;
	return d->where >= 0 && bytes <= cache->max_frame_bytes;
}

#endif
