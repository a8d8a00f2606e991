/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's addresses, learned from what it sends: renicd/nic/learn.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn.h"

enum { ARP_LEN = 42, ND_LEN = 78 };

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 'a'};
static const uint8_t arp_frame[ARP_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 'a',
	8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 'a', 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 10, 0, 0,
	1};
/* A neighbour solicitation from 2001:db8::7. */
static const uint8_t nd_frame[ND_LEN] = {0x33, 0x33, 0xff, 0, 0, 1, 2, 0, 0, 0, 0, 'a', 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 24, 58, 255, 0x20, 1, 0xd, 0xb8, [37] = 7, [38] = 0xff,
	2, [53] = 1, [54] = 135, [62] = 0x20, 1};

/* The bytes lie at the end of an allocation: a read past them is seen by ASan and valgrind. */
static void learn(struct learn_table *t, const uint8_t *bytes, uint32_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	learn_from_frame(t, mac, copy, len);
	free(copy);
}

static void the_senders_of_arp_and_neighbour_discovery_are_learned(void **state)
{
	static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
	struct learn_table t = {0};
	uint8_t na[ND_LEN];

	learn(&t, arp_frame, ARP_LEN);
	assert_int_equal(t.n_ipv4, 1);
	assert_memory_equal(t.ipv4[0], &arp_frame[28], 4);
	learn(&t, nd_frame, ND_LEN);
	assert_int_equal(t.n_ipv6, 1);
	assert_memory_equal(t.ipv6[0], ip6, 16);
	memcpy(na, nd_frame, ND_LEN);
	na[54] = 136;
	na[37] = 8;
	learn(&t, na, ND_LEN);
	assert_int_equal(t.n_ipv6, 2);
	learn(&t, nd_frame, ND_LEN);
	assert_int_equal(t.n_ipv6, 2);
	assert_memory_equal(t.ipv6[1], ip6, 16); /* the newest is the last */
}

static void a_frame_that_is_cut_teaches_nothing(void **state)
{
	struct learn_table t = {0};

	for (uint32_t len = 0; len < ARP_LEN; len++)
		learn(&t, arp_frame, len);
	for (uint32_t len = 0; len < ND_LEN; len++)
		learn(&t, nd_frame, len);
	assert_int_equal(t.n_ipv4 + t.n_ipv6, 0);
}

struct change {
	uint32_t at;
	uint8_t value;
};

static void check_changes(
	const uint8_t *frame, uint32_t len, const struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct learn_table t = {0};
		uint8_t bytes[ND_LEN];

		memcpy(bytes, frame, len);
		bytes[changes[i].at] = changes[i].value;
		learn(&t, bytes, len);
		if (t.n_ipv4 + t.n_ipv6)
			fail_msg("byte %u as %u", changes[i].at, changes[i].value);
	}
}

static void what_is_not_the_guests_own_address_teaches_nothing(void **state)
{
	static const struct change arps[] = {
		{6, 4}, {11, 'b'}, {27, 'b'},		      /* another's MAC, in either header */
		{12, 9}, {15, 6}, {16, 9}, {18, 8}, {19, 16}, /* no ARP of IPv4 over Ethernet */
		{28, 0}, {28, 127}, {28, 224}, {28, 255},     /* no host's address */
	};
	static const struct change nds[] = {
		{11, 'b'},
		{14, 0x40},
		{20, 17},
		{21, 64}, /* routed: anybody can send that */
		{22, 0xff},
		{54, 128},
		{54, 133},
		{54, 134},
		{54, 137},
		{55, 1},
	};
	uint8_t probe[ND_LEN];
	struct learn_table t = {0};

	check_changes(arp_frame, ARP_LEN, arps, RTE_DIM(arps));
	check_changes(nd_frame, ND_LEN, nds, RTE_DIM(nds));
	memcpy(probe, nd_frame, ND_LEN);
	memset(&probe[22], 0, 16); /* duplicate address detection: unspecified */
	learn(&t, probe, ND_LEN);
	probe[37] = 1; /* loopback */
	learn(&t, probe, ND_LEN);
	assert_int_equal(t.n_ipv6, 0);
}

