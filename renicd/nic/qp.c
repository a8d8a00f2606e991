/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path of one VF queue pair, run by the lcore that owns it.
 *
 * Guest to world: from_guest -> filter -> (hold: egress log ... commit ... peek) -> out -> switch.
 * `out` is the only place where frames that may leave wait for a destination that refuses; what
 * came before it stays in the log, or in the guest's ring (backpressure). So order is kept and
 * nothing is lost: the ring is read only when its frames have a place.
 * World to guest is in qp_rx.c.
 */
#include <rte_cycles.h>

#include "capture.h"
#include "filter.h"
#include "offload.h"
#include "qp.h"
#include "switch.h"
#include "tx_sched.h"

enum {
	LONG_BURST = 16,   /* frames of 64 KiB in a burst that is held */
	CHAIN_BURST = 32,  /* frames of several mbufs, at most, as the ports give them */
	LOG_LOW_SHARE = 4, /* the log's segments are short when less than a quarter is free */
	CLAIM_POLLS = 2,   /* this one, and one that finds nothing more to send */
};

/* It sent so many bytes in all, and of these to the uplink, whose alone its minimum is. */
static void pay(struct vf *vf, const struct vf_policy *policy, uint64_t bytes,
	const struct uplink_tally *tally, uint64_t now_tsc)
{
	if (bytes)
		shaper_charge(&vf->max_tx, &policy->max_rate, bytes, now_tsc);
	if (tally->bytes)
		shaper_charge(&vf->min_tx, &policy->min_rate, tally->bytes, now_tsc);
}

static void claim(struct vf_qp *qp, bool lacks, uint64_t now_tsc)
{
	if (lacks || qp->claims) /* another's of the VF stays */
		tx_sched_set_claim(qp->vf, lacks, now_tsc);
	qp->claims = lacks ? CLAIM_POLLS : 0;
}

/* switch_send(), as the VF's rates allow: as often as they are open, and paid for. */
static __rte_noinline uint16_t send_shaped(struct vf_qp *qp, const struct vf_policy *policy,
	struct switch_from *from, struct rte_mbuf **pkts, uint16_t n)
{
	struct uplink_tally tally = {0};
	uint32_t lengths[NIC_BURST]; /* what is not taken may have got a tag meanwhile */
	uint64_t now_tsc = rte_rdtsc(), bytes = 0;
	bool is_burst = n >= WHOLE_BURST; /* and so more is likely to come */
	struct vf *vf = qp->vf;
	uint16_t done;

	if (!shaper_is_open(&vf->max_tx, &policy->max_rate, now_tsc)) {
		claim(qp, false, now_tsc);
		return 0;
	}
	if (policy->max_rate.cost)
		n = RTE_MIN(n, policy->max_rate.burst_pkts);
	for (uint16_t i = 0; i < n; i++)
		lengths[i] = offload_wire_bytes(pkts[i]);
	from->tally = &tally;
	done = switch_send(from, pkts, n);
	for (uint16_t i = 0; i < done; i++)
		bytes += lengths[i];
	pay(vf, policy, bytes, &tally, now_tsc);
	if (policy->min_rate.cost)
		claim(qp,
			(tally.any_waits || (tally.any_left && is_burst)) &&
				shaper_is_open(&vf->min_tx, &policy->min_rate, now_tsc),
			now_tsc);
	return done;
}

/* Send what waits in `out`. Returns how many frames left. */
static uint16_t out_push(struct vf_qp *qp)
{
	const struct vf_policy *policy = qp_policy(qp);
	struct out_burst *out = &qp->out;
	struct switch_from from = {
		.qp = qp,
		.flags = out->from_log ? &out->flags[out->head] : NULL,
		.group_id = policy->group_id,
		.was_held = out->from_log,
		.offloads = out->offloads,
		.alike = out->alike,
	};
	uint16_t n = out->n - out->head, done;

	qp->waits_for_link = false;
	capture_before_leaving(qp, &out->pkts[out->head], n);
	if (unlikely(policy->is_shaped)) {
		from.alike.bytes = 0; /* it may send fewer */
		done = send_shaped(qp, policy, &from, &out->pkts[out->head], n);
	} else {
		done = switch_send(&from, &out->pkts[out->head], n);
	}
	capture_left(qp, done);
	out->head += done;
	out->alike.bytes = 0; /* of what is left, if anything: not known */
	if (unlikely(qp->tso) && (out->head == out->n || out->pkts[out->head] != qp->tso))
		qp->tso = NULL; /* it went elsewhere */
	if (out->from_log && done) {
		egress_log_advance(&qp->log, done);
		held_time_release(&qp->held_time, qp->log.released_pkts, lcore_round_tsc());
		counter_add(&qp->counters.released_pkts, done);
	}
	return done;
}

