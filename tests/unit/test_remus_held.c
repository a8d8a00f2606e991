/* SPDX-License-Identifier: BSD-3-Clause */
/* Held frames on their way to the backup: how they are read out of renicd's log, the codec, and
 * what a standby keeps of them. */
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

/* ---- no room at the standby ---- */

static void frames_without_room_are_left_out_and_the_checkpoint_is_held(void **state)
{
	struct message m;

	for (size_t piece = 1; piece < 200; piece += 60) {
		uint64_t epoch = replica->epoch;

		replica->egress_max_bytes = HELD_OLDEST_BYTES + 200;
		put_oldest(&m, epoch + 1);
		put_record(&m, epoch + 1, 60, 0);
		assert_int_equal(play(epoch + 1, &m, piece), 0);
		assert_int_equal(replica->left_out_bytes, 0);
		put_oldest(&m, epoch + 1);
		put_record(&m, epoch + 2, 60, 0);
		put_record(&m, epoch + 2, 60, 0);
		assert_int_equal(play(epoch + 2, &m, piece), 0);
		assert_int_equal(replica->epoch, epoch + 2);
		assert_int_equal(replica->left_out_bytes, m.n - HELD_OLDEST_BYTES);
		assert_null(strchr(kept(), ' ')); /* the first one, whole */
		put_oldest(&m, epoch + 3);	  /* all of them have left */
		assert_int_equal(play(epoch + 3, &m, piece), 0);
		assert_int_equal(replica->left_out_bytes, 0);
		put_oldest(&m, epoch + 4);
		put_record(&m, epoch + 4, 60, 0);
		put_record(&m, epoch + 4, 60, 0);
		assert_int_equal(play(epoch + 4, &m, piece), 0);
		assert_int_equal(replica->left_out_bytes, 0);
		assert_non_null(strchr(kept(), ' '));
		put_oldest(&m, epoch + 5);
		assert_int_equal(play(epoch + 5, &m, piece), 0);
	}
}

static void what_is_given_up_takes_no_room(void **state)
{
	struct message m;

	replica->egress_max_bytes = 100;
	put_oldest(&m, 1);
	put_record(&m, 1, 300, 0);
	tape_held(tape, m.bytes, m.n);
	tape_abort(tape);
	put_oldest(&m, 1);
	put_record(&m, 1, 20, 0);
	assert_int_equal(play(1, &m, 4096), 0);
	assert_int_equal(replica->left_out_bytes, 0);
	assert_string_equal(kept(), "1");
}

/* ---- out of renicd's log ---- */

enum { EXTENT = 2 << 20, EXTENTS_MAX = 40, FRAME = 65000, RECORD = 16 + FRAME };

/* renicd, which holds these extents; each time that it is asked one more of `leaving` has left. */
static struct {
	struct daemon_extent extents[EXTENTS_MAX];
	size_t n, gone, leaving;
	uint8_t *file;
	size_t used;
	unsigned looks;
} renicd;

int __wrap_daemon_log_look(struct daemon *d, const char *vf, struct nic_error *e);

int __wrap_daemon_log_look(struct daemon *d, const char *vf, struct nic_error *e)
{
	size_t n = renicd.n - renicd.gone;

	free(d->log.extents);
	d->log = (struct daemon_log){.file = renicd.file, .n_extents = n};
	d->log.extents = calloc(n + 1, sizeof(*d->log.extents));
	memcpy(d->log.extents, renicd.extents + renicd.gone, n * sizeof(*d->log.extents));
	if (renicd.gone < renicd.leaving)
		renicd.gone++;
	renicd.looks++;
	return 0;
}

/* An extent of n records of that epoch, frames of `len` bytes. */
static void hold(uint16_t queue, uint64_t epoch, unsigned n, uint32_t len)
{
	struct daemon_extent *e = &renicd.extents[renicd.n++];
	uint64_t bytes = ((uint64_t)len + 16 + 15) / 16 * 16;

	assert_true(n * bytes <= EXTENT && renicd.used + EXTENT <= EXTENT * EXTENTS_MAX);
	*e = (struct daemon_extent){queue, renicd.used, renicd.used, n * bytes};
	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = renicd.file + renicd.used + i * bytes;
		struct wire_out w = {.p = at, .end = at + bytes};

		put_u32(&w, len);
		put_u32(&w, 0);
		put_u64(&w, epoch);
	}
	renicd.used += EXTENT;
}

static int setup_renicd(void **state)
{
	memset(&renicd, 0, sizeof(renicd));
	renicd.file = calloc(EXTENTS_MAX, EXTENT);
	return renicd.file ? 0 : -1;
}

