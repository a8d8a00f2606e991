/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Promiscuous VFs: a copy of every frame that passes the switch in their VLANs and that is for
 * somebody else. What is flooded reaches them as it reaches the others.
 *
 * A run of frames is copied before it is sent (promisc_sight()), since sending changes frames and
 * gives them away; then those copies that were taken are shown (promisc_show()). Where no VF ever
 * was promiscuous, all of it costs one load a run (promisc_is_on()). A data lcore.
 */
#ifndef RENICD_NIC_PROMISC_H
#define RENICD_NIC_PROMISC_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dest.h"
#include "vf.h"

/* Frames of a run as they were before it was sent; NULL: there was no mbuf for a copy. */
struct sightings {
	struct rte_mbuf *copies[NIC_BURST];
	uint16_t n;
};

static inline bool promisc_is_on(void)
{
	return __atomic_load_n(&nic.has_promisc, __ATOMIC_RELAXED);
}

/* Does this way of showing frames concern a run that goes to d? */
static inline bool promisc_shows(const struct dest *d)
{
	return d->where != DEST_FLOOD && d->reason != DROP_RUNT;
}

/* Copy n frames, of 1 to NIC_BURST; promisc_show() is to follow. */
void promisc_sight(struct sightings *s, struct rte_mbuf **pkts, uint16_t n);

/* The first `taken` of them have gone to d, each in VLAN vids[i]: a copy for each promiscuous VF
 * but sender (src: its id, or -1: the uplink) and receiver. group_id: of this group only; 0: of
 * any. Frees the copies, returns how many VFs looked at the last. */
unsigned promisc_show(struct sightings *s, const struct dest *d, const uint16_t *vids, int src,
	uint32_t group_id, uint16_t taken, uint64_t *drops);

#endif
