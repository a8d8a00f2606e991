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

static void json_config(struct json_writer *w, const struct vf_config *c)
{
	jw_mac(w, "mac", c->mac);
	jw_u64(w, "vlan", c->vlan);
	jw_u64(w, "queues", c->queues);
	jw_str(w, "socket_role", socket_role_names[c->server]);
	jw_str(w, "socket", c->socket);
	jw_bool(w, "packed", c->packed);
	jw_bool(w, "spoofchk", c->spoofchk);
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
	char features[20];
	uint16_t i;

	snprintf(features, sizeof(features), "0x%llx", (unsigned long long)info->features);
	jw_open(w, NULL, '{');
	jw_str(w, "name", info->config.name);
	jw_u64(w, "id", info->id);
	json_config(w, &info->config);
	jw_str_or_null(w, "group", info->group);
	jw_str(w, "frontend", frontend_names[info->frontend]);
	jw_u64(w, "frontend_errors", info->frontend_errors);
	jw_str(w, "features", features);
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

void json_vf_stats(struct json_writer *w, const struct vf_info *info)
{
	const struct vf_counters *c = &info->counters;

	jw_open(w, NULL, '{');
	jw_str(w, "name", info->config.name);
	jw_u64(w, "tx_pkts", c->tx_pkts);
	jw_u64(w, "tx_bytes", c->tx_bytes);
	jw_u64(w, "rx_pkts", c->rx_pkts);
	jw_u64(w, "rx_bytes", c->rx_bytes);
	jw_u64(w, "released_pkts", c->released_pkts);
	jw_u64(w, "exempt_pkts", c->exempt_pkts);
	jw_u64(w, "backpressure", c->backpressure);
	json_drops(w, "drops", c->drops);
	jw_close(w, '}');
}
