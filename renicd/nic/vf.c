/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a VF: created and deleted under running traffic. Control thread. A VF becomes
 * visible to the lcores in one step (nic.by_id, its pollers) and is freed only after
 * lcore_synchronize().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "checkpoint_area.h"
#include "config_rules.h"
#include "group_members.h"
#include "journal.h"
#include "capture.h"
#include "log.h"
#include "mac_table.h"
#include "vf.h"
#include "vf_config.h"
#include "vf_link.h"

enum {
	INBOX_SIZE = 1024, /* at least, */
	INBOX_BURSTS = 2,  /* and so many of each lcore: vf_has_room() wants one */
};

struct vf *vf_find(const char *name)
{
	struct vf *vf;

	TAILQ_FOREACH (vf, &nic.vfs, next)
		if (!strcmp(vf->config.name, name))
			return vf;
	return NULL;
}

struct vf *vf_find_or_fail(const char *name, struct nic_error *err)
{
	struct vf *vf = vf_find(name);

	if (!vf)
		nic_fail(err, RENIC_E_NOT_FOUND, "name", "no VF named \"%s\"", name);
	return vf;
}

static int check_unique(const struct vf_config *config, struct nic_error *err)
{
	const char *taken;
	struct vf *vf;

	TAILQ_FOREACH (vf, &nic.vfs, next) {
		taken = vf_clash(config, &vf->config);
		if (taken)
			return nic_fail(err, RENIC_E_EXISTS, taken,
				"%s: VF \"%s\" has it already%s", taken, vf->config.name,
				strcmp(taken, "mac") ? "" : ", in the same VLAN");
	}
	if (group_find(config->name))
		return nic_fail(err, RENIC_E_EXISTS, "name",
			"a group is named \"%s\"; the VF would be taken for it", config->name);
	return config->standby ? 0 : vf_config_check_mac(config, err);
}

static int free_id(void)
{
	for (int id = 0; id < VF_MAX; id++)
		if (!nic.by_id[id])
			return id;
	return -1;
}

static unsigned inbox_size(void)
{
	return RTE_MAX(
		(unsigned)INBOX_SIZE, rte_align32pow2(INBOX_BURSTS * NIC_BURST * lcores_count()));
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
	qp->suspended = vf->config.standby;
	qp->lcore = (uint16_t)((vf->id + index) % lcores_count());
	qp->turn = index < lcores_count() ? qp->turns : vf->qps[index % lcores_count()]->turns;
	qp->poller =
		(struct poller){.poll = qp_poll, .arm = qp_arm, .disarm = qp_disarm, .ctx = qp};
	if (lcores_count() > 1) {
		snprintf(name, sizeof(name), "in%u.%u", vf->id, index);
		qp->inbox = rte_ring_create(name, inbox_size(), SOCKET_ID_ANY, RING_F_SC_DEQ);
		if (!qp->inbox)
			goto fail;
	}
	if (rx_fifo_init(&qp->rx, vf->config.ingress_hold_pkts))
		goto fail;
	held_time_init(&qp->held_time, rte_get_tsc_hz());
	if (egress_log_recover(&qp->log, nic.log_pool, (uint32_t)vf->id * VF_QPS_MAX + index,
		    vf->config.egress_log_bytes, rte_rdtsc()) == 0) {
		egress_log_set_share(&qp->log, &vf->log_share);
		if (!egress_log_is_empty(&qp->log))
			held_time_append(&qp->held_time, qp->log.appended_pkts, rte_rdtsc());
		return qp;
	}
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
	if (nic.ending)
		egress_log_detach(&qp->log);
	else
		egress_log_fini(&qp->log);
	rte_free(qp);
}

