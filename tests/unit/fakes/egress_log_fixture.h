/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One egress log, a fresh one for each test, whose frames are numbered as they are appended: what
 * leaves must be those numbers, in order, byte for byte. For tests of the log's rules,
 * test_egress_log*.c; one program each, so that this is all of its state.
 */
#ifndef TESTS_FAKES_EGRESS_LOG_FIXTURE_H
#define TESTS_FAKES_EGRESS_LOG_FIXTURE_H

#include "egress_fixture.h"

enum {
	SEGMENTS = 8,
	QUOTA = 6,
	LOG_INDEX = 5,
};

static struct log_pool *pool;
static struct egress_log the_log, *const log_ = &the_log;
static uint32_t next_number;   /* of the frame appended next */
static uint32_t next_out;      /* of the frame that must leave next */
static uint32_t lens[1 << 16]; /* by number */
static uint64_t now;	       /* TSC as the test has it */
static uint64_t ol_flags;      /* of all frames */

static inline struct frame frame_numbered(uint32_t number)
{
	return (struct frame){.number = number, .len = lens[number], .ol_flags = ol_flags};
}

/* A frame of len bytes, the next number; false: the log has no room for it. */
static inline bool try_append(uint32_t len)
{
	struct frame f;

	if (!egress_log_reserve(log_, 1, len))
		return false;
	lens[next_number] = len;
	f = frame_numbered(next_number++);
	frame_append(log_, &f, 1, now);
	return true;
}

/* n such frames, for which there is room. */
static inline void append(uint32_t n, uint32_t len)
{
	while (n--)
		assert_true(try_append(len));
}

static inline uint64_t used_segments(void)
{
	return SEGMENTS - log_pool_free_count(pool);
}

/* Peek up to max frames, check them and let them leave. Returns how many. */
static inline uint32_t release(uint32_t max)
{
	struct rte_mbuf *pkts[PEEK_MAX];
	uint16_t flags[PEEK_MAX];
	uint32_t total = 0;
	uint16_t n;

	do {
		uint32_t want = RTE_MIN(max - total, (uint32_t)PEEK_MAX);

		n = egress_log_peek(log_, data_pool, attach_pool, pkts, flags, (uint16_t)want);
		for (uint16_t i = 0; i < n; i++) {
			struct frame f = frame_numbered(next_out++);

			frame_check(&f, pkts[i], flags[i]);
		}
		rte_pktmbuf_free_bulk(pkts, n);
		egress_log_advance(log_, n);
		total += n;
	} while (n && total < max);
	return total;
}

static inline uint32_t release_all(void)
{
	return release(UINT32_MAX);
}

/* cmocka's setup and teardown: a fresh log in a fresh pool; the end checks that nothing leaked. */
static inline int log_setup(void **state)
{
	pool = log_pool_create(unit_path("log"), SEGMENTS, 1, false);
	next_number = next_out = 0;
	now = 1000;
	ol_flags = 0;
	return pool ? egress_log_init(log_, pool, LOG_INDEX, QUOTA * (uint64_t)LOG_SEGMENT_BYTES)
		    : -1;
}

static inline int log_teardown(void **state)
{
	egress_log_fini(log_);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
	log_pool_destroy(pool);
	pools_check();
	return 0;
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)

/* EAL and the pools. 0, or -1: nothing can be tested. */
static inline int log_tests_start(const char *program)
{
	return unit_eal_init(program) < 0 || pools_make() < 0 ? -1 : 0;
}

static inline void log_tests_end(void)
{
	pools_free();
	unit_eal_end();
}

#endif
