/* SPDX-License-Identifier: BSD-3-Clause */
/* What renic-pktgen knows a frame by: bench/pktgen/stamp.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stamp.h"

enum { SIZE = 100 };

static uint8_t frame[SIZE];

static int make(void **state)
{
	memset(frame, 0, sizeof(frame));
	frame[STAMP_IP_LENGTH + 1] = SIZE - 14;
	stamp_put(frame, 7, 123456789012, 42);
	return 0;
}

static void what_was_put_is_got(void **state)
{
	struct stamp stamp;
	bool whole;

	assert_true(stamp_get(frame, SIZE, &stamp, &whole));
	assert_true(whole);
	assert_int_equal(stamp.stream, 7);
	assert_int_equal(stamp.seq, 123456789012);
	assert_int_equal(stamp.sent_tsc, 42);
}

static void a_changed_byte_of_the_stamp_is_noticed(void **state)
{
	for (size_t i = 0; i < sizeof(struct stamp); i++) {
		struct stamp stamp;
		bool whole;

		frame[STAMP_OFFSET + i] ^= 0x40;
		assert_false(stamp_get(frame, SIZE, &stamp, &whole) && whole);
		frame[STAMP_OFFSET + i] ^= 0x40;
	}
}

static void another_length_is_noticed(void **state)
{
	struct stamp stamp;
	bool whole;

	assert_true(stamp_get(frame, SIZE - 1, &stamp, &whole));
	assert_false(whole);
}

static void a_frame_without_a_stamp_is_foreign(void **state)
{
	struct stamp stamp;
	bool whole;

	assert_false(stamp_get(frame, 63, &stamp, &whole));
	memset(frame + STAMP_OFFSET, 0, sizeof(stamp));
	assert_false(stamp_get(frame, SIZE, &stamp, &whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_put_is_got, make),
		cmocka_unit_test_setup(a_changed_byte_of_the_stamp_is_noticed, make),
		cmocka_unit_test_setup(another_length_is_noticed, make),
		cmocka_unit_test_setup(a_frame_without_a_stamp_is_foreign, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
