/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path of one VF queue pair, run by the lcore that owns it.
 *
 * Guest to world: from_guest -> filter -> (hold: egress log ... commit ... peek) -> out -> switch.
 * `out` is the only place where frames that may leave wait for a destination that refuses; what
 * came before it stays in the log, or in the guest's ring (backpressure). So order is kept and
 * nothing is lost: the ring is read only when its frames have a place.
 *
 * World to guest: vf_deliver -> (inbox of the owner lcore) -> to_guest, or rx while the guest is
 * suspended, paused, or short of buffers (P3: a checkpoint costs ingress no loss).
 */
#include <rte_cycles.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_prefetch.h>

#include "filter.h"
#include "switch.h"
#include "vf.h"

enum {
	RX_BACKLOG_MAX = 1024, /* frames kept for a running guest that is short of buffers */
	RELEASE_ROUNDS = 2,    /* bursts released for each burst taken from the guest */
};

static const struct vf_policy *qp_policy(const struct vf_qp *qp)
{
	return __atomic_load_n(&qp->vf->policy, __ATOMIC_ACQUIRE);
}

/* ---- to the guest ---- */

static void rx_count(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	qp->counters.rx_pkts += n;
	qp->counters.rx_bytes += bytes;
}

static uint16_t rx_to_guest(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t done = qp->ops->to_guest(qp->port, qp->index, pkts, n);

	rx_count(qp, pkts, done);
	rte_pktmbuf_free_bulk(pkts, done);
	return done;
}

/* Keep frames for later, within the VF's bound. */
static void rx_keep(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	bool frozen = !qp_may_touch_guest(qp);
	uint32_t limit = qp_policy(qp)->ingress_hold_pkts;
	uint32_t held = __atomic_load_n(&qp->vf->ingress_held, __ATOMIC_RELAXED);
	uint16_t room, i;

	if (!frozen)
		limit = RTE_MIN(limit, (uint32_t)RX_BACKLOG_MAX);
	limit = RTE_MIN(limit, qp->rx.mask + 1);
	room = held >= limit ? 0 : RTE_MIN(limit - held, (uint32_t)n);
	for (i = 0; i < room; i++)
		rx_fifo_put(&qp->rx, pkts[i]);
	__atomic_fetch_add(&qp->vf->ingress_held, room, __ATOMIC_RELAXED);
	if (room == n)
		return;
	qp->counters.drops[frozen ? DROP_RX_HOLD_FULL : DROP_RX_NO_BUFFER] += n - room;
	rte_pktmbuf_free_bulk(&pkts[room], n - room);
}

static unsigned rx_flush(struct vf_qp *qp)
{
	struct rte_mbuf **pkts;
	unsigned total = 0;
	uint16_t n, done;

	do {
		n = rx_fifo_head(&qp->rx, &pkts, NIC_BURST);
		done = n ? rx_to_guest(qp, pkts, n) : 0;
		rx_fifo_drop_head(&qp->rx, done);
		total += done;
	} while (done == NIC_BURST && total < 4 * NIC_BURST);
	if (total)
		__atomic_fetch_sub(&qp->vf->ingress_held, total, __ATOMIC_RELAXED);
	return total;
}

/* Takes all of pkts. */
static void qp_rx(struct vf_qp *qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t done = 0;

	if (unlikely(!qp->running && !qp->paused)) {
		qp->counters.drops[DROP_NO_FRONTEND] += n;
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	if (likely(qp_may_touch_guest(qp)) && rx_fifo_count(&qp->rx))
		rx_flush(qp);
	if (likely(qp_may_touch_guest(qp) && !rx_fifo_count(&qp->rx)))
		done = rx_to_guest(qp, pkts, n);
	if (unlikely(done < n))
		rx_keep(qp, &pkts[done], n - done);
}

void qp_flush_rx(struct vf_qp *qp, enum drop_reason reason)
{
	uint32_t n = rx_fifo_count(&qp->rx);
	struct rte_mbuf **pkts;
	uint16_t run;

	qp->counters.drops[reason] += n;
	__atomic_fetch_sub(&qp->vf->ingress_held, n, __ATOMIC_RELAXED);
	while ((run = rx_fifo_head(&qp->rx, &pkts, UINT16_MAX))) {
		rte_pktmbuf_free_bulk(pkts, run);
		rx_fifo_drop_head(&qp->rx, run);
	}
}

static unsigned inbox_drain(struct vf_qp *qp)
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
	uint32_t hash = 0;

	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN) && left >= sizeof(struct rte_vlan_hdr)) {
		type = ((const struct rte_vlan_hdr *)l3)->eth_proto;
		l3 += sizeof(struct rte_vlan_hdr);
		left -= sizeof(struct rte_vlan_hdr);
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && left >= sizeof(struct rte_ipv4_hdr))
		hash = rte_hash_crc(&((const struct rte_ipv4_hdr *)l3)->src_addr, 8, 0);
	else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && left >= sizeof(struct rte_ipv6_hdr))
		hash = rte_hash_crc(((const struct rte_ipv6_hdr *)l3)->src_addr, 32, 0);
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

/* ---- from the guest ---- */

/* Send what waits in `out`. Returns how many frames left. */
static uint16_t out_push(struct vf_qp *qp)
{
	struct out_burst *out = &qp->out;
	struct switch_from from = {
		.qp = qp,
		.flags = out->from_log ? &out->flags[out->head] : NULL,
		.group_id = qp_policy(qp)->group_id,
		.was_held = out->from_log,
	};
	uint16_t done = switch_send(&from, &out->pkts[out->head], out->n - out->head);

	out->head += done;
	if (out->from_log && done) {
		egress_log_advance(&qp->log, done);
		qp->counters.released_pkts += done;
	}
	return done;
}

