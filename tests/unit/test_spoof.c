/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests that speak for others: renicd/nic/spoof.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spoof.h"

enum { FRAME_MAX = 200 };

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 'a'};
static const uint8_t other[6] = {2, 0, 0, 0, 0, 'b'};

/* The bytes lie at the end of an allocation: a read past them is seen by ASan and valgrind. */
static enum drop_reason check(const uint8_t *bytes, uint32_t len, uint32_t frame_bytes)
{
	uint8_t *copy = malloc(len);
	enum drop_reason reason;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	reason = spoof_check(mac, copy, len, frame_bytes);
	free(copy);
	return reason;
}

/* Ethernet header with `tags` tags; returns its length. */
static uint32_t put_eth(uint8_t *frame, uint16_t type, int tags)
{
	uint32_t at = 12;

	memset(frame, 0, FRAME_MAX);
	memcpy(frame + 6, mac, 6);
	for (int i = 0; i < tags; i++, at += 4) {
		frame[at] = tags == 2 && !i ? 0x88 : 0x81;
		frame[at + 1] = tags == 2 && !i ? 0xa8 : 0x00;
		frame[at + 3] = 5;
	}
	frame[at] = (uint8_t)(type >> 8);
	frame[at + 1] = (uint8_t)type;
	return at + 2;
}

static uint32_t put_arp(uint8_t *frame, uint16_t type, int tags, const uint8_t sender[6])
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint32_t at = put_eth(frame, type, tags);

	memcpy(frame + at, head, sizeof(head));
	memcpy(frame + at + 8, sender, 6);
	return at + 28;
}

/* Neighbour discovery with one option, behind `extensions` hop-by-hop headers of 8 bytes. */
static uint32_t put_nd(uint8_t *frame, int tags, int extensions, uint8_t type, uint8_t option,
	const uint8_t sender[6])
{
	static const uint32_t bytes[] = {8, 16, 24, 24};
	uint32_t at = put_eth(frame, 0x86dd, tags);

	frame[at] = 0x60;
	frame[at + 6] = extensions ? 0 : 58;
	frame[at + 7] = 255;
	at += 40;
	for (int i = 0; i < extensions; i++, at += 8)
		frame[at] = i + 1 < extensions ? 0 : 58;
	frame[at] = type;
	at += bytes[type - 133];
	frame[at] = option;
	frame[at + 1] = 1;
	memcpy(frame + at + 2, sender, 6);
	return at + 8;
}

static void arp_and_rarp_must_have_the_vfs_mac_as_sender(void **state)
{
	static const uint16_t types[] = {0x0806, 0x8035};
	uint8_t frame[FRAME_MAX];

	for (size_t i = 0; i < 2; i++)
		for (int tags = 0; tags <= 2; tags++) {
			uint32_t len = put_arp(frame, types[i], tags, mac);

			assert_int_equal(check(frame, len, len), DROP_REASONS);
			len = put_arp(frame, types[i], tags, other);
			assert_int_equal(check(frame, len, len), DROP_SPOOFED_ARP);
		}
}

static void neighbour_discovery_must_tell_the_vfs_mac(void **state)
{
	static const struct {
		uint8_t type, option;
		bool is_sender;
	} rows[] = {{133, 1, true}, {134, 1, true}, {135, 1, true}, {136, 2, true}, {136, 1, false},
		{135, 2, false}, {134, 5, false}};
	uint8_t frame[FRAME_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int tags = 0; tags <= 2; tags++)
			for (int extensions = 0; extensions <= 3; extensions++) {
				uint32_t len = put_nd(
					frame, tags, extensions, rows[i].type, rows[i].option, mac);

				assert_int_equal(check(frame, len, len), DROP_REASONS);
				len = put_nd(frame, tags, extensions, rows[i].type, rows[i].option,
					other);
				assert_int_equal(check(frame, len, len),
					rows[i].is_sender ? DROP_SPOOFED_ND : DROP_REASONS);
			}
}

/* The option that lies may be a later one. */
static void each_option_is_looked_at(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len = put_nd(frame, 0, 0, 135, 1, mac);

	frame[len] = 14; /* nonce */
	frame[len + 1] = 1;
	frame[len + 8] = 1;
	frame[len + 9] = 1;
	memcpy(&frame[len + 10], other, 6);
	assert_int_equal(check(frame, len + 8, len + 8), DROP_REASONS);
	assert_int_equal(check(frame, len + 16, len + 16), DROP_SPOOFED_ND);
	frame[len + 1] = 0; /* receivers drop it */
	assert_int_equal(check(frame, len + 16, len + 16), DROP_REASONS);
}

static void what_no_receiver_takes_passes(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len = put_nd(frame, 0, 0, 135, 1, other);

	frame[14 + 7] = 64; /* hop limit */
	assert_int_equal(check(frame, len, len), DROP_REASONS);
	len = put_arp(frame, 0x0806, 0, other);
	frame[15] = 6; /* no Ethernet addresses */
	assert_int_equal(check(frame, len, len), DROP_REASONS);
}

/* Cut short on the wire it passes; where only our view is cut, it may not. */
static void cut_short_is_no_way_around(void **state)
{
	uint8_t arp[FRAME_MAX], nd[FRAME_MAX];
	uint32_t arp_len = put_arp(arp, 0x0806, 0, mac), nd_len = put_nd(nd, 0, 1, 136, 2, mac);

	for (uint32_t len = 14; len < 28; len++) {
		assert_int_equal(check(arp, len, len), DROP_REASONS);
		assert_int_equal(check(arp, len, arp_len), DROP_SPOOFED_ARP);
	}
	for (uint32_t len = 14; len < nd_len; len++)
		assert_int_equal(check(nd, len, len), DROP_REASONS);
	for (uint32_t len = 14; len < nd_len; len++)
		assert_int_equal(check(nd, len, nd_len), DROP_SPOOFED_ND);
}

static void endless_extension_headers_do_not_pass(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len = put_nd(frame, 0, 8, 135, 1, mac);

	assert_int_equal(check(frame, len, len), DROP_REASONS);
	len = put_nd(frame, 0, 9, 135, 1, mac);
	assert_int_equal(check(frame, len, len), DROP_SPOOFED_ND);
}

static void any_bytes_are_survived(void **state)
{
	uint8_t frame[FRAME_MAX];

	srand(7);
	for (int i = 0; i < 200000; i++) {
		uint32_t len = i % 3 ? put_nd(frame, i % 3, i % 4, (uint8_t)(133 + i % 4), 1, mac)
				     : put_arp(frame, 0x0806, i % 2, mac);

		for (int n = rand() % 5; n >= 0; n--)
			frame[12 + (uint32_t)rand() % (len - 12)] = (uint8_t)rand();
		check(frame, 14 + (uint32_t)rand() % (len - 13), len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_and_rarp_must_have_the_vfs_mac_as_sender),
		cmocka_unit_test(neighbour_discovery_must_tell_the_vfs_mac),
		cmocka_unit_test(each_option_is_looked_at),
		cmocka_unit_test(what_no_receiver_takes_passes),
		cmocka_unit_test(cut_short_is_no_way_around),
		cmocka_unit_test(endless_extension_headers_do_not_pass),
		cmocka_unit_test(any_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
