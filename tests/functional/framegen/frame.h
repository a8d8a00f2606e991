/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbered test frames: what framegen sends and what it recognises.
 *
 * A frame is a function of its stamp and its two MAC addresses: headers of its kind, a 16-byte
 * stamp at an offset that depends on the kind, and a pattern chosen by stream and sequence
 * number. So every byte of a received frame can be checked by building it again, by any
 * receiver (lib/frame.py does the same from a capture). No state; any thread.
 */
#ifndef FRAMEGEN_FRAME_H
#define FRAMEGEN_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_MIN = 60,	  /* bytes, without FCS */
	FRAME_MAX = 9018, /* 9,000 bytes of payload, Ethernet header and one VLAN tag */
	FRAME_ETHER_HDR = 14,
	FRAME_VLAN_TAG = 4,
	FRAME_STAMP_MAGIC = 0xfd52, /* as the start of an IPv6 source it is a local address */
};

enum frame_kind {
	FRAME_IPV4,
	FRAME_IPV6,
	FRAME_ARP,
	FRAME_VLAN,    /* 802.1Q tag, then IPv4 */
	FRAME_UNKNOWN, /* ethertype 0x88B5, IEEE 802 local experimental */
	FRAME_KINDS,
	FRAME_MIX = FRAME_KINDS, /* in a send request: the kinds in turn */
};

/* Names as in commands: "ipv4", "ipv6", "arp", "vlan", "unknown", "mix". */
extern const char *const frame_kind_names[FRAME_KINDS + 1];

struct frame_stamp {
	uint16_t stream;
	uint32_t seq;
	uint16_t len;	/* bytes as sent, before a port VLAN is pushed or stripped */
	uint8_t kind;	/* enum frame_kind */
	uint8_t origin; /* framegen port that sent it */
	uint16_t tci;	/* FRAME_VLAN: tag control information */
};

enum frame_verdict {
	FRAME_GOOD,
	FRAME_CORRUPT, /* carries a stamp, and differs from what was sent */
	FRAME_FOREIGN, /* not one of ours */
};

/* Make the pattern table; once, before any other call. */
void frame_init(void);

/* Write the frame of `stamp` from src to dst into buf (stamp->len bytes, FRAME_MIN..FRAME_MAX). */
void frame_build(
	uint8_t *buf, const struct frame_stamp *stamp, const uint8_t dst[6], const uint8_t src[6]);

/*
 * Judge a received frame. Fills *stamp unless it is foreign. *outer_tci: the tag that was pushed
 * on the way (a port VLAN), or -1; the frame under it must be as sent.
 */
enum frame_verdict frame_check(
	const uint8_t *buf, size_t len, struct frame_stamp *stamp, int *outer_tci);

#endif
