/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of lib/librenic/snapshot*.c. Random snapshots are made from a fixed seed, so that a run
 * that fails fails again.
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <renic_snapshot.h>

#include "crc32c.h"

enum {
	ROUNDS = 5000,
	SEED = 20240917,
	HEADER_BYTES = 20,
	SECTION_HEADER_BYTES = 12,
	UNTOUCHED = 0x5a,
};

static uint64_t below(uint64_t n)
{
	uint64_t r = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();

	return r % n;
}

static void random_name(char *name, size_t min)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = min + below(RENIC_SNAPSHOT_NAME_SIZE - min);

	for (size_t i = 0; i < len; i++)
		name[i] = chars[below(i ? sizeof(chars) - 1 : 62)];
}

static void random_ring(struct renic_snapshot_ring *ring, bool packed)
{
	ring->size = below(8) ? 1 + (uint32_t)below(32768) : 0;
	if (!ring->size)
		return;
	ring->avail_idx = (uint16_t)below(packed ? ring->size : 65536);
	ring->used_idx = (uint16_t)below(packed ? ring->size : 65536);
	ring->avail_wrap = packed && below(2);
	ring->used_wrap = packed && below(2);
}

static void random_bytes(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)below(256);
}

static void random_config(struct renic_snapshot *s)
{
	size_t filter_len = below(4) ? 0 : below(RENIC_SNAPSHOT_FILTER_SIZE);

	random_name(s->name, 1);
	random_name(s->group, 0);
	random_bytes(s->mac, sizeof(s->mac));
	s->mac[0] = (s->mac[0] & 0xfc) | 2;
	s->vlan = (uint16_t)below(4096);
	s->qos = (uint16_t)below(8);
	s->proto_8021ad = below(2);
	s->trust = below(2);
	s->promisc = below(2);
	s->allmulti = below(2);
	s->n_macs = (uint16_t)below(RENIC_SNAPSHOT_MACS_MAX + 1);
	for (uint16_t i = 0; i < s->n_macs; i++) {
		random_bytes(s->macs[i], sizeof(s->macs[i]));
		s->macs[i][0] = (s->macs[i][0] & 0xfc) | 2;
	}
	s->link_state = (uint16_t)below(RENIC_LINK_STATES);
	s->max_tx_rate = (uint32_t)below(1000001);
	s->min_tx_rate = (uint32_t)below(1000001);
	snprintf(s->trunks, sizeof(s->trunks), "%s", below(2) ? "0,10,20-4094" : "");
	s->mtu = (uint16_t)(68 + below(9000 - 68 + 1));
	s->spoofchk = below(2);
	s->packed = below(2);
	s->ingress_hold_pkts = (uint32_t)below(65537);
	for (size_t i = 0; i < filter_len; i++)
		s->hold_exempt[i] = (char)(0x20 + below(0x7f - 0x20));
}

static void random_counters(struct renic_snapshot *s)
{
	const uint64_t most = UINT64_C(1) << 63;
	uint64_t *counters[] = {&s->tx_pkts, &s->tx_bytes, &s->rx_pkts, &s->rx_bytes,
		&s->released_pkts, &s->exempt_pkts, &s->backpressure};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		*counters[i] = below(most);
	s->n_drops = (uint16_t)below(RENIC_SNAPSHOT_DROPS_MAX + 1);
	for (uint16_t i = 0; i < s->n_drops; i++)
		s->drops[i] = below(most);
}

static void random_snapshot(struct renic_snapshot *s)
{
	bool packed = below(2);

	memset(s, 0, sizeof(*s));
	random_config(s);
	s->role = (enum renic_role)below(RENIC_ROLES);
	s->term = 1 + below(INT64_MAX);
	s->epoch = below(INT64_MAX);
	s->features = below(UINT64_MAX) & ~RENIC_FEATURE_PACKED;
	if (packed)
		s->features |= RENIC_FEATURE_PACKED;
	s->n_queues = (uint16_t)(1 + below(RENIC_SNAPSHOT_QUEUES_MAX));
	for (uint16_t q = 0; q < s->n_queues; q++) {
		s->queues[q].enabled = below(2);
		random_ring(&s->queues[q].rx, packed);
		random_ring(&s->queues[q].tx, packed);
	}
	s->n_ipv4 = (uint16_t)below(RENIC_SNAPSHOT_ADDRS_MAX + 1);
	s->n_ipv6 = (uint16_t)below(RENIC_SNAPSHOT_ADDRS_MAX + 1);
	random_bytes(s->ipv4, s->n_ipv4 * sizeof(s->ipv4[0]));
	random_bytes(s->ipv6, s->n_ipv6 * sizeof(s->ipv6[0]));
	random_counters(s);
}

