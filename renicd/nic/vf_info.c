/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF as the control socket shows it. Control thread; the lcores' counters and offsets are read
 * while they run: each value is whole, all of them together are a moment's view.
 */
#include <string.h>

#include <rte_cycles.h>

#include "group_members.h"
#include "vf.h"
#include "vf_config.h"

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
		to[i] += counter_read(&from[i]);
}

static void fill_queue(const struct vf *vf, uint16_t q, struct vf_queue_info *info)
{
	const struct vf_qp *qp = vf->qps[q];
	const struct egress_log_state *log = qp->log.state;

	info->enabled = __atomic_load_n(&qp->enabled, __ATOMIC_RELAXED);
	info->lcore = qp->lcore;
	info->held_pkts = egress_log_held_pkts(&qp->log);
	info->held_bytes = egress_log_held_bytes(&qp->log);
	/* The smallest first: however far they grow meanwhile, they are seen in their order. */
	info->log_released = __atomic_load_n(&log->released, __ATOMIC_ACQUIRE);
	info->log_committed = __atomic_load_n(&log->committed, __ATOMIC_ACQUIRE);
	info->log_sealed = __atomic_load_n(&log->sealed, __ATOMIC_ACQUIRE);
	info->log_tail = __atomic_load_n(&log->tail, __ATOMIC_ACQUIRE);
	info->ingress_held_pkts = rx_fifo_count_any(&qp->rx);
	if (vf->port)
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

void vf_fill_info(struct vf *vf, struct vf_info *info)
{
	memset(info, 0, sizeof(*info));
	info->config = vf->config;
	info->id = vf->id;
	info->n_macs = vf->macs.n;
	memcpy(info->macs, vf->macs.addrs, vf->macs.n * sizeof(info->macs[0]));
	group_describe_vf(vf, info);
	info->restored_term = vf->restored_term;
	info->restored_epoch = vf->restored_epoch;
	pthread_mutex_lock(&vf->frontend_lock);
	info->frontend = vf->frontend;
	info->frontend_errors = vf->frontend_errors;
	pthread_mutex_unlock(&vf->frontend_lock);
	info->features = vf->port ? vf->ops->features(vf->port) : 0;
	info->ingress_held_pkts = __atomic_load_n(&vf->ingress_held, __ATOMIC_RELAXED);
	info->n_queues = vf->n_qps;
	vf_held(vf, &info->held_pkts, &info->held_bytes, &info->held_age_us);
	for (uint16_t q = 0; q < vf->n_qps; q++) {
		fill_queue(vf, q, &info->queues[q]);
		add_counters(&info->queues[q].counters, &vf->qps[q]->counters);
		add_counters(&info->counters, &info->queues[q].counters);
	}
}

int nic_vf_get(const char *name, struct vf_info *info, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	vf_fill_info(vf, info);
	return 0;
}

void nic_vf_foreach(void (*visit)(const struct vf_info *info, void *arg), void *arg)
{
	struct vf_info info;
	struct vf *vf;

	TAILQ_FOREACH (vf, &nic.vfs, next) {
		vf_fill_info(vf, &info);
		visit(&info, arg);
	}
}
