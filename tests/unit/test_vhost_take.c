/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is taken out of a guest's split TX ring (renicd/ports/vhost_take.c), and what is written
 * there. The ring and the frames are memory of this test; the library's notes of it are played
 * below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include "nic/egress_log.h"
#include "vhost_take.h"

enum {
	RING_SIZE = 128,
	HEADER_BYTES = sizeof(struct virtio_net_hdr_mrg_rxbuf),
	SLOT_BYTES = 256,
	FRAME_BYTES = 60,
	GUEST_BASE = 0x100000, /* of the memory below, for the guest */
};

static struct {
	struct vring_desc desc[RING_SIZE];
	struct {
		uint16_t flags, idx, ring[RING_SIZE], used_event;
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[RING_SIZE];
		uint16_t avail_event;
	} used __attribute__((aligned(4)));
	uint8_t slots[RING_SIZE][SLOT_BYTES];
	uint8_t rest[2 << 16]; /* a descriptor may be too long, and yet within the memory */
} guest __attribute__((aligned(4096)));

static struct vhost_rings rings;
static struct dirty_log dirty;
static struct egress_raw frames[VHOST_BURST_MAX];

/* ---- the library's part ---- */

static uint64_t features;
static uint16_t last_avail, last_used;
static unsigned calls;

int rte_vhost_get_negotiated_features(int vid, uint64_t *value)
{
	*value = features;
	return 0;
}

int rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **memory)
{
	*memory = calloc(1, sizeof(**memory) + sizeof((*memory)->regions[0]));
	(*memory)->nregions = 1;
	(*memory)->regions[0] = (struct rte_vhost_mem_region){
		.guest_phys_addr = GUEST_BASE,
		.host_user_addr = (uintptr_t)&guest,
		.size = sizeof(guest),
	};
	return 0;
}

int rte_vhost_get_vhost_vring(int vid, uint16_t index, struct rte_vhost_vring *vring)
{
	*vring = (struct rte_vhost_vring){
		.desc = guest.desc,
		.avail = (void *)&guest.avail,
		.used = (void *)&guest.used,
		.size = RING_SIZE,
	};
	return 0;
}

int rte_vhost_get_vring_base(int vid, uint16_t index, uint16_t *avail_idx, uint16_t *used_idx)
{
	*avail_idx = last_avail;
	*used_idx = last_used;
	return 0;
}

int rte_vhost_set_vring_base(int vid, uint16_t index, uint16_t avail_idx, uint16_t used_idx)
{
	last_avail = avail_idx;
	last_used = used_idx;
	return 0;
}

int rte_vhost_vring_call(int vid, uint16_t index)
{
	calls++;
	return 0;
}

void rte_vhost_log_write(int vid, uint64_t addr, uint64_t bytes)
{
}

/* ---- the guest's ---- */

static void start(uint64_t negotiated, uint16_t index)
{
	memset(&guest, 0, sizeof(guest));
	features = negotiated | 1ULL << VIRTIO_F_VERSION_1;
	last_avail = last_used = guest.avail.idx = guest.used.idx = index;
	calls = 0;
	vhost_rings_fini(&rings);
	rings = (struct vhost_rings){.stale = VHOST_RINGS_STALE};
}

static struct virtio_net_hdr *header_of(uint16_t slot)
{
	return (void *)guest.slots[slot];
}

/* A frame of FRAME_BYTES bytes in that slot, told by the descriptor of that number. */
static struct vring_desc *offer(uint16_t head)
{
	struct vring_desc *d = &guest.desc[head];

	*d = (struct vring_desc){
		.addr = GUEST_BASE + (uint64_t)(guest.slots[head] - (uint8_t *)&guest),
		.len = HEADER_BYTES + FRAME_BYTES,
	};
	guest.avail.ring[guest.avail.idx % RING_SIZE] = head;
	__atomic_store_n(&guest.avail.idx, (uint16_t)(guest.avail.idx + 1), __ATOMIC_RELEASE);
	return d;
}

static void offer_many(uint16_t first, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		offer((uint16_t)(first + i) % RING_SIZE);
}

static uint16_t look(void)
{
	return vhost_take_look(&rings, &dirty, frames, VHOST_BURST_MAX);
}

static uint16_t take(void)
{
	uint16_t n = look();

	if (n)
		vhost_take_took(&rings, &dirty, n);
	return n;
}

static const uint8_t *frame_of(uint16_t slot)
{
	return guest.slots[slot] + HEADER_BYTES;
}

/* ---- what is taken ---- */

static void frames_are_taken_in_order_a_burst_at_a_time(void **state)
{
	start(0, UINT16_MAX - 10); /* its indices wrap */
	offer_many(0, RING_SIZE);
	for (uint16_t i = 0; i < VHOST_BURST_MAX + 1; i++)
		guest.desc[i].len += i;
	assert_int_equal(look(), VHOST_BURST_MAX);
	for (uint16_t i = 0; i < VHOST_BURST_MAX; i++) {
		assert_ptr_equal(frames[i].at, frame_of(i));
		assert_int_equal(frames[i].len, FRAME_BYTES + i);
	}
	vhost_take_took(&rings, &dirty, VHOST_BURST_MAX);
	assert_int_equal(look(), RING_SIZE - VHOST_BURST_MAX);
	assert_ptr_equal(frames[0].at, frame_of(VHOST_BURST_MAX));
	vhost_take_took(&rings, &dirty, 1);
	assert_int_equal(look(), RING_SIZE - VHOST_BURST_MAX - 1);
	vhost_take_took(&rings, &dirty, 0);
	assert_int_equal(calls, 2); /* none is told of nothing */
}

