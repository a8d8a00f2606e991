/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who sends first to a destination that takes less than is there for it (the uplink; the inbox of a
 * VF that another lcore owns). Two rules, in this order:
 *
 * Claims, for min_tx_rate, at the uplink alone: a VF that has frames and has had less than its
 * minimum says so in nic.min_claim (tx_sched_set_claim()). While a claim stands, VFs that have
 * had their minimum, or have none, keep what they have, and he whose claim it is sends before all
 * others. There is one claim at a time, the last one made; one that is not renewed for CLAIM_US is
 * void, so that nobody waits for a VF that has gone; and it ends with the first poll that finds
 * nothing more to send, as a trickle would else have the uplink for itself.
 *
 * Turns (turns.h): deficit round robin among the VFs of an lcore, from a refusal on.
 *
 * Neither costs more than a load and a comparison where nobody lacks anything. The word of the
 * claim is all lcores'; the rounds are one lcore's each. All of it: a data lcore.
 */
#ifndef RENICD_NIC_TX_SCHED_H
#define RENICD_NIC_TX_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "lcore.h"
#include "turns.h"
#include "vf.h"

/* nic.min_claim: TSC with the VF's id plus one in its low bits. */
enum { CLAIM_US = 2000, CLAIM_ID_MASK = 511 };

/* Rounds of what an lcore sends, to the uplink and to VFs that other lcores own. */
struct tx_turns {
	struct turns uplink;
	struct turns inboxes[VF_MAX];
} __rte_cache_aligned;

/* tx_sched.c; a row is its lcore's. */
extern struct tx_turns tx_turns[LCORES_MAX];

/* The calling lcore's. */
static inline struct tx_turns *tx_sched_turns(void)
{
	return &tx_turns[lcore_self()];
}

/*
 * min_tx_rate: the VF has frames for the uplink and has had less than its minimum, or no more so.
 * While one says so, all that have had theirs keep what they have for the uplink: where that, or an
 * lcore's time, is short, those that lack something go first. A data lcore.
 */
void tx_sched_set_claim(const struct vf *vf, bool lacks, uint64_t now_tsc);

/* The claim that stands, or 0. */
static inline uint64_t tx_sched_claim(void)
{
	return __atomic_load_n(&nic.min_claim, __ATOMIC_RELAXED);
}

static inline bool tx_sched_is_claim_of(uint64_t claim, const struct vf *vf)
{
	return (claim & CLAIM_ID_MASK) == vf->id + 1u;
}

/* A claim stands: does another VF lack what this one has had? Then it sends nothing now. */
bool tx_sched_must_yield(const struct vf *vf, uint64_t claim);

/* What a destination that refuses now and then (turns->calm) is to be given: how many of n frames,
 * and of how many *bytes. mine: the sender's share there. */
uint16_t tx_sched_begin(struct turns *turns, struct turn *mine, struct rte_mbuf *const *pkts,
	uint16_t n, uint64_t *bytes);

/* It was given n frames of so many bytes, the first `sent` went and those are left, as it refused
 * them or not. After a whole burst more is likely to come. Where qp then waits for its turn, it is
 * noted in qp->waits_at. */
void tx_sched_end(struct vf_qp *qp, struct turns *turns, struct turn *mine, uint64_t bytes,
	struct rte_mbuf *const *left, uint16_t n, uint16_t sent, bool refused);

#endif
