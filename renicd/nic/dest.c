/* SPDX-License-Identifier: BSD-3-Clause */
/* See dest.h. */
#include "dest.h"
#include "mac_table.h"

/* While a VF moves to another VLAN the table has it in both, and while it becomes active before
 * it is: its policy decides. */
static bool vf_takes_vlan(int id, uint16_t vid, uint32_t *max_frame_bytes)
{
	const struct vf *vf = vf_by_id(id);
	const struct vf_policy *policy = vf ? vf_policy_of(vf) : NULL;

	*max_frame_bytes = policy ? policy->max_frame_bytes : UINT32_MAX;
	return !policy || (!policy->standby && policy_takes_vlan(policy, vid));
}

static int lookup_cached(struct dest_cache *cache, const struct rte_ether_addr *mac, uint16_t vid)
{
	uint64_t key = mac_table_key(mac, vid), now = mac_table_generation();

	if (likely(cache->generation == now && cache->key == key))
		return cache->where;
	cache->where = mac_table_lookup(mac, vid);
	if (cache->where < 0 && vid)
		cache->where = mac_table_lookup(mac, 0);
	if (cache->where >= 0 && !vf_takes_vlan(cache->where, vid, &cache->max_frame_bytes))
		cache->where = DEST_DROP;
	cache->key = key;
	cache->generation = now; /* as it was before we looked */
	return cache->where;
}

struct dest dest_find(struct dest_cache *cache, const struct rte_mbuf *m, int src)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct dest d = {.where = DEST_DROP, .reason = DROP_RUNT};

	if (unlikely(m->data_len < sizeof(*eth)))
		return d;
	d.reason = DROP_NO_ROUTE;
	d.vid = vlan_tag_vid(m);
	if (unlikely(rte_is_multicast_ether_addr(&eth->dst_addr))) {
		d.where = DEST_FLOOD;
		return d;
	}
	d.where = lookup_cached(cache, &eth->dst_addr, d.vid);
	if (d.where >= 0) {
		if (unlikely(offload_frame_bytes(m) > cache->max_frame_bytes))
			d.reason = DROP_OVERSIZE;
		if (d.where == src || d.reason == DROP_OVERSIZE)
			d.where = DEST_DROP;
		return d;
	}
	if (d.where == DEST_DROP)
		return d;
	d.where = DEST_DROP;
	if (src < 0 || !nic.uplink)
		return d;
	if (unlikely(dest_exceeds_uplink(m)))
		d.reason = DROP_OVERSIZE;
	else
		d.where = DEST_UPLINK;
	return d;
}
