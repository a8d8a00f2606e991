/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The replication stream's frames and pages; and the golden file stream-v1.bin (GOLDEN_DIR): a
 * session as version 1 writes it, which is read for ever. `--write` makes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "remus_guest.h"

static uint8_t buf[STREAM_FRAME_MAX];
static struct nic_error err;

static const struct msg_hello hello = {.version = 1,
	.compatible = 1,
	.side = REMUS_PRIMARY,
	.n_vms = 1,
	.term = 3,
	.session = 0x0123456789abcdef,
	.epoch = 41,
	.heartbeat_ms = 50,
	.timeout_ms = 300,
	.group = "shop"};
static const struct msg_vm vm = {.index = 0,
	.n_vfs = 1,
	.n_regions = 2,
	.name = "vm",
	.driver = "stub",
	.regions = {{0, GUEST_LOW_PAGES *REMUS_PAGE_BYTES},
		{1ULL << 32, (GUEST_PAGES - GUEST_LOW_PAGES) * REMUS_PAGE_BYTES}}};
static const struct msg_refuse refuse = {
	.reason = REFUSE_TERM, .term = 4, .text = "its term is 3, but here it is 4"};
static const struct msg_handover handover = {.lost = 1, .term = 3, .epoch = 42};
static const struct msg_taken taken = {.ok = 1, .term = 4, .text = ""};
static const struct msg_ack ack = {.term = 3, .epoch = 42};
static const struct msg_end end = {
	.term = 3, .epoch = 42, .pages = 5, .blob_bytes = 6, .snapshots = 1, .held_bytes = 0};

static struct frame frame_of(size_t n)
{
	struct frame f;

	assert_int_equal(stream_frame(buf, n, &f, &err), n);
	return f;
}