static void the_newest_addresses_are_kept(void **state)
{
	struct learn_table t = {0};
	uint8_t bytes[ARP_LEN];

	memcpy(bytes, arp_frame, ARP_LEN);
	for (int i = 1; i <= RENIC_SNAPSHOT_ADDRS_MAX + 5; i++) {
		bytes[31] = (uint8_t)i;
		learn(&t, bytes, ARP_LEN);
	}
	assert_int_equal(t.n_ipv4, RENIC_SNAPSHOT_ADDRS_MAX);
	for (int i = 0; i < RENIC_SNAPSHOT_ADDRS_MAX; i++)
		assert_int_equal(t.ipv4[i][3], i + 6);
	bytes[31] = 6; /* the oldest is used again */
	learn(&t, bytes, ARP_LEN);
	assert_int_equal(t.n_ipv4, RENIC_SNAPSHOT_ADDRS_MAX);
	assert_int_equal(t.ipv4[RENIC_SNAPSHOT_ADDRS_MAX - 1][3], 6);
	assert_int_equal(t.ipv4[0][3], 7);
}

static void tables_are_merged_without_repeats(void **state)
{
	struct learn_table a = {0}, b = {0};
	uint8_t bytes[ARP_LEN];

	memcpy(bytes, arp_frame, ARP_LEN);
	learn(&a, bytes, ARP_LEN);
	learn(&b, bytes, ARP_LEN);
	learn(&b, nd_frame, ND_LEN);
	bytes[31] = 8;
	learn(&b, bytes, ARP_LEN);
	learn_merge(&a, &b);
	assert_int_equal(a.n_ipv4, 2);
	assert_int_equal(a.n_ipv6, 1);
	assert_int_equal(a.ipv4[1][3], 8);
}

/* Random changes of true frames, and noise: no read out of bounds, tables stay within theirs. */
static void hostile_bytes_stay_within_bounds(void **state)
{
	struct learn_table t = {0};
	uint8_t bytes[128];

	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint32_t len = (uint32_t)rand() % sizeof(bytes);

		for (uint32_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)rand();
		if (i % 2)
			memcpy(bytes, i % 4 == 1 ? arp_frame : nd_frame, ARP_LEN);
		for (int k = rand() % 3; k--;)
			bytes[rand() % 60] = (uint8_t)rand();
		learn(&t, bytes, len);
		assert_true(t.n_ipv4 <= RENIC_SNAPSHOT_ADDRS_MAX);
		assert_true(t.n_ipv6 <= RENIC_SNAPSHOT_ADDRS_MAX);
	}
}

static void the_quick_look_lets_all_through_that_teaches(void **state)
{
	uint8_t other[ND_LEN];

	assert_true(learn_may_tell((const void *)arp_frame, ARP_LEN));
	assert_true(learn_may_tell((const void *)nd_frame, ND_LEN));
	assert_false(learn_may_tell((const void *)nd_frame, 53));
	memcpy(other, nd_frame, ND_LEN);
	other[20] = 6; /* TCP over IPv6 */
	assert_false(learn_may_tell((const void *)other, ND_LEN));
	other[12] = 8; /* IPv4 */
	other[13] = 0;
	assert_false(learn_may_tell((const void *)other, ND_LEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_senders_of_arp_and_neighbour_discovery_are_learned),
		cmocka_unit_test(a_frame_that_is_cut_teaches_nothing),
		cmocka_unit_test(what_is_not_the_guests_own_address_teaches_nothing),
		cmocka_unit_test(the_newest_addresses_are_kept),
		cmocka_unit_test(tables_are_merged_without_repeats),
		cmocka_unit_test(hostile_bytes_stay_within_bounds),
		cmocka_unit_test(the_quick_look_lets_all_through_that_teaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