static bool out_is_empty(const struct vf_qp *qp)
{
	return qp->out.head == qp->out.n;
}

/* Let committed frames leave, in order, until the log or the destination says stop. */
static unsigned release(struct vf_qp *qp)
{
	unsigned work = 0;

	for (int round = 0; round < RELEASE_ROUNDS; round++) {
		if (!egress_log_has_committed(&qp->log))
			break;
		qp->out.from_log = true;
		qp->out.head = 0;
		qp->out.n = egress_log_peek(&qp->log, nic.pool, nic.attach_pool, qp->out.pkts,
			qp->out.flags, NIC_BURST);
		work += out_push(qp);
		if (!out_is_empty(qp))
			break;
	}
	return work;
}

static bool is_exempt(const struct vf_policy *policy, struct rte_mbuf *m)
{
	return policy->exempt && policy->exempt(m);
}

/* Pass what needs no holding; returns how many frames stay, compacted, with their flags. */
static uint16_t pass_unheld(struct vf_qp *qp, const struct vf_policy *policy,
	struct rte_mbuf **pkts, uint16_t *flags, uint16_t n)
{
	struct switch_from from = {.qp = qp, .group_id = policy->group_id};
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t flag = 0;
		bool passed = false;

		if (is_exempt(policy, pkts[i]))
			passed = switch_send(&from, &pkts[i], 1) == 1;
		else if (policy->internal_pass)
			passed = switch_pass_inside(qp, policy->group_id, pkts[i], &flag);
		qp->counters.exempt_pkts += passed;
		if (!passed) {
			pkts[kept] = pkts[i];
			flags[kept++] = flag;
		}
	}
	return kept;
}

static void hold_burst(struct vf_qp *qp, const struct vf_policy *policy, struct rte_mbuf **pkts,
	uint16_t n)
{
	uint16_t flags[NIC_BURST] = {0};
	uint64_t now_tsc = rte_rdtsc();

	if (unlikely(policy->exempt || policy->internal_pass))
		n = pass_unheld(qp, policy, pkts, flags, n);
	for (uint16_t i = 0; i < n; i++)
		egress_log_append(&qp->log, pkts[i], flags[i], now_tsc);
	rte_pktmbuf_free_bulk(pkts, n);
	if (unlikely(!n))
		egress_log_trim(&qp->log);
}

/* Is there a place for a burst? Else the guest's ring stays unread: backpressure. */
static bool may_read_guest(struct vf_qp *qp, const struct vf_policy *policy)
{
	if (!qp->hold)
		return out_is_empty(qp) && egress_log_is_empty(&qp->log);
	/* An idle queue should hold no segment: reserve only when something is to come. */
	if (egress_log_is_empty(&qp->log) && !qp->ops->has_frames(qp->port, qp->index))
		return false;
	if (likely(egress_log_reserve(&qp->log, NIC_BURST, policy->max_frame_bytes))) {
		qp->log_full = false;
		return true;
	}
	if (!qp->log_full)
		qp->counters.backpressure++;
	qp->log_full = true;
	return false;
}

static unsigned take_from_guest(struct vf_qp *qp)
{
	const struct vf_policy *policy = qp_policy(qp);
	struct out_burst *out = &qp->out;
	struct rte_mbuf *pkts[NIC_BURST];
	uint16_t n, kept;

	if (!may_read_guest(qp, policy))
		return 0;
	if (!qp->hold) {
		n = qp->ops->from_guest(qp->port, qp->index, nic.pool, out->pkts, NIC_BURST);
		if (!n)
			return 0;
		out->from_log = false;
		out->head = 0;
		out->n = filter_from_guest(qp, policy, out->pkts, n);
		out_push(qp);
		return n;
	}
	n = qp->ops->from_guest(qp->port, qp->index, nic.pool, pkts, NIC_BURST);
	if (!n)
		return 0;
	kept = filter_from_guest(qp, policy, pkts, n);
	hold_burst(qp, policy, pkts, kept);
	return n;
}

unsigned qp_poll(void *ctx)
{
	struct vf_qp *qp = ctx;
	unsigned work = 0;

	if (qp->inbox)
		work += inbox_drain(qp);
	if (rx_fifo_count(&qp->rx) && qp_may_touch_guest(qp))
		work += rx_flush(qp);
	if (!out_is_empty(qp))
		work += out_push(qp);
	if (out_is_empty(qp))
		work += release(qp);
	if (qp_may_touch_guest(qp))
		work += take_from_guest(qp);
	return work;
}

/* ---- sleeping ---- */

int qp_arm(void *ctx)
{
	struct vf_qp *qp = ctx;

	if (!out_is_empty(qp) || egress_log_has_committed(&qp->log))
		return POLLER_TIMED; /* a destination refused: try again soon */
	if (!qp_may_touch_guest(qp))
		return POLLER_NO_FD;
	if (rx_fifo_count(&qp->rx))
		return POLLER_TIMED;
	if (__atomic_exchange_n(&qp->rewatch, false, __ATOMIC_ACQUIRE))
		qp->poller.watched_fd = POLLER_NO_FD;
	qp->armed = true;
	return qp->ops->arm(qp->port, qp->index);
}

void qp_disarm(void *ctx)
{
	struct vf_qp *qp = ctx;

	if (!qp->armed || !qp_may_touch_guest(qp))
		return;
	qp->armed = false;
	qp->ops->disarm(qp->port, qp->index);
}
