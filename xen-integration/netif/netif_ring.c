/* SPDX-License-Identifier: BSD-3-Clause */
/* See netif_ring.h. */
#include "netif_ring.h"

#include <string.h>
#include <sys/eventfd.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "counter.h"
#include "netif_csum.h"
#include "offload.h"

/* A packet of the guest's while its pieces are being gathered. */
struct tx_packet {
	struct rte_mbuf *m;
	uint16_t ids[NETIF_SLOTS_MAX];
	uint16_t n_slots;  /* requests with data */
	uint16_t n_extras; /* requests that hold extra infos */
	uint16_t first_seg, n_segs;
	bool blank; /* its checksum is to be made */
	bool gso;   /* it is to be cut into segments of gso_size bytes of payload */
	uint16_t gso_size;
	bool failed; /* answered with NETIF_RSP_ERROR */
};

static void ring_break(struct netif_ring *r, const char *why)
{
	if (netif_ring_broken(r))
		return;
	__atomic_store_n(&r->broken, why, __ATOMIC_RELEASE);
	eventfd_write(r->broken_fd, 1);
}

void netif_ring_attach(struct netif_ring *r, void *tx, void *rx)
{
	netif_tx_sring_t *tx_shared = tx;
	netif_rx_sring_t *rx_shared = rx;
	RING_IDX tx_at = __atomic_load_n(&tx_shared->rsp_prod, __ATOMIC_RELAXED);
	RING_IDX rx_at = __atomic_load_n(&rx_shared->rsp_prod, __ATOMIC_RELAXED);

	BACK_RING_ATTACH(&r->tx, tx_shared, tx_at, NETIF_PAGE_BYTES);
	BACK_RING_ATTACH(&r->rx, rx_shared, rx_at, NETIF_PAGE_BYTES);
}

/* Requests that wait, by the guest's index; 0 and a broken ring where that cannot be. */
static uint32_t waiting(struct netif_ring *r, const RING_IDX *req_prod, RING_IDX req_cons)
{
	uint32_t n = __atomic_load_n(req_prod, __ATOMIC_ACQUIRE) - req_cons;

	if (likely(n <= RING_SIZE(&r->tx)))
		return n;
	ring_break(r, "its ring's index is further ahead than the ring is long");
	return 0;
}

/* ---- from the guest ---- */

/* How many requests the packet has that begins at `at`; 0: not all there, or none that can be.
 * first and slots[] are its requests with data, read once. */
static uint16_t tx_read(struct netif_ring *r, RING_IDX at, uint32_t n, netif_tx_request_t *slots,
	struct tx_packet *packet)
{
	RING_IDX begin = at;
	bool extra;

	packet->n_slots = packet->n_extras = 0;
	packet->gso = false;
	do {
		if (packet->n_slots == NETIF_SLOTS_MAX || at - begin == n)
			return 0;
		RING_COPY_REQUEST(&r->tx, at, &slots[packet->n_slots]);
		at++;
		extra = packet->n_slots == 0 && slots[0].flags & NETTXF_extra_info;
		while (extra) {
			netif_extra_info_t info;

			if (packet->n_extras == NETIF_EXTRAS_MAX || at - begin == n)
				return 0;
			memcpy(&info, RING_GET_REQUEST(&r->tx, at), sizeof(info));
			at++;
			packet->n_extras++;
			if (info.type == XEN_NETIF_EXTRA_TYPE_GSO) {
				packet->gso = true;
				packet->gso_size = info.u.gso.size;
			}
			extra = info.flags & XEN_NETIF_EXTRA_FLAG_MORE;
		}
		packet->ids[packet->n_slots] = slots[packet->n_slots].id;
	} while (slots[packet->n_slots++].flags & NETTXF_more_data);
	return (uint16_t)(at - begin);
}

/* The first request has the size of the whole packet: make that the size of its own piece. */
static bool tx_sizes(netif_tx_request_t *slots, uint16_t n_slots, uint32_t *total)
{
	uint32_t rest = 0;

	*total = slots[0].size;
	for (uint16_t i = 1; i < n_slots; i++)
		rest += slots[i].size;
	if (rest >= *total)
		return false;
	slots[0].size = (uint16_t)(*total - rest);
	for (uint16_t i = 0; i < n_slots; i++)
		if (!slots[i].size || slots[i].offset + slots[i].size > NETIF_PAGE_BYTES)
			return false;
	return true;
}

