/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling the network where a guest is now: after an activation, and by hand. As QEMU's
 * self-announce (net/announce.c) does it: RARP for switches, gratuitous ARP (RFC 5227, section 3)
 * and unsolicited neighbour advertisements (RFC 4861, section 7.2.6) for neighbours, several
 * rounds, at growing distances, since any of them may be lost.
 */
#ifndef RENICD_NIC_ANNOUNCE_H
#define RENICD_NIC_ANNOUNCE_H

#include "vf.h"

/* First round now, the others by announce_tick(). The addresses are those known now; of a
 * protected VF none, since they may come from what is not committed: then only RARP is sent.
 * Control thread. */
void announce_start(struct vf *vf, unsigned rounds);

/* Never mind the rounds that are left. Control thread. */
void announce_cancel(struct vf *vf);

/* Send the rounds that are due; those of a moment without carrier wait. Control thread. */
void announce_tick(void);

/* One frame into buf, which has room for ANNOUNCE_FRAME_MAX bytes; returns its length without
 * FCS. Any thread. */
enum { ANNOUNCE_FRAME_MAX = 96 };
uint16_t announce_rarp(uint8_t *buf, const uint8_t mac[6]);
uint16_t announce_arp(uint8_t *buf, const uint8_t mac[6], const uint8_t ipv4[4]);
uint16_t announce_na(uint8_t *buf, const uint8_t mac[6], const uint8_t ipv6[16]);

#endif
