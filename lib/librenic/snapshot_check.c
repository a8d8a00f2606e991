/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a snapshot's values may be: the same when it is written and when it is read, so that what
 * a daemon writes another one takes. The ranges are vf_create's (docs/protocol.md) and virtio's.
 * Any thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "snapshot_priv.h"

enum {
	VLAN_MAX = 4095,
	MTU_MIN = 68, /* RFC 791 */
	MTU_MAX = 9000,
	INGRESS_HOLD_MAX = 65536,
	QOS_MAX = 7,
	RATE_MAX_MBPS = 1000000,
	RING_MAX = 32768, /* virtio 1.2, sections 2.7 and 2.8 */
};

static const char *const role_names[RENIC_ROLES] = {
	[RENIC_ROLE_UNPROTECTED] = "unprotected",
	[RENIC_ROLE_PROTECTED] = "protected",
	[RENIC_ROLE_STANDBY] = "standby",
};

static const char *const link_state_names[RENIC_LINK_STATES] = {
	[RENIC_LINK_ENABLE] = "enable",
	[RENIC_LINK_DISABLE] = "disable",
	[RENIC_LINK_AUTO] = "auto",
};

const char *renic_link_state_name(unsigned state)
{
	return state < RENIC_LINK_STATES ? link_state_names[state] : NULL;
}

bool snapshot_has_policy(const struct renic_snapshot *s)
{
	return s->qos || s->proto_8021ad || s->trust || s->promisc || s->link_state ||
	       s->max_tx_rate || s->min_tx_rate || s->trunks[0];
}

bool snapshot_has_trusted(const struct renic_snapshot *s)
{
	return s->allmulti || s->n_macs;
}

const char *renic_role_name(enum renic_role role)
{
	return (unsigned)role < RENIC_ROLES ? role_names[role] : NULL;
}

