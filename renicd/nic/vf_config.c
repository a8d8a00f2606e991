/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's configuration: completed at creation, published to the lcores as one policy, changed
 * under running traffic. Control thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bpf.h>
#include <rte_cycles.h>
#include <rte_jhash.h>

#include "announce.h"
#include "config_rules.h"
#include "filter.h"
#include "group_members.h"
#include "mac_table.h"
#include "vf.h"
#include "vf_config.h"
#include "vf_link.h"
#include "vf_settings.h"

enum { DEFAULT_LOG_SHARE = 4, MIN_LOG_SEGMENTS = 2 };

/* A MAC that is the same after every start on this machine, and another on the next one. */
static void make_mac(struct vf_config *config)
{
	char machine[64] = "";
	FILE *f = fopen("/etc/machine-id", "re");
	uint32_t seed, hash;

	if (f) {
		if (!fgets(machine, sizeof(machine), f))
			machine[0] = '\0';
		fclose(f);
	}
	if (!machine[0] && gethostname(machine, sizeof(machine) - 1) < 0)
		machine[0] = '\0';
	seed = rte_jhash(machine, (uint32_t)strlen(machine), 0);
	hash = rte_jhash(config->name, (uint32_t)strlen(config->name), seed);
	config->mac[0] = 0x02;
	config->mac[1] = 'r';
	memcpy(&config->mac[2], &hash, sizeof(hash));
}

static bool mac_is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !memcmp(mac, zero, sizeof(zero));
}

int vf_config_complete(struct vf_config *config, struct nic_error *err)
{
	uint64_t pool_bytes = (uint64_t)log_pool_size(nic.log_pool) << LOG_SEGMENT_SHIFT;
	uint64_t min_bytes = (uint64_t)MIN_LOG_SEGMENTS << LOG_SEGMENT_SHIFT;

	if (mac_is_zero(config->mac))
		make_mac(config);
	if (config->mac[0] & 1)
		return nic_fail_value(err, "mac", "a multicast address", "a unicast MAC");
	if (!config->egress_log_bytes)
		config->egress_log_bytes = RTE_MAX(pool_bytes / DEFAULT_LOG_SHARE, min_bytes);
	config->egress_log_bytes =
		RTE_ALIGN_CEIL(RTE_MAX(config->egress_log_bytes, min_bytes), LOG_SEGMENT_BYTES);
	if (vf_transport_complete(config, nic.run_dir, err))
		return err ? err->code : RENIC_E_PARAMS;
	return vf_settings_check(config, err);
}

/* ---- policy ---- */

void vf_policy_free(const struct vf_policy *policy)
{
	if (!policy)
		return;
	rte_bpf_destroy(policy->exempt_bpf);
	free((void *)(uintptr_t)policy);
}

struct vf_policy *vf_policy_make(
	const struct vf *vf, const struct vf_config *config, struct nic_error *err)
{
	struct vf_policy *p = calloc(1, sizeof(*p));

	if (!p) {
		nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
		return NULL;
	}
	memcpy(&p->mac, config->mac, sizeof(p->mac));
	p->vlan = vlan_of_port(config);
	p->vlan_tci = (uint16_t)((config->vlan & VLAN_ID_MASK) | config->qos << VLAN_QOS_SHIFT);
	p->vlan_flags = p->vlan & VLAN_AD ? BESIDE_8021AD : BESIDE_8021Q;
	p->has_trunks = config->trunks[0];
	vlan_set_parse(config->trunks, &p->trunks);
	shaper_rate_set(&p->max_rate, config->max_tx_rate, rte_get_tsc_hz());
	shaper_rate_set(&p->min_rate, config->min_tx_rate, rte_get_tsc_hz());
	p->is_shaped = config->max_tx_rate || config->min_tx_rate;
	p->spoofchk = config->spoofchk;
	p->trust = config->trust;
	p->checks_mac = config->spoofchk || config->trust;
	p->allmulti = config->allmulti;
	p->promisc = config->promisc;
	if (p->promisc)
		__atomic_store_n(&nic.has_promisc, true, __ATOMIC_RELEASE);
	p->standby = config->standby;
	p->max_frame_bytes =
		config->mtu + sizeof(struct rte_ether_hdr) + 2 * sizeof(struct rte_vlan_hdr);
	alike_rule_set(&p->alike, &p->mac, p->checks_mac, p->max_frame_bytes);
	p->alike.is_on = !p->vlan && !p->has_trunks;
	p->ingress_hold_pkts = config->ingress_hold_pkts;
	p->group_id = group_id(vf->group);
	p->internal_pass = group_internal_pass(vf->group);
	if (filter_compile_exempt(p, config->hold_exempt, err)) {
		free(p);
		return NULL;
	}
	return p;
}

