/* SPDX-License-Identifier: BSD-3-Clause */
/* See tx_sched.h. What is here is the longer way: it runs only where somebody lacks something. */
#include <rte_cycles.h>

#include "shaper.h"
#include "tx_sched.h"

struct tx_turns tx_turns[LCORES_MAX];

/* ---- claims ---- */

void tx_sched_set_claim(const struct vf *vf, bool lacks, uint64_t now_tsc)
{
	uint64_t claim;

	if (lacks) {
		claim = (now_tsc & ~(uint64_t)CLAIM_ID_MASK) | (vf->id + 1u);
		__atomic_store_n(&nic.min_claim, claim, __ATOMIC_RELAXED);
		return;
	}
	claim = tx_sched_claim();
	if (tx_sched_is_claim_of(claim, vf))
		__atomic_compare_exchange_n(
			&nic.min_claim, &claim, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool tx_sched_must_yield(const struct vf *vf, uint64_t claim)
{
	const struct vf_policy *policy = vf_policy_of(vf);
	uint64_t now_tsc = rte_rdtsc();

	if ((int64_t)(now_tsc - claim) > (int64_t)(rte_get_tsc_hz() / 1000000 * CLAIM_US))
		return false;
	return !policy->min_rate.cost || !shaper_is_open(&vf->min_tx, &policy->min_rate, now_tsc);
}

/* ---- turns ---- */

static uint64_t bytes_of(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

uint16_t tx_sched_begin(struct turns *turns, struct turn *mine, struct rte_mbuf *const *pkts,
	uint16_t n, uint64_t *bytes)
{
	n = turns_allow(turns, mine, pkts, n);
	*bytes = bytes_of(pkts, n);
	return n;
}

void tx_sched_end(struct vf_qp *qp, struct turns *turns, struct turn *mine, uint64_t bytes,
	struct rte_mbuf *const *left, uint16_t n, uint16_t sent, bool refused)
{
	qp_waits_no_more(qp);
	if (turns_charge(turns, mine, bytes - bytes_of(left, n - sent), refused,
		    sent < n || n >= WHOLE_BURST))
		qp->waits_at = turns;
}
