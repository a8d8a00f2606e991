/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Xen guest's rings, backend side: xen-integration/netif/netif_ring.c. The guest is this
 * program: rings and pages are its own memory, and grant copy is wrapped (-Wl,--wrap) to copy
 * between its pages by their number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "netif_csum.h"
#include "netif_ring.h"
#include "unit_eal.h"

enum {
	PAGES = 512,
	RING = 256,
	MBUFS = 511,
	BAD_REF = PAGES + 7,
	FRAME_MAX = 60000,
	DOMID = 5,
	EVENT_PORT = 9,
	EVENT_FD = 77
};

static uint8_t pages[PAGES][NETIF_PAGE_BYTES];
static unsigned n_copies, n_notified;
static unsigned n_taken, n_unmasked; /* of the event channel */
static bool event_waits;
static bool copy_fails; /* as gntdev's does: the statuses it began with say okay */
static struct rte_mempool *pool;

int __wrap_xengnttab_grant_copy(
	xengnttab_handle *xgt, uint32_t count, xengnttab_grant_copy_segment_t *segs);
int __wrap_xengnttab_grant_copy(
	xengnttab_handle *xgt, uint32_t count, xengnttab_grant_copy_segment_t *segs)
{
	n_copies++;
	for (uint32_t i = 0; i < count && copy_fails; i++)
		segs[i].status = GNTST_okay;
	if (copy_fails)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		bool from = segs[i].flags == GNTCOPY_source_gref;
		uint32_t ref = from ? segs[i].source.foreign.ref : segs[i].dest.foreign.ref;
		uint32_t offset =
			from ? segs[i].source.foreign.offset : segs[i].dest.foreign.offset;

		assert_int_equal(
			from ? segs[i].source.foreign.domid : segs[i].dest.foreign.domid, DOMID);
		assert_true(segs[i].len > 0 && offset + segs[i].len <= NETIF_PAGE_BYTES);
		segs[i].status = ref < PAGES ? GNTST_okay : GNTST_bad_gntref;
		if (ref >= PAGES)
			continue;
		if (from)
			memcpy(segs[i].dest.virt, &pages[ref][offset], segs[i].len);
		else
			memcpy(&pages[ref][offset], segs[i].source.virt, segs[i].len);
	}
	return 0;
}

int __wrap_xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port);
int __wrap_xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	n_notified++;
	return 0;
}

xenevtchn_port_or_error_t __wrap_xenevtchn_pending(xenevtchn_handle *xce);
xenevtchn_port_or_error_t __wrap_xenevtchn_pending(xenevtchn_handle *xce)
{
	bool waited = event_waits;

	n_taken++;
	event_waits = false;
	return waited ? EVENT_PORT : -1;
}

int __wrap_xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port);
int __wrap_xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	assert_int_equal(port, EVENT_PORT);
	n_unmasked++;
	return 0;
}

int __wrap_xenevtchn_fd(xenevtchn_handle *xce);
int __wrap_xenevtchn_fd(xenevtchn_handle *xce)
{
	return EVENT_FD;
}

/* ---- the guest ---- */

struct world {
	struct netif_ring ring;
	netif_tx_front_ring_t tx;
	netif_rx_front_ring_t rx;
	void *shared[2];
	uint16_t next_id;
};

static int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	netif_tx_sring_t *tx;
	netif_rx_sring_t *rx;

	assert_non_null(w);
	for (int i = 0; i < 2; i++)
		w->shared[i] = aligned_alloc(NETIF_PAGE_BYTES, NETIF_PAGE_BYTES);
	tx = w->shared[0];
	rx = w->shared[1];
	SHARED_RING_INIT(tx);
	SHARED_RING_INIT(rx);
	FRONT_RING_INIT(&w->tx, tx, NETIF_PAGE_BYTES);
	FRONT_RING_INIT(&w->rx, rx, NETIF_PAGE_BYTES);
	netif_ring_attach(&w->ring, w->shared[0], w->shared[1]);
	w->ring.domid = DOMID;
	w->ring.scatter_gather = true;
	w->ring.broken_fd = eventfd(0, EFD_NONBLOCK);
	n_copies = n_notified = n_taken = n_unmasked = 0;
	event_waits = copy_fails = false;
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	close(w->ring.broken_fd);
	free(w->shared[0]);
	free(w->shared[1]);
	free(w);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

