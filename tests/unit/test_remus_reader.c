/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames out of a connection that gives its bytes as a test says: whole, in pieces, or a drop now
 * and then. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "reader.h"

enum { TIMEOUT_MS = 30, DROP_MS = 1, DROPS = 2000 };

/* The connection: what it will give, and how much of it at once. */
static struct {
	uint8_t bytes[2 * STREAM_FRAME_MAX];
	size_t n, at, piece;
	bool drips; /* a piece takes DROP_MS; the first comes in any case */
} wire;

static struct reader reader;
static struct frame frame;
static struct nic_error err;
static bool got;

ssize_t __wrap_conn_read(struct conn *c, void *buf, size_t n, int timeout_ms);

ssize_t __wrap_conn_read(struct conn *c, void *buf, size_t n, int timeout_ms)
{
	size_t left = wire.n - wire.at;

	if (!left || (wire.drips && wire.at && timeout_ms < DROP_MS))
		return -ETIMEDOUT;
	if (wire.drips)
		usleep(DROP_MS * 1000);
	n = n < wire.piece ? n : wire.piece;
	n = n < left ? n : left;
	memcpy(buf, wire.bytes + wire.at, n);
	wire.at += n;
	return (ssize_t)n;
}

static int setup(void **state)
{
	memset(&wire, 0, sizeof(wire));
	wire.piece = sizeof(wire.bytes);
	return reader_init(&reader, &err);
}

static int teardown(void **state)
{
	reader_fini(&reader);
	return 0;
}

static void put_frame(enum frame_type type, uint32_t bytes)
{
	memset(wire.bytes + wire.n + STREAM_HEADER_BYTES, (int)type, bytes);
	stream_seal(wire.bytes + wire.n, type, bytes);
	wire.n += STREAM_HEADER_BYTES + bytes;
}

static int next(int timeout_ms)
{
	return reader_next(&reader, NULL, timeout_ms, &frame, &got, &err);
}

static void frames_come_whole_however_they_are_cut(void **state)
{
	wire.piece = 7;
	put_frame(FRAME_PAGES, 1000);
	put_frame(FRAME_HEARTBEAT, 0);
	put_frame(FRAME_BLOB, STREAM_PAYLOAD_MAX - 2000);
	assert_int_equal(next(TIMEOUT_MS), 1);
	assert_int_equal(frame.type, FRAME_PAGES);
	assert_int_equal(frame.bytes, 1000);
	assert_int_equal(next(TIMEOUT_MS), 1);
	assert_int_equal(frame.type, FRAME_HEARTBEAT);
	wire.piece = 4096;
	assert_int_equal(next(TIMEOUT_MS), 1);
	assert_int_equal(frame.bytes, STREAM_PAYLOAD_MAX - 2000);
	assert_int_equal(frame.payload[frame.bytes - 1], FRAME_BLOB);
	assert_int_equal(next(0), 0);
	assert_false(got);
}

/* A peer that gives a byte now and then keeps nobody longer than one that gives none. */
static void a_frame_that_drips_in_does_not_extend_the_time(void **state)
{
	wire.piece = 1;
	wire.drips = true;
	put_frame(FRAME_PAGES, DROPS);
	assert_int_equal(next(TIMEOUT_MS), 0);
	assert_true(got);
	assert_in_range(wire.at, 1, TIMEOUT_MS / DROP_MS);
	wire.drips = false; /* the rest is still a frame */
	assert_int_equal(next(TIMEOUT_MS), 1);
	assert_int_equal(frame.bytes, DROPS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_come_whole_however_they_are_cut),
		TEST(a_frame_that_drips_in_does_not_extend_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
