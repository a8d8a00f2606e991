/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * World to guest, for one VF queue pair, run by the lcore that owns it: vf_deliver -> (inbox of
 * the owner lcore) -> to_guest, or the rx fifo while the guest is suspended, paused, or short of
 * buffers (P3: a checkpoint costs ingress no loss).
 */
#include <linux/virtio_net.h>

#include <rte_cycles.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>

#include "capture.h"
#include "offload.h"
#include "qp.h"

enum {
	RX_BACKLOG_MAX = 1024, /* frames kept for a running guest that is short of buffers */
	CUT_A_POLL = 4096,     /* segments made for a guest: more than it has room for */
	RX_UNUSED_S = 1,       /* how long frames wait in a queue pair that is disabled */
};

static void rx_count(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	counter_add(&qp->counters.rx_pkts, n);
	counter_add(&qp->counters.rx_bytes, bytes);
}

static uint16_t rx_to_guest(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t done = qp->ops->to_guest(qp->port, qp->index, pkts, n);

	capture_burst(qp, CAPTURE_TO_GUEST, pkts, done);
	rx_count(qp, pkts, done);
	rte_pktmbuf_free_bulk(pkts, done);
	return done;
}

/* All VFs' frames together: half of the budget goes to who comes first, and each VF has its share
 * of the other half, so that paused guests cannot take what a checkpoint's ingress needs. */
static bool rx_has_budget(const struct vf *vf)
{
	uint32_t n_vfs = RTE_MAX(__atomic_load_n(&nic.id_end, __ATOMIC_RELAXED), (uint16_t)1);
	uint32_t share = nic.ingress_segs_max / 2 / n_vfs;
	uint32_t others = share * (n_vfs - 1);

	return __atomic_load_n(&nic.ingress_segs, __ATOMIC_RELAXED) <
		       nic.ingress_segs_max - others ||
	       __atomic_load_n(&vf->ingress_segs, __ATOMIC_RELAXED) < share;
}

uint32_t qp_rx_room(const struct vf_qp *qp)
{
	uint32_t limit = qp_policy(qp)->ingress_hold_pkts;
	uint32_t held = __atomic_load_n(&qp->vf->ingress_held, __ATOMIC_RELAXED);

	if (qp_may_touch_guest(qp) && !qp->rx_behind)
		limit = RTE_MIN(limit, (uint32_t)RX_BACKLOG_MAX);
	limit = RTE_MIN(limit, qp->rx.mask + 1);
	return held >= limit || !rx_has_budget(qp->vf) ? 0 : limit - held;
}

static uint32_t count_segs(struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t segs = 0;

	for (uint32_t i = 0; i < n; i++)
		segs += pkts[i]->nb_segs;
	return segs;
}

void qp_rx_note(struct vf_qp *qp, int32_t n, int32_t segs)
{
	__atomic_fetch_add(&qp->vf->ingress_held, (uint32_t)n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&qp->vf->ingress_segs, (uint32_t)segs, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nic.ingress_segs, (uint32_t)segs, __ATOMIC_RELAXED);
}

static void count_no_room(struct vf_qp *qp, uint32_t n)
{
	counter_add(
		&qp->counters.drops[qp_may_touch_guest(qp) ? DROP_RX_NO_BUFFER : DROP_RX_HOLD_FULL],
		n);
}

/* Keep frames for later, within bounds; false: not all. */
static bool rx_keep(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t room = (uint16_t)RTE_MIN(qp_rx_room(qp), (uint32_t)n);

	for (uint16_t i = 0; i < room; i++) {
		pkts[i] = qp_detach_from_log(pkts[i]);
		rx_fifo_put(&qp->rx, pkts[i]);
	}
	if (room) {
		qp->rx_behind |= !qp_may_touch_guest(qp);
		qp_rx_note(qp, room, (int32_t)count_segs(pkts, room));
	}
	if (room == n)
		return true;
	count_no_room(qp, n - room);
	rte_pktmbuf_free_bulk(&pkts[room], n - room);
	return false;
}

/* The first frames, as far as they are longer than the buffer that the guest has next for them:
 * they would wait for ever, and all others behind them. Returns how many. */
static uint16_t rx_drop_too_long(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t room = qp->ops->rx_room ? qp->ops->rx_room(qp->port, qp->index) : UINT32_MAX;
	uint16_t dropped = 0;

	while (dropped < n && pkts[dropped]->pkt_len > room)
		dropped++;
	counter_add(&qp->counters.drops[DROP_OVERSIZE], dropped);
	rte_pktmbuf_free_bulk(pkts, dropped);
	return dropped;
}

/* The guest uses fewer queue pairs than before, and not this one? Not at once: after a pause QEMU
 * enables one after the other. */