static void tx_push(struct world *w)
{
	RING_PUSH_REQUESTS(&w->tx);
}

static void tx_put(struct world *w, uint32_t ref, uint16_t offset, uint16_t size, uint16_t flags)
{
	*RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt++) = (netif_tx_request_t){
		.gref = ref, .offset = offset, .size = size, .flags = flags, .id = w->next_id++};
}

static void tx_put_extra(struct world *w, uint8_t type, uint8_t flags)
{
	netif_extra_info_t extra = {.type = type, .flags = flags};

	memcpy(RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt++), &extra, sizeof(extra));
}

/* The next response must be this. */
static void tx_expect(struct world *w, int id, int status)
{
	netif_tx_response_t *response;

	assert_true(RING_HAS_UNCONSUMED_RESPONSES(&w->tx));
	response = RING_GET_RESPONSE(&w->tx, w->tx.rsp_cons++);
	assert_int_equal(response->status, status);
	if (status != NETIF_RSP_NULL)
		assert_int_equal(response->id, id);
}

static void rx_give(struct world *w, uint32_t ref, uint16_t id)
{
	*RING_GET_REQUEST(&w->rx, w->rx.req_prod_pvt++) =
		(netif_rx_request_t){.id = id, .gref = ref};
	RING_PUSH_REQUESTS(&w->rx);
}

static netif_rx_response_t rx_take(struct world *w)
{
	netif_rx_response_t response;

	assert_true(RING_HAS_UNCONSUMED_RESPONSES(&w->rx));
	RING_COPY_RESPONSE(&w->rx, w->rx.rsp_cons++, &response);
	return response;
}

static void fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)rand();
}

static uint16_t from_guest(struct world *w, struct rte_mbuf **pkts)
{
	return netif_ring_from_guest(&w->ring, pool, pkts, NETIF_BURST);
}

static void assert_frame(struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	static uint8_t copy[FRAME_MAX + NETIF_PAGE_BYTES];

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, len, copy), bytes, len);
	rte_pktmbuf_free(m);
}

/* ---- from the guest ---- */

static void a_frame_of_one_request_arrives_and_is_answered(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	fill(pages[3], NETIF_PAGE_BYTES);
	tx_put(w, 3, 100, 60, 0);
	assert_false(netif_ring_has_frames(&w->ring));
	tx_push(w);
	assert_true(netif_ring_has_frames(&w->ring));
	assert_int_equal(from_guest(w, pkts), 1);
	assert_false(netif_ring_has_frames(&w->ring));
	assert_frame(pkts[0], &pages[3][100], 60);
	tx_expect(w, 0, NETIF_RSP_OKAY);
	assert_false(RING_HAS_UNCONSUMED_RESPONSES(&w->tx));
	assert_int_equal(from_guest(w, pkts), 0);
}

static void a_burst_is_one_copy_operation(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	for (uint16_t i = 0; i < NETIF_BURST + 5; i++)
		tx_put(w, i, 0, 64, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), NETIF_BURST);
	assert_int_equal(n_copies, 1);
	rte_pktmbuf_free_bulk(pkts, NETIF_BURST);
	assert_int_equal(from_guest(w, pkts), 5);
	rte_pktmbuf_free_bulk(pkts, 5);
}

