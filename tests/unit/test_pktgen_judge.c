/* SPDX-License-Identifier: BSD-3-Clause */
/* What renic-pktgen says of a frame that it received: bench/pktgen/judge.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "frame.h"
#include "judge.h"
#include "sender.h"
#include "stamp.h"

enum { SIZE = 300, STREAM = 3, FIRST_PAYLOAD_BYTE = 64 };

static const struct sender receiver = {.number = 9};
static uint8_t frame[SIZE];

/* As a port sends it: a template, then the stamp. */
static void make(uint64_t seq)
{
	const struct frame_stamp stamp = {.stream = STREAM, .len = SIZE, .kind = FRAME_IPV4};
	const uint8_t to[6] = {2, 0, 0, 0, 0, 1}, from[6] = {2, 0, 0, 0, 0, 2};

	frame_build(frame, &stamp, to, from);
	stamp_put(frame, STREAM, seq, 42);
}

static int reset(void **state)
{
	if (!judge.streams && !judge_init(false))
		return -1;
	frame_init();
	judge_stream(STREAM, (int)receiver.number, 0);
	return 0;
}

static void every_frame_as_it_was_sent_is_good(void **state)
{
	for (uint64_t seq = 0; seq < 3 * WHOLE_EVERY; seq++) {
		make(seq);
		judge_frame(&receiver, frame, SIZE, 50);
	}
	assert_int_equal(judge.streams[STREAM].corrupt, 0);
	assert_int_equal(judge.streams[STREAM].tracker.received, 3 * WHOLE_EVERY);
}

static void a_changed_byte_anywhere_is_seen_in_one_of_many(void **state)
{
	uint64_t n = 0;

	for (size_t at = 14; at < SIZE; at++) {
		if (at >= STAMP_OFFSET && at < FIRST_PAYLOAD_BYTE)
			continue;
		make(WHOLE_EVERY * at);
		frame[at] ^= 0x10;
		judge_frame(&receiver, frame, SIZE, 50);
		assert_int_equal(judge.streams[STREAM].corrupt, ++n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_frame_as_it_was_sent_is_good, reset),
		cmocka_unit_test_setup(a_changed_byte_anywhere_is_seen_in_one_of_many, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
