/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may touch a guest's rings (renicd/ports/vhost_ring.c): the owner, while it is let, and nobody
 * else meanwhile. The word that both threads write here is a plain one: ThreadSanitizer sees where
 * they would meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <pthread.h>

#include <cmocka.h>

#include "vhost_ring.h"

enum { TURNS = 20000 };

static struct vhost_rings rings;
static uint64_t shared;
static uint64_t by_owner; /* atomic */
static bool stop;	  /* atomic */

/* As vhost_put(). */
static void *owner(void *arg)
{
	uint64_t mine = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (!vhost_rings_enter(&rings))
			continue;
		if (!__atomic_load_n(&rings.stale, __ATOMIC_ACQUIRE)) {
			shared++;
			mine++;
		}
		vhost_rings_leave(&rings);
	}
	__atomic_store_n(&by_owner, mine, __ATOMIC_RELAXED);
	return NULL;
}

static void let(uint32_t why, bool may)
{
	if (why != VHOST_RINGS_CLOSED)
		vhost_rings_let(&rings, why, may);
	else if (may)
		vhost_rings_reopen(&rings);
	else
		vhost_rings_close(&rings);
	if (may) /* as vhost_rings_find() does */
		__atomic_fetch_and(&rings.stale, ~(uint32_t)VHOST_RINGS_STALE, __ATOMIC_SEQ_CST);
}

static void run(uint32_t why)
{
	pthread_t thread;
	uint64_t mine = 0;

	rings = (struct vhost_rings){0};
	shared = 0;
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, owner, NULL), 0);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		let(why, false);
		shared++;
		mine++;
		let(why, true);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(shared == mine + by_owner);
}

static void a_disabled_ring_is_its_owners_no_more(void **state)
{
	run(VHOST_RINGS_RX_OFF);
}

static void a_logged_ring_is_left_to_the_library(void **state)
{
	run(VHOST_RINGS_LOGGED);
}

static void closed_rings_are_not_touched(void **state)
{
	run(VHOST_RINGS_CLOSED);
}

static void one_reason_is_enough(void **state)
{
	rings = (struct vhost_rings){0};
	vhost_rings_let(&rings, VHOST_RINGS_RX_OFF, false);
	vhost_rings_let(&rings, VHOST_RINGS_LOGGED, false);
	vhost_rings_let(&rings, VHOST_RINGS_RX_OFF, true);
	assert_int_equal(rings.stale, VHOST_RINGS_LOGGED);
	assert_true(vhost_rings_enter(&rings)); /* to look, not to put */
	vhost_rings_leave(&rings);
	vhost_rings_let(&rings, VHOST_RINGS_LOGGED, true);
	assert_int_equal(rings.stale, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disabled_ring_is_its_owners_no_more),
		cmocka_unit_test(a_logged_ring_is_left_to_the_library),
		cmocka_unit_test(closed_rings_are_not_touched),
		cmocka_unit_test(one_reason_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