/* As many mbufs as that many bytes take, empty, chained; NULL: there are none. */
static struct rte_mbuf *chain_alloc(struct rte_mempool *pool, uint32_t bytes)
{
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;

	for (uint32_t left = bytes; left;) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t take = RTE_MIN(left, room);

		if (!m) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		m->data_len = (uint16_t)take;
		if (!first)
			first = m;
		else
			last->next = m;
		last = m;
		left -= take;
		first->nb_segs += last != first;
	}
	first->pkt_len = bytes;
	return first;
}

/* Plan the copies of one packet's bytes into its mbufs. */
static uint16_t tx_plan(struct netif_ring *r, const netif_tx_request_t *slots, uint16_t n_slots,
	struct rte_mbuf *m, uint16_t seg)
{
	uint32_t at = 0; /* in m */
	uint16_t begin = seg;

	for (uint16_t i = 0; i < n_slots; i++) {
		uint32_t done = 0;

		while (done < slots[i].size) {
			uint32_t take = RTE_MIN(m->data_len - at, slots[i].size - done);

			r->segs[seg++] = (xengnttab_grant_copy_segment_t){
				.source.foreign = {.ref = slots[i].gref,
					.offset = (uint16_t)(slots[i].offset + done),
					.domid = r->domid},
				.dest.virt = rte_pktmbuf_mtod_offset(m, void *, at),
				.len = (uint16_t)take,
				.flags = GNTCOPY_source_gref,
			};
			done += take;
			at += take;
			if (at == m->data_len && m->next) {
				m = m->next;
				at = 0;
			}
		}
	}
	return seg - begin;
}

/* A packet's pieces: each slot, and each boundary of an mbuf in it. */
static uint32_t segs_at_most(uint16_t n_slots, const struct rte_mbuf *m)
{
	return n_slots + m->nb_segs;
}

/* Gather up to n packets; returns how many, *n_segs copies planned. */
static uint16_t tx_gather(struct netif_ring *r, struct rte_mempool *pool, struct tx_packet *packets,
	uint16_t n, uint16_t *n_segs)
{
	uint32_t left = waiting(r, &r->tx.sring->req_prod, r->tx.req_cons), total;
	netif_tx_request_t slots[NETIF_SLOTS_MAX];
	uint16_t count = 0;

	*n_segs = 0;
	while (left && count < n) {
		struct tx_packet *packet = &packets[count];
		uint16_t taken = tx_read(r, r->tx.req_cons, left, slots, packet);

		if (unlikely(!taken)) {
			ring_break(r, "a packet of it has more requests than it may, or not all "
				      "of them");
			break;
		}
		packet->m = NULL;
		packet->first_seg = *n_segs;
		packet->n_segs = 0;
		packet->blank = slots[0].flags & NETTXF_csum_blank;
		packet->failed = !tx_sizes(slots, packet->n_slots, &total);
		if (likely(!packet->failed)) {
			packet->m = chain_alloc(pool, total);
			if (!packet->m)
				break; /* it stays in the ring */
			if (*n_segs + segs_at_most(packet->n_slots, packet->m) > NETIF_SEGS_MAX) {
				rte_pktmbuf_free(packet->m);
				break;
			}
			packet->n_segs =
				tx_plan(r, slots, packet->n_slots, packet->m, packet->first_seg);
			*n_segs += packet->n_segs;
		} else {
			counter_add(&r->errors.bad_request, 1);
		}
		r->tx.req_cons += taken;
		left -= taken;
		count++;
	}
	return count;
}

static void tx_respond(struct netif_ring *r, const struct tx_packet *packet)
{
	int16_t status = packet->failed ? NETIF_RSP_ERROR : NETIF_RSP_OKAY;

	for (uint16_t i = 0; i < packet->n_slots; i++) {
		netif_tx_response_t *response = RING_GET_RESPONSE(&r->tx, r->tx.rsp_prod_pvt++);

		response->id = packet->ids[i];
		response->status = status;
		for (uint16_t e = 0; i == 0 && e < packet->n_extras; e++)
			RING_GET_RESPONSE(&r->tx, r->tx.rsp_prod_pvt++)->status = NETIF_RSP_NULL;
	}
}

static bool copied(const struct netif_ring *r, uint16_t first, uint16_t n)
{
	for (uint16_t i = first; i < first + n; i++)
		if (unlikely(r->segs[i].status != GNTST_okay))
			return false;
	return true;
}

/* One system call for all; whatever it could not do has another status than okay. Of a call that
 * fails nothing is believed: gntdev sets a segment's status to okay before it copies. */