/* As small as it gets. */
static void plain_snapshot(struct renic_snapshot *s)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->name, "web");
	memcpy(s->mac, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	s->mtu = 1500;
	s->term = 1;
	s->n_queues = 1;
}

/* The bytes in a block of just their size, so that ASan sees what is read beyond it. Refused:
 * then the struct stays as it was, and the error names a field. */
static void assert_refused(const uint8_t *bytes, size_t n, const char *field)
{
	struct renic_snapshot s, untouched;
	struct renic_snapshot_error err = {0};
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, bytes, n);
	memset(&s, UNTOUCHED, sizeof(s));
	memset(&untouched, UNTOUCHED, sizeof(untouched));
	if (renic_snapshot_decode(copy, n, &s, &err) != -1)
		fail_msg("%zu bytes were taken; %s is wrong", n, field ? field : "something");
	assert_memory_equal(&s, &untouched, sizeof(s));
	assert_int_equal(renic_snapshot_decode(copy, n, &s, NULL), -1);
	free(copy);
	assert_true(err.field[0] && err.message[0]);
	if (field && strcmp(err.field, field))
		fail_msg("field %s, expected %s (%s)", err.field, field, err.message);
}

static void random_snapshots_round_trip(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES], again[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s, back;
	struct renic_snapshot_error err;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t n;

		random_snapshot(&s);
		if (renic_snapshot_check(&s, &err))
			fail_msg("round %u: %s", round, err.message);
		n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
		assert_true(n > 0);
		memset(&back, UNTOUCHED, sizeof(back));
		if (renic_snapshot_decode(bytes, n, &back, &err))
			fail_msg("round %u: %s", round, err.message);
		assert_memory_equal(&s, &back, sizeof(s));
		assert_int_equal(renic_snapshot_encode(&back, again, sizeof(again)), n);
		assert_memory_equal(bytes, again, n);
	}
}

static void the_largest_snapshot_fits(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s, back;
	size_t n;

	random_snapshot(&s);
	memset(s.name, 'n', sizeof(s.name) - 1);
	memset(s.group, 'g', sizeof(s.group) - 1);
	memset(s.hold_exempt, 'x', sizeof(s.hold_exempt) - 1);
	s.n_queues = RENIC_SNAPSHOT_QUEUES_MAX;
	s.n_ipv4 = s.n_ipv6 = RENIC_SNAPSHOT_ADDRS_MAX;
	s.n_drops = RENIC_SNAPSHOT_DROPS_MAX;
	n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
	assert_true(n > 0);
	assert_int_equal(renic_snapshot_decode(bytes, n, &back, NULL), 0);
	for (size_t size = 0; size < n; size++)
		assert_int_equal(renic_snapshot_encode(&s, bytes, size), 0);
	assert_int_equal(renic_snapshot_encode(&s, bytes, n), n);
}

/* Of a few snapshots: every shorter one, every one with bytes behind it. */
static void every_truncation_and_every_tail_is_refused(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;

	for (unsigned round = 0; round < 8; round++) {
		size_t n;

		memset(bytes, 0, sizeof(bytes));
		random_snapshot(&s);
		n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
		for (size_t cut = 0; cut < n; cut++)
			assert_refused(bytes, cut, "length");
		for (size_t more = 1; more < 20; more++)
			assert_refused(bytes, n + more, "length");
		assert_refused(bytes, sizeof(bytes), "length");
	}
}

