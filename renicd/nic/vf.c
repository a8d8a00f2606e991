/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a VF: created, configured, read, deleted, all under running traffic. Control
 * thread. A VF becomes visible to the lcores in one step (nic.by_id, its pollers) and is freed
 * only after lcore_synchronize().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bpf.h>
#include <rte_cycles.h>
#include <rte_jhash.h>
#include <rte_malloc.h>

#include "filter.h"
#include "group_members.h"
#include "log.h"
#include "switch.h"
#include "vf.h"

enum { INBOX_SIZE = 1024, DEFAULT_LOG_SHARE = 4, MIN_LOG_SEGMENTS = 2 };

void vf_config_defaults(struct vf_config *config)
{
	*config = (struct vf_config){
		.queues = 1,
		.packed = true,
		.spoofchk = true,
		.mtu = 9000,
		.ingress_hold_pkts = 4096,
	};
}

struct vf *vf_find(const char *name)
{
	struct vf *vf;

	TAILQ_FOREACH(vf, &nic.vfs, next)
		if (!strcmp(vf->config.name, name))
			return vf;
	return NULL;
}

static struct vf *find_or_fail(const char *name, struct nic_error *err)
{
	struct vf *vf = vf_find(name);

	if (!vf)
		nic_fail(err, RENIC_E_NOT_FOUND, "name", "no VF named \"%s\"", name);
	return vf;
}

/* ---- policy ---- */

static void policy_free(const struct vf_policy *policy)
{
	if (!policy)
		return;
	rte_bpf_destroy(policy->exempt_bpf);
	free((void *)(uintptr_t)policy);
}

static struct vf_policy *policy_make(const struct vf *vf, const struct vf_config *config,
	struct nic_error *err)
{
	struct vf_policy *p = calloc(1, sizeof(*p));

	if (!p) {
		nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
		return NULL;
	}
	memcpy(&p->mac, config->mac, sizeof(p->mac));
	p->vlan = config->vlan;
	p->spoofchk = config->spoofchk;
	p->max_frame_bytes = config->mtu + sizeof(struct rte_ether_hdr) +
			     2 * sizeof(struct rte_vlan_hdr);
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
	lcore_synchronize();
	policy_free(old);
}

int vf_publish_policy(struct vf *vf, struct nic_error *err)
{
	const struct vf_policy *policy = policy_make(vf, &vf->config, err);

	if (!policy)
		return RENIC_E_RESOURCES;
	policy_swap(vf, policy);
	return 0;
}

/* ---- create ---- */

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

static int complete_config(struct vf_config *config, struct nic_error *err)
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
	if (!config->socket[0] &&
	    snprintf(config->socket, sizeof(config->socket), "%.70s/%s.sock", nic.run_dir,
		    config->name) >= (int)sizeof(config->socket))
		return nic_fail_value(err, "socket", nic.run_dir, "a path of at most 107 bytes");
	return 0;
}

static int check_unique(const struct vf_config *config, struct nic_error *err)
{
	struct rte_ether_addr mac;
	struct vf *vf;
	int id;

	if (vf_find(config->name))
		return nic_fail(err, RENIC_E_EXISTS, "name", "a VF named \"%s\" exists",
			config->name);
	TAILQ_FOREACH(vf, &nic.vfs, next)
		if (!strcmp(vf->config.socket, config->socket))
			return nic_fail(err, RENIC_E_EXISTS, "socket",
				"VF \"%s\" has the socket %s", vf->config.name, config->socket);
	memcpy(&mac, config->mac, sizeof(mac));
	id = switch_lookup(&mac, config->vlan);
	if (id >= 0)
		return nic_fail(err, RENIC_E_EXISTS, "mac", "VF \"%s\" has this MAC in VLAN %u",
			nic.by_id[id]->config.name, config->vlan);
	return 0;
}

static int free_id(void)
{
	for (int id = 0; id < VF_MAX; id++)
		if (!nic.by_id[id])
			return id;
	return -1;
}

static struct vf_qp *qp_new(struct vf *vf, uint16_t index)
{
	struct vf_qp *qp = rte_zmalloc("vf_qp", sizeof(*qp), RTE_CACHE_LINE_SIZE);
	char name[RTE_RING_NAMESIZE];