static void copy_all(struct netif_ring *r, uint16_t n)
{
	if (likely(!n || !xengnttab_grant_copy(r->gnttab, n, r->segs)))
		return;
	for (uint16_t i = 0; i < n; i++)
		r->segs[i].status = GNTST_general_error;
}

static void tx_push(struct netif_ring *r)
{
	int notify;

	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&r->tx, notify);
	if (notify)
		netif_ring_notify(r);
}

/* What the guest left to its NIC: passed on, where that was offered. false: it was not, or cannot
 * be done. */
static bool tx_offload(const struct netif_ring *r, const struct tx_packet *packet)
{
	struct rte_mbuf *m = packet->m;

	if (!r->offloads)
		return !packet->gso && (!packet->blank || netif_csum_fill(m));
	if (packet->blank || packet->gso)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (packet->gso) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = packet->gso_size;
	}
	return true;
}

uint16_t netif_ring_from_guest(
	struct netif_ring *r, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n)
{
	struct tx_packet packets[NETIF_BURST];
	uint16_t n_segs, n_packets, good = 0;

	if (unlikely(netif_ring_broken(r)))
		return 0;
	n_packets = tx_gather(r, pool, packets, RTE_MIN(n, (uint16_t)NETIF_BURST), &n_segs);
	if (!n_packets)
		return 0;
	copy_all(r, n_segs);
	for (uint16_t i = 0; i < n_packets; i++) {
		struct tx_packet *packet = &packets[i];

		if (!packet->failed && unlikely(!copied(r, packet->first_seg, packet->n_segs))) {
			packet->failed = true;
			counter_add(&r->errors.bad_grant, 1);
		}
		if (!packet->failed && !tx_offload(r, packet)) {
			packet->failed = true;
			counter_add(&r->errors.bad_request, 1);
		}
		tx_respond(r, packet);
		if (likely(!packet->failed))
			pkts[good++] = packet->m;
		else
			rte_pktmbuf_free(packet->m);
	}
	tx_push(r);
	return good;
}

bool netif_ring_has_frames(const struct netif_ring *r)
{
	return !netif_ring_broken(r) &&
	       __atomic_load_n(&r->tx.sring->req_prod, __ATOMIC_RELAXED) != r->tx.req_cons;
}

/* ---- to the guest ---- */

/* A frame on its way into the guest's pages. */
struct rx_frame {
	uint16_t first_seg, n_segs;
	uint16_t n_slots; /* with data */
	bool has_extra;	  /* the second response is an extra info */
	RING_IDX at;	  /* of its first response */
};

/* Plan the copies of one page's worth of a frame; *m and *at are where it goes on. */
static uint16_t rx_plan_page(struct netif_ring *r, grant_ref_t gref, struct rte_mbuf **m,
	uint32_t *at, uint32_t bytes, uint16_t seg)
{
	uint16_t begin = seg;

	for (uint32_t done = 0; done < bytes;) {
		uint32_t take = RTE_MIN((*m)->data_len - *at, bytes - done);

		if (take)
			r->segs[seg++] = (xengnttab_grant_copy_segment_t){
				.source.virt = rte_pktmbuf_mtod_offset(*m, void *, *at),
				.dest.foreign = {.ref = gref,
					.offset = (uint16_t)done,
					.domid = r->domid},
				.len = (uint16_t)take,
				.flags = GNTCOPY_dest_gref,
			};
		done += take;
		*at += take;
		if (*at == (*m)->data_len && (*m)->next) {
			*m = (*m)->next;
			*at = 0;
		}
	}
	return seg - begin;
}

/* The guest is to take it for many segments. In the response's place; its request is used up. */
static void rx_put_gso(struct netif_ring *r, const struct rte_mbuf *m)
{
	netif_extra_info_t info = {
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {.size = m->tso_segsz,
			.type = m->ol_flags & RTE_MBUF_F_TX_IPV4 ? XEN_NETIF_GSO_TYPE_TCPV4
								 : XEN_NETIF_GSO_TYPE_TCPV6},
	};

	r->rx.req_cons++;
	memcpy(RING_GET_RESPONSE(&r->rx, r->rx.rsp_prod_pvt++), &info, sizeof(info));
}

/* Of a frame's first response. */
static uint16_t rx_flags(const struct rte_mbuf *m)
{
	uint16_t flags = 0;

	if (offload_is_asked(m))
		flags |= NETRXF_csum_blank | NETRXF_data_validated;
	if (offload_is_tso(m))
		flags |= NETRXF_extra_info;
	return flags;
}