static void every_flipped_bit_is_refused(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;

	for (unsigned round = 0; round < 4; round++) {
		size_t n;

		random_snapshot(&s);
		n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
		for (size_t bit = 0; bit < n * 8; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_refused(bytes, n, NULL);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* Noise of any length, and snapshots with noise over a part of them. */
static void noise_is_refused(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;

	for (unsigned round = 0; round < 2000; round++) {
		size_t n = below(2000), from;

		random_bytes(bytes, n);
		assert_refused(bytes, n, NULL);
		random_snapshot(&s);
		n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
		from = below(n - 8);
		random_bytes(bytes + from, 8 + below(n - from - 7));
		assert_refused(bytes, n, NULL);
	}
}

/* ---- snapshots put together by hand, with right CRCs ---- */

static void put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static void seal_header(uint8_t *bytes, size_t n)
{
	put32(bytes + 12, (uint32_t)n);
	put32(bytes + 16, crc32c(0, bytes, 16));
}

static void seal_section(uint8_t *section)
{
	uint32_t crc = crc32c(0, section, 8);

	put32(section + 8, crc32c(crc, section + SECTION_HEADER_BYTES, get32(section + 4)));
}

/* Every CRC and the length made right again. */
static void seal(uint8_t *bytes, size_t n)
{
	for (size_t at = HEADER_BYTES; at < n; at += SECTION_HEADER_BYTES + get32(bytes + at + 4))
		seal_section(bytes + at);
	seal_header(bytes, n);
}

static uint8_t *find_section(uint8_t *bytes, size_t n, uint32_t type)
{
	for (size_t at = HEADER_BYTES; at < n; at += SECTION_HEADER_BYTES + get32(bytes + at + 4))
		if (get32(bytes + at) == type)
			return bytes + at;
	fail_msg("no section %u", type);
	return NULL;
}

/* Appends a section with a payload of zeros; the new length. */
static size_t append_section(uint8_t *bytes, size_t n, uint32_t type, uint32_t payload_bytes)
{
	memset(bytes + n, 0, SECTION_HEADER_BYTES + payload_bytes);
	put32(bytes + n, type);
	put32(bytes + n + 4, payload_bytes);
	n += SECTION_HEADER_BYTES + payload_bytes;
	seal(bytes, n);
	return n;
}

static size_t cut_section(uint8_t *bytes, size_t n, uint32_t type)
{
	uint8_t *section = find_section(bytes, n, type);
	size_t size = SECTION_HEADER_BYTES + get32(section + 4);

	memmove(section, section + size, n - (size_t)(section - bytes) - size);
	seal(bytes, n - size);
	return n - size;
}

static size_t encode_plain(uint8_t *bytes, struct renic_snapshot *s)
{
	size_t n;

	plain_snapshot(s);
	n = renic_snapshot_encode(s, bytes, RENIC_SNAPSHOT_MAX_BYTES);
	assert_true(n > 0);
	return n;
}

static void unknown_optional_sections_are_skipped(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s, back;
	size_t n = encode_plain(bytes, &s);

	n = append_section(bytes, n, RENIC_SNAPSHOT_OPTIONAL | 77, 100);
	n = append_section(bytes, n, RENIC_SNAPSHOT_OPTIONAL | 1, 0);
	put16(bytes + 8, 9); /* a later version that this reader can still read */
	seal_header(bytes, n);
	assert_int_equal(renic_snapshot_decode(bytes, n, &back, NULL), 0);
	assert_memory_equal(&s, &back, sizeof(s));
	bytes[n - SECTION_HEADER_BYTES - 1] ^= 1; /* skipped, but not when damaged */
	assert_refused(bytes, n, "crc");
}

static void unknown_mandatory_sections_are_refused(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	size_t n = encode_plain(bytes, &s);

	assert_refused(bytes, append_section(bytes, n, 77, 100), "section");
	assert_refused(bytes, append_section(bytes, n, 0, 0), "section");
	assert_refused(bytes, append_section(bytes, n, 6, 4), "section");
}

static void each_section_is_there_once(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	size_t n;

	for (uint32_t type = 1; type <= 5; type++) {
		n = encode_plain(bytes, &s);
		assert_refused(bytes, cut_section(bytes, n, type), "section");
		n = encode_plain(bytes, &s);
		assert_refused(bytes,
			append_section(bytes, n, type, get32(find_section(bytes, n, type) + 4)),
			"section");
	}
	n = append_section(bytes, encode_plain(bytes, &s), RENIC_SNAPSHOT_OPTIONAL | 7, 3);
	assert_refused(bytes, append_section(bytes, n, RENIC_SNAPSHOT_OPTIONAL | 7, 3), "section");
	seal_header(bytes, HEADER_BYTES);
	assert_refused(bytes, HEADER_BYTES, "section");
}

static void sections_come_in_any_order(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES], moved[512];
	struct renic_snapshot s, back;
	size_t n = encode_plain(bytes, &s), size, left;
	uint8_t *section = find_section(bytes, n, 1);

	size = SECTION_HEADER_BYTES + get32(section + 4);
	assert_true(size < sizeof(moved));
	memcpy(moved, section, size);
	left = cut_section(bytes, n, 1);
	memcpy(bytes + left, moved, size);
	seal(bytes, n);
	assert_int_equal(renic_snapshot_decode(bytes, n, &back, NULL), 0);
	assert_memory_equal(&s, &back, sizeof(s));
}

static void a_section_is_as_long_as_its_members(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;

	for (uint32_t type = 1; type <= 5; type++) {
		size_t n = encode_plain(bytes, &s), keep;
		uint8_t *section = find_section(bytes, n, type);
		uint32_t length = get32(section + 4);
		uint8_t *end = section + SECTION_HEADER_BYTES + length;

		/* one byte more, one byte fewer */
		keep = n - (size_t)(end - bytes);
		memmove(end + 1, end, keep);
		*end = 0;
		put32(section + 4, length + 1);
		seal(bytes, n + 1);
		assert_refused(bytes, n + 1, "section");
		memmove(end - 1, end + 1, keep);
		put32(section + 4, length - 1);
		seal(bytes, n - 1);
		assert_refused(bytes, n - 1, "section");
	}
}

static void section_lengths_beyond_the_end_are_refused(void **state)
{
	static const uint32_t lengths[] = {UINT32_MAX, INT32_MAX, UINT32_MAX - 11, 4096};
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	size_t n = encode_plain(bytes, &s);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		put32(find_section(bytes, n, 1) + 4, lengths[i]);
		assert_refused(bytes, n, "length");
		encode_plain(bytes, &s);
	}
	memset(bytes + n, 0, SECTION_HEADER_BYTES); /* a section's header in part */
	seal_header(bytes, n + SECTION_HEADER_BYTES - 1);
	assert_refused(bytes, n + SECTION_HEADER_BYTES - 1, "length");
}

static void other_versions_are_told_apart(void **state)
{
	static const struct {
		uint16_t version, compatible;
		bool taken;
	} rows[] = {{1, 1, true}, {2, 1, true}, {65535, 1, true}, {2, 2, true}, {3, 3, true},
		{4, 4, false}, {0, 0, false}, {1, 0, false}, {0, 1, false}, {1, 2, false},
		{3, 2, true}, {65535, 65535, false}};
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s, back;
	size_t n = encode_plain(bytes, &s);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put16(bytes + 8, rows[i].version);
		put16(bytes + 10, rows[i].compatible);
		seal_header(bytes, n);
		if (rows[i].taken)
			assert_int_equal(renic_snapshot_decode(bytes, n, &back, NULL), 0);
		else
			assert_refused(bytes, n, "version");
	}
	bytes[0] = 'r';
	seal_header(bytes, n);
	assert_refused(bytes, n, "magic");
}