	if (!qp)
		return NULL;
	qp->vf = vf;
	qp->ops = vf->ops;
	qp->index = index;
	qp->lcore = (uint16_t)((vf->id + index) % lcores_count());
	qp->poller = (struct poller){
		.poll = qp_poll, .arm = qp_arm, .disarm = qp_disarm, .ctx = qp};
	if (lcores_count() > 1) {
		snprintf(name, sizeof(name), "in%u.%u", vf->id, index);
		qp->inbox = rte_ring_create(name, INBOX_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
		if (!qp->inbox)
			goto fail;
	}
	if (rx_fifo_init(&qp->rx, vf->config.ingress_hold_pkts))
		goto fail;
	if (egress_log_init(&qp->log, nic.log_pool, (uint32_t)vf->id * VF_QPS_MAX + index,
		    vf->config.egress_log_bytes) == 0)
		return qp;
fail:
	free(qp->rx.slots);
	rte_ring_free(qp->inbox);
	rte_free(qp);
	return NULL;
}

/* The lcores are done with it. */
static void qp_free(struct vf_qp *qp)
{
	struct rte_mbuf *m;

	if (!qp)
		return;
	while (qp->inbox && rte_ring_sc_dequeue(qp->inbox, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(qp->inbox);
	while (qp->out.head < qp->out.n)
		rte_pktmbuf_free(qp->out.pkts[qp->out.head++]);
	qp_flush_rx(qp, DROP_NO_FRONTEND);
	free(qp->rx.slots);
	egress_log_fini(&qp->log);
	rte_free(qp);
}

static void vf_free(struct vf *vf)
{
	for (uint16_t q = 0; q < vf->n_qps; q++)
		qp_free(vf->qps[q]);
	policy_free(vf->policy);
	pthread_mutex_destroy(&vf->frontend_lock);
	free(vf);
}

static struct vf *vf_new(const struct vf_config *config, int id, struct nic_error *err)
{
	struct vf *vf = calloc(1, sizeof(*vf));

	if (!vf)
		goto fail;
	vf->config = *config;
	vf->id = (uint16_t)id;
	vf->ops = nic.port_ops;
	pthread_mutex_init(&vf->frontend_lock, NULL);
	vf->policy = policy_make(vf, config, err);
	if (!vf->policy) {
		vf_free(vf);
		return NULL;
	}
	for (; vf->n_qps < config->queues; vf->n_qps++) {
		vf->qps[vf->n_qps] = qp_new(vf, vf->n_qps);
		if (!vf->qps[vf->n_qps]) {
			vf_free(vf);
			goto fail;
		}
	}
	return vf;
fail:
	nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory for VF \"%s\"", config->name);
	return NULL;
}

static void add_pollers(void *arg)
{
	struct vf *vf = arg;

	for (uint16_t q = 0; q < vf->n_qps; q++)
		if (vf->qps[q]->lcore == lcore_self())
			lcore_add_poller(&vf->qps[q]->poller);
}

static void remove_pollers(void *arg)
{
	struct vf *vf = arg;

	for (uint16_t q = 0; q < vf->n_qps; q++)
		if (vf->qps[q]->lcore == lcore_self())
			lcore_remove_poller(&vf->qps[q]->poller);
}

static void publish(struct vf *vf)
{
	__atomic_store_n(&nic.by_id[vf->id], vf, __ATOMIC_RELEASE);
	if (nic.id_end <= vf->id)
		__atomic_store_n(&nic.id_end, (uint16_t)(vf->id + 1), __ATOMIC_RELEASE);
	lcore_call_all(add_pollers, vf);
}

/* No lcore knows the VF when this returns. */
static void unpublish(struct vf *vf)
{
	struct rte_ether_addr mac;

	memcpy(&mac, vf->config.mac, sizeof(mac));
	switch_remove(&mac, vf->config.vlan);
	__atomic_store_n(&nic.by_id[vf->id], NULL, __ATOMIC_RELEASE);
	lcore_call_all(remove_pollers, vf);
	lcore_synchronize();
}

int nic_vf_create(const struct vf_config *given, struct nic_error *err)
{
	struct vf_config config = *given;
	struct rte_ether_addr mac;
	struct vf *vf;
	int rc, id = free_id();

	rc = complete_config(&config, err);
	if (!rc)
		rc = check_unique(&config, err);
	if (rc)
		return rc;
	if (id < 0)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "there are %d VFs already", VF_MAX);
	vf = vf_new(&config, id, err);
	if (!vf)
		return err ? err->code : RENIC_E_RESOURCES;
	memcpy(&mac, config.mac, sizeof(mac));
	if (switch_add(&mac, config.vlan, vf->id)) {
		vf_free(vf);
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "the MAC table is full");
	}
	publish(vf);
	rc = vf->ops->create(vf, &vf->config, &vf->port, err);
	if (rc) {
		unpublish(vf);
		vf_free(vf);
		return rc;
	}
	TAILQ_INSERT_TAIL(&nic.vfs, vf, next);
	nic_post_event(EVENT_VF_CREATED, config.name, "%s", config.socket);
	return 0;
}

/* ---- delete ---- */

static uint64_t held_pkts(const struct vf *vf)
{
	uint64_t n = 0;

	for (uint16_t q = 0; q < vf->n_qps; q++)
		n += egress_log_held_pkts(&vf->qps[q]->log);
	return n;
}

