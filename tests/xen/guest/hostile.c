/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile netif frontend, run in a guest in netfront's place (which must be unloaded):
 *
 *   hostile HANDLE ATTACK
 *
 * shakes hands with the backend of that vif as netfront does, attacks it, and prints
 * "state N status S": the backend's xenbus state in the end, and the status of the answer that it
 * got (none: "-"). Everything is a table of what to put into the ring.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/xen.h>

#define mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>

enum { PAGE_BYTES = 4096, LOOKS = 100, LOOK_US = 100 * 1000, NO_GRANT = 0x7fffffff };

struct attack {
	const char *name;
	RING_IDX tx_ahead, rx_ahead; /* indices that say so many requests are there */
	unsigned n_requests;
	bool ends;		    /* the last one ends the packet */
	netif_tx_request_t request; /* each of them; gref 0: the ring page itself */
};

static const struct attack attacks[] = {
	{.name = "none"},
	{.name = "tx-index", .tx_ahead = 100000},
	{.name = "rx-index", .rx_ahead = 100000},
	{.name = "tx-index-back", .tx_ahead = -1U},
	{.name = "bad-grant", .n_requests = 1, .request = {.gref = NO_GRANT, .size = 60}},
	{.name = "past-the-page", .n_requests = 1, .request = {.offset = 4090, .size = 60}},
	{.name = "no-bytes", .n_requests = 1, .request = {.size = 0}},
	{.name = "too-many-pieces",
		.n_requests = 40,
		.request = {.size = 60, .flags = NETTXF_more_data}},
	{.name = "endless-extras",
		.n_requests = 40,
		.request = {.size = 60, .flags = NETTXF_extra_info | NETTXF_more_data}},
	{.name = "pieces-longer-than-all",
		.n_requests = 18,
		.ends = true,
		.request = {.size = 65535, .flags = NETTXF_more_data}},
};

static struct xs_handle *xs;
static char front[64], back[128];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int backend_state(void)
{
	char path[160], *value;
	unsigned len;
	int state;

	snprintf(path, sizeof(path), "%s/state", back);
	value = xs_read(xs, XBT_NULL, path, &len);
	state = value ? atoi(value) : 0;
	free(value);
	return state;
}

/* Until the backend has that state; the one that it has in the end. */
static int wait_state(int wanted)
{
	for (int i = 0; i < LOOKS && backend_state() != wanted; i++)
		usleep(LOOK_US);
	return backend_state();
}

static void put(const char *key, unsigned value)
{
	char path[160], text[16];

	snprintf(path, sizeof(path), "%s/%s", front, key);
	snprintf(text, sizeof(text), "%u", value);
	if (!xs_write(xs, XBT_NULL, path, text, (unsigned)strlen(text)))
		die(path);
}

static void find_backend(const char *handle)
{
	char path[160], *value;
	unsigned len;

	snprintf(front, sizeof(front), "device/vif/%.8s", handle);
	snprintf(path, sizeof(path), "%s/backend", front);
	value = xs_read(xs, XBT_NULL, path, &len);
	if (!value)
		die(path);
	snprintf(back, sizeof(back), "%s", value);
	free(value);
}

static void fill(const struct attack *a, netif_tx_sring_t *tx, netif_rx_sring_t *rx, uint32_t gref)
{
	for (unsigned i = 0; i < a->n_requests; i++) {
		netif_tx_request_t *request = &tx->ring[i].req;

		*request = a->request;
		request->id = (uint16_t)i;
		if (!request->gref)
			request->gref = gref;
	}
	if (a->ends)
		tx->ring[a->n_requests - 1].req.flags = 0;
	wmb();
	tx->req_prod = a->tx_ahead ? a->tx_ahead : a->n_requests;
	rx->req_prod = a->rx_ahead;
	mb();
}

int main(int argc, char **argv)
{
	const struct attack *a = NULL;
	xengntshr_handle *share;
	xenevtchn_handle *events;
	uint32_t refs[2];
	uint8_t *pages;
	int port;

	for (size_t i = 0; argc == 3 && i < sizeof(attacks) / sizeof(attacks[0]); i++)
		if (!strcmp(attacks[i].name, argv[2]))
			a = &attacks[i];
	if (!a)
		return fprintf(stderr, "usage: hostile HANDLE ATTACK\n"), 2;
	xs = xs_open(0);
	share = xengntshr_open(NULL, 0);
	events = xenevtchn_open(NULL, 0);
	if (!xs || !share || !events)
		die("xenstore, gntalloc, evtchn");
	find_backend(argv[1]);
	put("state", XenbusStateInitialising);
	if (wait_state(XenbusStateInitWait) != XenbusStateInitWait)
		die("the backend does not wait for us");
	pages = xengntshr_share_pages(share, 0, 2, refs, 1);
	port = xenevtchn_bind_unbound_port(events, 0);
	if (!pages || port < 0)
		die("sharing");
	netif_tx_sring_t *tx = (void *)pages;
	netif_rx_sring_t *rx = (void *)(pages + PAGE_BYTES);

	SHARED_RING_INIT(tx);
	SHARED_RING_INIT(rx);
	put("tx-ring-ref", refs[0]);
	put("rx-ring-ref", refs[1]);
	put("event-channel", (unsigned)port);
	put("request-rx-copy", 1);
	put("feature-sg", 1);
	put("state", XenbusStateConnected);
	if (wait_state(XenbusStateConnected) != XenbusStateConnected)
		die("the backend does not connect");
	fill(a, tx, rx, refs[0]);
	xenevtchn_notify(events, (evtchn_port_t)port);
	for (int i = 0; i < LOOKS / 4 && backend_state() == XenbusStateConnected && !tx->rsp_prod;
		i++)
		usleep(LOOK_US);
	rmb();
	if (tx->rsp_prod)
		printf("state %d status %d\n", backend_state(), tx->ring[0].rsp.status);
	else
		printf("state %d status -\n", backend_state());
	put("state", XenbusStateClosing);
	wait_state(XenbusStateClosing);
	put("state", XenbusStateClosed);
	wait_state(XenbusStateClosed);
	return 0;
}