static bool rx_is_unused(struct vf_qp *qp)
{
	uint16_t n_enabled = __atomic_load_n(&qp->vf->n_enabled, __ATOMIC_RELAXED);
	uint64_t now_tsc = rte_rdtsc();

	if (likely(qp->index < n_enabled || !n_enabled ||
		    !__atomic_load_n(&qp->vf->qps[0]->enabled, __ATOMIC_RELAXED))) {
		qp->unused_since_tsc = 0;
		return false;
	}
	if (!qp->unused_since_tsc)
		qp->unused_since_tsc = now_tsc;
	return now_tsc - qp->unused_since_tsc > RX_UNUSED_S * rte_get_tsc_hz();
}

static uint16_t qp_deliver(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n);

/* What waits goes to the first queue pair: here nobody fetches it, and it counts as waiting for the
 * whole VF. Returns how many went. */
static uint16_t rx_move_to_first(struct vf_qp *qp)
{
	struct rte_mbuf **pkts;
	uint16_t n = rx_fifo_head(&qp->rx, &pkts, NIC_BURST), done;

	qp_rx_note(qp, -n, -(int32_t)count_segs(pkts, n));
	done = qp_deliver(qp->vf->qps[0], pkts, n);
	qp_rx_note(qp, n - done, (int32_t)count_segs(&pkts[done], n - done));
	rx_fifo_drop_head(&qp->rx, done);
	return done;
}

unsigned qp_rx_flush(struct vf_qp *qp)
{
	struct rte_mbuf **pkts;
	uint32_t segs;
	unsigned total = 0;
	uint16_t n, done, dropped;

	do {
		n = rx_fifo_head(&qp->rx, &pkts, NIC_BURST);
		segs = count_segs(pkts, n);
		done = n ? rx_to_guest(qp, pkts, n) : 0;
		dropped = n && !done ? rx_drop_too_long(qp, pkts, n) : 0;
		done += dropped;
		rx_fifo_drop_head(&qp->rx, done);
		if (done)
			qp_rx_note(qp, -done, (int32_t)(count_segs(&pkts[done], n - done) - segs));
		total += done;
	} while ((done == NIC_BURST || dropped) && total < 4 * NIC_BURST);
	if (total)
		qp->unused_since_tsc = 0;
	else if (unlikely(n && rx_is_unused(qp)))
		total = rx_move_to_first(qp);
	qp->rx_behind &= rx_fifo_count(&qp->rx) > 0;
	return total;
}

/* Takes all of pkts; false: some were dropped. */
static bool qp_rx_plain(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t done = 0;

	if (unlikely(!qp->running && !qp->paused)) {
		counter_add(&qp->counters.drops[DROP_NO_FRONTEND], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return false;
	}
	if (likely(qp_may_touch_guest(qp)) && rx_fifo_count(&qp->rx))
		qp_rx_flush(qp);
	if (likely(qp_may_touch_guest(qp) && !rx_fifo_count(&qp->rx)))
		done = rx_to_guest(qp, pkts, n);
	return likely(done == n) || rx_keep(qp, &pkts[done], n - done);
}

/* What this guest cannot take as it is, it gets fulfilled. Takes m. */
static void rx_fulfilled(struct vf_qp *qp, struct rte_mbuf *m)
{
	struct rte_mbuf *segments[NIC_BURST];
	uint32_t first = 0, total;
	uint16_t n;

	if (unlikely(!qp->running && !qp->paused)) {
		qp_drop(qp, m, DROP_NO_FRONTEND); /* one frame, not its segments */
		return;
	}
	if (!offload_is_tso(m)) {
		if (nic_make_writable(&m)) {
			offload_checksum(m);
			qp_rx_plain(qp, &m, 1);
		} else {
			qp_drop(qp, m, DROP_NO_MBUF);
		}
		return;
	}
	total = offload_segments(m);
	if (qp->cut >= CUT_A_POLL) { /* as if its ring were full: the lcore's others wait */
		count_no_room(qp, total);
		total = 0;
	}
	for (; first < total; first += n) {
		n = offload_segment(m, first, nic.pool, segments, NIC_BURST);
		if (!n) {
			counter_add(&qp->counters.drops[DROP_NO_MBUF], 1);
			break;
		}
		qp->cut += n;
		if (!qp_rx_plain(qp, segments, n)) { /* the rest would be cut to be dropped */
			count_no_room(qp, total - first - n);
			break;
		}
	}
	rte_pktmbuf_free(m);
}

/* Can the guest take the frame with its request? */
static bool guest_takes(uint64_t features, const struct rte_mbuf *m)
{
	uint64_t tso = m->ol_flags & RTE_MBUF_F_TX_IPV4 ? VIRTIO_NET_F_GUEST_TSO4
							: VIRTIO_NET_F_GUEST_TSO6;

	if (!offload_is_asked(m))
		return true;
	return (features & 1ULL << VIRTIO_NET_F_GUEST_CSUM) &&
	       (!offload_is_tso(m) || (features & 1ULL << tso));
}

static __rte_noinline void qp_rx_offloads(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t features = qp->running ? qp->ops->features(qp->port) : 0;
	uint16_t from = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (guest_takes(features, pkts[i]))
			continue;
		if (i > from)
			qp_rx_plain(qp, &pkts[from], i - from);
		rx_fulfilled(qp, pkts[i]);
		from = i + 1;
	}
	if (n > from)
		qp_rx_plain(qp, &pkts[from], n - from);
}

