/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot codec: bytes to and from struct renic_snapshot. The format is renic_snapshot.h's.
 *
 * Each section is one function that walks its members in order, through a cursor that either puts
 * or gets them: what is written and what is read cannot differ. The header is judged first, then
 * every section's frame, then the sections' members, then the values (snapshot_check.c); only
 * then is *snapshot written. No allocation, no state: any thread.
 *
 * A version adds sections (with RENIC_SNAPSHOT_OPTIONAL, when a reader of this version can
 * do without) and never changes those of an older one. What is written is of the oldest version
 * that has all of it, so that older readers keep reading what says nothing that they do not know.
 */
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <renic_snapshot.h>

#include "crc32c.h"
#include "snapshot_priv.h"

enum {
	HEADER_BYTES = 20,
	HEADER_CRC_AT = 16,
	SECTION_HEADER_BYTES = 12,
	SECTION_CRC_AT = 8,
};

static const char magic[8] = "RENICSNP";

int snapshot_fail(struct renic_snapshot_error *err, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	snprintf(err->field, sizeof(err->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- the cursor ---- */

/* Where the next member goes, or comes from. */
struct cursor {
	uint8_t *at;
	size_t left;
	bool writing;
	bool failed; /* no room, or a member that cannot be */
};

static void walk_bytes(struct cursor *c, void *p, size_t n)
{
	if (c->failed || n > c->left) {
		c->failed = true;
		return;
	}
	if (c->writing)
		memcpy(c->at, p, n);
	else
		memcpy(p, c->at, n);
	c->at += n;
	c->left -= n;
}

static void walk_u16(struct cursor *c, uint16_t *value)
{
	uint16_t le = c->writing ? htole16(*value) : 0;

	walk_bytes(c, &le, sizeof(le));
	if (!c->writing)
		*value = le16toh(le);
}

static void walk_u32(struct cursor *c, uint32_t *value)
{
	uint32_t le = c->writing ? htole32(*value) : 0;

	walk_bytes(c, &le, sizeof(le));
	if (!c->writing)
		*value = le32toh(le);
}

static void walk_u64(struct cursor *c, uint64_t *value)
{
	uint64_t le = c->writing ? htole64(*value) : 0;

	walk_bytes(c, &le, sizeof(le));
	if (!c->writing)
		*value = le64toh(le);
}

/* A byte, 0 or 1. */
static void walk_bool(struct cursor *c, bool *value)
{
	uint8_t byte = c->writing && *value;

	walk_bytes(c, &byte, sizeof(byte));
	c->failed |= byte > 1;
	if (!c->writing)
		*value = byte == 1;
}

/* u16 length, then that many bytes, none of them 0. `size` has room for the NUL. */
static void walk_text(struct cursor *c, char *text, size_t size)
{
	uint16_t len = c->writing ? (uint16_t)strnlen(text, size) : 0;

	walk_u16(c, &len);
	if (len >= size) {
		c->failed = true;
		return;
	}
	walk_bytes(c, text, len);
	if (!c->writing && !c->failed) {
		text[len] = '\0';
		c->failed = strlen(text) != len;
	}
}

/* How many of an array's elements follow; at most `max`. Returns it, 0 after a failure. */
static uint16_t walk_count(struct cursor *c, uint16_t *count, uint16_t max)
{
	walk_u16(c, count);
	c->failed |= *count > max;
	return c->failed ? 0 : *count;
}

/* ---- the sections ---- */

static void walk_config(struct cursor *c, struct renic_snapshot *s)
{
	walk_text(c, s->name, sizeof(s->name));
	walk_text(c, s->group, sizeof(s->group));
	walk_bytes(c, s->mac, sizeof(s->mac));
	walk_u16(c, &s->vlan);
	walk_u16(c, &s->mtu);
	walk_bool(c, &s->spoofchk);
	walk_bool(c, &s->packed);
	walk_u32(c, &s->ingress_hold_pkts);
	walk_text(c, s->hold_exempt, sizeof(s->hold_exempt));
}

static void walk_policy(struct cursor *c, struct renic_snapshot *s)
{
	walk_u16(c, &s->qos);
	walk_bool(c, &s->proto_8021ad);
	walk_bool(c, &s->trust);
	walk_bool(c, &s->promisc);
	walk_u16(c, &s->link_state);
	walk_u32(c, &s->max_tx_rate);
	walk_u32(c, &s->min_tx_rate);
	walk_text(c, s->trunks, sizeof(s->trunks));
}

static void walk_trusted(struct cursor *c, struct renic_snapshot *s)
{
	uint16_t n;

	walk_bool(c, &s->allmulti);
	n = walk_count(c, &s->n_macs, RENIC_SNAPSHOT_MACS_MAX);
	walk_bytes(c, s->macs, n * sizeof(s->macs[0]));
}

static void walk_role(struct cursor *c, struct renic_snapshot *s)
{
	uint16_t role = (uint16_t)s->role;

	walk_u16(c, &role);
	if (!c->writing)
		s->role = (enum renic_role)role;
	walk_u64(c, &s->term);
	walk_u64(c, &s->epoch);
}

static void walk_ring(struct cursor *c, struct renic_snapshot_ring *ring)
{
	walk_u32(c, &ring->size);
	walk_u16(c, &ring->avail_idx);
	walk_u16(c, &ring->used_idx);
	walk_bool(c, &ring->avail_wrap);
	walk_bool(c, &ring->used_wrap);
}

static void walk_rings(struct cursor *c, struct renic_snapshot *s)
{
	uint16_t n;

	walk_u64(c, &s->features);
	n = walk_count(c, &s->n_queues, RENIC_SNAPSHOT_QUEUES_MAX);
	for (uint16_t q = 0; q < n; q++) {
		walk_bool(c, &s->queues[q].enabled);
		walk_ring(c, &s->queues[q].rx);
		walk_ring(c, &s->queues[q].tx);
	}
}

static void walk_addresses(struct cursor *c, struct renic_snapshot *s)
{
	uint16_t n = walk_count(c, &s->n_ipv4, RENIC_SNAPSHOT_ADDRS_MAX);

	walk_bytes(c, s->ipv4, n * sizeof(s->ipv4[0]));
	n = walk_count(c, &s->n_ipv6, RENIC_SNAPSHOT_ADDRS_MAX);
	walk_bytes(c, s->ipv6, n * sizeof(s->ipv6[0]));
}

static void walk_counters(struct cursor *c, struct renic_snapshot *s)
{
	uint16_t n;

	walk_u64(c, &s->tx_pkts);
	walk_u64(c, &s->tx_bytes);
	walk_u64(c, &s->rx_pkts);
	walk_u64(c, &s->rx_bytes);
	walk_u64(c, &s->released_pkts);
	walk_u64(c, &s->exempt_pkts);
	walk_u64(c, &s->backpressure);
	n = walk_count(c, &s->n_drops, RENIC_SNAPSHOT_DROPS_MAX);
	for (uint16_t i = 0; i < n; i++)
		walk_u64(c, &s->drops[i]);
}

/* Those of version 1 are in every snapshot, a later one's where it says anything; written in this
 * order and read in any. The numbers are the format's: never used again for anything else. */
static const struct section {
	uint32_t type;
	const char *name;
	void (*walk)(struct cursor *c, struct renic_snapshot *s);
	bool (*is_needed)(const struct renic_snapshot *s); /* NULL: always */
} sections[] = {
	{1, "config", walk_config, NULL},
	{2, "role", walk_role, NULL},
	{3, "rings", walk_rings, NULL},
	{4, "addresses", walk_addresses, NULL},
	{5, "counters", walk_counters, NULL},
	{6, "policy", walk_policy, snapshot_has_policy},
	{7, "trusted", walk_trusted, snapshot_has_trusted},
};

enum { SECTIONS = sizeof(sections) / sizeof(sections[0]) };

/* The oldest version that has all of it. */
static uint16_t version_of(const struct renic_snapshot *s)
{
	if (snapshot_has_trusted(s))
		return 3;
	return snapshot_has_policy(s) ? 2 : 1;
}

static int section_index(uint32_t type)
{
	for (int i = 0; i < SECTIONS; i++)
		if (sections[i].type == type)
			return i;
	return -1;
}

static uint32_t load_u32(const uint8_t *p)
{
	uint32_t le;

	memcpy(&le, p, sizeof(le));
	return le32toh(le);
}

static void store_u32(uint8_t *p, uint32_t value)
{
	uint32_t le = htole32(value);

	memcpy(p, &le, sizeof(le));
}

/* Of type and length, then of the payload behind the section's header. */
static uint32_t section_crc(const uint8_t *section, size_t payload_bytes)
{
	return crc32c(
		crc32c(0, section, SECTION_CRC_AT), section + SECTION_HEADER_BYTES, payload_bytes);
}

/* ---- encode ---- */

static void write_section(struct cursor *c, const struct section *section, struct renic_snapshot *s)
{
	uint8_t *start = c->at;
	uint32_t type = section->type, none = 0, payload_bytes;

	walk_u32(c, &type);
	walk_u32(c, &none);
	walk_u32(c, &none);
	section->walk(c, s);
	if (c->failed)
		return;
	payload_bytes = (uint32_t)(c->at - start) - SECTION_HEADER_BYTES;
	store_u32(start + sizeof(type), payload_bytes);
	store_u32(start + SECTION_CRC_AT, section_crc(start, payload_bytes));
}

size_t renic_snapshot_encode(const struct renic_snapshot *snapshot, void *buf, size_t size)
{
	struct cursor c = {.at = buf, .left = size, .writing = true};
	/* A cursor that writes changes no member. */
	struct renic_snapshot *s = (struct renic_snapshot *)(uintptr_t)snapshot;
	uint16_t version = version_of(snapshot), compatible = version;
	uint32_t bytes = 0, crc = 0;

	if (renic_snapshot_check(snapshot, NULL))
		return 0;
	walk_bytes(&c, (void *)(uintptr_t)magic, sizeof(magic));
	walk_u16(&c, &version);
	walk_u16(&c, &compatible);
	walk_u32(&c, &bytes);
	walk_u32(&c, &crc);
	for (int i = 0; i < SECTIONS; i++)
		if (!sections[i].is_needed || sections[i].is_needed(s))
			write_section(&c, &sections[i], s);
	if (c.failed)
		return 0;
	bytes = (uint32_t)(c.at - (uint8_t *)buf);
	store_u32((uint8_t *)buf + HEADER_CRC_AT - sizeof(bytes), bytes);
	store_u32((uint8_t *)buf + HEADER_CRC_AT, crc32c(0, buf, HEADER_CRC_AT));
	return bytes;
}

/* ---- decode ---- */

static int check_header(struct cursor *c, size_t bytes, struct renic_snapshot_error *err)
{
	const uint8_t *start = c->at;
	uint16_t version = 0, compatible = 0;
	uint32_t length = 0, crc = 0;
	char mark[sizeof(magic)];

	if (bytes < HEADER_BYTES)
		return snapshot_fail(err, "length", "%zu bytes, a snapshot has at least %d", bytes,
			HEADER_BYTES);
	walk_bytes(c, mark, sizeof(mark));
	walk_u16(c, &version);
	walk_u16(c, &compatible);
	walk_u32(c, &length);
	walk_u32(c, &crc);
	if (memcmp(mark, magic, sizeof(magic)))
		return snapshot_fail(
			err, "magic", "not a snapshot: it does not begin with RENICSNP");
	if (crc32c(0, start, HEADER_CRC_AT) != crc)
		return snapshot_fail(err, "crc", "the header is damaged: its CRC32C is wrong");
	if (version < 1 || compatible < 1 || compatible > version)
		return snapshot_fail(err, "version", "version %u, compatible with %u: cannot be",
			version, compatible);
	if (compatible > RENIC_SNAPSHOT_VERSION)
		return snapshot_fail(err, "version",
			"version %u needs a reader of version %u, this one is %d", version,
			compatible, RENIC_SNAPSHOT_VERSION);
	if (length != bytes || bytes > RENIC_SNAPSHOT_MAX_BYTES)
		return snapshot_fail(err, "length", "%zu bytes, expected %u, and at most %d", bytes,
			length, RENIC_SNAPSHOT_MAX_BYTES);
	return 0;
}

/* Is a section of this type between `from` and `end`? Their lengths are checked. */
static bool section_seen(const uint8_t *from, const uint8_t *end, uint32_t type)
{
	for (; from < end; from += SECTION_HEADER_BYTES + load_u32(from + sizeof(type)))
		if (load_u32(from) == type)
			return true;
	return false;
}

/* Check the frame of the section at the cursor, and take its payload's cursor out. */
static int take_section(
	struct cursor *c, uint32_t *type, struct cursor *payload, struct renic_snapshot_error *err)
{
	const uint8_t *start = c->at;
	uint32_t bytes = 0, crc = 0;

	walk_u32(c, type);
	walk_u32(c, &bytes);
	walk_u32(c, &crc);
	if (c->failed || bytes > c->left)
		return snapshot_fail(err, "length", "a section goes beyond the snapshot's end");
	if (section_crc(start, bytes) != crc)
		return snapshot_fail(
			err, "crc", "section %u is damaged: its CRC32C is wrong", *type);
	*payload = (struct cursor){.at = c->at, .left = bytes};
	c->at += bytes;
	c->left -= bytes;
	return 0;
}

static int read_section(struct cursor *c, const uint8_t *first, struct renic_snapshot *s,
	unsigned *seen, struct renic_snapshot_error *err)
{
	const uint8_t *start = c->at;
	struct cursor payload;
	uint32_t type = 0;
	int i;

	if (take_section(c, &type, &payload, err))
		return -1;
	if (section_seen(first, start, type))
		return snapshot_fail(err, "section", "section %u is there twice", type);
	i = section_index(type);
	if (i < 0 && type & RENIC_SNAPSHOT_OPTIONAL)
		return 0;
	if (i < 0)
		return snapshot_fail(err, "section",
			"section %u is not known here and must not be skipped", type);
	sections[i].walk(&payload, s);
	if (payload.failed || payload.left)
		return snapshot_fail(err, "section",
			"section %u (%s) is not as it must be: its length, or a member", type,
			sections[i].name);
	*seen |= 1u << i;
	return 0;
}

int renic_snapshot_decode(const void *buf, size_t bytes, struct renic_snapshot *snapshot,
	struct renic_snapshot_error *err)
{
	/* A cursor that reads changes no byte. */
	struct cursor c = {.at = (uint8_t *)(uintptr_t)buf, .left = bytes};
	struct renic_snapshot s;
	const uint8_t *first;
	unsigned seen = 0;

	memset(&s, 0, sizeof(s));
	if (check_header(&c, bytes, err))
		return -1;
	first = c.at;
	while (c.left)
		if (read_section(&c, first, &s, &seen, err))
			return -1;
	for (int i = 0; i < SECTIONS; i++)
		if (!sections[i].is_needed && !(seen & 1u << i))
			return snapshot_fail(err, "section", "section %u (%s) is missing",
				sections[i].type, sections[i].name);
	if (renic_snapshot_check(&s, err))
		return -1;
	memcpy(snapshot, &s, sizeof(s));
	return 0;
}
