/* SPDX-License-Identifier: BSD-3-Clause */
/* What a standby makes of a stream: whole checkpoints, or what it had before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "remus_guest.h"

static struct guest guest;
static struct replica *replica;
static struct tape *tape;
static struct nic_error err;
static unsigned frames;

static int setup(void **state)
{
	guest_make(&guest);
	replica = calloc(1, sizeof(*replica));
	tape = calloc(1, sizeof(*tape));
	assert_int_equal(replica_init(replica, &guest, 1, &err), 0);
	assert_int_equal(page_cache_init(&tape->cache, 64 * REMUS_PAGE_BYTES), 0);
	assert_int_equal(replica_begin(replica, 7, 1, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	page_cache_free(&tape->cache);
	replica_fini(replica);
	free(replica);
	free(tape);
	return 0;
}

static void fill(uint8_t *page, uint8_t seed)
{
	for (unsigned i = 0; i < REMUS_PAGE_BYTES; i++)
		page[i] = (uint8_t)(i * seed + (i >> 8));
}

static void put_page(uint32_t page, uint8_t seed)
{
	uint8_t data[REMUS_PAGE_BYTES];

	fill(data, seed);
	tape_page(tape, page, data, seed % 2);
}

static bool ram_has(uint32_t page, uint8_t seed)
{
	uint8_t data[REMUS_PAGE_BYTES];

	fill(data, seed);
	return !memcmp(stub.ram + page * REMUS_PAGE_BYTES, data, sizeof(data));
}

/* Play the tape, and begin another one. */
static int play(void)
{
	int rc = tape_play(tape, replica, &frames, &err);

	tape->n = 0;
	return rc;
}

static void put_checkpoint(uint64_t epoch, uint8_t seed)
{
	put_page(3, seed);
	put_page(90, seed);
	tape_blob(tape, "dev", 3);
	tape_blob(tape, "ice", 3);
	tape_snapshot(tape, "snap", 4);
	tape_end(tape, 1, epoch);
}

static void whole_checkpoint_is_held(void **state)
{
	put_checkpoint(1, 5);
	assert_int_equal(play(), 0);
	assert_true(replica->valid);
	assert_int_equal(replica->epoch, 1);
	assert_true(ram_has(3, 5) && ram_has(90, 5));
	assert_int_equal(stub.applied, 1);
	assert_int_equal(stub.blob_bytes, 6);
	assert_memory_equal(stub.blob, "device", 6);
	assert_int_equal(replica->vms[0].held[0].n, 4);
	assert_memory_equal(replica->vms[0].held[0].snapshot, "snap", 4);
}

/* The heart of it: RAM does not move until END. */
static void half_a_checkpoint_changes_nothing(void **state)
{
	put_checkpoint(1, 5);
	assert_int_equal(play(), 0);
	put_page(3, 7);
	put_page(50, 7);
	tape_blob(tape, "new", 3);
	assert_int_equal(play(), 0);
	assert_true(ram_has(3, 5));
	replica_end(replica); /* the connection is gone */
	assert_true(replica->valid && ram_has(3, 5) && ram_has(90, 5));
	assert_int_equal(stub.applied, 1);
	assert_int_equal(replica_begin(replica, 7, 1, &err), 0);
	memset(&tape->end, 0, sizeof(tape->end));
	page_cache_clear(&tape->cache);
	put_checkpoint(2, 9);
	assert_int_equal(play(), 0);
	assert_true(ram_has(3, 9) && ram_has(90, 9));
	assert_false(ram_has(50, 7));
}

static void deltas_follow_what_was_sent_before(void **state)
{
	put_checkpoint(1, 5);
	put_checkpoint(2, 7);
	for (uint8_t seed = 9; seed < 31; seed += 2) {
		put_page(3, seed); /* twice in one checkpoint */
		put_page(3, seed + 2);
		put_checkpoint(seed, seed + 4);
		assert_int_equal(play(), 0);
		assert_true(ram_has(3, seed + 4));
	}
}

static void aborted_checkpoint_leaves_its_pages_and_no_blob(void **state)
{
	put_checkpoint(1, 5);
	put_page(40, 3);
	tape_blob(tape, "gone", 4);
	tape_snapshot(tape, "gone", 4);
	tape_abort(tape);
	put_checkpoint(2, 7);
	assert_int_equal(play(), 0);
	assert_true(ram_has(40, 3) && ram_has(3, 7));
	assert_memory_equal(stub.blob, "device", 6);
	assert_int_equal(stub.blob_bytes, 6);
}

