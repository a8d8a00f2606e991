/* SPDX-License-Identifier: BSD-3-Clause */
/* The staging ring: what one side fills, the other takes, in order; full, killed, reset. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "staging.h"

enum { SLOTS = 16 };

static struct staging staging;
static const struct slot blob = {.type = SLOT_BLOB};

static int setup(void **state)
{
	return staging_init(&staging, SLOTS * REMUS_PAGE_BYTES);
}

static int teardown(void **state)
{
	staging_fini(&staging);
	return 0;
}

static void slots_are_seen_once_they_are_published(void **state)
{
	const uint8_t *data;
	const struct slot *slot;

	assert_int_equal(staging_put(&staging, blob, "abc", 3), 0);
	assert_null(staging_peek(&staging, 0, &data));
	staging_publish(&staging);
	slot = staging_peek(&staging, 0, &data);
	assert_non_null(slot);
	assert_int_equal(slot->bytes, 3);
	assert_memory_equal(data, "abc", 3);
	staging_pop(&staging);
	assert_null(staging_peek(&staging, 0, &data));
}

static void more_than_a_page_takes_several_slots(void **state)
{
	uint8_t big[2 * REMUS_PAGE_BYTES + 1];
	const uint8_t *data;
	size_t n = 0;
	const struct slot *slot;

	memset(big, 7, sizeof(big));
	assert_int_equal(staging_put(&staging, blob, big, sizeof(big)), 0);
	staging_publish(&staging);
	for (unsigned i = 0; i < 3; i++) {
		slot = staging_peek(&staging, 0, &data);
		assert_non_null(slot);
		n += slot->bytes;
		staging_pop(&staging);
	}
	assert_int_equal(n, sizeof(big));
	assert_int_equal(staging_room(&staging), SLOTS);
}

static void full_ring_gives_nothing_without_waiting(void **state)
{
	for (unsigned i = 0; i < SLOTS; i++)
		assert_non_null(staging_next(&staging, blob));
	assert_null(staging_next(&staging, blob));
	assert_int_equal(staging.waits, 0);
}

static void *drain(void *arg)
{
	uint64_t *sum = arg;
	const uint8_t *data;
	const struct slot *slot;

	while ((slot = staging_peek(&staging, 2000, &data)) && slot->type != SLOT_END) {
		*sum = *sum * 31 + slot->index + data[0];
		staging_pop(&staging);
	}
	return NULL;
}

static void full_ring_waits_for_the_sender_and_counts_it(void **state)
{
	uint64_t sum = 0, expected = 0;
	pthread_t thread;

	for (uint32_t i = 0; i < SLOTS; i++)
		*staging_next(&staging, (struct slot){.type = SLOT_PAGE, .index = i}) = (uint8_t)i;
	assert_int_equal(pthread_create(&thread, NULL, drain, &sum), 0);
	for (uint32_t i = SLOTS; i < 20 * SLOTS; i++) {
		uint8_t *data =
			staging_next_wait(&staging, (struct slot){.type = SLOT_PAGE, .index = i});

		assert_non_null(data);
		*data = (uint8_t)i;
	}
	assert_int_equal(staging_put(&staging, (struct slot){.type = SLOT_END}, "", 0), 0);
	staging_publish(&staging);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < 20 * SLOTS; i++)
		expected = expected * 31 + i + (uint8_t)i;
	assert_true(sum == expected);
	assert_true(staging.waits > 0);
}

static void *kill_later(void *arg)
{
	usleep(20000);
	staging_kill(&staging);
	return NULL;
}

static void killed_ring_lets_both_sides_go(void **state)
{
	const uint8_t *data;
	pthread_t thread;

	for (unsigned i = 0; i < SLOTS; i++)
		staging_next(&staging, blob);
	assert_int_equal(pthread_create(&thread, NULL, kill_later, NULL), 0);
	assert_int_equal(staging_put(&staging, blob, "x", 1), -EPIPE);
	pthread_join(thread, NULL);
	assert_null(staging_peek(&staging, 5000, &data));
	staging_reset(&staging);
	assert_int_equal(staging_room(&staging), SLOTS);
	assert_int_equal(staging_put(&staging, blob, "x", 1), 0);
	staging_publish(&staging);
	assert_non_null(staging_peek(&staging, 0, &data));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(slots_are_seen_once_they_are_published),
		TEST(more_than_a_page_takes_several_slots),
		TEST(full_ring_gives_nothing_without_waiting),
		TEST(full_ring_waits_for_the_sender_and_counts_it),
		TEST(killed_ring_lets_both_sides_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