static void policy_swap(struct vf *vf, const struct vf_policy *policy)
{
	const struct vf_policy *old = vf->policy;

	__atomic_store_n(&vf->policy, policy, __ATOMIC_RELEASE);
	mac_table_outdate();
	lcore_synchronize();
	vf_policy_free(old);
}

int vf_publish_policy(struct vf *vf, struct nic_error *err)
{
	const struct vf_policy *policy = vf_policy_make(vf, &vf->config, err);

	if (!policy)
		return RENIC_E_RESOURCES;
	policy_swap(vf, policy);
	return 0;
}

/* ---- change ---- */

/* Larger rx fifos, one a queue pair, are made by us and exchanged by their owners. */
static void exchange_fifo(struct vf_qp *qp, void *arg)
{
	struct rx_fifo *fifo = (struct rx_fifo *)arg + qp->index, old = qp->rx;

	while (rx_fifo_count(&old))
		rx_fifo_put(fifo, old.slots[old.head++ & old.mask]);
	qp->rx = *fifo;
	*fifo = old;
}

static int grow_fifos(struct vf *vf, uint32_t pkts, struct nic_error *err)
{
	struct rx_fifo fifos[VF_QPS_MAX] = {0};
	int rc = 0;

	if (pkts <= vf->qps[0]->rx.mask + 1)
		return 0;
	for (uint16_t q = 0; q < vf->n_qps && !rc; q++)
		rc = rx_fifo_init(&fifos[q], pkts);
	if (!rc)
		vf_for_each_qp(vf, exchange_fifo, fifos);
	for (uint16_t q = 0; q < vf->n_qps; q++)
		free(fifos[q].slots);
	return rc ? nic_fail(err, RENIC_E_RESOURCES, "ingress_hold_pkts", "no memory") : 0;
}

int vf_config_check_mac(const struct vf_config *config, struct nic_error *err)
{
	struct rte_ether_addr mac;
	int id;

	memcpy(&mac, config->mac, sizeof(mac));
	id = mac_table_lookup(&mac, vlan_of_port(config));
	if (id < 0 || vf_macs_give_up(nic.by_id[id], &mac))
		return 0;
	return nic_fail(err, RENIC_E_EXISTS, "mac", "VF \"%s\" has this MAC in VLAN %u",
		nic.by_id[id]->config.name, config->vlan);
}

/* Does the VF have the same place in the MAC table with both? */
static bool same_place(const struct vf_config *a, const struct vf_config *b)
{
	return a->standby == b->standby && vlan_of_port(a) == vlan_of_port(b) &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac));
}

/* Take the new place in the MAC table, which must be free. */
static int enter_switch(struct vf_change *change, struct nic_error *err)
{
	const struct vf_config *config = &change->config;
	struct rte_ether_addr mac;
	int rc;

	if (config->standby || same_place(&change->vf->config, config))
		return 0;
	rc = vf_config_check_mac(config, err);
	if (rc)
		return rc;
	memcpy(&mac, config->mac, sizeof(mac));
	if (mac_table_add(&mac, vlan_of_port(config), change->vf->id))
		return nic_fail(err, RENIC_E_RESOURCES, "mac", "the MAC table is full");
	change->in_switch = true;
	return 0;
}

static void leave_switch(const struct vf_config *config)
{
	struct rte_ether_addr mac;

	memcpy(&mac, config->mac, sizeof(mac));
	mac_table_remove(&mac, vlan_of_port(config));
}

int vf_change_prepare(struct vf_change *change, struct vf *vf, const struct vf_config *config,
	struct nic_error *err)
{
	int rc;

