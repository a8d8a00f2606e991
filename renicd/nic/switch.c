/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See switch.h. A burst is cut into runs of frames with one destination (dest.h), and each run goes
 * out as one (transmit.h, flood.h); promiscuous VFs look on (promisc.h).
 */
#include "dest.h"
#include "flood.h"
#include "merge.h"
#include "promisc.h"
#include "switch.h"
#include "transmit.h"

/* The leading frames of pkts that share a destination (flooded ones go one by one). */
static uint16_t find_run(struct dest_cache *cache, struct rte_mbuf **pkts, uint16_t n, int src,
	uint32_t alike_longest, struct dest *run, uint16_t *vids)
{
	struct dest d;
	uint16_t len = 1;

	*run = dest_find(cache, pkts[0], src);
	vids[0] = run->vid;
	run->tagged = run->vid;
	if (run->where == DEST_FLOOD)
		return 1;
	if (likely(alike_longest) && dest_takes_all(cache, run, alike_longest))
		return n;
	for (; len < n; len++) {
		vids[len] = 0;
		if (likely(!run->vid && run->where != DEST_DROP &&
			    dest_goes_along(pkts[len], pkts[0])))
			continue;
		d = dest_find(cache, pkts[len], src);
		if (d.where != run->where || d.reason != run->reason)
			break;
		vids[len] = d.vid;
		run->tagged |= d.vid;
	}
	return len;
}

/* A run of frames with one destination. Returns how many were taken. */
static uint16_t send_run(const struct switch_from *from, const struct dest *d,
	struct rte_mbuf **pkts, const uint16_t *vids, uint16_t n, uint16_t flags, uint64_t bytes)
{
	if (d->where >= 0)
		return transmit_in_turn_to_vf(from, d, pkts, vids, n);
	if (d->where == DEST_UPLINK)
		return transmit_to_uplink(from, pkts, n, d->tagged, bytes);
	if (d->where == DEST_FLOOD)
		return flood(from, pkts[0], vids[0], flags);
	for (uint16_t i = 0; i < n; i++)
		qp_drop(from->qp, pkts[i], d->reason);
	return n;
}

/* The same where somebody is promiscuous. */
static __rte_noinline uint16_t send_run_in_sight(const struct switch_from *from,
	const struct dest *d, struct rte_mbuf **pkts, const uint16_t *vids, uint16_t n,
	uint16_t flags)
{
	struct sightings seen;
	uint16_t taken;

	if (!promisc_shows(d))
		return send_run(from, d, pkts, vids, n, flags, 0);
	promisc_sight(&seen, pkts, n);
	taken = send_run(from, d, pkts, vids, n, flags, 0);
	promisc_show(&seen, d, vids, from->qp->vf->id, 0, taken, from->qp->counters.drops);
	return taken;
}

uint16_t switch_send(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n)
{
	struct dest_cache *cache = &from->qp->dest;
	uint16_t vids[NIC_BURST];
	uint16_t done = 0;

	while (done < n) {
		struct dest run;
		uint16_t len = find_run(cache, &pkts[done], n - done, from->qp->vf->id,
			promisc_is_on() ? 0 : from->alike.longest, &run, vids);
		uint16_t flags = from->flags ? from->flags[done] : 0;
		uint16_t taken =
			unlikely(promisc_is_on())
				? send_run_in_sight(from, &run, &pkts[done], vids, len, flags)
				: send_run(from, &run, &pkts[done], vids, len, flags,
					  len == n ? from->alike.bytes : 0);

		done += taken;
		if (taken < len)
			break;
	}
	return done;
}

/* Frames from the wire for one VF: fewer and longer ones, where its guest takes them. */
static uint16_t merge_for_vf(const struct dest *d, struct rte_mbuf **pkts, uint16_t n)
{
	const struct vf *vf = vf_by_id(d->where);

	if (n == 1 || d->tagged || !vf || !__atomic_load_n(&vf->takes_long, __ATOMIC_RELAXED))
		return n;
	__atomic_store_n(&nic.has_offloads, true, __ATOMIC_RELAXED);
	return merge_segments(pkts, n);
}

/* Returns whether a promiscuous VF got the frames of a run from the uplink. */
static __rte_noinline bool show_from_uplink(const struct dest *d, struct rte_mbuf **pkts,
	const uint16_t *vids, uint16_t n, uint64_t *drops)
{
	struct sightings seen;

	if (!promisc_shows(d))
		return false;
	promisc_sight(&seen, pkts, n);
	return promisc_show(&seen, d, vids, -1, 0, n, drops);
}

void switch_from_uplink(struct rte_mbuf **pkts, uint16_t n, uint64_t *drops)
{
	struct dest_cache cache = {0};
	uint16_t vids[NIC_BURST];
	uint16_t done = 0, len, taken, merged;

	for (; done < n; done += len) {
		bool looked = false;
		struct dest run;

		len = find_run(&cache, &pkts[done], n - done, -1, 0, &run, vids);
		if (unlikely(promisc_is_on()))
			looked = show_from_uplink(&run, &pkts[done], vids, len, drops);
		if (run.where >= 0) {
			merged = merge_for_vf(&run, &pkts[done], len);
			taken = transmit_to_vf(&run, &pkts[done], vids, merged, drops);
		} else {
			if (run.where == DEST_FLOOD)
				flood_to_vfs(pkts[done], run.vid, -1, 0, FLOOD_ALL, drops);
			else if (!looked)
				counter_add(&drops[run.reason], len);
			rte_pktmbuf_free_bulk(&pkts[done], len);
			continue;
		}
		counter_add(&drops[DROP_RX_NO_BUFFER], merged - taken);
		rte_pktmbuf_free_bulk(&pkts[done + taken], merged - taken);
	}
}

bool switch_pass_inside(struct vf_qp *qp, uint32_t group_id, struct rte_mbuf *m, uint16_t *flags)
{
	struct dest d = dest_find(&qp->dest, m, qp->vf->id);
	struct sightings seen;
	struct vf *vf;

	if (d.where == DEST_FLOOD) {
		flood_to_vfs(m, d.vid, qp->vf->id, group_id, FLOOD_GROUP_ONLY, qp->counters.drops);
		*flags = EGRESS_RECORD_SKIP_GROUP;
		return false;
	}
	if (d.where < 0)
		return false;
	vf = vf_by_id(d.where);
	if (!vf || vf_policy_of(vf)->group_id != group_id)
		return false;
	d.tagged = d.vid;
	if (unlikely(promisc_is_on())) {
		promisc_sight(&seen, &m, 1);
		promisc_show(&seen, &d, &d.vid, qp->vf->id, group_id, 1, qp->counters.drops);
	}
	if (transmit_to_vf(&d, &m, &d.vid, 1, qp->counters.drops) == 0)
		qp_drop(qp, m, DROP_RX_NO_BUFFER);
	return true;
}
