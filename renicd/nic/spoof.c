/* SPDX-License-Identifier: BSD-3-Clause */
/* See spoof.h. Every length is checked before a byte is read: guests send anything. */
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "spoof.h"

enum {
	ETH_TYPE = 12,
	ETH_BYTES = 14,
	TAG_BYTES = 4,
	TAGS_MAX = 2,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_RARP = 0x8035,
	TYPE_8021Q = 0x8100,
	TYPE_8021AD = 0x88a8,
	TYPE_IPV6 = 0x86dd,
	/* ARP, from its start */
	ARP_SENDER_MAC = 8,
	ARP_SENDER_END = 14,
	/* IPv6 (RFC 8200, sections 3 and 4) */
	IPV6_BYTES = 40,
	IPV6_NEXT_HEADER = 6,
	IPV6_HOP_LIMIT = 7,
	ND_HOP_LIMIT = 255, /* RFC 4861, section 6.1 and 7.1 */
	EXTENSIONS_MAX = 8, /* more of them than anybody sends */
	/* neighbour discovery */
	ND_ROUTER_SOLICITATION = 133,
	ND_ADVERTISEMENT = 136,
	OPTION_SOURCE = 1,
	OPTION_TARGET = 2,
	OPTION_MAC = 2, /* in the option */
	OPTION_UNIT = 8,
};

/* What is left of a frame. */
struct rest {
	const uint8_t *at;
	uint32_t len; /* bytes there */
	bool cut;     /* the frame goes on behind them */
};

static bool skip(struct rest *r, uint32_t bytes)
{
	if (bytes > r->len)
		return false;
	r->at += bytes;
	r->len -= bytes;
	return true;
}

static uint16_t read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

bool spoof_may_hide_in(uint16_t ether_type_be)
{
	return ether_type_be != RTE_BE16(TYPE_IPV4);
}

static enum drop_reason check_arp(const uint8_t mac[6], const struct rest *r)
{
	/* Ethernet addresses of 6 bytes, whatever the protocol. */
	if (r->len < ARP_SENDER_END)
		return r->cut ? DROP_SPOOFED_ARP : DROP_REASONS;
	if (read16(r->at) != 1 || r->at[4] != 6)
		return DROP_REASONS;
	return memcmp(r->at + ARP_SENDER_MAC, mac, 6) ? DROP_SPOOFED_ARP : DROP_REASONS;
}

/* The fixed part of each message, up to its options; the option that tells the sender's MAC. */
static const struct {
	uint8_t bytes, option;
} messages[] = {
	{8, OPTION_SOURCE},  /* 133: router solicitation */
	{16, OPTION_SOURCE}, /* 134: router advertisement */
	{24, OPTION_SOURCE}, /* 135: neighbour solicitation */
	{24, OPTION_TARGET}, /* 136: neighbour advertisement */
};

static enum drop_reason check_nd(const uint8_t mac[6], struct rest *r)
{
	uint8_t type;
	uint32_t bytes;

	if (!r->len)
		return r->cut ? DROP_SPOOFED_ND : DROP_REASONS;
	type = r->at[0];
	if (type < ND_ROUTER_SOLICITATION || type > ND_ADVERTISEMENT)
		return DROP_REASONS;
	if (!skip(r, messages[type - ND_ROUTER_SOLICITATION].bytes))
		return r->cut ? DROP_SPOOFED_ND : DROP_REASONS;
	while (r->len >= OPTION_UNIT) {
		if (r->at[0] == messages[type - ND_ROUTER_SOLICITATION].option &&
			memcmp(r->at + OPTION_MAC, mac, 6))
			return DROP_SPOOFED_ND;
		bytes = r->at[1] * OPTION_UNIT;
		if (!bytes) /* receivers drop the message (RFC 4861, section 4.6) */
			return DROP_REASONS;
		if (!skip(r, bytes))
			break;
	}
	return r->cut ? DROP_SPOOFED_ND : DROP_REASONS;
}

/* Headers that may stand before ICMPv6. A fragment is not judged whole; neighbour discovery in
 * fragments is refused by receivers (RFC 6980). */
static bool is_extension(uint8_t header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING || header == IPPROTO_DSTOPTS;
}

static enum drop_reason check_ipv6(const uint8_t mac[6], struct rest *r)
{
	const uint8_t *ip = r->at;
	uint8_t next;

	if (!skip(r, IPV6_BYTES))
		return r->cut ? DROP_SPOOFED_ND : DROP_REASONS;
	if (ip[0] >> 4 != 6 || ip[IPV6_HOP_LIMIT] != ND_HOP_LIMIT)
		return DROP_REASONS;
	next = ip[IPV6_NEXT_HEADER];
	for (int n = 0; is_extension(next); n++) {
		if (n == EXTENSIONS_MAX)
			return DROP_SPOOFED_ND;
		if (r->len < 2)
			return r->cut ? DROP_SPOOFED_ND : DROP_REASONS;
		next = r->at[0];
		if (!skip(r, (r->at[1] + 1u) * 8))
			return r->cut ? DROP_SPOOFED_ND : DROP_REASONS;
	}
	return next == IPPROTO_ICMPV6 ? check_nd(mac, r) : DROP_REASONS;
}

enum drop_reason spoof_check(
	const uint8_t mac[6], const uint8_t *frame, uint32_t len, uint32_t frame_bytes)
{
	struct rest r = {.at = frame, .len = len, .cut = frame_bytes > len};
	uint16_t type = read16(frame + ETH_TYPE);

	skip(&r, ETH_BYTES);
	for (int tags = 0; tags < TAGS_MAX && (type == TYPE_8021Q || type == TYPE_8021AD); tags++) {
		if (r.len < TAG_BYTES)
			return DROP_REASONS;
		type = read16(r.at + 2);
		skip(&r, TAG_BYTES);
	}
	if (type == TYPE_ARP || type == TYPE_RARP)
		return check_arp(mac, &r);
	return type == TYPE_IPV6 ? check_ipv6(mac, &r) : DROP_REASONS;
}