static bool out_is_empty(const struct vf_qp *qp)
{
	return qp->out.head == qp->out.n;
}

/* A device may keep sent frames until it is given others: with segments short, those frames must
 * not be in the log, or nothing could be taken from any guest, and so nothing sent, again. */
static bool log_pool_is_low(void)
{
	return log_pool_free_count(nic.log_pool) < log_pool_size(nic.log_pool) / LOG_LOW_SHARE;
}

/* Do any of the records ask? Their guest may be another one by now, or none. */
static bool ask_offloads(const uint16_t *flags, uint16_t n)
{
	uint16_t any = 0;

	for (uint16_t i = 0; i < n; i++)
		any |= flags[i];
	if (likely(!(any & EGRESS_RECORD_OFFLOAD)))
		return false;
	__atomic_store_n(&nic.has_offloads, true, __ATOMIC_RELAXED);
	return true;
}

/* Let committed frames leave, in order, until the log or the destination says stop: a burst for
 * each that is taken from the guest, so that its ring is looked at as often after a commit as
 * before the next; two while what has left is less than what was taken. */
static unsigned release(struct vf_qp *qp)
{
	unsigned work = 0;
	int rounds = unlikely(qp->is_late) ? 2 : 1;

	for (int round = 0; round < rounds; round++) {
		if (!egress_log_has_committed(&qp->log))
			break;
		qp->out.from_log = true;
		qp->out.head = 0;
		qp->out.n = egress_log_peek(&qp->log, nic.pool, nic.attach_pool, qp->out.pkts,
			qp->out.flags, NIC_BURST);
		qp->out.offloads = ask_offloads(qp->out.flags, qp->out.n);
		qp->out.alike = qp->log.peeked.alike;
		if (unlikely(log_pool_is_low()))
			for (uint16_t i = 0; i < qp->out.n; i++)
				qp->out.pkts[i] = qp_detach_from_log(qp->out.pkts[i]);
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

/* May frames that need no holding go now? Else the log is where they wait, with the others. */
static bool exempt_may_pass(
	const struct vf_qp *qp, const struct vf_policy *policy, uint64_t now_tsc)
{
	return likely(!policy->is_shaped) ||
	       shaper_is_open(&qp->vf->max_tx, &policy->max_rate, now_tsc);
}

/* Pass what needs no holding; returns how many frames stay, compacted, with their flags. */
static uint16_t pass_unheld(struct vf_qp *qp, const struct vf_policy *policy,
	struct rte_mbuf **pkts, uint16_t *flags, uint16_t n, uint64_t now_tsc)
{
	struct uplink_tally tally = {0};
	struct switch_from from = {.qp = qp,
		.group_id = policy->group_id,
		.offloads = qp->asks_offloads,
		.tally = policy->is_shaped ? &tally : NULL};
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t flag = 0;
		uint32_t bytes = policy->is_shaped ? offload_wire_bytes(pkts[i]) : 0;
		bool may_pass = exempt_may_pass(qp, policy, now_tsc), passed = false;

		capture_before_leaving(qp, &pkts[i], 1);
		/* A frame that is cut up may leave in parts, which only `out` can stand. */
		if (may_pass && is_exempt(policy, pkts[i]) && !offload_is_tso(pkts[i]))
			passed = switch_send(&from, &pkts[i], 1) == 1;
		else if (may_pass && policy->internal_pass)
			passed = switch_pass_inside(qp, policy->group_id, pkts[i], &flag);
		capture_left(qp, passed);
		if (unlikely(policy->is_shaped && passed)) {
			pay(qp->vf, policy, bytes, &tally, now_tsc);
			tally.bytes = 0;
		}
		counter_add(&qp->counters.exempt_pkts, passed);
		if (!passed) {
			pkts[kept] = pkts[i];
			flags[kept++] = flag;
		}
	}
	return kept;
}

/* As rte_pktmbuf_free_bulk(): frames just taken from a guest are most often of one segment each and
 * wholly ours, and go back to their pool as they are. */
static void free_burst(struct rte_mbuf **pkts, uint16_t n, bool plain)
{
	const uint64_t not_plain = RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;

	if (unlikely(!plain)) {
		plain = n;
		for (uint16_t i = 0; i < n; i++)
			plain &= pkts[i]->nb_segs == 1 && !(pkts[i]->ol_flags & not_plain) &&
				 rte_mbuf_refcnt_read(pkts[i]) == 1 && pkts[i]->pool == nic.pool;
	}
	if (likely(plain))
		rte_mempool_put_bulk(nic.pool, (void **)pkts, n);
	else
		rte_pktmbuf_free_bulk(pkts, n);
}

static void hold_burst(struct vf_qp *qp, const struct vf_policy *policy, struct rte_mbuf **pkts,
	uint16_t n, const struct alike *alike)
{
	uint16_t flags[NIC_BURST] = {0};
	uint64_t now_tsc = rte_rdtsc();

	if (unlikely(policy->exempt || policy->internal_pass))
		n = pass_unheld(qp, policy, pkts, flags, n, now_tsc);
	egress_log_append_burst(&qp->log, pkts, flags, n, now_tsc);
	if (likely(n))
		held_time_append(&qp->held_time, qp->log.appended_pkts, now_tsc);
	free_burst(pkts, n, alike->longest);
	if (unlikely(!n))
		egress_log_trim(&qp->log);
}

/* What the guest may send at once: with segmentation offload, long frames and fewer of them, so
 * that a burst needs no more than a segment of the log. */
static uint32_t longest_frame(const struct vf_qp *qp, const struct vf_policy *policy)
{
	return qp->may_segment ? (uint32_t)OFFLOAD_FRAME_MAX : policy->max_frame_bytes;
}

static uint16_t burst_pkts(const struct vf_qp *qp)
{
	return qp->may_segment ? LONG_BURST : NIC_BURST;
}

/* librte_vhost loses a frame that it runs out of mbufs in the middle of. The caches of lcores are
 * not counted: what is in them comes on top. */
static bool has_mbufs(const struct vf_qp *qp, const struct vf_policy *policy)
{
	unsigned per_frame = longest_frame(qp, policy) / RTE_MBUF_DEFAULT_DATAROOM + 1;
	unsigned burst = RTE_MAX((unsigned)NIC_BURST, CHAIN_BURST * per_frame);

	return nic_pool_count() >= burst * lcores_count();
}

/* Is there a place for a burst? Else the guest's ring stays unread: backpressure. */
static bool may_read_guest(struct vf_qp *qp, const struct vf_policy *policy)
{
	if (!qp->hold && !(out_is_empty(qp) && egress_log_is_empty(&qp->log)))
		return false;
	/* An idle queue should hold no segment: reserve only when something is to come. */
	if (qp->hold && egress_log_is_empty(&qp->log) && !qp->ops->has_frames(qp->port, qp->index))
		return false;
	if (likely(has_mbufs(qp, policy) &&
		    (!qp->hold || egress_log_reserve(
					  &qp->log, burst_pkts(qp), longest_frame(qp, policy))))) {
		qp->log_full = false;
		return true;
	}
	if (!qp->log_full)
		counter_add(&qp->counters.backpressure, 1);
	qp->log_full = true;
	return false;
}

/* Frames that are to be held and are all alike go from the guest's memory into the log, with no
 * mbuf in between. Returns how many. */
static uint16_t hold_straight(struct vf_qp *qp, const struct vf_policy *policy)
{
	struct egress_raw frames[NIC_BURST];
	struct egress_copied copied;
	uint64_t now_tsc;
	uint16_t n;

	if (!qp->ops->look || !qp->log.room || !policy->alike.is_on || policy->exempt ||
		policy->internal_pass || qp->tap)
		return 0;
	n = qp->ops->look(qp->port, qp->index, frames, NIC_BURST);
	if (!n)
		return 0;
	if (!egress_log_copy(&qp->log, frames, n, &policy->alike, &copied))
		n = 0;
	if (!qp->ops->took(qp->port, qp->index, n) || !n)
		return 0;
	now_tsc = lcore_round_tsc();
	egress_log_keep(&qp->log, &copied, now_tsc);
	held_time_append(&qp->held_time, qp->log.appended_pkts, now_tsc);
	counter_add(&qp->counters.tx_pkts, n);
	counter_add(&qp->counters.tx_bytes, copied.bytes);
	return n;
}

static unsigned take_from_guest(struct vf_qp *qp)
{
	const struct vf_policy *policy = qp_policy(qp);
	struct out_burst *out = &qp->out;
	struct rte_mbuf *pkts[NIC_BURST];
	struct alike alike;
	uint16_t n, kept;

	if (!__atomic_load_n(&qp->enabled, __ATOMIC_RELAXED) || !may_read_guest(qp, policy))
		return 0;
	if (!qp->hold) {
		n = qp->ops->from_guest(qp->port, qp->index, nic.pool, out->pkts, NIC_BURST);
		if (!n)
			return 0;
		capture_burst(qp, CAPTURE_FROM_GUEST, out->pkts, n);
		out->from_log = false;
		out->head = 0;
		out->n = filter_from_guest(qp, policy, out->pkts, n, &out->alike);
		out->offloads = qp->asks_offloads && !out->alike.longest;
		out_push(qp);
		return n;
	}
	n = hold_straight(qp, policy);
	if (n)
		return n;
	n = qp->ops->from_guest(qp->port, qp->index, nic.pool, pkts, burst_pkts(qp));
	if (!n) {
		egress_log_trim(&qp->log);
		return 0;
	}
	capture_burst(qp, CAPTURE_FROM_GUEST, pkts, n);
	kept = filter_from_guest(qp, policy, pkts, n, &alike);
	hold_burst(qp, policy, pkts, kept, &alike);
	return n;
}

unsigned qp_poll(void *ctx)
{
	struct vf_qp *qp = ctx;
	unsigned work = 0;

	qp_waits_no_more(qp);
	if (qp->inbox)
		work += qp_inbox_drain(qp);
	if (rx_fifo_count(&qp->rx) && qp_may_touch_guest(qp))
		work += qp_rx_flush(qp);
	if (!out_is_empty(qp))
		work += out_push(qp);
	if (out_is_empty(qp))
		work += release(qp);
	if (qp_may_touch_guest(qp))
		work += take_from_guest(qp);
	if (unlikely(qp->claims) && --qp->claims == 0)
		tx_sched_set_claim(qp->vf, false, 0);
	if (unlikely(qp->segments | qp->cut)) {
		work += qp->segments;
		qp->segments = 0;
		qp->cut = 0;
	}
	return work;
}

void vf_ring_stuck(struct vf *vf, uint16_t qp)
{
	counter_add(&vf->qps[qp]->counters.stuck_rings, 1);
}

/* ---- sleeping ---- */

int qp_arm(void *ctx)
{
	struct vf_qp *qp = ctx;
	bool woken = qp->poller.woken;

	/* A destination refused: try again soon, but a link that comes up wakes all lcores. */
	if (!qp->waits_for_link && (!out_is_empty(qp) || egress_log_has_committed(&qp->log)))
		return POLLER_TIMED;
	if (!qp_may_touch_guest(qp))
		return POLLER_NO_FD;
	if (rx_fifo_count(&qp->rx) || qp->log_full)
		return POLLER_TIMED;
	if (__atomic_exchange_n(&qp->rewatch, false, __ATOMIC_ACQUIRE))
		lcore_unwatch(&qp->poller);
	qp->armed = true;
	qp->poller.woken = false;
	return qp->ops->arm(qp->port, qp->index, woken);
}

void qp_disarm(void *ctx)
{
	struct vf_qp *qp = ctx;

	if (!qp->armed || !qp_may_touch_guest(qp))
		return;
	qp->armed = false;
	qp->ops->disarm(qp->port, qp->index);
}
