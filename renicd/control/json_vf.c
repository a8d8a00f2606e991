/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs as JSON; see json_vf.h. The member names are docs/protocol.md's. */
#include <stdio.h>

#include "json_vf.h"
#include "schema.h"

static const char *const frontend_names[] = {
	[FRONTEND_NONE] = "none",
	[FRONTEND_CONNECTED] = "connected",
	[FRONTEND_RUNNING] = "running",
};

/* Virtio 1.2, sections 5.1.3 and 6; vhost-user adds what begins with VHOST. */
static const struct {
	uint8_t bit;
	const char *name;
} feature_names[] = {
	{0, "CSUM"},
	{1, "GUEST_CSUM"},
	{2, "CTRL_GUEST_OFFLOADS"},
	{3, "MTU"},
	{5, "MAC"},
	{7, "GUEST_TSO4"},
	{8, "GUEST_TSO6"},
	{9, "GUEST_ECN"},
	{10, "GUEST_UFO"},
	{11, "HOST_TSO4"},
	{12, "HOST_TSO6"},
	{13, "HOST_ECN"},
	{14, "HOST_UFO"},
	{15, "MRG_RXBUF"},
	{16, "STATUS"},
	{17, "CTRL_VQ"},
	{18, "CTRL_RX"},
	{19, "CTRL_VLAN"},
	{21, "GUEST_ANNOUNCE"},
	{22, "MQ"},
	{23, "CTRL_MAC_ADDR"},
	{24, "NOTIFY_ON_EMPTY"},
	{26, "VHOST_LOG_ALL"},
	{27, "ANY_LAYOUT"},
	{28, "INDIRECT_DESC"},
	{29, "EVENT_IDX"},
	{30, "VHOST_PROTOCOL_FEATURES"},
	{32, "VERSION_1"},
	{33, "ACCESS_PLATFORM"},
	{34, "RING_PACKED"},
	{35, "IN_ORDER"},
	{36, "ORDER_PLATFORM"},
	{56, "HOST_USO"},
	{57, "HASH_REPORT"},
	{59, "GUEST_HDRLEN"},
	{60, "RSS"},
	{61, "RSC_EXT"},
	{62, "STANDBY"},
};

/* By name; "bit 63" where the table has none. */
static void json_features(struct json_writer *w, uint64_t features)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)features);
	jw_str(w, "features", text);
	jw_open(w, "feature_names", '[');
	for (size_t i = 0; i < sizeof(feature_names) / sizeof(feature_names[0]); i++) {
		uint64_t bit = UINT64_C(1) << feature_names[i].bit;

		if (features & bit)
			jw_str(w, NULL, feature_names[i].name);
		features &= ~bit;
	}
	for (unsigned bit = 0; features; bit++, features >>= 1) {
		snprintf(text, sizeof(text), "bit %u", bit);
		if (features & 1)
			jw_str(w, NULL, text);
	}
	jw_close(w, ']');
}

static void json_config(struct json_writer *w, const struct vf_config *c)
{
	jw_mac(w, "mac", c->mac);
	jw_u64(w, "vlan", c->vlan);
	jw_u64(w, "qos", c->qos);
	jw_str(w, "proto", vlan_proto_names[c->proto]);
	jw_bool(w, "trust", c->trust);
	jw_str(w, "trunks", c->trunks);
	jw_bool(w, "promisc", c->promisc);
	jw_bool(w, "allmulti", c->allmulti);
	jw_u64(w, "queues", c->queues);
	jw_str(w, "transport", transport_names[c->transport]);
	if (c->transport == TRANSPORT_XEN) {
		jw_u64(w, "xen_domain", c->xen_domain);
		jw_u64(w, "xen_handle", c->xen_handle);
	}
	jw_str(w, "socket_role", socket_role_names[c->server]);
	jw_str(w, "socket", c->socket);
	jw_bool(w, "packed", c->packed);
	jw_bool(w, "offloads", c->offloads);
	jw_bool(w, "spoofchk", c->spoofchk);
	jw_str(w, "state", link_state_names[c->state]);
	jw_u64(w, "max_tx_rate", c->max_tx_rate);
	jw_u64(w, "min_tx_rate", c->min_tx_rate);
	jw_u64(w, "mtu", c->mtu);
	jw_u64(w, "ingress_hold_pkts", c->ingress_hold_pkts);
	jw_u64(w, "egress_log_bytes", c->egress_log_bytes);
	jw_str(w, "hold_exempt", c->hold_exempt);
}

static void json_indices(struct json_writer *w, const struct vf_queue_info *q)
{
	jw_u64(w, "rx_avail_idx", q->rx_avail_idx);
	jw_u64(w, "rx_used_idx", q->rx_used_idx);
	jw_u64(w, "tx_avail_idx", q->tx_avail_idx);
	jw_u64(w, "tx_used_idx", q->tx_used_idx);
}

static void json_log(struct json_writer *w, const struct vf_queue_info *q)
{
	jw_open(w, "log", '{');
	jw_u64(w, "released", q->log_released);
	jw_u64(w, "committed", q->log_committed);
	jw_u64(w, "sealed", q->log_sealed);
	jw_u64(w, "tail", q->log_tail);
	jw_close(w, '}');
}