static void a_frame_of_several_pieces_is_put_together(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];
	uint8_t whole[4096 + 7 + 3000];

	for (int i = 0; i < 3; i++)
		fill(pages[i], NETIF_PAGE_BYTES);
	memcpy(whole, pages[0], 4096);
	memcpy(whole + 4096, &pages[1][50], 7);
	memcpy(whole + 4103, &pages[2][1000], 3000);
	tx_put(w, 0, 0, sizeof(whole), NETTXF_more_data);
	tx_put(w, 1, 50, 7, NETTXF_more_data);
	tx_put(w, 2, 1000, 3000, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_frame(pkts[0], whole, sizeof(whole));
	for (int id = 0; id < 3; id++)
		tx_expect(w, id, NETIF_RSP_OKAY);
}

static void extra_infos_are_passed_over_and_answered_with_null(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	tx_put(w, 0, 0, 300, NETTXF_extra_info | NETTXF_more_data);
	tx_put_extra(w, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE);
	tx_put_extra(w, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0);
	tx_put(w, 1, 0, 200, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_int_equal(pkts[0]->pkt_len, 300);
	rte_pktmbuf_free(pkts[0]);
	tx_expect(w, 0, NETIF_RSP_OKAY);
	tx_expect(w, 0, NETIF_RSP_NULL);
	tx_expect(w, 0, NETIF_RSP_NULL);
	tx_expect(w, 1, NETIF_RSP_OKAY);
}

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

static void without_mbufs_frames_stay_in_the_ring(void **state)
{
	struct rte_mbuf *taken[MBUFS], *pkts[NETIF_BURST];
	struct world *w = *state;
	unsigned n = rte_mempool_avail_count(pool);

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, n), 0);
	tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 0);
	assert_false(RING_HAS_UNCONSUMED_RESPONSES(&w->tx));
	assert_true(netif_ring_has_frames(&w->ring));
	rte_pktmbuf_free_bulk(taken, n);
	assert_int_equal(from_guest(w, pkts), 1);
	rte_pktmbuf_free(pkts[0]);
}

static void the_guest_is_told_when_it_asked_for_it(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	w->tx.sring->rsp_event = 2;
	tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_int_equal(n_notified, 0);
	rte_pktmbuf_free(pkts[0]);
	tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_int_equal(n_notified, 1);
	rte_pktmbuf_free(pkts[0]);
}

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

/* ---- blank checksums ---- */

/* A UDP datagram over IPv4 whose checksum field holds the pseudo header's sum, as netfront has it.
 */
static uint32_t make_udp(uint8_t *bytes, uint16_t payload)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(bytes + 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	fill(bytes, 42u + payload);
	bytes[12] = 8;
	bytes[13] = 0;
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16(28 + payload),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = 0x0100000a,
		.dst_addr = 0x0200000a};
	udp->dgram_len = rte_cpu_to_be_16(8 + payload);
	udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, 0);
	return 42u + payload;
}

static void blank_checksums_are_made(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];
	uint16_t payload[] = {0, 1, 18, 999, 3000};

	for (size_t i = 0; i < sizeof(payload) / sizeof(payload[0]); i++) {
		uint32_t len = make_udp(pages[0], payload[i]);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(pages[0] + 14);

		tx_put(w, 0, 0, (uint16_t)len, NETTXF_csum_blank);
		tx_push(w);
		assert_int_equal(from_guest(w, pkts), 1);
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = 0;
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = rte_ipv4_udptcp_cksum(ip, ip + 1);
		assert_frame(pkts[0], pages[0], len);
	}
}

static void a_blank_checksum_of_what_has_none_is_refused(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	make_udp(pages[0], 100);
	tx_put(w, 0, 0, 80, NETTXF_csum_blank); /* shorter than its IP header says */
	make_udp(pages[1], 100);
	((struct rte_ipv4_hdr *)(pages[1] + 14))->next_proto_id = IPPROTO_ICMP;
	tx_put(w, 1, 0, 142, NETTXF_csum_blank);
	tx_put(w, 2, 0, 1, NETTXF_csum_blank);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 0);
	assert_int_equal(w->ring.errors.bad_request, 3);
	for (int id = 0; id < 3; id++)
		tx_expect(w, id, NETIF_RSP_ERROR);
}

/* ---- to the guest ---- */

