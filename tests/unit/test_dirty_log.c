/* SPDX-License-Identifier: BSD-3-Clause */
/* The DMA dirty log: what was marked is handed over, each page once, and then forgotten:
 * renicd/nic/dirty_log.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "dirty_log.h"

enum { VF = 3, PAGES_PER_PART = 1 << DIRTY_PART_SHIFT, PAGES_PER_CHUNK = 1 << DIRTY_CHUNK_SHIFT };

/* The first and the last page of parts and chunks, and what lies far from all others. */
static const uint64_t edges[] = {0, 1, 63, 64, PAGES_PER_PART - 1, PAGES_PER_PART,
	PAGES_PER_CHUNK - 1, PAGES_PER_CHUNK, 3 * PAGES_PER_CHUNK + 5 * PAGES_PER_PART + 17,
	(uint64_t)CHECKPOINT_BITMAP_BYTES * 8 - 1};
enum { N_EDGES = sizeof(edges) / sizeof(edges[0]) };

static struct dirty_log dirty;

static int setup(void **state)
{
	if (checkpoint_area_create(NULL) != 0)
		return -1;
	dirty_log_init(&dirty, VF);
	dirty_log_start(&dirty, true);
	return 0;
}

static int teardown(void **state)
{
	checkpoint_area_destroy();
	return 0;
}

static void mark(uint64_t page)
{
	dirty_log_mark(&dirty, page << DIRTY_PAGE_SHIFT, 1);
}

/* All bits of a bitmap, whether anybody says that they are there or not. */
static uint64_t bits_set(unsigned which)
{
	const uint64_t *words = checkpoint_area_bitmap(VF, which);
	uint64_t n = 0;

	for (uint64_t w = 0; w < CHECKPOINT_BITMAP_BYTES / sizeof(*words); w++)
		n += (uint64_t)__builtin_popcountll(words[w]);
	return n;
}

/* Hand over, and check that it says what is there. */
static struct dirty_info flip(uint64_t pages)
{
	unsigned handed = dirty.collecting;
	struct dirty_info info;

	dirty_log_warm(&dirty);
	dirty_log_flip(&dirty, &info);
	assert_int_equal(info.pages, pages);
	assert_int_equal(info.bitmap.offset, checkpoint_area_bitmap_offset(VF, handed));
	assert_int_equal(bits_set(handed), pages);
	assert_int_equal(bits_set(!handed), 0);
	return info;
}

static bool handed_over(unsigned which, uint64_t page)
{
	return checkpoint_area_bitmap(VF, which)[page / 64] >> (page % 64) & 1;
}

static void what_was_marked_is_handed_over_once(void **state)
{
	struct dirty_info info = flip(0);

	assert_int_equal(info.bitmap.bytes, 0);
	for (int round = 0; round < 3; round++) {
		unsigned handed = dirty.collecting;

		for (int twice = 0; twice < 2; twice++)
			for (int i = 0; i < N_EDGES; i++)
				mark(edges[i]);
		info = flip(N_EDGES);
		assert_true(info.complete);
		assert_int_equal(info.bitmap.bytes, CHECKPOINT_BITMAP_BYTES);
		for (int i = 0; i < N_EDGES; i++)
			assert_true(handed_over(handed, edges[i]));
	}
	flip(0);
	flip(0);
}

static void each_page_alone_is_found_and_the_bitmap_ends_behind_it(void **state)
{
	for (int i = 0; i < N_EDGES; i++) {
		struct dirty_info info;

		mark(edges[i]);
		info = flip(1);
		assert_int_equal(info.bitmap.bytes, (edges[i] / 64 + 1) * 8);
	}
}

static void a_range_marks_every_page_that_it_touches(void **state)
{
	const uint64_t at = (uint64_t)PAGES_PER_PART << DIRTY_PAGE_SHIFT;

	dirty_log_mark(&dirty, at - 1, 2); /* over the edge of a part */
	flip(2);
	dirty_log_mark(&dirty, at, 4096);
	flip(1);
	dirty_log_mark(&dirty, at, 4097);
	flip(2);
}

static void a_page_past_the_bitmap_makes_the_log_incomplete_once(void **state)
{
	mark((uint64_t)CHECKPOINT_BITMAP_BYTES * 8);
	assert_false(flip(0).complete);
	assert_true(flip(0).complete);
}

static void a_start_begins_from_nothing(void **state)
{
	mark(7);
	flip(1);
	mark(8);
	dirty_log_stop(&dirty);
	dirty_log_start(&dirty, true);
	assert_int_equal(bits_set(0) + bits_set(1), 0);
	flip(0);
}

/* Every eighth page of some parts, each thread its own: they share words, parts and chunks. */
static void *mark_many(void *first)
{
	for (uint64_t page = (uintptr_t)first; page < 4 * PAGES_PER_CHUNK; page += 8)
		mark(page);
	return NULL;
}

static void lcores_mark_at_once_and_nothing_is_lost(void **state)
{
	pthread_t threads[2];

	for (int round = 0; round < 3; round++) {
		for (uintptr_t i = 0; i < 2; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, mark_many, (void *)i), 0);
		dirty_log_warm(&dirty); /* as a checkpoint_prepare beside them */
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		flip(2 * 4 * PAGES_PER_CHUNK / 8);
	}
}

#define LOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(what_was_marked_is_handed_over_once),
		LOG_TEST(each_page_alone_is_found_and_the_bitmap_ends_behind_it),
		LOG_TEST(a_range_marks_every_page_that_it_touches),
		LOG_TEST(a_page_past_the_bitmap_makes_the_log_incomplete_once),
		LOG_TEST(a_start_begins_from_nothing),
		LOG_TEST(lcores_mark_at_once_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
