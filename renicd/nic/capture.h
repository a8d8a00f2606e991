/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures: a VF's frames into a pcapng file, without holding up the data path.
 *
 * While one runs, each queue pair of the VF has a tap: a ring of bytes that the owner lcore copies
 * frames into, and that a thread of the capture's own empties into the file. What finds the ring
 * full is not captured, and counted. Without a capture a burst pays for one pointer that is NULL.
 */
#ifndef RENICD_NIC_CAPTURE_H
#define RENICD_NIC_CAPTURE_H

#include "capture_ring.h"
#include "vf.h"

struct capture;

/* Where a frame is seen. */
enum capture_seen {
	CAPTURE_FROM_GUEST, /* as the guest sent it, before any check */
	CAPTURE_LEAVING,    /* released, or never held */
	CAPTURE_TO_GUEST,   /* taken by the guest */
};

/* A queue pair's part in a capture. The owner lcore's, but for the ring's other end. */
struct capture_tap {
	unsigned wanted; /* bits 1 << enum capture_seen */
	uint32_t snaplen;
	uint64_t (*filter)(void *mbuf); /* NULL: all */
	uint16_t queue;
	uint16_t n_staged;
	uint64_t staged[NIC_BURST]; /* where each frame of the staged burst ends, in the ring */
	struct capture_ring ring;
};

/* Out of a burst's way; the owner lcore. */
void capture_take(
	struct capture_tap *tap, enum capture_seen seen, struct rte_mbuf **pkts, uint16_t n);
void capture_stage(struct capture_tap *tap, struct rte_mbuf **pkts, uint16_t n);
void capture_publish(struct capture_tap *tap, uint16_t n);

static inline void capture_burst(
	struct vf_qp *qp, enum capture_seen seen, struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(qp->tap))
		capture_take(qp->tap, seen, pkts, n);
}

/* Frames that are about to leave, and how many of them did: they are gone by then. */
static inline void capture_before_leaving(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(qp->tap))
		capture_stage(qp->tap, pkts, n);
}

static inline void capture_left(struct vf_qp *qp, uint16_t n)
{
	if (unlikely(qp->tap))
		capture_publish(qp->tap, n);
}

/* Control thread: the VF goes; its capture ends. */
void capture_end_of_vf(struct vf *vf);

/* Control thread's clock: captures that are full or failed cost the data path no longer. */
void capture_tick(void);

#endif
