/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP segments from the wire, put together for a guest that takes long frames (GUEST_TSO4 with
 * GUEST_CSUM, virtio 1.2, section 5.1.6.4): what Linux calls GRO. Unlike rte_gro it keeps the order
 * of a burst: only neighbours are joined, and what does not fit ends a frame.
 *
 * A merged frame asks for a checksum and for segments as a guest's does (offload.h), so that
 * whoever cannot take it gets the segments again. Its own checksum will not be looked at any more,
 * so those of its segments are. A data lcore.
 */
#ifndef RENICD_NIC_MERGE_H
#define RENICD_NIC_MERGE_H

#include <stdint.h>

#include <rte_mbuf.h>

/* Untagged frames for one guest, the caller's to change. Returns how many are left, in order. */
uint16_t merge_segments(struct rte_mbuf **pkts, uint16_t n);

#endif