	*change = (struct vf_change){.vf = vf, .config = *config};
	if (mac_is_zero(config->mac) || (config->mac[0] & 1))
		return nic_fail_value(err, "mac", "zero or multicast", "a unicast MAC");
	rc = vf_settings_check(config, err);
	if (rc)
		return rc;
	change->policy = vf_policy_make(vf, config, err);
	if (!change->policy)
		return err ? err->code : RENIC_E_PARAMS;
	rc = grow_fifos(vf, config->ingress_hold_pkts, err);
	if (!rc)
		rc = enter_switch(change, err);
	if (rc)
		vf_change_drop(change);
	return rc;
}

/* What can change; never name and socket, which the port's thread reads at any time. */
static void config_take(struct vf_config *to, const struct vf_config *from)
{
	vf_settings_overlay(to, from, ~0u);
	to->standby = from->standby;
}

void vf_change_apply(struct vf_change *change)
{
	struct vf_config old = change->vf->config;

	config_take(&change->vf->config, &change->config);
	vf_note(change->vf);
	policy_swap(change->vf, change->policy);
	if (!old.standby && !same_place(&old, &change->config))
		leave_switch(&old);
	if (change->config.standby)
		vf_macs_leave(change->vf);
	else if (old.standby)
		vf_macs_enter(change->vf);
	else if (!change->config.trust || !same_place(&old, &change->config))
		vf_macs_clear(change->vf);
}

void vf_change_drop(struct vf_change *change)
{
	if (change->in_switch)
		leave_switch(&change->config);
	vf_policy_free(change->policy);
	*change = (struct vf_change){.vf = change->vf};
}

int vf_config_check_rates(
	const struct vf *vf, const struct vf_config *config, struct nic_error *err)
{
	struct uplink_info uplink = {0};
	uint64_t sum = config->min_tx_rate;
	char given[16], expected[80];
	struct vf *other;

	if (!config->min_tx_rate || !nic.uplink)
		return 0;
	nic.uplink->info(&uplink);
	TAILQ_FOREACH (other, &nic.vfs, next)
		sum += other != vf ? other->config.min_tx_rate : 0;
	if (!uplink.speed_mbps || sum <= uplink.speed_mbps)
		return 0;
	snprintf(given, sizeof(given), "%" PRIu32, config->min_tx_rate);
	snprintf(expected, sizeof(expected),
		"at most the uplink's %" PRIu32 " Mbit/s for all VFs together", uplink.speed_mbps);
	return nic_fail_value(err, "min_tx_rate", given, expected);
}

/* The carrier comes first where it may fail, and goes last. */
static int vf_reconfigure(struct vf *vf, const struct vf_config *config, struct nic_error *err)
{
	struct vf_change change;
	int rc = vf_config_check_rates(vf, config, err);

	if (!rc)
		rc = vf_link_check(vf, config, err);
	if (!rc)
		rc = vf_change_prepare(&change, vf, config, err);
	if (rc)
		return rc;
	rc = vf_link_up(vf, config, err);
	if (rc) {
		vf_change_drop(&change);
		return rc;
	}
	vf_change_apply(&change);
	vf_link_down(vf);
	return 0;
}

int nic_vf_set(
	const char *name, const struct vf_config *values, unsigned mask, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	struct vf_config config;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	config = vf->config;
	vf_settings_set(&config, values, mask);
	return vf_reconfigure(vf, &config, err);
}

static void forget_tenant(struct vf_qp *qp, void *arg)
{
	memset(&qp->counters, 0, sizeof(qp->counters));
	memset(&qp->held_time.histogram, 0, sizeof(qp->held_time.histogram));
	memset(&qp->learned, 0, sizeof(qp->learned));
}

int nic_vf_reset(const char *name, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	struct vf_config config, defaults;
	int rc;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	vf_config_defaults(&defaults);
	config = vf->config;
	vf_settings_overlay(&config, &defaults, ~(unsigned)VF_SET_MAC);
	rc = vf_reconfigure(vf, &config, err);
	if (rc)
		return rc;
	announce_cancel(vf);
	vf_macs_clear(vf);
	vf_for_each_qp(vf, forget_tenant, NULL);
	vf->drops_told = 0;
	return 0;
}
