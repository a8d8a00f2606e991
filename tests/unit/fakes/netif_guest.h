/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Xen guest, as the backend of its rings sees it: rings and pages are this program's own memory,
 * grant copy copies between its pages by their number, and the event channel is counters (all by
 * -Wl,--wrap, tests/unit/meson.build). For test_netif_ring*.c; one thread.
 */
#ifndef TESTS_FAKES_NETIF_GUEST_H
#define TESTS_FAKES_NETIF_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "netif_ring.h"

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

extern uint8_t pages[PAGES][NETIF_PAGE_BYTES];
extern unsigned n_copies, n_notified;
extern unsigned n_taken, n_unmasked; /* of the event channel */
extern bool event_waits;
extern bool copy_fails; /* as gntdev's does: the statuses it began with say okay */
extern struct rte_mempool *pool;

struct world {
	struct netif_ring ring;
	netif_tx_front_ring_t tx;
	netif_rx_front_ring_t rx;
	void *shared[2];
	uint16_t next_id;
};

/* EAL and the pool; runs the tests. Returns how many failed, or EXIT_FAILURE. */
int guest_tests_run(const char *program, const struct CMUnitTest *tests, size_t n);

/* cmocka's setup and teardown: a fresh guest, and a backend at its rings; the end checks that no
 * mbuf has leaked. */
int world_setup(void **state);
int world_teardown(void **state);
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* ---- what the guest does at its TX ring ---- */

void tx_put(struct world *w, uint32_t ref, uint16_t offset, uint16_t size, uint16_t flags);
void tx_put_extra(struct world *w, uint8_t type, uint8_t flags);
/* Show what was put to the backend. */
void tx_push(struct world *w);
/* The next response must be this. */
void tx_expect(struct world *w, int id, int status);

/* ---- at its RX ring ---- */

void rx_give(struct world *w, uint32_t ref, uint16_t id);
/* The next response, which must be there. */
netif_rx_response_t rx_take(struct world *w);

/* ---- frames ---- */

/* Random bytes. */
void fill(uint8_t *bytes, size_t n);
/* Take a burst. */
uint16_t from_guest(struct world *w, struct rte_mbuf **pkts);
/* m is whole, and these bytes; frees it. */
void assert_frame(struct rte_mbuf *m, const uint8_t *bytes, uint32_t len);

#endif
