/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames to a Xen guest: xen-integration/netif/netif_ring.c. */
#include "netif_guest.h"

/* A chain of mbufs with random bytes, copied to `bytes`. */
static struct rte_mbuf *make_frame(uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *first = NULL;

	fill(bytes, len);
	for (uint32_t at = 0; at < len;) {
		uint32_t take = 1 + (uint32_t)rand() % 2000;
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		assert_non_null(m);
		take = RTE_MIN(take, len - at);
		memcpy(rte_pktmbuf_append(m, (uint16_t)take), bytes + at, take);
		if (!first)
			first = m;
		else
			assert_int_equal(rte_pktmbuf_chain(first, m), 0);
		at += take;
	}
	return first;
}

static void a_frame_is_laid_into_the_guests_page(void **state)
{
	struct world *w = *state;
	uint8_t bytes[1514];
	struct rte_mbuf *m = make_frame(bytes, sizeof(bytes));
	netif_rx_response_t response;

	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 0);
	rx_give(w, 9, 42);
	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 1);
	rte_pktmbuf_free(m);
	response = rx_take(w);
	assert_int_equal(response.id, 42);
	assert_int_equal(response.offset, 0);
	assert_int_equal(response.flags, 0);
	assert_int_equal(response.status, sizeof(bytes));
	assert_memory_equal(pages[9], bytes, sizeof(bytes));
}

static void a_long_frame_takes_several_pages_and_waits_until_all_are_there(void **state)
{
	struct world *w = *state;
	uint8_t bytes[9000];
	struct rte_mbuf *m = make_frame(bytes, sizeof(bytes));

	rx_give(w, 0, 0);
	rx_give(w, 1, 1);
	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 0);
	rx_give(w, 2, 2);
	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 1);
	rte_pktmbuf_free(m);
	for (uint16_t i = 0; i < 3; i++) {
		netif_rx_response_t response = rx_take(w);

		assert_int_equal(response.id, i);
		assert_int_equal(response.flags, i < 2 ? NETRXF_more_data : 0);
		assert_int_equal(response.status, i < 2 ? 4096 : 9000 - 2 * 4096);
		assert_memory_equal(pages[i], bytes + i * 4096, (size_t)response.status);
	}
}

/* Of 5000 bytes, for two pages, to be cut into segments of 1400. */
static struct rte_mbuf *make_tso_frame(uint8_t *bytes)
{
	struct rte_mbuf *m = make_frame(bytes, 5000);

	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV6;
	m->tso_segsz = 1400;
	return m;
}

static void expect_gso(struct world *w)
{
	netif_rx_response_t response = rx_take(w);
	netif_extra_info_t extra;

	memcpy(&extra, &response, sizeof(extra));
	assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(extra.flags, 0);
	assert_int_equal(extra.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV6);
	assert_int_equal(extra.u.gso.size, 1400);
}

static void a_frame_of_many_segments_has_its_extra_info(void **state)
{
	struct world *w = *state;
	uint8_t bytes[5000];
	struct rte_mbuf *m = make_tso_frame(bytes);
	netif_rx_response_t response;

	rx_give(w, 0, 0);
	rx_give(w, 1, 1);
	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 0);
	rx_give(w, 2, 2);
	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 1);
	rte_pktmbuf_free(m);
	response = rx_take(w);
	assert_int_equal(response.status, 4096);
	assert_int_equal(response.flags,
		NETRXF_csum_blank | NETRXF_data_validated | NETRXF_extra_info | NETRXF_more_data);
	expect_gso(w);
	response = rx_take(w);
	assert_int_equal(response.id, 2);
	assert_int_equal(response.status, 5000 - 4096);
	assert_int_equal(response.flags, 0);
	assert_memory_equal(pages[0], bytes, 4096);
	assert_memory_equal(pages[2], bytes + 4096, 5000 - 4096);
}

static void an_extra_info_stays_whole_when_its_frame_fails(void **state)
{
	struct world *w = *state;
	uint8_t bytes[5000];
	struct rte_mbuf *m = make_tso_frame(bytes);

	rx_give(w, 0, 0);
	rx_give(w, 1, 1);
	rx_give(w, BAD_REF, 2);
	assert_int_equal(netif_ring_to_guest(&w->ring, &m, 1), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rx_take(w).status, NETIF_RSP_ERROR);
	expect_gso(w);
	assert_int_equal(rx_take(w).status, NETIF_RSP_ERROR);
}

static void a_guest_without_scatter_gather_gets_no_long_frames(void **state)
{
	struct world *w = *state;
	uint8_t bytes[5000];
	struct rte_mbuf *pkts[2] = {make_frame(bytes, 5000), make_frame(bytes, 100)};

	w->ring.scatter_gather = false;
	for (uint16_t i = 0; i < 4; i++)
		rx_give(w, i, i);
	assert_int_equal(netif_ring_to_guest(&w->ring, pkts, 2), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(rx_take(w).status, 100);
	assert_false(RING_HAS_UNCONSUMED_RESPONSES(&w->rx));
	assert_int_equal(w->ring.errors.bad_request, 1);
}

static void a_page_that_cannot_be_written_fails_its_frame_alone(void **state)
{
	struct world *w = *state;
	uint8_t bytes[2][100];
	struct rte_mbuf *pkts[2] = {make_frame(bytes[0], 100), make_frame(bytes[1], 100)};

	rx_give(w, BAD_REF, 0);
	rx_give(w, 1, 1);
	assert_int_equal(netif_ring_to_guest(&w->ring, pkts, 2), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(rx_take(w).status, NETIF_RSP_ERROR);
	assert_int_equal(rx_take(w).status, 100);
	assert_memory_equal(pages[1], bytes[1], 100);
	assert_int_equal(w->ring.errors.bad_grant, 1);
}

static void of_a_copy_that_fails_no_page_is_told_as_filled(void **state)
{
	struct world *w = *state;
	uint8_t bytes[2][100];
	struct rte_mbuf *pkts[2] = {make_frame(bytes[0], 100), make_frame(bytes[1], 100)};

	rx_give(w, 0, 0);
	rx_give(w, 1, 1);
	copy_fails = true;
	assert_int_equal(netif_ring_to_guest(&w->ring, pkts, 2), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(rx_take(w).status, NETIF_RSP_ERROR);
	assert_int_equal(rx_take(w).status, NETIF_RSP_ERROR);
	assert_int_equal(w->ring.errors.bad_grant, 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(a_frame_is_laid_into_the_guests_page),
		RING_TEST(a_long_frame_takes_several_pages_and_waits_until_all_are_there),
		RING_TEST(a_frame_of_many_segments_has_its_extra_info),
		RING_TEST(an_extra_info_stays_whole_when_its_frame_fails),
		RING_TEST(a_guest_without_scatter_gather_gets_no_long_frames),
		RING_TEST(a_page_that_cannot_be_written_fails_its_frame_alone),
		RING_TEST(of_a_copy_that_fails_no_page_is_told_as_filled),
	};

	return guest_tests_run(argv[0], tests, sizeof(tests) / sizeof(tests[0]));
}