static void what_was_taken_is_told_once(void **state)
{
	start(0, 0);
	for (int round = 0; round < 3; round++) {
		uint16_t at = guest.used.idx;

		/* Another order in each round; the last one's is the second's. */
		offer_many(round ? 7 : 0, RING_SIZE);
		assert_int_equal(take(), VHOST_BURST_MAX);
		assert_int_equal(guest.used.idx, (uint16_t)(at + VHOST_BURST_MAX));
		assert_int_equal(take(), RING_SIZE - VHOST_BURST_MAX);
		assert_int_equal(guest.used.idx, guest.avail.idx);
		for (uint16_t i = 0; i < RING_SIZE; i++) {
			assert_int_equal(guest.used.ring[i].id, guest.avail.ring[i]);
			assert_int_equal(guest.used.ring[i].len, 0);
		}
		/* A guest that wrote there itself is told what is right. */
		guest.used.ring[3].len = 1;
		guest.used.ring[4].id = RING_SIZE;
	}
	assert_int_equal(last_avail, guest.avail.idx);
	assert_int_equal(last_used, guest.used.idx);
}

/* ---- what is left to the library ---- */

static void a_frame_that_asks_ends_the_burst(void **state)
{
	static const int asking[] = {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4,
		VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_UFO};

	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
		start(1ULL << asking[i], 0);
		offer_many(0, 5);
		header_of(3)->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		assert_int_equal(take(), 3);
		assert_int_equal(look(), 0);
		header_of(3)->flags = 0;
		header_of(3)->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		assert_int_equal(look(), 0);
		header_of(3)->gso_type = VIRTIO_NET_HDR_GSO_NONE;
		assert_int_equal(take(), 2);
	}
}

/* The library does not look at such a guest's headers either. */
static void who_negotiated_nothing_asks_for_nothing(void **state)
{
	start(0, 0);
	offer_many(0, 5);
	memset(header_of(0), 0xff, HEADER_BYTES);
	memset(header_of(3), 0xff, HEADER_BYTES);
	assert_int_equal(take(), 5);
}

/* A front-end that negotiates anew starts its rings anew. */
static void what_is_negotiated_later_counts_then(void **state)
{
	start(0, 0);
	offer_many(0, 1);
	assert_int_equal(take(), 1);
	features |= 1ULL << VIRTIO_NET_F_HOST_TSO6;
	vhost_rings_look_again(&rings);
	offer_many(1, 2);
	header_of(2)->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	assert_int_equal(take(), 1);
}

static void a_descriptor_that_is_not_simple_ends_the_burst(void **state)
{
	static const struct vring_desc odd[] = {
		{.addr = GUEST_BASE, .len = 100, .flags = VRING_DESC_F_NEXT},
		{.addr = GUEST_BASE, .len = 100, .flags = VRING_DESC_F_INDIRECT},
		{.addr = GUEST_BASE, .len = 100, .flags = VRING_DESC_F_WRITE},
		{.addr = GUEST_BASE, .len = HEADER_BYTES},
		{.addr = GUEST_BASE, .len = 0},
		{.addr = GUEST_BASE, .len = UINT16_MAX + 1},
		{.addr = GUEST_BASE, .len = UINT32_MAX},
		{.addr = GUEST_BASE - 1, .len = 100},
		{.addr = GUEST_BASE + sizeof(guest) - 99, .len = 100},
		{.addr = GUEST_BASE + sizeof(guest), .len = 100},
		{.addr = UINT64_MAX - 50, .len = 100},
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		start(0, 0);
		offer_many(0, 5);
		guest.desc[2] = odd[i];
		assert_int_equal(take(), 2);
		assert_int_equal(look(), 0);
		assert_int_equal(guest.used.idx, 2);
	}
}

static void a_ring_of_nonsense_is_not_followed(void **state)
{
	start(0, 0);
	offer_many(0, 5);
	guest.avail.ring[2] = RING_SIZE;
	assert_int_equal(take(), 2);
	guest.avail.ring[2] = UINT16_MAX;
	assert_int_equal(look(), 0);
	guest.avail.idx = last_avail + RING_SIZE + 1; /* more than it has */
	guest.avail.ring[2] = 2;
	assert_int_equal(look(), 0);
	guest.avail.idx = last_avail - 1;
	assert_int_equal(look(), 0);
	assert_int_equal(rings.busy, 0); /* its memory may go */
}

static void closed_rings_are_not_looked_at(void **state)
{
	start(0, 0);
	offer_many(0, 1);
	vhost_rings_let(&rings, VHOST_RINGS_TX_OFF, false);
	assert_int_equal(look(), 0);
	vhost_rings_let(&rings, VHOST_RINGS_TX_OFF, true);
	vhost_rings_let(&rings, VHOST_RINGS_RX_OFF, false);
	assert_int_equal(take(), 1);
	vhost_rings_close(&rings);
	offer_many(1, 1);
	assert_int_equal(look(), 0);
	vhost_rings_reopen(&rings);
	assert_int_equal(take(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_taken_in_order_a_burst_at_a_time),
		cmocka_unit_test(what_was_taken_is_told_once),
		cmocka_unit_test(a_frame_that_asks_ends_the_burst),
		cmocka_unit_test(who_negotiated_nothing_asks_for_nothing),
		cmocka_unit_test(what_is_negotiated_later_counts_then),
		cmocka_unit_test(a_descriptor_that_is_not_simple_ends_the_burst),
		cmocka_unit_test(a_ring_of_nonsense_is_not_followed),
		cmocka_unit_test(closed_rings_are_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
