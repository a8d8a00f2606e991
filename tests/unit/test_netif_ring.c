/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Xen guest's rings as a whole: what breaks them and what does not, events, and frames there and
 * back: xen-integration/netif/netif_ring.c.
 */
#include <sys/eventfd.h>

#include "netif_guest.h"

/* ---- what a guest may get wrong ---- */

static const struct {
	uint16_t first, offset, second;
} bad_sizes[] = {{64, 4090, 0}, {0, 0, 0}, {100, 0, 100}, {100, 0, 200}, {5000, 0, 100}};

static void a_frame_whose_sizes_cannot_be_is_refused_alone(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
		uint16_t more = bad_sizes[i].second ? NETTXF_more_data : 0, id = w->next_id;

		tx_put(w, 0, bad_sizes[i].offset, bad_sizes[i].first, more);
		if (more)
			tx_put(w, 1, 0, bad_sizes[i].second, 0);
		tx_put(w, 2, 0, 60, 0);
		tx_push(w);
		assert_int_equal(from_guest(w, pkts), 1);
		rte_pktmbuf_free(pkts[0]);
		assert_int_equal(w->ring.errors.bad_request, i + 1);
		tx_expect(w, id++, NETIF_RSP_ERROR);
		if (more)
			tx_expect(w, id++, NETIF_RSP_ERROR);
		tx_expect(w, id, NETIF_RSP_OKAY);
	}
	assert_null(netif_ring_broken(&w->ring));
}

static void a_page_that_cannot_be_read_fails_its_frame_alone(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	tx_put(w, 0, 0, 60, 0);
	tx_put(w, 0, 0, 160, NETTXF_more_data);
	tx_put(w, BAD_REF, 0, 100, 0);
	tx_put(w, 1, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	tx_expect(w, 0, NETIF_RSP_OKAY);
	tx_expect(w, 1, NETIF_RSP_ERROR);
	tx_expect(w, 2, NETIF_RSP_ERROR);
	tx_expect(w, 3, NETIF_RSP_OKAY);
	assert_int_equal(w->ring.errors.bad_grant, 1);
}

static void of_a_copy_that_fails_no_frame_is_believed(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	tx_put(w, 0, 0, 60, 0);
	tx_put(w, 1, 0, 60, 0);
	tx_push(w);
	copy_fails = true;
	assert_int_equal(from_guest(w, pkts), 0);
	tx_expect(w, 0, NETIF_RSP_ERROR);
	tx_expect(w, 1, NETIF_RSP_ERROR);
	assert_int_equal(w->ring.errors.bad_grant, 2);
}

static void expect_broken(struct world *w)
{
	struct rte_mbuf *pkts[NETIF_BURST];
	eventfd_t count = 0;

	from_guest(w, pkts);
	assert_non_null(netif_ring_broken(&w->ring));
	assert_int_equal(eventfd_read(w->ring.broken_fd, &count), 0);
	assert_int_equal(from_guest(w, pkts), 0);
	assert_false(netif_ring_has_frames(&w->ring));
	assert_int_equal(eventfd_read(w->ring.broken_fd, &count), -1);
}

static void an_index_too_far_ahead_breaks_the_ring(void **state)
{
	struct world *w = *state;

	w->tx.sring->req_prod = RING + 1;
	expect_broken(w);
}

static void an_index_that_goes_back_breaks_the_ring(void **state)
{
	struct world *w = *state;

	w->tx.sring->req_prod = (RING_IDX)-1;
	expect_broken(w);
}

static void a_frame_that_never_ends_breaks_the_ring(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < NETIF_SLOTS_MAX + 1; i++)
		tx_put(w, 0, 0, 4000, NETTXF_more_data);
	tx_push(w);
	expect_broken(w);
}

static void half_a_frame_breaks_the_ring(void **state)
{
	struct world *w = *state;

	tx_put(w, 0, 0, 4000, NETTXF_more_data);
	tx_push(w);
	expect_broken(w);
}

static void extra_infos_without_end_break_the_ring(void **state)
{
	struct world *w = *state;

	tx_put(w, 0, 0, 60, NETTXF_extra_info);
	for (int i = 0; i < 10; i++)
		tx_put_extra(w, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE);
	tx_push(w);
	expect_broken(w);
}

/* ---- a new backend ---- */

static void a_new_backend_goes_on_where_the_last_one_answered(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];
	int broken_fd = w->ring.broken_fd;

	for (int i = 0; i < 3; i++)
		tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(netif_ring_from_guest(&w->ring, pool, pkts, 2), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	memset(&w->ring, 0, sizeof(w->ring));
	w->ring.domid = DOMID;
	w->ring.broken_fd = broken_fd;
	netif_ring_attach(&w->ring, w->shared[0], w->shared[1]);
	assert_int_equal(from_guest(w, pkts), 1);
	rte_pktmbuf_free(pkts[0]);
	for (int id = 0; id < 3; id++)
		tx_expect(w, id, NETIF_RSP_OKAY);
}

/* ---- at random ---- */