static void booleans_are_0_or_1(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	size_t n = encode_plain(bytes, &s);
	/* config of "web": name 2 + 3, group 2, MAC 6, VLAN 2, MTU 2, then spoofchk */
	uint8_t *spoofchk = find_section(bytes, n, 1) + SECTION_HEADER_BYTES + 17;

	assert_int_equal(*spoofchk, 0);
	*spoofchk = 2;
	seal(bytes, n);
	assert_refused(bytes, n, "section");
}

static void text_has_no_nul_inside(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	size_t n = encode_plain(bytes, &s);

	find_section(bytes, n, 1)[SECTION_HEADER_BYTES + 3] = '\0';
	seal(bytes, n);
	assert_refused(bytes, n, "section");
}

/* ---- values ---- */

/* A change that makes the plain snapshot wrong, and the field that is named. */
struct wrong_value {
	const char *field;
	void (*change)(struct renic_snapshot *s);
};

#define WRONG(name, code)                                                                          \
	static void name(struct renic_snapshot *s)                                                 \
	{                                                                                          \
		code;                                                                              \
	}
WRONG(no_name, s->name[0] = '\0')
WRONG(name_with_blank, strcpy(s->name, "a b"))
WRONG(name_with_slash, strcpy(s->name, "../x"))
WRONG(name_like_option, strcpy(s->name, "-a"))
WRONG(name_without_end, memset(s->name, 'a', sizeof(s->name)))
WRONG(bad_group, strcpy(s->group, "a,b"))
WRONG(multicast, s->mac[0] = 1)
WRONG(no_mac, memset(s->mac, 0, 6))
WRONG(vlan_4096, s->vlan = 4096)
WRONG(qos_8, s->qos = 8)
WRONG(state_3, s->link_state = 3)
WRONG(rate_too_high, s->max_tx_rate = 1000001)
WRONG(least_rate_too_high, s->min_tx_rate = 1000001)
WRONG(macs_17, s->n_macs = 17)
WRONG(own_multicast, s->n_macs = 1; s->macs[0][0] = 1)
WRONG(trunks_of_words, strcpy(s->trunks, "1,x"))
WRONG(trunks_without_end, memset(s->trunks, '1', sizeof(s->trunks)))
WRONG(mtu_67, s->mtu = 67)
WRONG(mtu_9001, s->mtu = 9001)
WRONG(hold_65537, s->ingress_hold_pkts = 65537)
WRONG(filter_newline, strcpy(s->hold_exempt, "arp\n"))
WRONG(filter_8_bit, strcpy(s->hold_exempt, "\xff"))
WRONG(filter_without_end, memset(s->hold_exempt, 'a', sizeof(s->hold_exempt)))
WRONG(role_3, s->role = RENIC_ROLES)
WRONG(role_negative, s->role = (enum renic_role) - 1)
WRONG(term_0, s->term = 0)
WRONG(term_negative, s->term = UINT64_MAX)
WRONG(epoch_negative, s->epoch = UINT64_C(1) << 63)
WRONG(queues_0, s->n_queues = 0)
WRONG(queues_17, s->n_queues = 17)
WRONG(ring_32769, s->queues[0].rx.size = 32769)
WRONG(ring_size_none_index, s->queues[0].tx.used_idx = 1)
WRONG(split_wrap, s->queues[0].rx.size = 256; s->queues[0].rx.used_wrap = true)
WRONG(packed_index, s->features = RENIC_FEATURE_PACKED; s->queues[0].tx.size = 256;
	s->queues[0].tx.avail_idx = 256)