/* Takes all of pkts. */
static void qp_rx(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(__atomic_load_n(&nic.has_offloads, __ATOMIC_RELAXED)))
		qp_rx_offloads(qp, pkts, n);
	else
		qp_rx_plain(qp, pkts, n);
}

/* Who asked for such frames has gone: another driver, or the firmware, would take checksums that
 * are not there for wrong ones, and does not know of segments. A pause changes no features. */
void qp_rx_refit(struct vf_qp *qp, uint64_t features)
{
	const uint64_t takes = 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |
			       1ULL << VIRTIO_NET_F_GUEST_TSO6;
	bool takes_less = qp->guest_features & ~features & takes;
	struct rte_mbuf **pkts, *m;

	qp->guest_features = features;
	for (uint32_t n = takes_less ? rx_fifo_count(&qp->rx) : 0; n; n--) {
		rx_fifo_head(&qp->rx, &pkts, 1);
		m = pkts[0];
		rx_fifo_drop_head(&qp->rx, 1);
		if (guest_takes(features, m)) {
			rx_fifo_put(&qp->rx, m);
		} else {
			qp_rx_note(qp, -1, -(int32_t)m->nb_segs);
			qp_drop(qp, m, DROP_NO_FRONTEND);
		}
	}
}

void qp_flush_rx(struct vf_qp *qp, enum drop_reason reason)
{
	struct rte_mbuf **pkts;
	uint16_t n;

	while ((n = rx_fifo_head(&qp->rx, &pkts, UINT16_MAX))) {
		counter_add(&qp->counters.drops[reason], n);
		qp_rx_note(qp, -n, -(int32_t)count_segs(pkts, n));
		rte_pktmbuf_free_bulk(pkts, n);
		rx_fifo_drop_head(&qp->rx, n);
	}
}

unsigned qp_inbox_drain(struct vf_qp *qp)
{
	struct rte_mbuf *pkts[NIC_BURST];
	uint16_t n = (uint16_t)rte_ring_sc_dequeue_burst(qp->inbox, (void **)pkts, NIC_BURST, NULL);

	if (n)
		qp_rx(qp, pkts, n);
	return n;
}

static uint16_t qp_deliver(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t taken;

	if (likely(qp->lcore == (unsigned)lcore_self())) {
		qp_rx(qp, pkts, n);
		return n;
	}
	taken = (uint16_t)rte_ring_mp_enqueue_burst(qp->inbox, (void **)pkts, n, NULL);
	lcore_wake(qp->lcore);
	return taken;
}

/* Queue pair for a frame: by flow, so that a flow's frames stay in order. */
static uint16_t steer(const struct rte_mbuf *m, uint16_t n_queues)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *l3 = (const uint8_t *)(eth + 1);
	uint16_t type = eth->ether_type, left = m->data_len - sizeof(*eth);
	uint64_t addrs[4]; /* source and destination, aligned */
	uint32_t hash = 0;

	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN) && left >= sizeof(struct rte_vlan_hdr)) {
		type = ((const struct rte_vlan_hdr *)l3)->eth_proto;
		l3 += sizeof(struct rte_vlan_hdr);
		left -= sizeof(struct rte_vlan_hdr);
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && left >= sizeof(struct rte_ipv4_hdr)) {
		memcpy(addrs, l3 + offsetof(struct rte_ipv4_hdr, src_addr), 8);
		hash = rte_hash_crc(addrs, 8, 0);
	} else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && left >= sizeof(struct rte_ipv6_hdr)) {
		memcpy(addrs, l3 + offsetof(struct rte_ipv6_hdr, src_addr), 32);
		hash = rte_hash_crc(addrs, 32, 0);
	}
	return (uint16_t)(hash % n_queues);
}

uint16_t vf_deliver(struct vf *vf, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t n_queues = __atomic_load_n(&vf->n_enabled, __ATOMIC_RELAXED);
	uint16_t done = 0;

	if (likely(n_queues <= 1))
		return qp_deliver(vf->qps[0], pkts, n);
	while (done < n) {
		uint16_t q = steer(pkts[done], n_queues), len = 1, taken;

		while (done + len < n && steer(pkts[done + len], n_queues) == q)
			len++;
		taken = qp_deliver(vf->qps[q], &pkts[done], len);
		done += taken;
		if (taken < len)
			break;
	}
	return done;
}

bool vf_has_room(const struct vf *vf)
{
	/* All lcores may send one burst more before they look again. */
	unsigned wanted = NIC_BURST * lcores_count();

	for (uint16_t q = 0; q < vf->n_qps; q++)
		if (vf->qps[q]->lcore != (unsigned)lcore_self() &&
			rte_ring_free_count(vf->qps[q]->inbox) < wanted)
			return false;
	return true;
}
