/* SPDX-License-Identifier: BSD-3-Clause */
/* Protection groups as JSON; see json_group.h. */
#include "json_group.h"
#include "schema.h"

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
	jw_close(w, '}');
}
