/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring of captured frames: renicd/nic/capture_ring.c. Mbufs here are of no pool. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "capture_ring.h"

enum { FRAMES = 60000, SNAPLEN = 65535 };

/* A frame of `len` bytes that all are `fill`. */
static struct rte_mbuf *frame_of(struct rte_mbuf *m, uint8_t *bytes, uint32_t len, uint8_t fill)
{
	memset(m, 0, sizeof(*m));
	memset(bytes, fill, len);
	m->buf_addr = bytes;
	m->nb_segs = 1;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

static uint32_t length_of(uint64_t number)
{
	return (uint32_t)(60 + number * 2654435761u % 9000);
}

static void write_all(struct capture_ring *ring, uint64_t n)
{
	static uint8_t bytes[1 << 16];
	struct rte_mbuf m;

	for (uint64_t i = 0; i < n; i++) {
		const struct capture_record like = {.tsc = i};

		frame_of(&m, bytes, length_of(i), (uint8_t)i);
		while (!capture_ring_write(ring, &m, SNAPLEN, &like))
			sched_yield();
		capture_ring_publish(ring, ring->written);
	}
}

static void *writer(void *ring)
{
	write_all(ring, FRAMES);
	return NULL;
}

static void expect(const struct capture_record *record, uint64_t number)
{
	const uint8_t *bytes = (const uint8_t *)(record + 1);

	assert_int_equal(record->tsc, number);
	assert_int_equal(record->len, length_of(number));
	assert_int_equal(bytes[0], (uint8_t)number);
	assert_int_equal(bytes[record->len - 1], (uint8_t)number);
}

static void a_reader_sees_each_frame_whole_and_in_order(void **state)
{
	const struct capture_record *record;
	struct capture_ring ring;
	pthread_t thread;

	assert_int_equal(capture_ring_init(&ring), 0);
	assert_int_equal(pthread_create(&thread, NULL, writer, &ring), 0);
	for (uint64_t i = 0; i < FRAMES; i++) {
		while (!(record = capture_ring_peek(&ring)))
			sched_yield();
		expect(record, i);
		capture_ring_drop(&ring, record);
	}
	pthread_join(thread, NULL);
	assert_null(capture_ring_peek(&ring));
	capture_ring_fini(&ring);
}

static void what_finds_no_room_is_counted_and_harms_nothing(void **state)
{
	static uint8_t bytes[SNAPLEN];
	const struct capture_record *record;
	struct capture_ring ring;
	struct rte_mbuf m;
	uint64_t n = 0, read = 0;

	assert_int_equal(capture_ring_init(&ring), 0);
	for (;; n++) {
		const struct capture_record like = {.tsc = n};

		frame_of(&m, bytes, length_of(n), (uint8_t)n);
		if (!capture_ring_write(&ring, &m, SNAPLEN, &like))
			break;
	}
	assert_int_equal(ring.dropped, 1);
	assert_null(capture_ring_peek(&ring)); /* not published */
	capture_ring_publish(&ring, ring.written);
	for (; (record = capture_ring_peek(&ring)); read++) {
		expect(record, read);
		capture_ring_drop(&ring, record);
	}
	assert_int_equal(read, n);
	capture_ring_fini(&ring);
}

static void what_is_not_published_is_forgotten(void **state)
{
	static uint8_t bytes[128];
	const struct capture_record like = {.tsc = 1}, other = {.tsc = 2};
	struct capture_ring ring;
	struct rte_mbuf m;
	uint64_t first;

	assert_int_equal(capture_ring_init(&ring), 0);
	frame_of(&m, bytes, 100, 1);
	assert_true(capture_ring_write(&ring, &m, SNAPLEN, &like));
	first = ring.written;
	assert_true(capture_ring_write(&ring, &m, SNAPLEN, &like));
	capture_ring_publish(&ring, first);
	assert_true(capture_ring_write(&ring, &m, SNAPLEN, &other));
	capture_ring_publish(&ring, ring.written);
	capture_ring_drop(&ring, capture_ring_peek(&ring));
	assert_int_equal(capture_ring_peek(&ring)->tsc, 2);
	capture_ring_fini(&ring);
}

/* Also where the snaplen cuts the tag, or a segment ends in the middle of it. */
static void a_held_tag_is_put_into_the_bytes(void **state)
{
	static uint8_t a[64], b[64];
	const uint8_t wanted[20] = {
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0x81, 0, 0x20, 7, 1, 1, 2, 2};
	const struct capture_record like = {0}, *record;
	struct capture_ring ring;
	struct rte_mbuf m, second;

	assert_int_equal(capture_ring_init(&ring), 0);
	frame_of(&m, a, 14, 1);
	m.next = frame_of(&second, b, 50, 2);
	m.nb_segs = 2;
	m.pkt_len = 64;
	m.ol_flags = RTE_MBUF_F_TX_VLAN;
	m.vlan_tci = 0x2007;
	for (uint32_t snaplen = 1; snaplen <= sizeof(wanted); snaplen++) {
		assert_true(capture_ring_write(&ring, &m, snaplen, &like));
		capture_ring_publish(&ring, ring.written);
		record = capture_ring_peek(&ring);
		assert_int_equal(record->len, snaplen);
		assert_int_equal(record->wire_len, 68);
		assert_memory_equal(record + 1, wanted, snaplen);
		capture_ring_drop(&ring, record);
	}
	capture_ring_fini(&ring);
}

static void a_held_tag_is_shown_as_what_it_is(void **state)
{
	static const struct {
		uint64_t flags;
		uint8_t proto[2];
	} rows[] = {
		{RTE_MBUF_F_TX_VLAN, {0x81, 0x00}},
		{RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_QINQ, {0x88, 0xa8}},
	};
	static uint8_t bytes[64];
	const struct capture_record like = {0}, *record;
	struct capture_ring ring;
	struct rte_mbuf m;

	assert_int_equal(capture_ring_init(&ring), 0);
	for (size_t r = 0; r < RTE_DIM(rows); r++) {
		frame_of(&m, bytes, 64, 1)->ol_flags = rows[r].flags;
		assert_true(capture_ring_write(&ring, &m, SNAPLEN, &like));
		capture_ring_publish(&ring, ring.written);
		record = capture_ring_peek(&ring);
		assert_memory_equal((const uint8_t *)(record + 1) + 12, rows[r].proto, 2);
		capture_ring_drop(&ring, record);
	}
	capture_ring_fini(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_sees_each_frame_whole_and_in_order),
		cmocka_unit_test(what_finds_no_room_is_counted_and_harms_nothing),
		cmocka_unit_test(what_is_not_published_is_forgotten),
		cmocka_unit_test(a_held_tag_is_put_into_the_bytes),
		cmocka_unit_test(a_held_tag_is_shown_as_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