WRONG(packed_used_index, s->features = RENIC_FEATURE_PACKED; s->queues[0].rx.size = 256;
	s->queues[0].rx.used_idx = 256)
WRONG(ipv4_17, s->n_ipv4 = 17)
WRONG(ipv6_17, s->n_ipv6 = 17)
WRONG(counter_negative, s->released_pkts = UINT64_MAX)
WRONG(drops_33, s->n_drops = 33)
WRONG(drops_negative, s->n_drops = 2; s->drops[1] = UINT64_MAX)

static const struct wrong_value wrong_values[] = {
	{"name", no_name},
	{"name", name_with_blank},
	{"name", name_with_slash},
	{"name", name_like_option},
	{"name", name_without_end},
	{"group", bad_group},
	{"mac", multicast},
	{"mac", no_mac},
	{"vlan", vlan_4096},
	{"qos", qos_8},
	{"state", state_3},
	{"max_tx_rate", rate_too_high},
	{"min_tx_rate", least_rate_too_high},
	{"own_macs", macs_17},
	{"own_macs", own_multicast},
	{"trunks", trunks_of_words},
	{"trunks", trunks_without_end},
	{"mtu", mtu_67},
	{"mtu", mtu_9001},
	{"ingress_hold_pkts", hold_65537},
	{"hold_exempt", filter_newline},
	{"hold_exempt", filter_8_bit},
	{"hold_exempt", filter_without_end},
	{"role", role_3},
	{"role", role_negative},
	{"term", term_0},
	{"term", term_negative},
	{"epoch", epoch_negative},
	{"queues", queues_0},
	{"queues", queues_17},
	{"rings[0].rx_size", ring_32769},
	{"rings[0].tx_avail_idx", ring_size_none_index},
	{"rings[0].rx_avail_idx", split_wrap},
	{"rings[0].tx_avail_idx", packed_index},
	{"rings[0].rx_avail_idx", packed_used_index},
	{"ipv4", ipv4_17},
	{"ipv6", ipv6_17},
	{"released_pkts", counter_negative},
	{"drops", drops_33},
	{"drops", drops_negative},
};

static void wrong_values_are_not_encoded(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;

	for (size_t i = 0; i < sizeof(wrong_values) / sizeof(wrong_values[0]); i++) {
		struct renic_snapshot_error err = {0};

		plain_snapshot(&s);
		assert_int_equal(renic_snapshot_check(&s, &err), 0);
		wrong_values[i].change(&s);
		assert_int_equal(renic_snapshot_check(&s, &err), -1);
		assert_string_equal(err.field, wrong_values[i].field);
		assert_int_equal(renic_snapshot_encode(&s, bytes, sizeof(bytes)), 0);
	}
}