/* One frame of random pieces through the TX ring, and back through the RX ring. */
static void there_and_back(struct world *w)
{
	static uint8_t whole[NETIF_SLOTS_MAX * NETIF_PAGE_BYTES];
	uint16_t size[NETIF_SLOTS_MAX], offset[NETIF_SLOTS_MAX], n = 1 + (uint16_t)rand() % 14;
	uint16_t first_id = w->next_id;
	uint32_t total = 0, at = 0;
	struct rte_mbuf *pkts[NETIF_BURST];

	for (uint16_t i = 0; i < n; i++) {
		size[i] = 1 + (uint16_t)rand() % NETIF_PAGE_BYTES;
		offset[i] = (uint16_t)rand() % (NETIF_PAGE_BYTES - size[i] + 1);
		fill(&pages[i][offset[i]], size[i]);
		memcpy(whole + total, &pages[i][offset[i]], size[i]);
		total += size[i];
	}
	for (uint16_t i = 0; i < n; i++)
		tx_put(w, i, offset[i], i ? size[i] : (uint16_t)total,
			i < n - 1 ? NETTXF_more_data : 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	for (uint16_t i = 0; i < n; i++)
		tx_expect(w, (uint16_t)(first_id + i), NETIF_RSP_OKAY);
	for (uint16_t i = 0; i < (total + 4095) / 4096; i++)
		rx_give(w, 100 + i, i);
	assert_int_equal(netif_ring_to_guest(&w->ring, pkts, 1), 1);
	assert_frame(pkts[0], whole, total);
	for (uint16_t i = 0; at < total; i++) {
		netif_rx_response_t response = rx_take(w);

		assert_memory_equal(pages[100 + i], whole + at, (size_t)response.status);
		at += (uint32_t)response.status;
		assert_int_equal(!!(response.flags & NETRXF_more_data), at < total);
	}
	assert_int_equal(at, total);
}

static void random_frames_keep_every_byte_both_ways(void **state)
{
	for (int i = 0; i < 3000; i++)
		there_and_back(*state);
}

/* Whatever lies in the shared page, nothing but the ring's own state breaks (ASan looks on). */
static void random_rings_break_nothing(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	for (int round = 0; round < 3000; round++) {
		netif_tx_sring_t *tx = w->shared[0];
		uint16_t n;

		netif_ring_attach(&w->ring, w->shared[0], w->shared[1]);
		__atomic_store_n(&w->ring.broken, NULL, __ATOMIC_RELEASE);
		fill((uint8_t *)tx->ring, RING * sizeof(tx->ring[0]));
		for (int i = 0; i < RING; i++) {
			/* Mostly what is nearly right. */
			tx->ring[i].req.gref %= PAGES + 20;
			tx->ring[i].req.offset %= 4200;
			tx->ring[i].req.size %= 1 + (unsigned)rand() % 5000;
			if (rand() % 4)
				tx->ring[i].req.flags = 0;
		}
		tx->req_prod = w->ring.tx.req_cons + (unsigned)rand() % (RING + 2);
		n = from_guest(w, pkts);
		rte_pktmbuf_free_bulk(pkts, n);
	}
}

/* ---- events ---- */

static void arming_is_no_system_call_unless_an_event_came(void **state)
{
	struct world *w = *state;
	int notify;

	assert_int_equal(netif_ring_arm(&w->ring, false), EVENT_FD);
	assert_int_equal(n_taken + n_unmasked, 0);
	tx_put(w, 3, 100, 60, 0);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&w->tx, notify);
	assert_true(notify);
}

static void an_event_that_came_is_taken_and_asked_for_again(void **state)
{
	struct world *w = *state;

	event_waits = true;
	assert_int_equal(netif_ring_arm(&w->ring, true), EVENT_FD);
	assert_int_equal(n_taken, 1);
	assert_int_equal(n_unmasked, 1);
	/* Heard, but by somebody else: nothing to unmask. */
	assert_int_equal(netif_ring_arm(&w->ring, true), EVENT_FD);
	assert_int_equal(n_unmasked, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(a_frame_whose_sizes_cannot_be_is_refused_alone),
		RING_TEST(a_page_that_cannot_be_read_fails_its_frame_alone),
		RING_TEST(of_a_copy_that_fails_no_frame_is_believed),
		RING_TEST(an_index_too_far_ahead_breaks_the_ring),
		RING_TEST(an_index_that_goes_back_breaks_the_ring),
		RING_TEST(a_frame_that_never_ends_breaks_the_ring),
		RING_TEST(half_a_frame_breaks_the_ring),
		RING_TEST(extra_infos_without_end_break_the_ring),
		RING_TEST(a_new_backend_goes_on_where_the_last_one_answered),
		RING_TEST(random_frames_keep_every_byte_both_ways),
		RING_TEST(random_rings_break_nothing),
		RING_TEST(arming_is_no_system_call_unless_an_event_came),
		RING_TEST(an_event_that_came_is_taken_and_asked_for_again),
	};

	return guest_tests_run(argv[0], tests, sizeof(tests) / sizeof(tests[0]));
}