static int teardown_renicd(void **state)
{
	free(renicd.file);
	return 0;
}

/* "3: 4/2 4/0": the oldest epoch, and the epoch and queue of each record of the message. */
static const char *look(uint64_t first, uint64_t last, size_t max_bytes, uint64_t *left_out_bytes)
{
	struct held_bytes message = {0};
	struct held_record record;
	struct daemon d = {0};
	struct wire_in in;
	static char text[8192];

	assert_int_equal(
		held_read(&d, "v", first, last, max_bytes, &message, left_out_bytes, &err), 0);
	assert_true(message.n <= max_bytes);
	in = wire_over(message.bytes, message.n);
	snprintf(text, sizeof(text), "%u:", (unsigned)get_u64(&in));
	while (held_next(&in, &record))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u/%u",
			(unsigned)record.epoch, record.queue);
	assert_false(in.failed);
	held_free(&message);
	free(d.log.extents);
	return text;
}

static void sealed_frames_of_all_queues_are_read(void **state)
{
	uint64_t left_out;

	hold(0, 3, 1, 60);
	hold(0, 4, 2, 1514);
	hold(0, 5, 1, 60); /* open */
	hold(1, 4, 1, 61);
	assert_string_equal(look(4, 4, 1 << 20, &left_out), "3: 4/0 4/0 4/1");
	assert_int_equal(left_out, 0);
	assert_string_equal(look(5, 5, 1 << 20, &left_out), "3: 5/0");
	renicd.n = 0;
	assert_string_equal(look(6, 6, 1 << 20, &left_out), "7:");
}

/* Its bytes may be others' by now. */
static void what_leaves_meanwhile_is_not_read(void **state)
{
	uint64_t left_out;

	hold(0, 3, 1, 60);
	hold(0, 4, 1, 60);
	renicd.leaving = 1;
	assert_string_equal(look(1, 4, 1 << 20, &left_out), "4: 4/0");
}

static void what_does_not_fit_a_message_is_left_out_and_counted(void **state)
{
	uint64_t left_out;

	hold(0, 2, 2, 60);
	hold(0, 3, 2, 60);
	hold(1, 1, 1, 60);
	assert_string_equal(look(1, 3, 8 + 3 * 78, &left_out), "1: 2/0 2/0 3/0");
	assert_int_equal(left_out, 2 * 76);
	assert_string_equal(look(1, 3, 8 + 3 * 78 - 1, &left_out), "1: 2/0 2/0");
	assert_int_equal(left_out, 3 * 76);
	assert_string_equal(look(1, 3, 8, &left_out), "1:");
	assert_int_equal(left_out, 5 * 76);
	/* Nothing goes that is newer than what does not. */
	hold(2, 3, 1, 600);
	hold(2, 3, 1, 60);
	assert_string_equal(look(3, 3, 8 + 4 * 78, &left_out), "1: 3/0 3/0");
	assert_int_equal(left_out, 616 + 76);
}

/* It is copied in parts, and asked after each what has left. */
static void a_large_log_is_read_in_parts(void **state)
{
	uint64_t left_out;
	const char *text;
	size_t n = 0;

	for (unsigned i = 0; i < EXTENTS_MAX; i++)
		hold(0, i + 1, EXTENT / RECORD, FRAME);
	text = look(1, EXTENTS_MAX, EXTENT * EXTENTS_MAX, &left_out);
	assert_int_equal(left_out, 0);
	assert_int_equal(strncmp(text, "1: 1/0 ", 7), 0);
	for (const char *c = text; (c = strchr(c, '/')); c++)
		n++;
	assert_int_equal(n, EXTENTS_MAX * (EXTENT / RECORD));
	assert_true(renicd.looks > 2);
}

int main(void)
{
#define RENICD_TEST(f) cmocka_unit_test_setup_teardown(f, setup_renicd, teardown_renicd)
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_are_kept_until_the_primary_says_that_their_epoch_left),
		TEST(a_message_may_come_in_pieces_of_any_size),
		TEST(a_checkpoint_without_a_message_holds_nothing),
		TEST(frames_of_a_checkpoint_that_is_not_whole_are_nobodys),
		TEST(another_session_begins_with_nothing),
		TEST(what_is_no_record_is_refused_and_changes_nothing),
		TEST(frames_without_room_are_left_out_and_the_checkpoint_is_held),
		TEST(what_is_given_up_takes_no_room),
		RENICD_TEST(sealed_frames_of_all_queues_are_read),
		RENICD_TEST(what_leaves_meanwhile_is_not_read),
		RENICD_TEST(what_does_not_fit_a_message_is_left_out_and_counted),
		RENICD_TEST(a_large_log_is_read_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