/* Where a value is in the encoded plain snapshot, and one that is wrong there. */
static void wrong_values_are_not_decoded(void **state)
{
	static const struct {
		const char *field;
		uint32_t type;
		unsigned at, size;
		uint64_t value;
	} rows[] = {
		{"name", 1, 2, 1, '.'},
		{"name", 1, 4, 1, '/'},
		{"mac", 1, 7, 1, 1},
		{"vlan", 1, 13, 2, 4096},
		{"mtu", 1, 15, 2, 67},
		{"mtu", 1, 15, 2, 9001},
		{"ingress_hold_pkts", 1, 19, 4, 65537},
		{"role", 2, 0, 2, 3},
		{"role", 2, 0, 2, 0xffff},
		{"term", 2, 2, 8, 0},
		{"term", 2, 2, 8, UINT64_MAX},
		{"epoch", 2, 10, 8, UINT64_C(1) << 63},
		{"section", 3, 8, 2, 0}, /* no queues: a ring too many is there */
		{"section", 3, 8, 2, 17},
		{"rings[0].rx_size", 3, 11, 4, 32769},
		{"rings[0].rx_avail_idx", 3, 15, 2, 1},
		{"rings[0].tx_avail_idx", 3, 28, 1, 1}, /* size 0, but a used index */
		{"section", 4, 0, 2, 17},
		{"section", 4, 2, 2, 0xffff},
		{"tx_pkts", 5, 0, 8, UINT64_MAX},
		{"backpressure", 5, 48, 8, UINT64_MAX},
		{"section", 5, 56, 2, 33},
	};
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = encode_plain(bytes, &s);
		uint64_t value = htole64(rows[i].value);

		memcpy(find_section(bytes, n, rows[i].type) + SECTION_HEADER_BYTES + rows[i].at,
			&value, rows[i].size);
		seal(bytes, n);
		assert_refused(bytes, n, rows[i].field);
	}
}

static void json_has_the_names_of_vf_get(void **state)
{
	struct renic_snapshot s;
	json_t *json, *ring;

	plain_snapshot(&s);
	s.features = RENIC_FEATURE_PACKED;
	s.queues[0].tx = (struct renic_snapshot_ring){256, 7, 5, true, false};
	s.n_ipv4 = s.n_ipv6 = 1;
	memcpy(s.ipv4[0], (uint8_t[]){192, 0, 2, 7}, 4);
	memcpy(s.ipv6[0], (uint8_t[]){0x20, 1, 0xd, 0xb8, [15] = 9}, 16);
	json = renic_snapshot_json(&s);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "name")), "web");
	assert_true(json_is_null(json_object_get(json, "group")));
	assert_string_equal(json_string_value(json_object_get(json, "features")), "0x400000000");
	assert_string_equal(json_string_value(json_object_get(json, "role")), "unprotected");
	ring = json_array_get(json_object_get(json, "rings"), 0);
	assert_int_equal(json_integer_value(json_object_get(ring, "tx_avail_idx")), 7);
	assert_true(json_is_true(json_object_get(ring, "tx_avail_wrap")));
	assert_true(json_is_false(json_object_get(ring, "tx_used_wrap")));
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json, "ipv4"), 0)), "192.0.2.7");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json, "ipv6"), 0)), "2001:db8::9");
	json_decref(json);
	s.features = 0;
	s.queues[0].tx = (struct renic_snapshot_ring){0};
	json = renic_snapshot_json(&s);
	ring = json_array_get(json_object_get(json, "rings"), 0);
	assert_null(json_object_get(ring, "tx_avail_wrap")); /* split rings have none */
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_snapshots_round_trip),
		cmocka_unit_test(the_largest_snapshot_fits),
		cmocka_unit_test(every_truncation_and_every_tail_is_refused),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(noise_is_refused),
		cmocka_unit_test(unknown_optional_sections_are_skipped),
		cmocka_unit_test(unknown_mandatory_sections_are_refused),
		cmocka_unit_test(each_section_is_there_once),
		cmocka_unit_test(sections_come_in_any_order),
		cmocka_unit_test(a_section_is_as_long_as_its_members),
		cmocka_unit_test(section_lengths_beyond_the_end_are_refused),
		cmocka_unit_test(other_versions_are_told_apart),
		cmocka_unit_test(booleans_are_0_or_1),
		cmocka_unit_test(text_has_no_nul_inside),
		cmocka_unit_test(wrong_values_are_not_encoded),
		cmocka_unit_test(wrong_values_are_not_decoded),
		cmocka_unit_test(json_has_the_names_of_vf_get),
	};

	srandom(SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