/* A chain of mbufs with random bytes, copied to `bytes`. */
static void put_gso(struct world *w, uint16_t size)
{
	netif_extra_info_t extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {.size = size, .type = XEN_NETIF_GSO_TYPE_TCPV4}};

	memcpy(RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt++), &extra, sizeof(extra));
}

static void what_the_guest_leaves_to_its_nic_is_passed_on(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	w->ring.offloads = true;
	tx_put(w, 0, 0, 4000, NETTXF_csum_blank | NETTXF_data_validated | NETTXF_extra_info);
	put_gso(w, 1400);
	tx_put(w, 1, 0, 200, NETTXF_csum_blank);
	tx_put(w, 2, 0, 200, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 3);
	assert_int_equal(pkts[0]->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_LRO);
	assert_int_equal(pkts[0]->tso_segsz, 1400);
	assert_int_equal(pkts[1]->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE);
	assert_int_equal(pkts[2]->ol_flags, 0);
	rte_pktmbuf_free_bulk(pkts, 3);
}

static void segments_that_were_not_offered_are_refused(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	tx_put(w, 0, 0, 4000, NETTXF_csum_blank | NETTXF_extra_info);
	put_gso(w, 1400);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 0);
	tx_expect(w, 0, NETIF_RSP_ERROR);
	tx_expect(w, 0, NETIF_RSP_NULL);
	assert_int_equal(w->ring.errors.bad_request, 1);
	assert_null(netif_ring_broken(&w->ring));
}

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

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

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
		RING_TEST(a_frame_of_one_request_arrives_and_is_answered),
		RING_TEST(a_burst_is_one_copy_operation),
		RING_TEST(a_frame_of_several_pieces_is_put_together),
		RING_TEST(extra_infos_are_passed_over_and_answered_with_null),
		RING_TEST(a_frame_whose_sizes_cannot_be_is_refused_alone),
		RING_TEST(a_page_that_cannot_be_read_fails_its_frame_alone),
		RING_TEST(of_a_copy_that_fails_no_frame_is_believed),
		RING_TEST(an_index_too_far_ahead_breaks_the_ring),
		RING_TEST(an_index_that_goes_back_breaks_the_ring),
		RING_TEST(a_frame_that_never_ends_breaks_the_ring),
		RING_TEST(half_a_frame_breaks_the_ring),
		RING_TEST(extra_infos_without_end_break_the_ring),
		RING_TEST(without_mbufs_frames_stay_in_the_ring),
		RING_TEST(the_guest_is_told_when_it_asked_for_it),
		RING_TEST(a_new_backend_goes_on_where_the_last_one_answered),
		RING_TEST(what_the_guest_leaves_to_its_nic_is_passed_on),
		RING_TEST(segments_that_were_not_offered_are_refused),
		RING_TEST(a_frame_of_many_segments_has_its_extra_info),
		RING_TEST(an_extra_info_stays_whole_when_its_frame_fails),
		RING_TEST(blank_checksums_are_made),
		RING_TEST(a_blank_checksum_of_what_has_none_is_refused),
		RING_TEST(a_frame_is_laid_into_the_guests_page),
		RING_TEST(a_long_frame_takes_several_pages_and_waits_until_all_are_there),
		RING_TEST(a_guest_without_scatter_gather_gets_no_long_frames),
		RING_TEST(a_page_that_cannot_be_written_fails_its_frame_alone),
		RING_TEST(of_a_copy_that_fails_no_page_is_told_as_filled),
		RING_TEST(random_frames_keep_every_byte_both_ways),
		RING_TEST(random_rings_break_nothing),
		RING_TEST(arming_is_no_system_call_unless_an_event_came),
		RING_TEST(an_event_that_came_is_taken_and_asked_for_again),
	};
	int failed;

	if (unit_eal_init(argv[0]))
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create(
		"unit", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		return EXIT_FAILURE;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_mempool_free(pool);
	unit_eal_end();
	return failed;
}
