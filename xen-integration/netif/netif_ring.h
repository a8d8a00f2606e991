/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two shared rings of one netif queue pair, backend side (Xen's public/io/netif.h): what the
 * guest sends is copied from its granted pages into mbufs, what is for it into the pages that it
 * granted for that. All copies of a burst are one grant copy operation, so a burst costs one
 * system call, and one more when the guest wants to be told.
 *
 * Every request is believed only as far as it was checked, and read once. A guest whose ring makes
 * no sense is not served any more (netif_ring_broken()); one bad packet in a ring that does is
 * answered with NETIF_RSP_ERROR and counted.
 *
 * The owner lcore of the queue pair, but for what says otherwise.
 */
#ifndef XEN_NETIF_RING_H
#define XEN_NETIF_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/xen.h>

/* What xen/io/ring.h asks of its user. */
#define mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/io/netif.h>

struct rte_mbuf;
struct rte_mempool;

enum {
	NETIF_PAGE_BYTES = 4096, /* of a grant, and of a ring */
	NETIF_BURST = 32,	 /* frames */
	NETIF_SLOTS_MAX = 20,	 /* requests of one packet: netfront sends up to 18 */
	NETIF_EXTRAS_MAX = 4,	 /* extra infos of one packet: there are four types */
	NETIF_SEGS_MAX = 512,	 /* pieces in one grant copy */
};

/* Packets that were refused, by reason. Written by the owner, read by any thread. */
struct netif_errors {
	uint64_t bad_grant;   /* a page that could not be copied from or to */
	uint64_t bad_request; /* sizes or offsets that cannot be */
};

struct netif_ring {
	netif_tx_back_ring_t tx; /* the guest sends */
	netif_rx_back_ring_t rx; /* the guest receives */
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
	evtchn_port_t port;
	domid_t domid;
	bool offloads;	     /* the guest may ask for checksums and segments (nic/offload.h) */
	bool scatter_gather; /* the guest takes frames of several pages */
	const char *broken;  /* atomic: why the ring is not served any more; NULL: it is */
	int broken_fd;	     /* an eventfd that is told of it */
	struct netif_errors errors;
	xengnttab_grant_copy_segment_t segs[NETIF_SEGS_MAX];
};

/*
 * The rings are mapped at tx and rx (one page each); go on where an earlier backend ended: at what
 * was answered last. What the ring says is checked later. Any thread, before the owner knows it.
 */
void netif_ring_attach(struct netif_ring *r, void *tx, void *rx);

/* Up to n (at most NETIF_BURST) frames that the guest sent; without blank checksums, or with what
 * is asked for them as librte_vhost says it (offload_from_guest()). */
uint16_t netif_ring_from_guest(
	struct netif_ring *r, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n);

/* Copy up to n frames to the guest; returns how many (those that it cannot take at all among
 * them). The mbufs stay the caller's. */
uint16_t netif_ring_to_guest(struct netif_ring *r, struct rte_mbuf **pkts, uint16_t n);

/* Has the guest sent anything? Reads the ring's index alone. */
bool netif_ring_has_frames(const struct netif_ring *r);

/* Ask for an event when the guest sends, or gives receive buffers. The caller looks at the ring
 * once more after this. Returns the descriptor that becomes readable. woken: it did, and what it
 * has to say is to be taken before it can do so again; else this is no system call. */
int netif_ring_arm(struct netif_ring *r, bool woken);

/* Tell the guest to look at its rings. Any thread. */
void netif_ring_notify(struct netif_ring *r);

/* Why it is not served any more, or NULL. Any thread. */
static inline const char *netif_ring_broken(const struct netif_ring *r)
{
	return __atomic_load_n(&r->broken, __ATOMIC_ACQUIRE);
}

#endif
