/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does a guest speak for another one? The spoof check's second half, for frames whose source MAC
 * is right: the sender of ARP and RARP (RFC 826, RFC 903), and the link-layer addresses that
 * neighbour discovery tells (RFC 4861, section 4). Functions on bytes, no state.
 */
#ifndef RENICD_NIC_SPOOF_H
#define RENICD_NIC_SPOOF_H

#include <stdbool.h>
#include <stdint.h>

#include "drop.h"

/* Should spoof_check() look at frames of this Ethernet type (big-endian)? All but IPv4. */
bool spoof_may_hide_in(uint16_t ether_type_be);

/*
 * The frame's first `len` bytes are at `frame`, an Ethernet header at least; it has frame_bytes in
 * all. Behind up to two VLAN tags. Returns DROP_SPOOFED_ARP or DROP_SPOOFED_ND when it tells of
 * another MAC than `mac`, else DROP_REASONS. What no receiver would take (a wrong hop limit, cut
 * short) passes; what cannot be judged because it goes on behind `len` does not.
 */
enum drop_reason spoof_check(
	const uint8_t mac[6], const uint8_t *frame, uint32_t len, uint32_t frame_bytes);

#endif