static void end_must_tell_all_that_came(void **state)
{
	for (unsigned i = 0; i < 7; i++) {
		struct msg_end *end = &tape->end;

		teardown(state);
		setup(state);
		end = &tape->end;
		put_page(3, 5);
		tape_blob(tape, "d", 1);
		tape_snapshot(tape, "s", 1);
		end->pages += i == 0;
		end->blob_bytes += i == 1;
		end->snapshots += i == 2;
		end->held_bytes += i == 3;
		end->pages -= i == 4;
		tape_end(tape, i == 5 ? 2 : 1, 1);
		if (i == 6)
			assert_int_equal(play(), 0);
		else
			assert_int_equal(play(), RENIC_E_PARSE);
		assert_int_equal(replica->valid, i == 6);
		assert_int_equal(stub.applied, i == 6);
	}
}

static void checkpoint_without_each_vf_is_refused(void **state)
{
	put_page(3, 5);
	tape_end(tape, 1, 1);
	assert_int_equal(play(), RENIC_E_PARSE);
	assert_false(replica->valid);
}

static void older_epoch_is_refused(void **state)
{
	put_checkpoint(4, 5);
	assert_int_equal(play(), 0);
	put_checkpoint(4, 7);
	assert_int_equal(play(), RENIC_E_PARSE);
	assert_true(ram_has(3, 5));
}

static void pages_beyond_ram_are_refused(void **state)
{
	put_page(GUEST_PAGES, 5);
	assert_int_equal(play(), RENIC_E_PARSE);
	put_page(UINT32_MAX, 5);
	assert_int_equal(play(), RENIC_E_PARSE);
}

/* A stream's driver has one checkpoint, so it goes; but only for something. */
static void another_session_of_a_stream_replaces_what_is_held_at_its_first_frame(void **state)
{
	guest.n_pages = guest.n_words = 0;
	tape_blob(tape, "device", 6);
	tape_snapshot(tape, "snap", 4);
	tape_end(tape, 1, 4);
	assert_int_equal(play(), 0);
	assert_int_equal(replica_begin(replica, 8, 1, &err), 0);
	assert_true(replica->valid);
	assert_int_equal(replica->session, 7);
	replica_end(replica); /* the connection is gone before anything came */
	assert_int_equal(replica_begin(replica, 9, 1, &err), 0);
	assert_true(replica->valid);
	tape_end(tape, 1, 5);
	assert_int_not_equal(play(), 0); /* a checkpoint of nothing */
	assert_true(replica->valid);
	stub.reset = 0;
	memset(&tape->end, 0, sizeof(tape->end));
	tape_blob(tape, "new", 3);
	assert_int_equal(play(), 0);
	assert_false(replica->valid);
	assert_int_equal(stub.reset, 1);
	tape_snapshot(tape, "pans", 4);
	tape_end(tape, 1, 5);
	assert_int_equal(play(), 0);
	assert_true(replica->valid);
	assert_int_equal(replica->session, 9);
	assert_memory_equal(stub.blob, "new", 3);
}

static void another_session_replaces_what_is_held_only_when_it_is_whole(void **state)
{
	put_checkpoint(9, 5);
	assert_int_equal(play(), 0);
	assert_int_equal(replica_begin(replica, 8, 1, &err), 0);
	page_cache_clear(&tape->cache);
	put_page(3, 7);
	assert_int_equal(play(), 0);
	assert_true(ram_has(3, 5));
	assert_int_equal(replica->session, 7);
	put_checkpoint(1, 9);
	assert_int_equal(play(), 0);
	assert_true(ram_has(3, 9));
	assert_int_equal(replica->session, 8);
	assert_int_equal(replica->epoch, 1);
}

static void driver_that_refuses_voids_what_is_held(void **state)
{
	put_checkpoint(1, 5);
	assert_int_equal(play(), 0);
	stub.apply_rc = RENIC_E_IO;
	put_checkpoint(2, 7);
	assert_int_equal(play(), RENIC_E_IO);
	assert_false(replica->valid);
}

