/* SPDX-License-Identifier: BSD-3-Clause */
/* See transmit.h. */
#include "offload.h"
#include "transmit.h"
#include "vlan_tag.h"

uint16_t transmit_give_to_uplink(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n,
	uint16_t tagged, uint64_t bytes)
{
	uint16_t all = n;

	for (uint16_t i = 0; tagged && i < n; i++)
		if (unlikely(!vlan_tag_insert(&pkts[i]))) {
			n = i;
			break;
		}
	if (unlikely(from->offloads || nic.uplink->own_memory) && n)
		return offload_send(from->qp, pkts, n);
	return n ? nic.uplink->send(pkts, n, n == all ? bytes : 0) : 0;
}

uint16_t transmit_tallied(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n,
	uint16_t tagged, uint64_t bytes)
{
	struct uplink_tally *tally = from->tally;
	uint32_t lengths[NIC_BURST];
	uint16_t sent;

	for (uint16_t i = 0; i < n; i++)
		lengths[i] = offload_wire_bytes(pkts[i]);
	sent = transmit_in_turn_to_uplink(from, pkts, n, tagged, bytes);
	for (uint16_t i = 0; i < sent; i++)
		tally->bytes += lengths[i];
	tally->any_left |= sent > 0;
	tally->any_waits |= sent < n && offload_send_was_refused(from->qp);
	return sent;
}

/* A frame whose tag was changed cannot be tried again, its VLAN would be another: so look first
 * whether the VF's owner has room for it. */
uint16_t transmit_to_vf(const struct dest *d, struct rte_mbuf **pkts, const uint16_t *vids,
	uint16_t n, uint64_t *drops)
{
	struct vf *vf = vf_by_id(d->where);
	uint16_t vlan, taken;

	if (unlikely(!vf)) {
		counter_add(&drops[DROP_NO_ROUTE], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	if (likely(!d->tagged))
		return vf_deliver(vf, pkts, n);
	if (!vf_has_room(vf))
		return 0;
	vlan = vf_policy_of(vf)->vlan;
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(!vlan_tag_shape(&pkts[i], vids[i], vlan))) {
			n = i;
			break;
		}
	}
	taken = n ? vf_deliver(vf, pkts, n) : 0;
	counter_add(&drops[DROP_RX_NO_BUFFER], n - taken);
	rte_pktmbuf_free_bulk(&pkts[taken], n - taken);
	return n;
}

void transmit_copy_to_vf(struct vf *vf, const struct rte_mbuf *m, uint16_t vid, uint64_t *drops)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, nic.pool, 0, UINT32_MAX);
	const struct dest d = {.where = vf->id, .vid = vid, .tagged = vid};

	if (unlikely(!copy)) {
		counter_add(&drops[DROP_NO_MBUF], 1);
		return;
	}
	if (transmit_to_vf(&d, &copy, &vid, 1, drops) == 0) {
		counter_add(&drops[DROP_RX_NO_BUFFER], 1);
		rte_pktmbuf_free(copy);
	}
}
