/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch's ways out: frames that are known to be for the uplink, or for one VF, go there in
 * the look that is expected there (vlan_tag.h), when it is the sender's turn (tx_sched.h).
 *
 * A way out takes a number of frames from the front and says how many; what it does not take stays
 * the caller's, may be tried again, and has not changed its VLAN. Frames that it takes are sent,
 * queued, or dropped with a count in the sender's counters: others have other writers.
 *
 * What every frame passes is inline. All of it: a data lcore, the owner of from->qp.
 */
#ifndef RENICD_NIC_TRANSMIT_H
#define RENICD_NIC_TRANSMIT_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "dest.h"
#include "offload_send.h"
#include "switch.h"
#include "tx_sched.h"

/* The uplink is up, and it is the sender's turn. tagged: as struct dest; bytes: of all of them, or
 * 0: nobody knows. Returns how many were taken; those left may have become other mbufs, in the same
 * places. */
uint16_t transmit_give_to_uplink(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n,
	uint16_t tagged, uint64_t bytes);

/* transmit_to_uplink() where from->tally is to have it. */
uint16_t transmit_tallied(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n,
	uint16_t tagged, uint64_t bytes);

/* n frames for the VF d->where, vids[i] the VLAN of each where d->tagged is not 0. drops: counters
 * of whoever sends. Returns how many were taken. */
uint16_t transmit_to_vf(const struct dest *d, struct rte_mbuf **pkts, const uint16_t *vids,
	uint16_t n, uint64_t *drops);

/* A copy of m, which is in VLAN vid, for a VF; where there is no mbuf or no room for it, that is
 * counted. */
void transmit_copy_to_vf(struct vf *vf, const struct rte_mbuf *m, uint16_t vid, uint64_t *drops);

/* A link that is down: what was held waits for it, the rest is dropped. */
static inline uint16_t transmit_to_dead_link(
	const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n)
{
	if (from->was_held) {
		from->qp->waits_for_link = true;
		return 0;
	}
	for (uint16_t i = 0; i < n; i++)
		qp_drop(from->qp, pkts[i], DROP_UPLINK_DOWN);
	return n;
}

/* As transmit_give_to_uplink(), when it is the sender's turn; else none is taken. */
static inline uint16_t transmit_in_turn_to_uplink(const struct switch_from *from,
	struct rte_mbuf **pkts, uint16_t n, uint16_t tagged, uint64_t bytes)
{
	struct turns *turns = &tx_sched_turns()->uplink;
	struct turn *mine = &from->qp->turn[TURN_UPLINK];
	uint64_t claim;
	uint16_t sent;
	bool refused;

	claim = tx_sched_claim();
	if (unlikely(claim)) {
		if (tx_sched_must_yield(from->qp->vf, claim))
			return 0;
		if (tx_sched_is_claim_of(claim, from->qp->vf)) /* before all others, at no cost */
			return transmit_give_to_uplink(from, pkts, n, tagged, bytes);
	}
	if (unlikely(turns->calm)) {
		n = tx_sched_begin(turns, mine, pkts, n, &bytes);
		if (!n)
			return 0;
	}
	sent = transmit_give_to_uplink(from, pkts, n, tagged, bytes);
	refused = unlikely(sent < n) && offload_send_was_refused(from->qp);
	if (unlikely(refused || turns->calm))
		tx_sched_end(from->qp, turns, mine, bytes, &pkts[sent], n, sent, refused);
	return sent;
}

/* The same, when the link is up. */
static inline uint16_t transmit_to_uplink(const struct switch_from *from, struct rte_mbuf **pkts,
	uint16_t n, uint16_t tagged, uint64_t bytes)
{
	if (unlikely(!nic.uplink->is_up()))
		return transmit_to_dead_link(from, pkts, n);
	if (unlikely(from->tally))
		return transmit_tallied(from, pkts, n, tagged, bytes);
	return transmit_in_turn_to_uplink(from, pkts, n, tagged, bytes);
}

/* As transmit_to_vf(), in turns: a VF of another lcore's has an inbox, which may be full. */
static inline uint16_t transmit_in_turn_to_vf(const struct switch_from *from, const struct dest *d,
	struct rte_mbuf **pkts, const uint16_t *vids, uint16_t n)
{
	struct turns *turns = &tx_sched_turns()->inboxes[d->where];
	struct turn *mine = &from->qp->turn[TURN_INBOX];
	uint64_t bytes = 0;
	uint16_t sent;

	if (unlikely(turns->calm)) {
		n = tx_sched_begin(turns, mine, pkts, n, &bytes);
		if (!n)
			return 0;
	}
	sent = transmit_to_vf(d, pkts, vids, n, from->qp->counters.drops);
	if (unlikely(sent < n || turns->calm))
		tx_sched_end(from->qp, turns, mine, bytes, &pkts[sent], n, sent, sent < n);
	return sent;
}

#endif
