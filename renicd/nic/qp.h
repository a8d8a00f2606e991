/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two halves of a queue pair's data path, qp.c and qp_rx.c, share. The owner lcore. */
#ifndef RENICD_NIC_QP_H
#define RENICD_NIC_QP_H

#include "vf.h"

static inline const struct vf_policy *qp_policy(const struct vf_qp *qp)
{
	return vf_policy_of(qp->vf);
}

/* A frame that may wait for long must not keep a segment of a log from being used again: a copy of
 * m that does not point into the log, or m itself where that is so already or mbufs are short. */
static inline struct rte_mbuf *qp_detach_from_log(struct rte_mbuf *m)
{
	if (unlikely(!RTE_MBUF_DIRECT(m)))
		nic_replace_by_copy(&m);
	return m;
}

/* Give waiting frames to the guest; it may be touched. Returns how many it took. */
unsigned qp_rx_flush(struct vf_qp *qp);

/* The guest is about to run, with these features: drop what waits for one that took more. */
void qp_rx_refit(struct vf_qp *qp, uint64_t features);

/* How many frames more may wait for the guest, and that n more (or fewer) do, of so many mbufs. */
uint32_t qp_rx_room(const struct vf_qp *qp);
void qp_rx_note(struct vf_qp *qp, int32_t n, int32_t segs);

/* Take frames that other lcores have for the guest. */
unsigned qp_inbox_drain(struct vf_qp *qp);

/* Take all that is there now: others may go on sending meanwhile, as fast as this is. */
static inline void qp_inbox_drain_all(struct vf_qp *qp)
{
	unsigned left = qp->inbox ? rte_ring_count(qp->inbox) : 0;

	while (left)
		left -= RTE_MIN(left, qp_inbox_drain(qp));
}

#endif
