/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MACs that a trusted guest uses beside its VF's own, learned from what it sends: vhost-user has no
 * message for a guest's VIRTIO_NET_CTRL_MAC_ADDR_SET (virtio 1.2, section 5.1.6.5.2), so the
 * source of its frames is what tells. As a physical function does for a trusted VF, the switch
 * then takes frames for them to it.
 *
 * A data lcore notes a MAC that nobody has in one of few slots; the control thread puts it into
 * the switch. A MAC that another VF has is never taken, and one that an operator gives to a VF is
 * taken back. The oldest goes when there are too many, all go with the trust, the VF's own MAC or
 * VLAN, and its guest.
 */
#ifndef RENICD_NIC_VF_MACS_H
#define RENICD_NIC_VF_MACS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "types.h"

struct vf;

enum {
	VF_MACS_MAX = VF_INFO_MACS_MAX, /* that a VF has beside its own */
	VF_MACS_SEEN = 4,		/* noted, and not yet in the switch */
	VF_MACS_TICK = 16,		/* learned of a VF between two rounds of nic_tick() */
};

struct vf_macs {
	uint64_t seen[VF_MACS_SEEN]; /* atomic: a MAC in the low 48 bits; 0: none */
	bool guest_left;	     /* atomic: its front-end has gone */
	/* control thread */
	uint16_t n;
	uint16_t vlan;	/* that they are in, as the switch has it */
	bool in_switch; /* false: a standby's */
	uint16_t budget;
	struct rte_ether_addr addrs[VF_MACS_MAX]; /* the oldest first */
};

/* The guest sends from this MAC, which nobody has. A data lcore; false: not this time. */
bool vf_macs_note(struct vf *vf, const struct rte_ether_addr *mac);

/* Its front-end has gone: the next guest has MACs of its own. Any thread. */
void vf_macs_guest_left(struct vf *vf);

/* ---- control thread ---- */

/* Learn what was noted. refill: a round of the clock, as often as others may be learned. */
void vf_macs_tick(struct vf *vf, bool refill);

/* Forget them. */
void vf_macs_clear(struct vf *vf);

/* All of them out of the switch, and into it again, where nobody else has them by then. */
void vf_macs_leave(struct vf *vf);
void vf_macs_enter(struct vf *vf);

/* Those of a snapshot; the VF is a standby. */
void vf_macs_load(struct vf *vf, const uint8_t (*addrs)[RTE_ETHER_ADDR_LEN], uint16_t n);

/* An operator gives the MAC to somebody: was it one of the VF's? It is no more. */
bool vf_macs_give_up(struct vf *vf, const struct rte_ether_addr *mac);

#endif
