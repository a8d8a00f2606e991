/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From struct vf_info to struct renic_snapshot; see snapshot.h.
 *
 * Ring indices: of packed rings, vhost-user's GET_VRING_BASE (vhost-user.rst, "A vring state
 * description") and librte_vhost's rte_vhost_get_vring_base() carry the wrap counter in bit 15
 * and the index in bits 0 to 14; of split rings all 16 bits are the index.
 */
#include <string.h>

#include "snapshot.h"

enum { RING_MAX = 32768, WRAP_SHIFT = 15, INDEX_MASK = (1 << WRAP_SHIFT) - 1 };

_Static_assert((int)RENIC_SNAPSHOT_QUEUES_MAX == (int)VF_QPS_MAX, "queue pairs differ");
_Static_assert((int)RENIC_SNAPSHOT_NAME_SIZE == (int)NIC_NAME_SIZE, "names differ");
_Static_assert((int)RENIC_SNAPSHOT_FILTER_SIZE == (int)NIC_FILTER_SIZE, "filters differ");
_Static_assert((int)RENIC_SNAPSHOT_MACS_MAX == (int)VF_INFO_MACS_MAX, "MACs differ");
_Static_assert((int)RENIC_SNAPSHOT_TRUNKS_SIZE == (int)NIC_TRUNKS_SIZE, "VLAN lists differ");
_Static_assert(
	(int)RENIC_LINK_AUTO == (int)LINK_AUTO && (int)RENIC_LINK_DISABLE == (int)LINK_DISABLE,
	"link states differ");
_Static_assert((int)DROP_REASONS <= (int)RENIC_SNAPSHOT_DROPS_MAX, "more drop reasons than room");

static void fill_config(const struct vf_info *info, struct renic_snapshot *s)
{
	const struct vf_config *c = &info->config;

	memcpy(s->name, c->name, sizeof(s->name));
	memcpy(s->group, info->group, sizeof(s->group));
	memcpy(s->mac, c->mac, sizeof(s->mac));
	s->vlan = c->vlan;
	s->qos = c->qos;
	s->proto_8021ad = c->proto == VLAN_PROTO_8021AD;
	s->trust = c->trust;
	s->link_state = c->state;
	s->max_tx_rate = c->max_tx_rate;
	s->min_tx_rate = c->min_tx_rate;
	memcpy(s->trunks, c->trunks, sizeof(s->trunks));
	s->promisc = c->promisc;
	s->allmulti = c->allmulti;
	s->n_macs = info->n_macs;
	memcpy(s->macs, info->macs, sizeof(s->macs));
	s->mtu = c->mtu;
	s->spoofchk = c->spoofchk;
	s->packed = c->packed;
	s->ingress_hold_pkts = c->ingress_hold_pkts;
	memcpy(s->hold_exempt, c->hold_exempt, sizeof(s->hold_exempt));
}

static enum renic_role role_of(const char *name)
{
	for (int role = 0; role < RENIC_ROLES; role++)
		if (!strcmp(name, renic_role_name((enum renic_role)role)))
			return (enum renic_role)role;
	return RENIC_ROLE_UNPROTECTED;
}

static void fill_ring(
	uint32_t size, uint16_t avail, uint16_t used, bool packed, struct renic_snapshot_ring *ring)
{
	struct renic_snapshot_ring r = {.size = size, .avail_idx = avail, .used_idx = used};

	if (size == 0 || size > RING_MAX)
		return;
	if (packed) {
		r.avail_idx &= INDEX_MASK;
		r.used_idx &= INDEX_MASK;
		r.avail_wrap = avail >> WRAP_SHIFT;
		r.used_wrap = used >> WRAP_SHIFT;
		if (r.avail_idx >= size || r.used_idx >= size)
			return;
	}
	*ring = r;
}

static void fill_rings(const struct vf_info *info, struct renic_snapshot *s)
{
	bool packed = info->features & RENIC_FEATURE_PACKED;

	s->features = info->features;
	s->n_queues = info->n_queues;
	if (info->frontend == FRONTEND_NONE)
		return; /* indices of a front-end that is gone */
	for (uint16_t q = 0; q < info->n_queues; q++) {
		const struct vf_queue_info *from = &info->queues[q];

		s->queues[q].enabled = from->enabled;
		fill_ring(from->rx_size, from->rx_avail_idx, from->rx_used_idx, packed,
			&s->queues[q].rx);
		fill_ring(from->tx_size, from->tx_avail_idx, from->tx_used_idx, packed,
			&s->queues[q].tx);
	}
}

static void fill_counters(const struct vf_counters *c, struct renic_snapshot *s)
{
	s->tx_pkts = c->tx_pkts;
	s->tx_bytes = c->tx_bytes;
	s->rx_pkts = c->rx_pkts;
	s->rx_bytes = c->rx_bytes;
	s->released_pkts = c->released_pkts;
	s->exempt_pkts = c->exempt_pkts;
	s->backpressure = c->backpressure;
	s->n_drops = DROP_REASONS;
	memcpy(s->drops, c->drops, sizeof(c->drops));
}

void nic_snapshot_fill(const struct vf_info *info, uint64_t term, struct renic_snapshot *s)
{
	memset(s, 0, sizeof(*s));
	fill_config(info, s);
	s->role = role_of(info->role);
	s->term = term;
	s->epoch = info->epoch ? info->epoch - 1 : 0;
	fill_rings(info, s);
	fill_counters(&info->counters, s);
}

int nic_snapshot_get(const char *vf, struct renic_snapshot *s, struct nic_error *err)
{
	struct vf_info info;
	int rc = nic_vf_get(vf, &info, err);

	if (rc)
		return rc;
	nic_snapshot_fill(&info, info.term, s);
	nic_vf_addresses(vf, s);
	return 0;
}
