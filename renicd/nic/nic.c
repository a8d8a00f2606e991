/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device as a whole: its pools and tables, its clock, its uplink, its log file. Control
 * thread; the lcores run before nic_init() and after nic_fini().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "announce.h"
#include "capture.h"
#include "checkpoint_area.h"
#include "event.h"
#include "group_members.h"
#include "journal.h"
#include "log.h"
#include "mac_table.h"
#include "mbuf_budget.h"
#include "protection.h"
#include "run_files.h"
#include "vf.h"
#include "vf_link.h"

enum { MBUF_CACHE = 256, HIGH_WATER_PERCENT = 75, LINK_POLL_MS = 100 };

struct nic nic = {
	.vfs = TAILQ_HEAD_INITIALIZER(nic.vfs),
	.groups = TAILQ_HEAD_INITIALIZER(nic.groups),
};

static int create_pools(const struct nic_params *params, struct nic_error *err)
{
	unsigned n_attach = RTE_MAX(params->mbufs / 4, (uint32_t)MBUF_CACHE * 4);

	/* By name: nic_pool_count() asks the ring. */
	nic.pool = rte_pktmbuf_pool_create_by_ops("frames", params->mbufs, MBUF_CACHE, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY, mbuf_budget_ops());
	if (!nic.pool)
		return nic_fail(err, RENIC_E_RESOURCES, "mbufs",
			"no memory for %u packet buffers: raise memory_mb or lower mbufs",
			params->mbufs);
	nic.ingress_segs_max = params->mbufs / 2;
	/* No room of their own: these point into the log. */
	nic.attach_pool =
		rte_pktmbuf_pool_create("log_frames", n_attach, MBUF_CACHE, 0, 0, SOCKET_ID_ANY);
	if (!nic.attach_pool)
		return nic_fail(err, RENIC_E_RESOURCES, "mbufs", "no memory for the log's frames");
	return run_files_open(params, err);
}

int nic_init(const struct nic_params *params, struct nic_error *err)
{
	if (params->run_dir)
		snprintf(nic.run_dir, sizeof(nic.run_dir), "%s", params->run_dir);
	if (params->capture_dir && params->capture_dir[0])
		snprintf(nic.capture_dir, sizeof(nic.capture_dir), "%s", params->capture_dir);
	else
		snprintf(nic.capture_dir, sizeof(nic.capture_dir), "%.90s/captures", nic.run_dir);
	nic.ending = false;
	nic.port_ops = params->port_ops;
	nic.log_for_dma = params->register_dma;
	if (nic_event_fd() < 0 || mac_table_init())
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory for the MAC table");
	if (checkpoint_area_create(err))
		return err ? err->code : RENIC_E_RESOURCES;
	return create_pools(params, err);
}

void nic_set_uplink(const struct uplink_ops *ops)
{
	nic.uplink = ops;
}

bool nic_replace_by_copy(struct rte_mbuf **m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(*m, nic.pool, 0, UINT32_MAX);

	if (!copy)
		return false;
	rte_pktmbuf_free(*m);
	*m = copy;
	return true;
}

/* The end of the daemon: what is held stays unsent. */
void nic_clear(bool keep)
{
	struct group *g;
	struct vf *vf;

	nic.ending = keep;
	if (keep)
		journal_freeze();
	/* Their VFs hold on to what is not committed until they are gone. */
	while ((g = TAILQ_FIRST(&nic.groups)))
		group_free(g);
	while ((vf = TAILQ_FIRST(&nic.vfs)))
		if (nic_vf_delete(vf->config.name, true, NULL))
			break;
}

void nic_fini(void)
{
	run_files_close();
	rte_mempool_free(nic.attach_pool);
	rte_mempool_free(nic.pool);
	nic.attach_pool = nic.pool = NULL;
	checkpoint_area_destroy();
	mac_table_fini();
	event_fini();
}

/* One event each time that a queue's log fills to HIGH_WATER_PERCENT. */
static void check_high_water(struct vf_qp *qp)
{
	const struct egress_log_state *log = qp->log.state;
	/* In this order: `released` never exceeds what `tail` is later. */
	uint64_t released = __atomic_load_n(&log->released, __ATOMIC_ACQUIRE);
	uint64_t used = __atomic_load_n(&log->tail, __ATOMIC_ACQUIRE) - released;
	bool high = used * 100 > qp->vf->config.egress_log_bytes * HIGH_WATER_PERCENT;

	if (high && !qp->high_water)
		nic_post_event(EVENT_LOG_HIGH_WATER, qp->vf->config.name,
			"queue %u: %" PRIu64 " of %" PRIu64 " bytes in use", qp->index, used,
			qp->vf->config.egress_log_bytes);
	qp->high_water = high;
}

