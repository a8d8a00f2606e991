/* SPDX-License-Identifier: BSD-3-Clause */
/* See netif_guest.h. */
#include <sys/eventfd.h>

#include "netif_guest.h"
#include "unit_eal.h"

uint8_t pages[PAGES][NETIF_PAGE_BYTES];
unsigned n_copies, n_notified;
unsigned n_taken, n_unmasked;
bool event_waits;
bool copy_fails;
struct rte_mempool *pool;

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

int world_setup(void **state)
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

int world_teardown(void **state)
{
	struct world *w = *state;

	close(w->ring.broken_fd);
	free(w->shared[0]);
	free(w->shared[1]);
	free(w);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

void tx_push(struct world *w)
{
	RING_PUSH_REQUESTS(&w->tx);
}

void tx_put(struct world *w, uint32_t ref, uint16_t offset, uint16_t size, uint16_t flags)
{
	*RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt++) = (netif_tx_request_t){
		.gref = ref, .offset = offset, .size = size, .flags = flags, .id = w->next_id++};
}

void tx_put_extra(struct world *w, uint8_t type, uint8_t flags)
{
	netif_extra_info_t extra = {.type = type, .flags = flags};

	memcpy(RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt++), &extra, sizeof(extra));
}

void tx_expect(struct world *w, int id, int status)
{
	netif_tx_response_t *response;

	assert_true(RING_HAS_UNCONSUMED_RESPONSES(&w->tx));
	response = RING_GET_RESPONSE(&w->tx, w->tx.rsp_cons++);
	assert_int_equal(response->status, status);
	if (status != NETIF_RSP_NULL)
		assert_int_equal(response->id, id);
}

void rx_give(struct world *w, uint32_t ref, uint16_t id)
{
	*RING_GET_REQUEST(&w->rx, w->rx.req_prod_pvt++) =
		(netif_rx_request_t){.id = id, .gref = ref};
	RING_PUSH_REQUESTS(&w->rx);
}

netif_rx_response_t rx_take(struct world *w)
{
	netif_rx_response_t response;

	assert_true(RING_HAS_UNCONSUMED_RESPONSES(&w->rx));
	RING_COPY_RESPONSE(&w->rx, w->rx.rsp_cons++, &response);
	return response;
}

void fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)rand();
}

uint16_t from_guest(struct world *w, struct rte_mbuf **pkts)
{
	return netif_ring_from_guest(&w->ring, pool, pkts, NETIF_BURST);
}

void assert_frame(struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	static uint8_t copy[FRAME_MAX + NETIF_PAGE_BYTES];

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, len, copy), bytes, len);
	rte_pktmbuf_free(m);
}

int guest_tests_run(const char *program, const struct CMUnitTest *tests, size_t n)
{
	int failed;

	if (unit_eal_init(program))
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create(
		"unit", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		return EXIT_FAILURE;
	failed = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
	rte_mempool_free(pool);
	unit_eal_end();
	return failed;
}
