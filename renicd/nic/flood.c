/* SPDX-License-Identifier: BSD-3-Clause */
/* See flood.h. */
#include "dest.h"
#include "flood.h"
#include "transmit.h"
#include "vlan_tag.h"

/* Is it for the bridges of a link (IEEE 802.1Q, table 8-1), which pass such frames to nobody? */
static bool is_for_bridges(const struct rte_mbuf *m)
{
	static const uint8_t reserved[] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	const uint8_t *dst = rte_pktmbuf_mtod(m, const uint8_t *);

	return !memcmp(dst, reserved, sizeof(reserved)) && dst[sizeof(reserved)] < 0x10;
}

void flood_to_vfs(const struct rte_mbuf *m, uint16_t vid, int src, uint32_t group_id,
	enum flood_choice choice, uint64_t *drops)
{
	bool for_bridges = is_for_bridges(m);
	uint16_t end = __atomic_load_n(&nic.id_end, __ATOMIC_ACQUIRE);

	for (int id = 0; id < end; id++) {
		struct vf *vf = id == src ? NULL : vf_by_id(id);
		const struct vf_policy *policy;

		if (!vf)
			continue;
		policy = vf_policy_of(vf);
		if (policy->standby || !policy_takes_vlan(policy, vid))
			continue;
		if (choice != FLOOD_ALL &&
			(policy->group_id == group_id) != (choice == FLOOD_GROUP_ONLY))
			continue;
		if (unlikely(for_bridges) && !policy->allmulti && !policy->promisc)
			continue;
		if (unlikely(offload_frame_bytes(m) > policy->max_frame_bytes)) {
			counter_add(&drops[DROP_OVERSIZE], 1);
			continue;
		}
		transmit_copy_to_vf(vf, m, vid, drops);
	}
}

/* false: it refused. */
static bool flood_to_uplink(const struct switch_from *from, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (!nic.uplink)
		return true;
	if (unlikely(dest_exceeds_uplink(m))) {
		counter_add(&from->qp->counters.drops[DROP_OVERSIZE], 1);
		return true;
	}
	if (!nic.uplink->is_up()) {
		if (!from->was_held)
			counter_add(&from->qp->counters.drops[DROP_UPLINK_DOWN], 1);
		from->qp->waits_for_link = from->was_held;
		return !from->was_held;
	}
	copy = rte_pktmbuf_copy(m, nic.pool, 0, UINT32_MAX);
	if (!copy)
		return false;
	if (transmit_to_uplink(from, &copy, 1, vlan_tag_vid(m), 0) == 1)
		return true;
	rte_pktmbuf_free(copy);
	return false;
}

/* The uplink first: when it refuses, nothing has happened and the frame can be tried again. */
uint16_t flood(const struct switch_from *from, struct rte_mbuf *m, uint16_t vid, uint16_t flags)
{
	bool skip = flags & EGRESS_RECORD_SKIP_GROUP;

	if (!flood_to_uplink(from, m))
		return 0;
	flood_to_vfs(m, vid, from->qp->vf->id, from->group_id, skip ? FLOOD_GROUP_SKIP : FLOOD_ALL,
		from->qp->counters.drops);
	rte_pktmbuf_free(m);
	return 1;
}