/* One frame's requests are taken and answered; the answers are not shown before the copies are
 * made. */
static void rx_plan(struct netif_ring *r, struct rte_mbuf *m, struct rx_frame *frame)
{
	const struct rte_mbuf *first = m;
	uint32_t left = m->pkt_len, at = 0;

	frame->at = r->rx.rsp_prod_pvt;
	frame->n_segs = 0;
	for (uint16_t i = 0; i < frame->n_slots; i++) {
		uint32_t bytes = RTE_MIN(left, (uint32_t)NETIF_PAGE_BYTES);
		netif_rx_response_t *response;
		netif_rx_request_t request;

		RING_COPY_REQUEST(&r->rx, r->rx.req_cons++, &request);
		frame->n_segs += rx_plan_page(
			r, request.gref, &m, &at, bytes, frame->first_seg + frame->n_segs);
		left -= bytes;
		response = RING_GET_RESPONSE(&r->rx, r->rx.rsp_prod_pvt++);
		*response = (netif_rx_response_t){
			.id = request.id,
			.flags = (left ? NETRXF_more_data : 0) | (i ? 0 : rx_flags(first)),
			.status = (int16_t)bytes,
		};
		if (i == 0 && frame->has_extra)
			rx_put_gso(r, first);
	}
}

/* Its bytes are not there: the guest drops it. */
static void rx_fail(struct netif_ring *r, const struct rx_frame *frame)
{
	for (uint16_t i = 0; i < frame->n_slots; i++) {
		RING_IDX at = frame->at + i + (i && frame->has_extra);

		RING_GET_RESPONSE(&r->rx, at)->status = NETIF_RSP_ERROR;
	}
	counter_add(&r->errors.bad_grant, 1);
}

static void rx_push(struct netif_ring *r)
{
	int notify;

	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&r->rx, notify);
	if (notify)
		netif_ring_notify(r);
}

uint16_t netif_ring_to_guest(struct netif_ring *r, struct rte_mbuf **pkts, uint16_t n)
{
	struct rx_frame frames[NETIF_BURST];
	uint16_t n_segs = 0, n_frames = 0, done = 0;
	uint32_t left;

	if (unlikely(netif_ring_broken(r)))
		return 0;
	left = waiting(r, &r->rx.sring->req_prod, r->rx.req_cons);
	n = RTE_MIN(n, (uint16_t)NETIF_BURST);
	for (; done < n; done++) {
		struct rte_mbuf *m = pkts[done];
		struct rx_frame *frame = &frames[n_frames];

		frame->n_slots = (uint16_t)((m->pkt_len + NETIF_PAGE_BYTES - 1) / NETIF_PAGE_BYTES);
		if (unlikely(frame->n_slots > (r->scatter_gather ? NETIF_SLOTS_MAX : 1))) {
			counter_add(&r->errors.bad_request, 1);
			continue; /* no guest of this kind can take it */
		}
		frame->has_extra = offload_is_tso(m);
		if ((uint32_t)frame->n_slots + frame->has_extra > left ||
			n_segs + segs_at_most(frame->n_slots, m) > NETIF_SEGS_MAX)
			break;
		frame->first_seg = n_segs;
		rx_plan(r, m, frame);
		n_segs += frame->n_segs;
		left -= (uint32_t)frame->n_slots + frame->has_extra;
		n_frames++;
	}
	if (!n_frames)
		return done;
	copy_all(r, n_segs);
	for (uint16_t i = 0; i < n_frames; i++)
		if (unlikely(!copied(r, frames[i].first_seg, frames[i].n_segs)))
			rx_fail(r, &frames[i]);
	rx_push(r);
	return done;
}

/* ---- events ---- */

int netif_ring_arm(struct netif_ring *r, bool woken)
{
	xenevtchn_port_or_error_t port = woken ? xenevtchn_pending(r->evtchn) : -1;

	/* The one port stays masked, and the descriptor readable, until it is taken and unmasked.
	 */
	if (port >= 0)
		xenevtchn_unmask(r->evtchn, (evtchn_port_t)port);
	r->tx.sring->req_event = r->tx.req_cons + 1;
	r->rx.sring->req_event = r->rx.req_cons + 1;
	mb();
	return xenevtchn_fd(r->evtchn);
}

void netif_ring_notify(struct netif_ring *r)
{
	xenevtchn_notify(r->evtchn, r->port);
}