/* isalnum() depends on the locale; names do not. */
static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool renic_name_is_valid(const char name[RENIC_SNAPSHOT_NAME_SIZE])
{
	size_t len = strnlen(name, RENIC_SNAPSHOT_NAME_SIZE);

	if (len == RENIC_SNAPSHOT_NAME_SIZE || !is_alnum(name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

static int check_number(uint64_t value, uint64_t min, uint64_t max, const char *field,
	struct renic_snapshot_error *err)
{
	if (value >= min && value <= max)
		return 0;
	return snapshot_fail(err, field, "%s: got %" PRIu64 ", expected %" PRIu64 " to %" PRIu64,
		field, value, min, max);
}

static int check_names(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	const char *expected = "1 to 31 of A-Z a-z 0-9 _ . -, the first a letter or digit";

	if (!renic_name_is_valid(s->name))
		return snapshot_fail(err, "name", "name: expected %s", expected);
	if (s->group[0] && !renic_name_is_valid(s->group))
		return snapshot_fail(err, "group", "group: expected nothing, or %s", expected);
	return 0;
}

/* A pcap-filter expression: printable ASCII, ended by its NUL. */
static int check_filter(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	size_t len = strnlen(s->hold_exempt, sizeof(s->hold_exempt));
	bool fits = len < sizeof(s->hold_exempt);

	for (size_t i = 0; i < len && fits; i++)
		fits = s->hold_exempt[i] >= 0x20 && s->hold_exempt[i] < 0x7f;
	return fits ? 0
		    : snapshot_fail(err, "hold_exempt",
			      "hold_exempt: expected at most %d printable ASCII characters",
			      RENIC_SNAPSHOT_FILTER_SIZE - 1);
}

static int check_mac(const uint8_t mac[6], const char *field, struct renic_snapshot_error *err)
{
	static const uint8_t zero[6];

	if (!(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)))
		return 0;
	return snapshot_fail(err, field,
		"%s: got %02x:%02x:%02x:%02x:%02x:%02x, expected a unicast MAC address", field,
		mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int check_config(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	if (check_names(s, err) || check_mac(s->mac, "mac", err) || check_filter(s, err))
		return -1;
	if (check_number(s->vlan, 0, VLAN_MAX, "vlan", err) ||
		check_number(s->mtu, MTU_MIN, MTU_MAX, "mtu", err))
		return -1;
	return check_number(s->ingress_hold_pkts, 0, INGRESS_HOLD_MAX, "ingress_hold_pkts", err);
}

/* Ids, commas and hyphens: what they mean is for the reader to judge. */
static int check_trunks(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	size_t len = strnlen(s->trunks, sizeof(s->trunks));

	if (len < sizeof(s->trunks) && strspn(s->trunks, "0123456789,-") == len)
		return 0;
	return snapshot_fail(err, "trunks", "trunks: expected VLAN ids such as 0,10,20-29");
}

static int check_policy(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	if (check_number(s->qos, 0, QOS_MAX, "qos", err) ||
		check_number(s->link_state, 0, RENIC_LINK_STATES - 1, "state", err) ||
		check_number(s->max_tx_rate, 0, RATE_MAX_MBPS, "max_tx_rate", err) ||
		check_number(s->min_tx_rate, 0, RATE_MAX_MBPS, "min_tx_rate", err))
		return -1;
	if (check_number(s->n_macs, 0, RENIC_SNAPSHOT_MACS_MAX, "own_macs", err))
		return -1;
	for (uint16_t i = 0; i < s->n_macs; i++)
		if (check_mac(s->macs[i], "own_macs", err))
			return -1;
	return check_trunks(s, err);
}

static int check_role(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	if (check_number((unsigned)s->role, 0, RENIC_ROLES - 1, "role", err) ||
		check_number(s->term, 1, INT64_MAX, "term", err))
		return -1;
	return check_number(s->epoch, 0, INT64_MAX, "epoch", err);
}

static bool ring_is_zero(const struct renic_snapshot_ring *ring)
{
	return !ring->avail_idx && !ring->used_idx && !ring->avail_wrap && !ring->used_wrap;
}

static bool ring_is_valid(const struct renic_snapshot_ring *ring, bool packed)
{
	if (ring->size == 0)
		return ring_is_zero(ring);
	if (packed)
		return ring->avail_idx < ring->size && ring->used_idx < ring->size;
	return !ring->avail_wrap && !ring->used_wrap;
}

static int check_ring(const struct renic_snapshot_ring *ring, bool packed, unsigned q,
	const char *name, struct renic_snapshot_error *err)
{
	char field[sizeof(err->field)];

	snprintf(field, sizeof(field), "rings[%u].%s_size", q, name);
	if (check_number(ring->size, 0, RING_MAX, field, err))
		return -1;
	if (ring_is_valid(ring, packed))
		return 0;
	snprintf(field, sizeof(field), "rings[%u].%s_avail_idx", q, name);
	return snapshot_fail(err, field,
		"rings[%u].%s: indices %u and %u, wrap counters %d and %d cannot be those of a %s "
		"ring of %u",
		q, name, ring->avail_idx, ring->used_idx, ring->avail_wrap, ring->used_wrap,
		packed ? "packed" : "split", ring->size);
}

static int check_rings(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	bool packed = s->features & RENIC_FEATURE_PACKED;

	if (check_number(s->n_queues, 1, RENIC_SNAPSHOT_QUEUES_MAX, "queues", err))
		return -1;
	for (unsigned q = 0; q < s->n_queues; q++)
		if (check_ring(&s->queues[q].rx, packed, q, "rx", err) ||
			check_ring(&s->queues[q].tx, packed, q, "tx", err))
			return -1;
	return 0;
}

static int check_counters(const struct renic_snapshot *s, struct renic_snapshot_error *err)
{
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{"tx_pkts", s->tx_pkts},
		{"tx_bytes", s->tx_bytes},
		{"rx_pkts", s->rx_pkts},
		{"rx_bytes", s->rx_bytes},
		{"released_pkts", s->released_pkts},
		{"exempt_pkts", s->exempt_pkts},
		{"backpressure", s->backpressure},
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (check_number(counters[i].value, 0, INT64_MAX, counters[i].name, err))
			return -1;
	if (check_number(s->n_drops, 0, RENIC_SNAPSHOT_DROPS_MAX, "drops", err))
		return -1;
	for (unsigned i = 0; i < s->n_drops; i++)
		if (check_number(s->drops[i], 0, INT64_MAX, "drops", err))
			return -1;
	return 0;
}

int renic_snapshot_check(const struct renic_snapshot *snapshot, struct renic_snapshot_error *err)
{
	if (check_config(snapshot, err) || check_policy(snapshot, err) ||
		check_role(snapshot, err) || check_rings(snapshot, err))
		return -1;
	if (check_number(snapshot->n_ipv4, 0, RENIC_SNAPSHOT_ADDRS_MAX, "ipv4", err) ||
		check_number(snapshot->n_ipv6, 0, RENIC_SNAPSHOT_ADDRS_MAX, "ipv6", err))
		return -1;
	return check_counters(snapshot, err);
}
