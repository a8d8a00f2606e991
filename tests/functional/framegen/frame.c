/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building and checking numbered frames; see frame.h. lib/frame.py builds the same bytes: a
 * change here is a change there.
 */
#include <arpa/inet.h>
#include <string.h>

#include "frame.h"

enum {
	STAMP_BYTES = 16,
	PATTERN_OFFSETS = 32768, /* a power of two */
	PATTERN_BYTES = PATTERN_OFFSETS + 9216,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_UNKNOWN = 0x88b5,
	IPPROTO_EXPERIMENT = 253, /* RFC 3692 */
};

/* Where the stamp lies, and from where on the pattern fills the frame. */
struct layout {
	uint16_t ethertype;
	uint16_t stamp;
	uint16_t pattern;
};

static const struct layout layouts[FRAME_KINDS] = {
	[FRAME_IPV4] = {ETHERTYPE_IPV4, 42, 58},
	[FRAME_IPV6] = {ETHERTYPE_IPV6, 22, 54}, /* the source address is the stamp */
	[FRAME_ARP] = {ETHERTYPE_ARP, 42, 58},
	[FRAME_VLAN] = {ETHERTYPE_VLAN, 38, 54},
	[FRAME_UNKNOWN] = {ETHERTYPE_UNKNOWN, 14, 30},
};

const char *const frame_kind_names[FRAME_KINDS + 1] = {
	"ipv4", "ipv6", "arp", "vlan", "unknown", "mix"};

static uint8_t pattern[PATTERN_BYTES];

void frame_init(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(pattern); i++) {
		x = x * 1103515245u + 12345u;
		pattern[i] = x >> 16;
	}
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = value >> 8;
	p[1] = value & 0xff;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Ties addresses and stamp together, so that a frame sent under another's address is seen. */
static uint16_t stamp_sum(const uint8_t *stamp, const uint8_t *addresses)
{
	uint16_t sum = 0x5a5a;

	for (int i = 0; i < 12; i++)
		sum = (uint16_t)(sum * 31 + addresses[i]);
	for (int i = 0; i < STAMP_BYTES - 2; i++)
		sum = (uint16_t)(sum * 31 + stamp[i]);
	return sum;
}

static void put_stamp(uint8_t *p, const struct frame_stamp *stamp, const uint8_t *addresses)
{
	put16(p, FRAME_STAMP_MAGIC);
	put16(p + 2, stamp->stream);
	put32(p + 4, stamp->seq);
	put16(p + 8, stamp->len);
	p[10] = stamp->kind;
	p[11] = stamp->origin;
	put16(p + 12, stamp->tci);
	put16(p + 14, stamp_sum(p, addresses));
}

static bool get_stamp(const uint8_t *p, struct frame_stamp *stamp)
{
	if (get16(p) != FRAME_STAMP_MAGIC)
		return false;
	stamp->stream = get16(p + 2);
	stamp->seq = get32(p + 4);
	stamp->len = get16(p + 8);
	stamp->kind = p[10];
	stamp->origin = p[11];
	stamp->tci = get16(p + 12);
	return stamp->kind < FRAME_KINDS;
}

