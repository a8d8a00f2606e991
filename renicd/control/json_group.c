/* SPDX-License-Identifier: BSD-3-Clause */
/* Protection groups as JSON; see json_group.h. */
#include "json_group.h"
#include "schema.h"

/* Only buckets that frames are in. */
static void json_held_time(struct json_writer *w, const struct held_histogram *h)
{
	uint64_t count = held_histogram_count(h);
	unsigned i;

	jw_open(w, "held_time", '{');
	jw_u64(w, "pkts", count);
	jw_u64(w, "mean_us", count ? h->sum_us / count : 0);
	jw_u64(w, "p50_us", held_histogram_us(h, 0.5));
	jw_u64(w, "p90_us", held_histogram_us(h, 0.9));
	jw_u64(w, "p99_us", held_histogram_us(h, 0.99));
	jw_u64(w, "max_us", held_histogram_us(h, 1));
	jw_open(w, "buckets", '[');
	for (i = 0; i < HELD_BUCKETS; i++) {
		if (!h->pkts[i])
			continue;
		jw_open(w, NULL, '{');
		jw_u64(w, "below_us", held_bucket_end_us(i));
		jw_u64(w, "pkts", h->pkts[i]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

void json_group(struct json_writer *w, const struct group_info *info)
{
	const struct group_config *c = &info->config;
	uint16_t i;

	jw_open(w, NULL, '{');
	jw_str(w, "name", c->name);
	jw_open(w, "vfs", '[');
	for (i = 0; i < c->n_vfs; i++)
		jw_str(w, NULL, c->vfs[i]);
	jw_close(w, ']');
	jw_str(w, "internal", internal_names[c->internal_pass]);
	jw_u64(w, "replicator_timeout_ms", c->replicator_timeout_ms);
	jw_str(w, "on_replicator_lost", replicator_policy_names[c->on_replicator_lost]);
	jw_bool(w, "lone", info->lone);
	jw_str(w, "state", info->state);
	jw_u64(w, "term", info->term);
	jw_u64(w, "epoch", info->epoch);
	jw_u64(w, "committed_epoch", info->committed_epoch);
	jw_u64(w, "sealed_epochs", info->sealed_epochs);
	jw_str(w, "replicator", info->replicator);
	jw_u64(w, "held_pkts", info->held_pkts);
	jw_u64(w, "held_bytes", info->held_bytes);
	jw_u64(w, "held_age_us", info->held_age_us);
	json_held_time(w, &info->held_time);
	jw_close(w, '}');
}