static void vf_free(struct vf *vf)
{
	for (uint16_t q = 0; q < vf->n_qps; q++)
		qp_free(vf->qps[q]);
	vf_policy_free(vf->policy);
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
	vf->ops = nic.port_ops[config->transport];
	pthread_mutex_init(&vf->frontend_lock, NULL);
	dirty_log_init(&vf->dirty, vf->id);
	vf->policy = vf_policy_make(vf, config, err);
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

struct each_qp {
	const struct vf *vf;
	void (*fn)(struct vf_qp *qp, void *arg);
	void *arg;
};

static void run_on_own_qps(void *arg)
{
	const struct each_qp *each = arg;

	vf_for_own_qps(each->vf, each->fn, each->arg);
}

void vf_for_each_qp(struct vf *vf, void (*fn)(struct vf_qp *qp, void *arg), void *arg)
{
	struct each_qp each = {.vf = vf, .fn = fn, .arg = arg};

	lcore_call_all(run_on_own_qps, &each);
}

static void add_poller(struct vf_qp *qp, void *arg)
{
	lcore_add_poller(&qp->poller);
}

static void remove_poller(struct vf_qp *qp, void *arg)
{
	lcore_remove_poller(&qp->poller);
	qp_waits_no_more(qp);
}

static void publish(struct vf *vf)
{
	__atomic_store_n(&nic.by_id[vf->id], vf, __ATOMIC_RELEASE);
	if (nic.id_end <= vf->id)
		__atomic_store_n(&nic.id_end, (uint16_t)(vf->id + 1), __ATOMIC_RELEASE);
	log_pool_set_owners(nic.log_pool, nic.id_end);
	mac_table_outdate();
}

/* No lcore knows the VF when this returns. */
static void unpublish(struct vf *vf)
{
	uint16_t id_end = nic.id_end;
	struct rte_ether_addr mac;

	memcpy(&mac, vf->config.mac, sizeof(mac));
	if (!vf->config.standby)
		mac_table_remove(&mac, vlan_of_port(&vf->config));
	vf_macs_leave(vf);
	__atomic_store_n(&nic.by_id[vf->id], NULL, __ATOMIC_RELEASE);
	while (id_end && !nic.by_id[id_end - 1])
		id_end--;
	__atomic_store_n(&nic.id_end, id_end, __ATOMIC_RELEASE);
	log_pool_set_owners(nic.log_pool, id_end);
	lcore_synchronize();
}

void vf_note(const struct vf *vf)
{
	struct journal_vf entry = {
		.config = vf->config,
		.file_hash = vf->file_hash,
		.term = vf->term,
		.restored_term = vf->restored_term,
		.restored_epoch = vf->restored_epoch,
	};

	journal_put_vf(vf->id, &entry);
}

int vf_make(const struct vf_config *given, int id, uint64_t file_hash, struct vf **made,
	struct nic_error *err)
{
	struct vf_config config = *given;
	struct rte_ether_addr mac;
	struct vf *vf;
	int rc;

	if (id < 0)
		id = free_id();
	if (!nic.port_ops[config.transport])
		return nic_fail(err, RENIC_E_UNSUPPORTED, "transport",
			"transport: this renicd was built without Xen");
	rc = vf_config_complete(&config, err);
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
	if (!config.standby && mac_table_add(&mac, vlan_of_port(&config), vf->id)) {
		vf_free(vf);
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "the MAC table is full");
	}
	vf->file_hash = file_hash;
	vf_note(vf);
	publish(vf);
	TAILQ_INSERT_TAIL(&nic.vfs, vf, next);
	*made = vf;
	return 0;
}

/* No lcore and no port uses it any more. */
static void release(struct vf *vf)
{
	uint16_t id = vf->id;

	TAILQ_REMOVE(&nic.vfs, vf, next);
	vf_free(vf);
	checkpoint_area_clear(id);
	journal_drop_vf(id);
}

void vf_unmake(struct vf *vf)
{
	unpublish(vf);
	release(vf);
}

int vf_run(struct vf *vf, struct nic_error *err)
{
	int rc;

	vf_for_each_qp(vf, add_poller, NULL);
	rc = vf_link_up(vf, &vf->config, err);
	if (rc) {
		vf_for_each_qp(vf, remove_poller, NULL);
		return rc;
	}
	vf->runs = true;
	nic_post_event(EVENT_VF_CREATED, vf->config.name, "%s", vf->config.socket);
	return 0;
}

int nic_vf_create(const struct vf_config *config, struct nic_error *err)
{
	struct vf *vf;
	int rc = vf_config_check_rates(NULL, config, err);

	if (!rc)
		rc = vf_make(config, -1, 0, &vf, err);

	if (rc)
		return rc;
	rc = vf->config.standby ? group_make_standby(vf, err) : 0;
	if (!rc)
		rc = vf_run(vf, err);
	if (!rc)
		return 0;
	if (vf->group)
		group_free(vf->group);
	vf_unmake(vf);
	return rc;
}

static uint64_t held_pkts(const struct vf *vf)
{
	uint64_t n = 0;

	for (uint16_t q = 0; q < vf->n_qps; q++)
		n += egress_log_held_pkts(&vf->qps[q]->log);
	return n;
}

int nic_vf_delete(const char *name, bool force, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	int rc;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	rc = group_check_let_go(vf, err);
	if (rc)
		return rc;
	if (held_pkts(vf) && !force)
		return nic_fail(err, RENIC_E_BUSY, "name",
			"%" PRIu64 " committed frames of \"%s\" still wait to leave; "
			"force drops them",
			held_pkts(vf), name);
	if (vf->group)
		group_free(vf->group);
	capture_end_of_vf(vf);
	/* First: a lcore that waits for a ring's lock must not be waited for inside the port. */
	if (vf->runs)
		vf_for_each_qp(vf, remove_poller, NULL);
	unpublish(vf);
	if (vf->port)
		vf->ops->destroy(vf->port);
	if (held_pkts(vf) && !nic.ending)
		LOG_WARN("VF %s deleted by force with %" PRIu64 " frames waiting", name,
			held_pkts(vf));
	nic_post_event(EVENT_VF_DELETED, vf->config.name, "deleted");
	release(vf); /* name may have been its own */
	return 0;
}