/* RFC 791 header without options; len covers the header. */
static void put_ipv4(uint8_t *p, uint16_t len, uint16_t id, uint8_t proto, uint16_t stream)
{
	uint32_t sum = 0;

	memset(p, 0, 20);
	p[0] = 0x45;
	put16(p + 2, len);
	put16(p + 4, id);
	p[8] = 64;
	p[9] = proto;
	put32(p + 12, 0x0a000000u | stream);
	put32(p + 16, 0x0aff0001u);
	for (int i = 0; i < 20; i += 2)
		sum += get16(p + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(p + 10, ~sum & 0xffff);
}

static void put_ipv6(uint8_t *p, uint16_t frame_len)
{
	static const uint8_t to[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

	put32(p, 0x60000000u);
	put16(p + 4, frame_len - FRAME_ETHER_HDR - 40);
	p[6] = 59; /* no next header */
	p[7] = 64;
	memcpy(p + 24, to, sizeof(to));
}

static void put_arp(uint8_t *p, uint16_t stream, const uint8_t src[6])
{
	put16(p, 1);
	put16(p + 2, ETHERTYPE_IPV4);
	p[4] = 6;
	p[5] = 4;
	put16(p + 6, 1); /* request */
	memcpy(p + 8, src, 6);
	put32(p + 14, 0x0a000000u | stream);
	memset(p + 18, 0, 6);
	put32(p + 24, 0x0aff0001u);
}

static void put_headers(uint8_t *buf, const struct frame_stamp *s, const uint8_t src[6])
{
	uint8_t *l3 = buf + FRAME_ETHER_HDR;

	switch ((enum frame_kind)s->kind) {
	case FRAME_IPV4:
		put_ipv4(l3, s->len - FRAME_ETHER_HDR, s->seq & 0xffff, IPPROTO_UDP, s->stream);
		put16(l3 + 20, 7);
		put16(l3 + 22, 9);
		put16(l3 + 24, s->len - FRAME_ETHER_HDR - 20);
		put16(l3 + 26, 0); /* no UDP checksum */
		break;
	case FRAME_IPV6:
		put_ipv6(l3, s->len);
		break;
	case FRAME_ARP:
		put_arp(l3, s->stream, src);
		break;
	case FRAME_VLAN:
		put16(l3, s->tci);
		put16(l3 + 2, ETHERTYPE_IPV4);
		put_ipv4(l3 + FRAME_VLAN_TAG, s->len - FRAME_ETHER_HDR - FRAME_VLAN_TAG,
			s->seq & 0xffff, IPPROTO_EXPERIMENT, s->stream);
		break;
	default:
		break;
	}
}

void frame_build(
	uint8_t *buf, const struct frame_stamp *s, const uint8_t dst[6], const uint8_t src[6])
{
	const struct layout *layout = &layouts[s->kind];
	uint32_t at = (s->seq * 2654435761u + s->stream * 40503u) % PATTERN_OFFSETS;

	memcpy(buf, dst, 6);
	memcpy(buf + 6, src, 6);
	put16(buf + 12, layout->ethertype);
	put_headers(buf, s, src);
	put_stamp(buf + layout->stamp, s, buf);
	memcpy(buf + layout->pattern, pattern + at, s->len - layout->pattern);
}

/* Find the stamp where the kind that the ethertype stands for has it. */
static bool find_stamp(const uint8_t *buf, size_t len, struct frame_stamp *stamp)
{
	uint16_t ethertype;

	if (len < FRAME_MIN)
		return false;
	ethertype = get16(buf + 12);
	for (int kind = 0; kind < FRAME_KINDS; kind++)
		if (layouts[kind].ethertype == ethertype)
			return get_stamp(buf + layouts[kind].stamp, stamp) && stamp->kind == kind;
	return false;
}

static bool same_as_sent(const uint8_t *buf, size_t len, const struct frame_stamp *stamp)
{
	static __thread uint8_t sent[FRAME_MAX];

	if (stamp->len != len || len < FRAME_MIN || len > FRAME_MAX)
		return false;
	frame_build(sent, stamp, buf, buf + 6);
	return memcmp(sent, buf, len) == 0;
}

/* buf without its outer tag. */
static const uint8_t *untagged(const uint8_t *buf, size_t len)
{
	static __thread uint8_t inner[FRAME_MAX];

	memcpy(inner, buf, 12);
	memcpy(inner + 12, buf + 12 + FRAME_VLAN_TAG, len - 12 - FRAME_VLAN_TAG);
	return inner;
}

enum frame_verdict frame_check(
	const uint8_t *buf, size_t len, struct frame_stamp *stamp, int *outer_tci)
{
	*outer_tci = -1;
	if (find_stamp(buf, len, stamp))
		return same_as_sent(buf, len, stamp) ? FRAME_GOOD : FRAME_CORRUPT;
	if (len < FRAME_MIN + FRAME_VLAN_TAG || len > FRAME_MAX + FRAME_VLAN_TAG ||
		get16(buf + 12) != ETHERTYPE_VLAN)
		return FRAME_FOREIGN;
	*outer_tci = get16(buf + 14);
	buf = untagged(buf, len);
	len -= FRAME_VLAN_TAG;
	if (!find_stamp(buf, len, stamp))
		return FRAME_FOREIGN;
	return same_as_sent(buf, len, stamp) ? FRAME_GOOD : FRAME_CORRUPT;
}
