/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that ask for checksums or segments, on their way to the uplink. What its device fulfils
 * (uplink_ops.offloads) is handed over as it is, with headers in memory of ours, as drivers write
 * into them and the egress log's bytes are nobody's to change; the rest is fulfilled here.
 */
#ifndef RENICD_NIC_OFFLOAD_SEND_H
#define RENICD_NIC_OFFLOAD_SEND_H

#include <stdint.h>

#include "vf.h"

enum { SEGMENTS_A_POLL = 256 }; /* of a queue pair; then the lcore's others have their turn */

/* Send frames of qp's through the uplink, in order, as uplink_ops.send() does; those that are left
 * may have become other mbufs, in the same places. The owner lcore. */
uint16_t offload_send(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n);

/* Some are left: because the uplink refused, and not because qp has sent its segments? */
static inline bool offload_send_was_refused(const struct vf_qp *qp)
{
	return qp->segments < SEGMENTS_A_POLL;
}

#endif