/* Until one is refused; returns the bytes that were taken. */
static uint64_t put_blobs(uint64_t max_bytes, int *rc)
{
	static uint8_t big[STREAM_PAYLOAD_MAX - 16];
	uint64_t bytes = 0;

	for (*rc = 0; bytes < max_bytes; bytes += sizeof(big)) {
		tape_blob(tape, big, sizeof(big));
		*rc = play();
		if (*rc)
			break;
	}
	return bytes;
}

enum { LARGE_BYTES = REMUS_BLOB_MAX_BYTES + (3 << 20) };

static uint64_t large(struct remus_vm *vm)
{
	return LARGE_BYTES;
}

static void driver_may_allow_a_blob_that_is_large(void **state)
{
	struct remus_driver driver = stub_driver;
	uint64_t taken;
	int rc;

	driver.max_blob_bytes = large;
	guest.driver = &driver;
	taken = put_blobs(2 * (uint64_t)LARGE_BYTES, &rc);
	assert_int_equal(rc, RENIC_E_PARSE);
	assert_in_range(taken, LARGE_BYTES - STREAM_PAYLOAD_MAX, LARGE_BYTES);
	assert_int_equal(replica->vms[0].blob_bytes, taken);
	tape_abort(tape);
	assert_int_equal(play(), 0);
	assert_int_equal(replica->vms[0].blob_room, 0); /* its memory went back */
}

static void blob_that_is_large_must_fit_the_host(void **state)
{
	struct remus_driver driver = stub_driver;
	uint64_t max = REMUS_BLOB_MAX_BYTES + (1 << 20);
	int rc;

	driver.max_blob_bytes = large;
	guest.driver = &driver;
	assert_true(replica->large_blobs_max_bytes > 0);
	replica->large_blobs_max_bytes = max;
	assert_in_range(put_blobs(LARGE_BYTES, &rc), max - STREAM_PAYLOAD_MAX, max);
	assert_int_equal(rc, RENIC_E_RESOURCES);
	assert_string_equal(err.field, "blob");
}

static void count_progress(void *arg)
{
	++*(unsigned *)arg;
}

/* Who waits for it hears of it while RAM is copied: for each run of 64 pages, and no other. */
static void progress_is_told_while_pages_are_copied(void **state)
{
	unsigned told = 0;

	replica->progress = count_progress;
	replica->progress_arg = &told;
	put_checkpoint(1, 5);
	assert_int_equal(play(), 0);
	assert_int_equal(told, 0); /* nothing was held: they went to RAM as they came */
	put_checkpoint(2, 7);
	assert_int_equal(play(), 0);
	assert_int_equal(told, 2); /* pages 3 and 90 */
	put_page(3, 9);
	tape_snapshot(tape, "snap", 4);
	tape_end(tape, 1, 3);
	assert_int_equal(play(), 0);
	assert_int_equal(told, 3);
	assert_true(ram_has(3, 9) && ram_has(90, 7));
}

static void blob_and_snapshot_are_bounded(void **state)
{
	static uint8_t big[RENIC_SNAPSHOT_MAX_BYTES + 1];
	int rc;

	assert_in_range(put_blobs(2 * (uint64_t)REMUS_BLOB_MAX_BYTES, &rc),
		REMUS_BLOB_MAX_BYTES - STREAM_PAYLOAD_MAX, REMUS_BLOB_MAX_BYTES);
	assert_int_equal(rc, RENIC_E_PARSE);
	tape_snapshot(tape, big, sizeof(big));
	assert_int_equal(play(), RENIC_E_PARSE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whole_checkpoint_is_held),
		TEST(half_a_checkpoint_changes_nothing),
		TEST(deltas_follow_what_was_sent_before),
		TEST(aborted_checkpoint_leaves_its_pages_and_no_blob),
		TEST(end_must_tell_all_that_came),
		TEST(checkpoint_without_each_vf_is_refused),
		TEST(older_epoch_is_refused),
		TEST(pages_beyond_ram_are_refused),
		TEST(another_session_of_a_stream_replaces_what_is_held_at_its_first_frame),
		TEST(another_session_replaces_what_is_held_only_when_it_is_whole),
		TEST(driver_that_refuses_voids_what_is_held),
		TEST(progress_is_told_while_pages_are_copied),
		TEST(blob_and_snapshot_are_bounded),
		TEST(driver_may_allow_a_blob_that_is_large),
		TEST(blob_that_is_large_must_fit_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
