/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of lib/librenic/base64.c and crc32c.c, by the vectors of their RFCs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <renic_snapshot.h>

#include "crc32c.h"

/* RFC 4648, section 10. */
static const char *const rfc4648[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
	{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

static void base64_has_the_rfcs_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(rfc4648) / sizeof(rfc4648[0]); i++) {
		const char *plain = rfc4648[i][0], *coded = rfc4648[i][1];
		char text[16], bytes[16];
		size_t n = 99;

		assert_int_equal(renic_base64_encode(plain, strlen(plain), text, sizeof(text)),
			strlen(coded));
		assert_string_equal(text, coded);
		assert_int_equal(renic_base64_decode(coded, bytes, sizeof(bytes), &n), 0);
		assert_int_equal(n, strlen(plain));
		assert_memory_equal(bytes, plain, n);
	}
}

static void base64_round_trips_all_lengths_and_bytes(void **state)
{
	uint8_t bytes[300], back[300];
	char text[RENIC_BASE64_SIZE(sizeof(bytes))];

	for (size_t len = 0; len <= sizeof(bytes); len++) {
		size_t n, coded;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)random();
		coded = renic_base64_encode(bytes, len, text, RENIC_BASE64_SIZE(len));
		assert_int_equal(coded, RENIC_BASE64_SIZE(len) - 1);
		assert_int_equal(strlen(text), coded);
		assert_int_equal(renic_base64_decode(text, back, len, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(bytes, back, len);
	}
}

static void base64_writes_nothing_beyond_its_room(void **state)
{
	char text[9] = "########", bytes[4] = "###";
	size_t n = 77;

	assert_int_equal(renic_base64_encode("foob", 4, text, 8), 0);
	assert_string_equal(text, "########");
	assert_int_equal(renic_base64_decode("Zm9v", bytes, 2, &n), -1);
	assert_string_equal(bytes, "###");
	assert_int_equal(n, 77);
	assert_int_equal(renic_base64_decode("Zm8=", bytes, 2, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(bytes[2], '#');
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "=",
		"==", "===", "====", "Zg=g", "Z===", "Zm9v\n", " Zm9v", "Zm 9",
		"Zm9v====", "Zg==Zg==", "Zm8=Zm9v", "Zm9-", "Zm9_", "Zh==", "Zm9=", "\xc3\xbcZm",
		"Zm9.", "Z=9v"};
	char bytes[64];
	size_t n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (renic_base64_decode(bad[i], bytes, sizeof(bytes), &n) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

/* RFC 3720, appendix B.4; the last is the check value of the catalogues of CRCs. */
static void crc32c_has_the_rfcs_vectors(void **state)
{
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	memset(ones, 0xff, sizeof(ones));
	for (unsigned i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
	assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
	assert_int_equal(crc32c(0, up, 32), 0x46dd794e);
	assert_int_equal(crc32c(0, down, 32), 0x113fdb5c);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
}

static void crc32c_is_the_same_by_pieces_and_without_the_instruction(void **state)
{
	uint8_t bytes[257];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		uint32_t whole = crc32c(0, bytes, len);
		size_t cut = len ? (size_t)random() % len : 0;

		assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, len - cut), whole);
		assert_int_equal(crc32c_portable(0, bytes, len), whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_has_the_rfcs_vectors),
		cmocka_unit_test(base64_round_trips_all_lengths_and_bytes),
		cmocka_unit_test(base64_writes_nothing_beyond_its_room),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(crc32c_has_the_rfcs_vectors),
		cmocka_unit_test(crc32c_is_the_same_by_pieces_and_without_the_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