int nic_vf_delete(const char *name, bool force, struct nic_error *err)
{
	struct vf *vf = find_or_fail(name, err);
	int rc;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	rc = group_let_go(vf, err);
	if (rc)
		return rc;
	if (held_pkts(vf) && !force)
		return nic_fail(err, RENIC_E_BUSY, "name",
			"%" PRIu64 " committed frames of \"%s\" still wait to leave; "
			"force drops them",
			held_pkts(vf), name);
	vf->ops->destroy(vf->port);
	unpublish(vf);
	if (held_pkts(vf))
		LOG_WARN("VF %s deleted by force with %" PRIu64 " frames waiting", name,
			held_pkts(vf));
	TAILQ_REMOVE(&nic.vfs, vf, next);
	vf_free(vf);
	nic_post_event(EVENT_VF_DELETED, name, "deleted");
	return 0;
}

/* ---- change ---- */

static void overlay(struct vf_config *config, const struct vf_config *values, unsigned mask)
{
	if (mask & VF_SET_MAC)
		memcpy(config->mac, values->mac, sizeof(config->mac));
	if (mask & VF_SET_VLAN)
		config->vlan = values->vlan;
	if (mask & VF_SET_SPOOFCHK)
		config->spoofchk = values->spoofchk;
	if (mask & VF_SET_MTU)
		config->mtu = values->mtu;
	if (mask & VF_SET_INGRESS_HOLD)
		config->ingress_hold_pkts = values->ingress_hold_pkts;
	if (mask & VF_SET_HOLD_EXEMPT)
		memcpy(config->hold_exempt, values->hold_exempt, sizeof(config->hold_exempt));
}

/* Larger rx fifos, made here, exchanged by their owners. */
struct grow {
	struct vf *vf;
	struct rx_fifo fifos[VF_QPS_MAX];
};

static void exchange_fifos(void *arg)
{
	struct grow *grow = arg;

	for (uint16_t q = 0; q < grow->vf->n_qps; q++) {
		struct vf_qp *qp = grow->vf->qps[q];
		struct rx_fifo old = qp->rx;

		if (qp->lcore != lcore_self())
			continue;
		while (rx_fifo_count(&old))
			rx_fifo_put(&grow->fifos[q], old.slots[old.head++ & old.mask]);
		qp->rx = grow->fifos[q];
		grow->fifos[q] = old;
	}
}

static int grow_fifos(struct vf *vf, uint32_t pkts, struct nic_error *err)
{
	struct grow grow = {.vf = vf};
	int rc = 0;

	if (pkts <= vf->qps[0]->rx.mask + 1)
		return 0;
	for (uint16_t q = 0; q < vf->n_qps && !rc; q++)
		rc = rx_fifo_init(&grow.fifos[q], pkts);
	if (!rc)
		lcore_call_all(exchange_fifos, &grow);
	for (uint16_t q = 0; q < vf->n_qps; q++)
		free(grow.fifos[q].slots);
	return rc ? nic_fail(err, RENIC_E_RESOURCES, "ingress_hold_pkts", "no memory") : 0;
}

/* Move the VF in the MAC table; the new place is checked to be free. */
static int move_in_switch(const struct vf *vf, const struct vf_config *config,
	struct nic_error *err)
{
	struct rte_ether_addr mac;
	int id;

	memcpy(&mac, config->mac, sizeof(mac));
	if (!memcmp(vf->config.mac, config->mac, sizeof(config->mac)) &&
	    vf->config.vlan == config->vlan)
		return 0;
	id = switch_lookup(&mac, config->vlan);
	if (id >= 0)
		return nic_fail(err, RENIC_E_EXISTS, "mac", "VF \"%s\" has this MAC in VLAN %u",
			nic.by_id[id]->config.name, config->vlan);
	if (switch_add(&mac, config->vlan, vf->id))
		return nic_fail(err, RENIC_E_RESOURCES, "mac", "the MAC table is full");
	return 0;
}

static int vf_reconfigure(struct vf *vf, const struct vf_config *config, struct nic_error *err)
{
	struct rte_ether_addr old_mac;
	uint16_t old_vlan = vf->config.vlan;
	struct vf_policy *policy;
	bool moved;
	int rc;

	memcpy(&old_mac, vf->config.mac, sizeof(old_mac));
	if (mac_is_zero(config->mac) || (config->mac[0] & 1))
		return nic_fail_value(err, "mac", "zero or multicast", "a unicast MAC");
	policy = policy_make(vf, config, err);
	if (!policy)
		return err ? err->code : RENIC_E_PARAMS;
	rc = grow_fifos(vf, config->ingress_hold_pkts, err);
	if (!rc)
		rc = move_in_switch(vf, config, err);
	if (rc) {
		policy_free(policy);
		return rc;
	}
	moved = memcmp(old_mac.addr_bytes, config->mac, 6) || old_vlan != config->vlan;
	vf->config = *config;
	policy_swap(vf, policy);
	if (moved)
		switch_remove(&old_mac, old_vlan);
	return 0;
}