static void json_ring(struct json_writer *w, uint16_t queue, const struct vf_queue_info *q)
{
	jw_open(w, NULL, '{');
	jw_u64(w, "queue", queue);
	jw_bool(w, "enabled", q->enabled);
	jw_u64(w, "lcore", q->lcore);
	jw_u64(w, "rx_size", q->rx_size);
	jw_u64(w, "tx_size", q->tx_size);
	json_indices(w, q);
	jw_u64(w, "held_pkts", q->held_pkts);
	jw_u64(w, "held_bytes", q->held_bytes);
	json_log(w, q);
	jw_u64(w, "ingress_held_pkts", q->ingress_held_pkts);
	jw_close(w, '}');
}

/* The snapshot that was loaded last, or null. */
static void json_restored(struct json_writer *w, const struct vf_info *info)
{
	if (!info->restored_term) {
		jw_raw(w, "restored", "null", 4);
		return;
	}
	jw_open(w, "restored", '{');
	jw_u64(w, "term", info->restored_term);
	jw_u64(w, "epoch", info->restored_epoch);
	jw_close(w, '}');
}

void json_vf(struct json_writer *w, const struct vf_info *info)
{
	uint16_t i;

	jw_open(w, NULL, '{');
	jw_str(w, "name", info->config.name);
	jw_u64(w, "id", info->id);
	json_config(w, &info->config);
	jw_open(w, "own_macs", '[');
	for (i = 0; i < info->n_macs; i++)
		jw_mac(w, NULL, info->macs[i]);
	jw_close(w, ']');
	jw_str_or_null(w, "group", info->group);
	jw_str(w, "frontend", frontend_names[info->frontend]);
	jw_u64(w, "frontend_errors", info->frontend_errors);
	json_features(w, info->features);
	jw_str(w, "role", info->role);
	jw_bool(w, "suspended", info->suspended);
	jw_u64(w, "term", info->term);
	jw_u64(w, "epoch", info->epoch);
	json_restored(w, info);
	jw_u64(w, "held_pkts", info->held_pkts);
	jw_u64(w, "held_bytes", info->held_bytes);
	jw_u64(w, "held_age_us", info->held_age_us);
	jw_u64(w, "ingress_held_pkts", info->ingress_held_pkts);
	jw_open(w, "rings", '[');
	for (i = 0; i < info->n_queues; i++)
		json_ring(w, i, &info->queues[i]);
	jw_close(w, ']');
	jw_close(w, '}');
}

/* An object that begins with these; the caller closes it. */
static void open_extent(struct json_writer *w, const char *key, const struct area_extent *e)
{
	jw_open(w, key, '{');
	jw_u64(w, "offset", e->offset);
	jw_u64(w, "bytes", e->bytes);
}

void json_vf_checkpoint(
	struct json_writer *w, const struct vf_info *info, const struct checkpoint_vf *vf)
{
	uint16_t i;

	jw_open(w, NULL, '{');
	jw_str(w, "name", info->config.name);
	jw_u64(w, "held_pkts", info->held_pkts);
	jw_u64(w, "held_bytes", info->held_bytes);
	jw_open(w, "rings", '[');
	for (i = 0; i < info->n_queues; i++) {
		jw_open(w, NULL, '{');
		jw_u64(w, "queue", i);
		json_indices(w, &info->queues[i]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	open_extent(w, "snapshot", &vf->snapshot);
	jw_close(w, '}');
	open_extent(w, "dirty", &vf->dirty);
	jw_u64(w, "pages", vf->dirty_pages);
	jw_bool(w, "complete", vf->dirty_complete);
	jw_close(w, '}');
	jw_close(w, '}');
}

void json_drops(struct json_writer *w, const char *key, const uint64_t drops[DROP_REASONS])
{
	int i;

	jw_open(w, key, '{');
	for (i = 0; i < DROP_REASONS; i++)
		jw_u64(w, drop_descs[i].name, drops[i]);
	jw_close(w, '}');
}

static void json_counters(struct json_writer *w, const struct vf_counters *c)
{
	jw_u64(w, "tx_pkts", c->tx_pkts);
	jw_u64(w, "tx_bytes", c->tx_bytes);
	jw_u64(w, "rx_pkts", c->rx_pkts);
	jw_u64(w, "rx_bytes", c->rx_bytes);
	jw_u64(w, "released_pkts", c->released_pkts);
	jw_u64(w, "exempt_pkts", c->exempt_pkts);
	jw_u64(w, "backpressure", c->backpressure);
	jw_u64(w, "stuck_rings", c->stuck_rings);
	json_drops(w, "drops", c->drops);
}

void json_vf_stats(struct json_writer *w, const struct vf_info *info)
{
	uint16_t i;

	jw_open(w, NULL, '{');
	jw_str(w, "name", info->config.name);
	json_counters(w, &info->counters);
	jw_open(w, "queues", '[');
	for (i = 0; i < info->n_queues; i++) {
		jw_open(w, NULL, '{');
		jw_u64(w, "queue", i);
		json_counters(w, &info->queues[i].counters);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}
