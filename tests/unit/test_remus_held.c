/* SPDX-License-Identifier: BSD-3-Clause */
/* Held frames on their way to the backup: the codec, and what a standby keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "remus_guest.h"

enum { OFFLOAD = 2 };

static struct guest guest;
static struct replica *replica;
static struct tape *tape;
static struct nic_error err;

static int setup(void **state)
{
	guest_make(&guest);
	replica = calloc(1, sizeof(*replica));
	tape = calloc(1, sizeof(*tape));
	assert_int_equal(replica_init(replica, &guest, 1, &err), 0);
	assert_int_equal(replica_begin(replica, 7, 1, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	replica_fini(replica);
	free(replica);
	free(tape);
	return 0;
}

/* A message under construction. */
struct message {
	uint8_t bytes[4096];
	size_t n;
};

static void put(struct message *m, const void *bytes, size_t n)
{
	memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static void put_oldest(struct message *m, uint64_t oldest)
{
	m->n = 0;
	oldest = htole64(oldest);
	put(m, &oldest, sizeof(oldest));
}

/* A record of queue 1 whose frame has `len` bytes of its epoch's number. */
static void put_record(struct message *m, uint64_t epoch, uint32_t len, uint16_t flags)
{
	struct wire_out w = {.p = m->bytes + m->n, .end = m->bytes + sizeof(m->bytes)};
	uint8_t frame[1600] = {0};

	memset(frame, (int)epoch, len);
	put_u16(&w, 1);
	put_u32(&w, len);
	put_u16(&w, flags);
	put_u16(&w, 0);
	put_u64(&w, epoch);
	put_bytes(&w, frame, len + (flags & OFFLOAD ? 16 : 0));
	assert_false(w.failed);
	m->n = (size_t)(w.p - m->bytes);
}

/* A checkpoint with that message, in pieces of `piece` bytes. */
static int play(uint64_t epoch, const struct message *m, size_t piece)
{
	unsigned frames;
	int rc;

	tape_blob(tape, "dev", 3);
	tape_snapshot(tape, "snap", 4);
	for (size_t at = 0; m && at < m->n; at += piece)
		tape_held(tape, m->bytes + at, m->n - at < piece ? m->n - at : piece);
	tape_end(tape, 1, epoch);
	rc = tape_play(tape, replica, &frames, &err);
	tape->n = 0;
	return rc;
}

/* "1 2 2": the epochs of the frames that would be sent at a failover. */
static const char *kept(void)
{
	const struct held_bytes *held = &replica->vms[0].egress[0].held;
	struct wire_in in = wire_over(held->bytes, held->n);
	struct held_record record;
	static char text[128];

	text[0] = '\0';
	while (held_next(&in, &record)) {
		assert_int_equal(record.queue, 1);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u",
			text[0] ? " " : "", (unsigned)record.epoch);
	}
	assert_false(in.failed);
	return text;
}

static void frames_are_kept_until_the_primary_says_that_their_epoch_left(void **state)
{
	struct message m;

	put_oldest(&m, 1);
	put_record(&m, 1, 60, 0);
	put_record(&m, 1, 1514, OFFLOAD);
	assert_int_equal(play(1, &m, 4096), 0);
	assert_string_equal(kept(), "1 1");
	put_oldest(&m, 1);
	put_record(&m, 2, 60, 0);
	assert_int_equal(play(2, &m, 4096), 0);
	assert_string_equal(kept(), "1 1 2");
	put_oldest(&m, 2);
	put_record(&m, 3, 60, 0);
	assert_int_equal(play(3, &m, 4096), 0);
	assert_string_equal(kept(), "2 3");
	put_oldest(&m, 5);
	assert_int_equal(play(4, &m, 4096), 0);
	assert_string_equal(kept(), "");
}

static void a_message_may_come_in_pieces_of_any_size(void **state)
{
	struct message m;

	for (size_t piece = 1; piece < 64; piece += 7) {
		put_oldest(&m, piece);
		put_record(&m, piece, 61, 0);
		put_record(&m, piece, 99, OFFLOAD);
		assert_int_equal(play(piece, &m, piece), 0);
		assert_non_null(strchr(kept(), ' '));
	}
}

static void a_checkpoint_without_a_message_holds_nothing(void **state)
{
	struct message m;

	put_oldest(&m, 1);
	put_record(&m, 1, 60, 0);
	assert_int_equal(play(1, &m, 4096), 0);
	assert_int_equal(play(2, NULL, 1), 0);
	assert_string_equal(kept(), "");
}

static void frames_of_a_checkpoint_that_is_not_whole_are_nobodys(void **state)
{
	struct message m;

	put_oldest(&m, 1);
	put_record(&m, 1, 60, 0);
	assert_int_equal(play(1, &m, 4096), 0);
	put_oldest(&m, 2);
	put_record(&m, 2, 60, 0);
	tape_held(tape, m.bytes, m.n);
	tape_abort(tape);
	put_oldest(&m, 1);
	assert_int_equal(play(3, &m, 4096), 0);
	assert_string_equal(kept(), "1");
}

static void another_session_begins_with_nothing(void **state)
{
	struct message m;

	put_oldest(&m, 1);
	put_record(&m, 9, 60, 0);
	assert_int_equal(play(9, &m, 4096), 0);
	assert_int_equal(replica_begin(replica, 8, 1, &err), 0);
	put_oldest(&m, 1);
	put_record(&m, 1, 60, 0);
	assert_int_equal(play(1, &m, 4096), 0);
	assert_string_equal(kept(), "1");
}

/* What is refused leaves what was held as it was. */
static void refuse(const struct message *m)
{
	assert_int_equal(play(2, m, 4096), RENIC_E_PARSE);
	assert_string_equal(kept(), "1");
	assert_int_equal(replica->epoch, 1);
	assert_int_equal(replica_begin(replica, 7, 1, &err), 0);
}

static void what_is_no_record_is_refused_and_changes_nothing(void **state)
{
	static const uint16_t end = 1;
	struct message m;

	put_oldest(&m, 1);
	put_record(&m, 1, 60, 0);
	assert_int_equal(play(1, &m, 4096), 0);

	put_oldest(&m, 9);
	m.n = 7; /* not even the oldest epoch */
	refuse(&m);
	put_oldest(&m, 9);
	put_record(&m, 2, 60, 0);
	m.n--; /* cut off */
	refuse(&m);
	put_oldest(&m, 9);
	put_record(&m, 3, 60, 0); /* not sealed yet */
	refuse(&m);
	put_oldest(&m, 9);
	put_record(&m, 0, 60, 0); /* never held */
	refuse(&m);
	put_oldest(&m, 9);
	put_record(&m, 2, 60, end);
	refuse(&m);
	put_oldest(&m, 9);
	put_record(&m, 2, 60, 0);
	m.bytes[HELD_OLDEST_BYTES + 4] = 1; /* a frame of 65596 bytes */
	refuse(&m);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_are_kept_until_the_primary_says_that_their_epoch_left),
		TEST(a_message_may_come_in_pieces_of_any_size),
		TEST(a_checkpoint_without_a_message_holds_nothing),
		TEST(frames_of_a_checkpoint_that_is_not_whole_are_nobodys),
		TEST(another_session_begins_with_nothing),
		TEST(what_is_no_record_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