int nic_vf_set(const char *name, const struct vf_config *values, unsigned mask,
	struct nic_error *err)
{
	struct vf *vf = find_or_fail(name, err);
	struct vf_config config;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	config = vf->config;
	overlay(&config, values, mask);
	return vf_reconfigure(vf, &config, err);
}

static void clear_counters(void *arg)
{
	struct vf *vf = arg;

	for (uint16_t q = 0; q < vf->n_qps; q++)
		if (vf->qps[q]->lcore == lcore_self())
			memset(&vf->qps[q]->counters, 0, sizeof(vf->qps[q]->counters));
}

int nic_vf_reset(const char *name, struct nic_error *err)
{
	struct vf *vf = find_or_fail(name, err);
	struct vf_config config, defaults;
	int rc;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	vf_config_defaults(&defaults);
	config = vf->config;
	overlay(&config, &defaults, ~(unsigned)VF_SET_MAC);
	rc = vf_reconfigure(vf, &config, err);
	if (!rc)
		lcore_call_all(clear_counters, vf);
	return rc;
}

/* ---- read ---- */

static uint64_t tsc_age_us(uint64_t tsc)
{
	uint64_t now = rte_rdtsc();

	return tsc && now > tsc ? (now - tsc) * 1000000 / rte_get_tsc_hz() : 0;
}

static void add_counters(struct vf_counters *sum, const struct vf_counters *c)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)c;

	_Static_assert(sizeof(*c) % sizeof(uint64_t) == 0, "counters are 64-bit words");
	for (size_t i = 0; i < sizeof(*c) / sizeof(uint64_t); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void fill_queue(const struct vf *vf, uint16_t q, struct vf_queue_info *info)
{
	const struct vf_qp *qp = vf->qps[q];
	const struct egress_log_state *log = qp->log.state;

	info->enabled = __atomic_load_n(&qp->enabled, __ATOMIC_RELAXED);
	info->lcore = qp->lcore;
	info->held_pkts = egress_log_held_pkts(&qp->log);
	info->held_bytes = egress_log_held_bytes(&qp->log);
	info->log_released = __atomic_load_n(&log->released, __ATOMIC_RELAXED);
	info->log_committed = __atomic_load_n(&log->committed, __ATOMIC_RELAXED);
	info->log_sealed = __atomic_load_n(&log->sealed, __ATOMIC_RELAXED);
	info->log_tail = __atomic_load_n(&log->tail, __ATOMIC_RELAXED);
	info->ingress_held_pkts = rx_fifo_count(&qp->rx);
	vf->ops->ring_info(vf->port, q, info);
}

void vf_held(const struct vf *vf, uint64_t *pkts, uint64_t *bytes, uint64_t *age_us)
{
	for (uint16_t q = 0; q < vf->n_qps; q++) {
		const struct egress_log *log = &vf->qps[q]->log;
		uint64_t age = tsc_age_us(egress_log_oldest_tsc(log));

		*pkts += egress_log_held_pkts(log);
		*bytes += egress_log_held_bytes(log);
		*age_us = RTE_MAX(*age_us, age);
	}
}

static void vf_fill(struct vf *vf, struct vf_info *info)
{
	memset(info, 0, sizeof(*info));
	info->config = vf->config;
	info->id = vf->id;
	group_describe_vf(vf, info);
	pthread_mutex_lock(&vf->frontend_lock);
	info->frontend = vf->frontend;
	info->frontend_errors = vf->frontend_errors;
	pthread_mutex_unlock(&vf->frontend_lock);
	info->features = vf->ops->features(vf->port);
	info->ingress_held_pkts = __atomic_load_n(&vf->ingress_held, __ATOMIC_RELAXED);
	info->n_queues = vf->n_qps;
	vf_held(vf, &info->held_pkts, &info->held_bytes, &info->held_age_us);
	for (uint16_t q = 0; q < vf->n_qps; q++) {
		fill_queue(vf, q, &info->queues[q]);
		add_counters(&info->counters, &vf->qps[q]->counters);
	}
}

int nic_vf_get(const char *name, struct vf_info *info, struct nic_error *err)
{
	struct vf *vf = find_or_fail(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	vf_fill(vf, info);
	return 0;
}

void nic_vf_foreach(void (*visit)(const struct vf_info *info, void *arg), void *arg)
{
	struct vf_info info;
	struct vf *vf;

	TAILQ_FOREACH(vf, &nic.vfs, next) {
		vf_fill(vf, &info);
		visit(&info, arg);
	}
}
