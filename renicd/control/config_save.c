/* SPDX-License-Identifier: BSD-3-Clause */
/* The present configuration as a list of calls; see config_calls.h. Members and their words are
 * those of the parameter tables in schema.c. */
#include "config_calls.h"
#include "log.h"
#include "nic/nic.h"

static void open_call(struct json_writer *w, const char *method)
{
	jw_open(w, NULL, '{');
	jw_str(w, "method", method);
	jw_open(w, "params", '{');
}

static void close_call(struct json_writer *w)
{
	jw_close(w, '}');
	jw_close(w, '}');
}

static void write_vf(const struct vf_info *info, void *arg)
{
	const struct vf_config *c = &info->config;
	struct json_writer *w = arg;

	open_call(w, "vf_create");
	jw_str(w, "name", c->name);
	jw_mac(w, "mac", c->mac);
	jw_u64(w, "vlan", c->vlan);
	jw_u64(w, "qos", c->qos);
	jw_str(w, "proto", vlan_proto_names[c->proto]);
	jw_bool(w, "trust", c->trust);
	jw_str(w, "trunks", c->trunks);
	jw_bool(w, "promisc", c->promisc);
	jw_bool(w, "allmulti", c->allmulti);
	jw_u64(w, "queues", c->queues);
	if (c->transport == TRANSPORT_XEN) {
		jw_str(w, "transport", transport_names[c->transport]);
		jw_u64(w, "xen_domain", c->xen_domain);
		jw_u64(w, "xen_handle", c->xen_handle);
	} else {
		jw_str(w, "role", socket_role_names[c->server]);
		jw_bool(w, "packed", c->packed);
		jw_str(w, "socket", c->socket);
	}
	jw_bool(w, "offloads", c->offloads);
	jw_bool(w, "spoofchk", c->spoofchk);
	jw_str(w, "state", link_state_names[c->state]);
	jw_u64(w, "max_tx_rate", c->max_tx_rate);
	jw_u64(w, "min_tx_rate", c->min_tx_rate);
	jw_u64(w, "mtu", c->mtu);
	jw_u64(w, "ingress_hold_pkts", c->ingress_hold_pkts);
	jw_u64(w, "egress_log_bytes", c->egress_log_bytes);
	jw_str(w, "hold_exempt", c->hold_exempt);
	jw_bool(w, "standby", c->standby);
	close_call(w);
}

static bool has_defaults(const struct group_config *c)
{
	return !c->internal_pass && !c->replicator_timeout_ms &&
	       c->on_replicator_lost == REPLICATOR_HOLD;
}

/* A lone VF's group comes with its first use; what was set on it is kept as a group's. */
static void write_group(const struct group_info *info, void *arg)
{
	const struct group_config *c = &info->config;
	struct json_writer *w = arg;
	uint16_t i;

	if (info->lone && has_defaults(c))
		return;
	open_call(w, "group_create");
	jw_str(w, "name", c->name);
	jw_open(w, "vfs", '[');
	for (i = 0; i < c->n_vfs; i++)
		jw_str(w, NULL, c->vfs[i]);
	jw_close(w, ']');
	jw_str(w, "internal", internal_names[c->internal_pass]);
	jw_u64(w, "replicator_timeout_ms", c->replicator_timeout_ms);
	jw_str(w, "on_replicator_lost", replicator_policy_names[c->on_replicator_lost]);
	jw_bool(w, "standby", c->standby);
	close_call(w);
}

static void write_log_level(const char *module, const char *level, void *arg)
{
	struct json_writer *w = arg;

	open_call(w, "log_set_level");
	jw_str(w, "level", level);
	if (module)
		jw_str(w, "module", module);
	close_call(w);
}

void config_calls_write(struct json_writer *w, const char *key)
{
	jw_open(w, key, '[');
	nic_vf_foreach(write_vf, w);
	nic_group_foreach(write_group, w);
	log_level_foreach(write_log_level, w);
	jw_close(w, ']');
}
