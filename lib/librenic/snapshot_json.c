/* SPDX-License-Identifier: BSD-3-Clause */
/* A snapshot as JSON, with the names of docs/protocol.md, "What a VF looks like". Any thread. */
#include <arpa/inet.h>
#include <stdio.h>

#include <jansson.h>

#include "snapshot_priv.h"

static json_t *json_text(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static json_t *json_mac(const uint8_t mac[6])
{
	return json_sprintf(
		"%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* Each function below adds members to an object that may be NULL, and returns 0 or -1. */

static int set_number(json_t *object, const char *key, uint64_t value)
{
	return json_object_set_new(object, key, json_integer((json_int_t)value));
}

static int set_config(json_t *object, const struct renic_snapshot *s)
{
	return json_object_set_new(object, "name", json_string(s->name)) ||
	       json_object_set_new(object, "group", json_text(s->group)) ||
	       json_object_set_new(object, "mac", json_mac(s->mac)) ||
	       set_number(object, "vlan", s->vlan) || set_number(object, "mtu", s->mtu) ||
	       json_object_set_new(object, "spoofchk", json_boolean(s->spoofchk)) ||
	       json_object_set_new(object, "packed", json_boolean(s->packed)) ||
	       set_number(object, "ingress_hold_pkts", s->ingress_hold_pkts) ||
	       json_object_set_new(object, "hold_exempt", json_string(s->hold_exempt));
}

static int set_policy(json_t *object, const struct renic_snapshot *s)
{
	const char *state = renic_link_state_name(s->link_state);

	if (!snapshot_has_policy(s))
		return 0;
	return set_number(object, "qos", s->qos) ||
	       json_object_set_new(
		       object, "proto", json_string(s->proto_8021ad ? "802.1ad" : "802.1Q")) ||
	       json_object_set_new(object, "trust", json_boolean(s->trust)) ||
	       json_object_set_new(object, "trunks", json_string(s->trunks)) ||
	       json_object_set_new(object, "promisc", json_boolean(s->promisc)) ||
	       json_object_set_new(object, "state", json_string(state ? state : "unknown")) ||
	       set_number(object, "max_tx_rate", s->max_tx_rate) ||
	       set_number(object, "min_tx_rate", s->min_tx_rate);
}

static int set_trusted(json_t *object, const struct renic_snapshot *s)
{
	json_t *macs;

	if (!snapshot_has_trusted(s))
		return 0;
	macs = json_array();
	for (uint16_t i = 0; i < s->n_macs; i++)
		if (json_array_append_new(macs, json_mac(s->macs[i]))) {
			json_decref(macs);
			return -1;
		}
	return json_object_set_new(object, "allmulti", json_boolean(s->allmulti)) ||
	       json_object_set_new(object, "own_macs", macs);
}

static int set_role(json_t *object, const struct renic_snapshot *s)
{
	const char *role = renic_role_name(s->role);

	return json_object_set_new(object, "role", json_string(role ? role : "unknown")) ||
	       set_number(object, "term", s->term) || set_number(object, "epoch", s->epoch);
}

static int set_ring(
	json_t *object, const char *prefix, const struct renic_snapshot_ring *ring, bool packed)
{
	const struct {
		const char *name;
		uint32_t value;
	} numbers[] = {
		{"size", ring->size},
		{"avail_idx", ring->avail_idx},
		{"used_idx", ring->used_idx},
	};
	const struct {
		const char *name;
		bool value;
	} wraps[] = {{"avail_wrap", ring->avail_wrap}, {"used_wrap", ring->used_wrap}};
	char key[32];
	int rc = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !rc; i++) {
		snprintf(key, sizeof(key), "%s_%s", prefix, numbers[i].name);
		rc = set_number(object, key, numbers[i].value);
	}
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]) && packed && !rc; i++) {
		snprintf(key, sizeof(key), "%s_%s", prefix, wraps[i].name);
		rc = json_object_set_new(object, key, json_boolean(wraps[i].value));
	}
	return rc;
}

static int set_rings(json_t *object, const struct renic_snapshot *s)
{
	bool packed = s->features & RENIC_FEATURE_PACKED;
	json_t *rings = json_array();
	int rc = json_object_set_new(
		object, "features", json_sprintf("0x%llx", (unsigned long long)s->features));

	for (unsigned q = 0; q < s->n_queues && !rc; q++) {
		json_t *ring = json_object();

		rc = set_number(ring, "queue", q) ||
		     json_object_set_new(ring, "enabled", json_boolean(s->queues[q].enabled)) ||
		     set_ring(ring, "rx", &s->queues[q].rx, packed) ||
		     set_ring(ring, "tx", &s->queues[q].tx, packed);
		if (json_array_append_new(rings, ring))
			rc = -1;
	}
	if (set_number(object, "queues", s->n_queues) ||
		json_object_set_new(object, "rings", rings))
		rc = -1;
	return rc;
}

static int set_addresses(json_t *object, const char *key, int family, const uint8_t *addresses,
	size_t size, unsigned n)
{
	json_t *list = json_array();
	char text[INET6_ADDRSTRLEN];
	int rc = 0;

	for (unsigned i = 0; i < n && !rc; i++)
		rc = json_array_append_new(list,
			json_string(inet_ntop(family, addresses + i * size, text, sizeof(text))));
	if (json_object_set_new(object, key, list))
		rc = -1;
	return rc;
}

static int set_counters(json_t *object, const struct renic_snapshot *s)
{
	json_t *drops = json_array();
	int rc = set_number(object, "tx_pkts", s->tx_pkts) ||
		 set_number(object, "tx_bytes", s->tx_bytes) ||
		 set_number(object, "rx_pkts", s->rx_pkts) ||
		 set_number(object, "rx_bytes", s->rx_bytes) ||
		 set_number(object, "released_pkts", s->released_pkts) ||
		 set_number(object, "exempt_pkts", s->exempt_pkts) ||
		 set_number(object, "backpressure", s->backpressure);

	for (unsigned i = 0; i < s->n_drops && !rc; i++)
		rc = json_array_append_new(drops, json_integer((json_int_t)s->drops[i]));
	if (json_object_set_new(object, "drops", drops))
		rc = -1;
	return rc;
}

json_t *renic_snapshot_json(const struct renic_snapshot *snapshot)
{
	json_t *object = json_object();

	if (set_config(object, snapshot) || set_policy(object, snapshot) ||
		set_trusted(object, snapshot) || set_role(object, snapshot) ||
		set_rings(object, snapshot) ||
		set_addresses(object, "ipv4", AF_INET, snapshot->ipv4[0], sizeof(snapshot->ipv4[0]),
			snapshot->n_ipv4) ||
		set_addresses(object, "ipv6", AF_INET6, snapshot->ipv6[0],
			sizeof(snapshot->ipv6[0]), snapshot->n_ipv6) ||
		set_counters(object, snapshot)) {
		json_decref(object);
		return NULL;
	}
	return object;
}