/* Each kind of message: put it, get it, and get nothing out of it cut or lengthened. */
#define ROUND(kind, NAME)                                                                          \
	do {                                                                                       \
		size_t n = stream_put_##kind(buf, &kind);                                          \
		struct frame f = frame_of(n);                                                      \
		struct msg_##kind got;                                                             \
                                                                                                   \
		memset(&got, 0, sizeof(got));                                                      \
		assert_int_equal(f.type, NAME);                                                    \
		assert_int_equal(stream_get_##kind(&f, &got, &err), 0);                            \
		assert_int_equal(stream_put_##kind(buf, &got), n);                                 \
		f = frame_of(n);                                                                   \
		for (uint32_t cut = 0; cut < f.bytes; cut++) {                                     \
			struct frame less = {f.type, f.payload, cut};                              \
                                                                                                   \
			assert_int_equal(stream_get_##kind(&less, &got, &err), RENIC_E_PARSE);     \
		}                                                                                  \
		f.bytes++;                                                                         \
		assert_int_equal(stream_get_##kind(&f, &got, &err), RENIC_E_PARSE);                \
	} while (0)

static void messages_come_back_as_they_were(void **state)
{
	ROUND(hello, FRAME_HELLO);
	ROUND(vm, FRAME_VM);
	ROUND(end, FRAME_END);
	ROUND(ack, FRAME_ACK);
	ROUND(refuse, FRAME_REFUSE);
	ROUND(handover, FRAME_HANDOVER);
	ROUND(taken, FRAME_TAKEN);
}

static void every_changed_bit_is_noticed(void **state)
{
	size_t n = stream_put_end(buf, &end);
	struct frame f;

	for (size_t bit = 0; bit < n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(stream_frame(buf, n, &f, &err) <= 0); /* refused, or more is wanted */
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(stream_frame(buf, n, &f, &err), n);
}

static void half_a_frame_wants_more(void **state)
{
	size_t n = stream_put_end(buf, &end);
	struct frame f;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(stream_frame(buf, i, &f, &err), 0);
}

static void too_long_or_unknown_is_refused_before_it_has_come(void **state)
{
	struct wire_out w = {.p = buf, .end = buf + STREAM_HEADER_BYTES};
	struct frame f;

	put_u32(&w, FRAME_BLOB);
	put_u32(&w, STREAM_PAYLOAD_MAX + 1);
	put_u32(&w, 0);
	assert_int_equal(stream_frame(buf, STREAM_HEADER_BYTES, &f, &err), RENIC_E_PARSE);
	assert_string_equal(err.field, "length");
	w.p = buf;
	put_u32(&w, FRAME_TYPES);
	assert_int_equal(stream_frame(buf, STREAM_HEADER_BYTES, &f, &err), RENIC_E_PARSE);
	assert_string_equal(err.field, "type");
}

static void later_versions_say_themselves_whether_this_one_will_do(void **state)
{
	struct msg_hello later = hello, earlier = hello, got;
	struct frame f;

	later.version = 9;
	f = frame_of(stream_put_hello(buf, &later));
	assert_int_equal(stream_get_hello(&f, &got, &err), 0);
	later.compatible = STREAM_VERSION + 1;
	f = frame_of(stream_put_hello(buf, &later));
	assert_int_equal(stream_get_hello(&f, &got, &err), RENIC_E_PARSE);
	assert_string_equal(err.field, "version");
	earlier.version = earlier.compatible = 1;
	f = frame_of(stream_put_hello(buf, &earlier));
	assert_int_equal(stream_get_hello(&f, &got, &err), 0);
}

static void a_machine_is_printable_lines_of_bounded_length(void **state)
{
	static const char *const bad[] = {"\x01", "a\r\n", "\x7f", "\xc3\xa9"};
	struct msg_vm m = vm, got;
	struct frame f;
	size_t n;

	snprintf(m.machine, sizeof(m.machine), "board\nNIC\n");
	n = stream_put_vm(buf, &m);
	f = frame_of(n);
	assert_int_equal(stream_get_vm(&f, &got, &err), 0);
	assert_string_equal(got.machine, m.machine);
	assert_memory_equal(f.payload + f.bytes - 12, "\x0a\0board\nNIC\n", 12);
	for (uint32_t cut = 1; cut < 2 + strlen(m.machine); cut++) {
		struct frame less = {f.type, f.payload, f.bytes - cut};

		assert_int_equal(stream_get_vm(&less, &got, &err), RENIC_E_PARSE);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(m.machine, sizeof(m.machine), "%s", bad[i]);
		f = frame_of(stream_put_vm(buf, &m));
		assert_int_equal(stream_get_vm(&f, &got, &err), RENIC_E_PARSE);
	}
	memset(m.machine, 'm', sizeof(m.machine) - 1);
	m.machine[sizeof(m.machine) - 1] = '\0';
	n = stream_put_vm(buf, &m);
	f = frame_of(n);
	assert_int_equal(stream_get_vm(&f, &got, &err), 0);
	assert_string_equal(got.machine, m.machine);
	/* One byte more: the count before the text, and the text. */
	buf[n - sizeof(m.machine) - 1] = REMUS_MACHINE_SIZE & 0xff;
	buf[n - sizeof(m.machine)] = REMUS_MACHINE_SIZE >> 8;
	buf[n] = 'm';
	f.bytes++;
	assert_int_equal(stream_get_vm(&f, &got, &err), RENIC_E_PARSE);
}

/* ---- pages ---- */

static void page_of(uint8_t *data, unsigned kind)
{
	uint64_t x = 88172645463325252ULL + kind;

	memset(data, 0, REMUS_PAGE_BYTES);
	for (unsigned i = 0; kind && i < REMUS_PAGE_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = kind == PAGE_RAW ? (uint8_t)x : (uint8_t)(i / 64);
	}
}

static enum page_kind kind_of(const uint8_t *record)
{
	return record[4];
}

static void shortest_form_is_chosen_and_means_the_page(void **state)
{
	uint8_t data[REMUS_PAGE_BYTES], record[PAGE_RECORD_MAX], out[REMUS_PAGE_BYTES] = {1};
	struct page_cache cache;
	size_t n;

	assert_int_equal(page_cache_init(&cache, 16 * REMUS_PAGE_BYTES), 0);
	for (unsigned kind = PAGE_ZERO; kind <= PAGE_LZ4; kind++) {
		page_of(data, kind);
		n = page_encode(&cache, kind, data, true, record, NULL);
		assert_int_equal(kind_of(record), kind);
		assert_int_equal(page_decode(kind, record + PAGE_RECORD_BYTES,
					 n - PAGE_RECORD_BYTES, out, out),
			0);
		assert_memory_equal(out, data, sizeof(out));
	}
	/* A random page with one byte changed: its delta is a few bytes. */
	page_of(data, PAGE_RAW);
	memcpy(out, data, sizeof(out));
	data[99] ^= 1;
	n = page_encode(&cache, PAGE_RAW, data, true, record, NULL);
	assert_int_equal(kind_of(record), PAGE_XOR);
	assert_true(n < 64);
	assert_int_equal(
		page_decode(PAGE_XOR, record + PAGE_RECORD_BYTES, n - PAGE_RECORD_BYTES, out, out),
		0);
	assert_memory_equal(out, data, sizeof(out));
	/* Without the cache's memory of it: whole. */
	page_cache_clear(&cache);
	page_encode(&cache, PAGE_RAW, data, true, record, NULL);
	assert_int_equal(kind_of(record), PAGE_RAW);
	page_encode(&cache, PAGE_RAW + 16, data, true, record, NULL); /* takes its place */
	data[0] ^= 1;
	page_encode(&cache, PAGE_RAW, data, true, record, NULL);
	assert_int_equal(kind_of(record), PAGE_RAW);
	page_cache_free(&cache);
}

static void uncompressed_means_uncompressed(void **state)
{
	uint8_t data[REMUS_PAGE_BYTES], record[PAGE_RECORD_MAX];
	struct page_cache none;

	assert_int_equal(page_cache_init(&none, 0), 0);
	page_of(data, PAGE_LZ4);
	assert_int_equal(page_encode(&none, 1, data, false, record, NULL), PAGE_RECORD_MAX);
	assert_int_equal(kind_of(record), PAGE_RAW);
	page_of(data, PAGE_ZERO);
	assert_int_equal(page_encode(&none, 1, data, false, record, NULL), PAGE_RECORD_BYTES);
}

static void what_no_encoder_writes_is_refused(void **state)
{
	uint8_t out[REMUS_PAGE_BYTES] = {0}, junk[REMUS_PAGE_BYTES + 1];

	memset(junk, 0xff, sizeof(junk));
	assert_int_equal(page_decode(PAGE_ZERO, junk, 1, out, out), -1);
	assert_int_equal(page_decode(PAGE_RAW, junk, REMUS_PAGE_BYTES - 1, out, out), -1);
	assert_int_equal(page_decode(PAGE_RAW, junk, REMUS_PAGE_BYTES + 1, out, out), -1);
	assert_int_equal(page_decode(PAGE_LZ4, junk, 0, out, out), -1);
	assert_int_equal(page_decode(PAGE_LZ4, junk, 100, out, out), -1);
	assert_int_equal(page_decode(PAGE_XOR, junk, 100, out, out), -1);
	assert_int_equal(page_decode(PAGE_KINDS, junk, 0, out, out), -1);
	/* Good LZ4 of too little. */
	assert_int_equal(page_decode(PAGE_LZ4, (const uint8_t *)"\x10x", 2, out, out), -1);
}

/* ---- golden ---- */

static void put_session(struct tape *t)
{
	uint8_t data[REMUS_PAGE_BYTES];

	assert_int_equal(page_cache_init(&t->cache, 128 * REMUS_PAGE_BYTES), 0);
	for (unsigned kind = PAGE_ZERO; kind <= PAGE_LZ4; kind++) {
		page_of(data, kind);
		tape_page(t, 30 + kind, data, true);
	}
	data[99] ^= 1;
	tape_page(t, 32, data, true);
	tape_page(t, 95, data, false);
	tape_blob(t, "device", 6);
	tape_snapshot(t, "snapshot", 8);
	tape_end(t, 3, 42);
	page_cache_free(&t->cache);
}

static size_t put_messages(uint8_t *at)
{
	uint8_t *start = at;

	at += stream_put_hello(at, &hello);
	at += stream_put_vm(at, &vm);
	at += stream_put_ack(at, &ack);
	at += stream_put_refuse(at, &refuse);
	at += stream_put_handover(at, &handover);
	at += stream_put_taken(at, &taken);
	at += stream_put_empty(at, FRAME_HEARTBEAT);
	at += stream_put_empty(at, FRAME_BYE);
	return (size_t)(at - start);
}

static FILE *golden(const char *mode)
{
	const char *dir = getenv("GOLDEN_DIR");
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/stream-v1.bin", dir ? dir : ".");
	f = fopen(path, mode);
	if (!f)
		fail_msg("%s cannot be opened", path);
	return f;
}

static void version_1_is_read_for_ever(void **state)
{
	struct replica *replica = calloc(1, sizeof(*replica));
	struct tape *t = calloc(1, sizeof(*t));
	uint8_t data[REMUS_PAGE_BYTES];
	FILE *f = golden("rb");
	struct guest guest;
	unsigned frames;
	size_t small;

	guest_make(&guest);
	memset(stub.ram, 0xee, sizeof(stub.ram));
	assert_int_equal(replica_init(replica, &guest, 1, &err), 0);
	assert_int_equal(replica_begin(replica, hello.session, 3, &err), 0);
	t->n = fread(t->bytes, 1, sizeof(t->bytes), f);
	fclose(f);
	small = put_messages(buf);
	assert_true(t->n > small);
	assert_memory_equal(t->bytes, buf, small); /* the writer, too, is held to it */
	t->n -= small;
	memmove(t->bytes, t->bytes + small, t->n);
	assert_int_equal(tape_play(t, replica, &frames, &err), 0);
	assert_int_equal(frames, 8);
	assert_int_equal(replica->epoch, 42);
	assert_memory_equal(stub.blob, "device", 6);
	assert_memory_equal(replica->vms[0].held[0].snapshot, "snapshot", 8);
	for (unsigned kind = PAGE_ZERO; kind < PAGE_LZ4; kind++) {
		page_of(data, kind);
		assert_memory_equal(stub.ram + (30 + kind) * REMUS_PAGE_BYTES, data, sizeof(data));
	}
	page_of(data, PAGE_LZ4);
	data[99] ^= 1;
	assert_memory_equal(stub.ram + 32 * REMUS_PAGE_BYTES, data, sizeof(data));
	assert_memory_equal(stub.ram + 95 * REMUS_PAGE_BYTES, data, sizeof(data));
	assert_int_equal(stub.ram[33 * REMUS_PAGE_BYTES], 0xee);
	replica_fini(replica);
	free(replica);
	free(t);
}

static int write_golden(void)
{
	struct tape *t = calloc(1, sizeof(*t));
	FILE *f = golden("wb");

	put_session(t);
	fwrite(buf, 1, put_messages(buf), f);
	fwrite(t->bytes, 1, t->n, f);
	free(t);
	return fclose(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_back_as_they_were),
		cmocka_unit_test(every_changed_bit_is_noticed),
		cmocka_unit_test(half_a_frame_wants_more),
		cmocka_unit_test(too_long_or_unknown_is_refused_before_it_has_come),
		cmocka_unit_test(later_versions_say_themselves_whether_this_one_will_do),
		cmocka_unit_test(a_machine_is_printable_lines_of_bounded_length),
		cmocka_unit_test(shortest_form_is_chosen_and_means_the_page),
		cmocka_unit_test(uncompressed_means_uncompressed),
		cmocka_unit_test(what_no_encoder_writes_is_refused),
		cmocka_unit_test(version_1_is_read_for_ever),
	};

	if (argc > 1 && !strcmp(argv[1], "--write"))
		return write_golden();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