/* One event for each reason that has begun to count, until the counters are cleared. */
static void tell_drops(const char *name, const uint64_t drops[DROP_REASONS], uint64_t *told)
{
	_Static_assert(DROP_REASONS <= 64, "a bit for each reason");
	for (int r = 0; r < DROP_REASONS; r++) {
		if (!drops[r] || (*told & UINT64_C(1) << r))
			continue;
		*told |= UINT64_C(1) << r;
		nic_post_event(EVENT_DROPS, name, "%s: %s (%" PRIu64 ")", drop_descs[r].name,
			drop_descs[r].help, drops[r]);
	}
}

/* One event each time that more have come to stand still. */
static void check_stuck_rings(struct vf *vf)
{
	uint64_t times = 0;

	for (uint16_t q = 0; q < vf->n_qps; q++)
		times += counter_read(&vf->qps[q]->counters.stuck_rings);
	if (times > vf->stuck_told)
		nic_post_event(EVENT_RING_STUCK, vf->config.name,
			"a TX ring stands still on what cannot be read (%" PRIu64 ")", times);
	vf->stuck_told = times;
}

static void check_drops(struct vf *vf)
{
	uint64_t drops[DROP_REASONS] = {0};

	for (uint16_t q = 0; q < vf->n_qps; q++)
		for (int r = 0; r < DROP_REASONS; r++)
			drops[r] += counter_read(&vf->qps[q]->counters.drops[r]);
	tell_drops(vf->config.name, drops, &vf->drops_told);
}

static void check_uplink_drops(void)
{
	static uint64_t told;
	struct uplink_info info = {0};

	if (!nic.uplink)
		return;
	nic.uplink->info(&info);
	tell_drops("", info.drops, &told);
}

/* Frames that wait for the link do not keep their lcore awake: it is woken here. */
static void check_link(void)
{
	struct vf *vf;

	if (!nic.uplink || !nic.uplink->poll_link())
		return;
	TAILQ_FOREACH (vf, &nic.vfs, next)
		vf_link_follow(vf);
	for (unsigned i = 0; i < lcores_count(); i++)
		lcore_wake(i);
	nic_post_event(nic.uplink->is_up() ? EVENT_UPLINK_UP : EVENT_UPLINK_DOWN, "", "link is %s",
		nic.uplink->is_up() ? "up" : "down");
}

void nic_tick(void)
{
	static uint64_t next_tsc;
	uint64_t now_tsc = rte_rdtsc();
	bool is_round = now_tsc >= next_tsc;
	struct vf *vf;

	protection_check_timeouts();
	announce_tick();
	TAILQ_FOREACH (vf, &nic.vfs, next)
		vf_macs_tick(vf, is_round);
	if (is_round) {
		next_tsc = now_tsc + rte_get_tsc_hz() / 1000 * LINK_POLL_MS;
		check_link();
		check_uplink_drops();
		TAILQ_FOREACH (vf, &nic.vfs, next) {
			for (uint16_t q = 0; q < vf->n_qps; q++)
				check_high_water(vf->qps[q]);
			check_drops(vf);
			check_stuck_rings(vf);
		}
		capture_tick();
	}
	event_deliver();
}

void nic_uplink_get(struct uplink_info *info)
{
	memset(info, 0, sizeof(*info));
	if (nic.uplink)
		nic.uplink->info(info);
}

/* ---- the log as a file ---- */

struct extents_query {
	const struct vf *vf;
	struct log_extent *extents;
	int max, n;
};

/* What queue pair qp holds, cut at segment boundaries. The owner lcore. */
static void add_extents(struct vf_qp *qp, void *arg)
{
	struct extents_query *query = arg;
	uint64_t at = qp->log.state->released;

	for (; query->n < query->max; query->n++) {
		struct log_extent *e = &query->extents[query->n];

		e->queue = qp->index;
		e->log_offset = at;
		e->bytes = egress_log_extent(&qp->log, at, &e->file_offset);
		if (!e->bytes)
			break;
		at += e->bytes;
	}
}

static void add_own_extents(void *arg)
{
	const struct extents_query *query = arg;

	vf_for_own_qps(query->vf, add_extents, arg);
}

int nic_egress_log_get(
	const char *name, struct log_extent *extents, int max, int *fd, struct nic_error *err)
{
	struct extents_query q = {.vf = vf_find(name), .extents = extents, .max = max};

	if (!q.vf)
		return nic_fail(err, RENIC_E_NOT_FOUND, "name", "no VF named \"%s\"", name);
	*fd = log_pool_fd(nic.log_pool);
	if (*fd < 0)
		return nic_fail(err, RENIC_E_IO, NULL, "log file: %s", strerror(-*fd));
	for (unsigned i = 0; i < lcores_count(); i++) /* one after the other: they share q */
		lcore_call(i, add_own_extents, &q);
	return q.n;
}
