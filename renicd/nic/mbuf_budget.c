/* SPDX-License-Identifier: BSD-3-Clause */
/* See mbuf_budget.h. */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "mbuf_budget.h"

static __thread uint32_t left = UINT32_MAX;
static __thread bool exceeded;

void mbuf_budget_begin(uint32_t n)
{
	left = n;
	exceeded = false;
}

bool mbuf_budget_end(void)
{
	left = UINT32_MAX;
	return exceeded;
}

/* ---- the ops ---- */

static int budget_alloc(struct rte_mempool *mp)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring;

	if (snprintf(name, sizeof(name), RTE_MEMPOOL_MZ_FORMAT, mp->name) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	ring = rte_ring_create(name, rte_align32pow2(mp->size + 1), mp->socket_id, 0);
	if (!ring)
		return -rte_errno;
	mp->pool_data = ring;
	return 0;
}

static void budget_free(struct rte_mempool *mp)
{
	rte_ring_free(mp->pool_data);
}

static int budget_enqueue(struct rte_mempool *mp, void *const *objs, unsigned n)
{
	return rte_ring_mp_enqueue_bulk(mp->pool_data, objs, n, NULL) ? 0 : -ENOBUFS;
}

static int budget_dequeue(struct rte_mempool *mp, void **objs, unsigned n)
{
	if (unlikely(n > left)) {
		exceeded = true;
		return -ENOBUFS;
	}
	if (!rte_ring_mc_dequeue_bulk(mp->pool_data, objs, n, NULL))
		return -ENOBUFS;
	left -= left == UINT32_MAX ? 0 : n;
	return 0;
}

static unsigned budget_count(const struct rte_mempool *mp)
{
	return rte_ring_count(mp->pool_data);
}

static const struct rte_mempool_ops budget_ops = {
	.name = "renic_budget",
	.alloc = budget_alloc,
	.free = budget_free,
	.enqueue = budget_enqueue,
	.dequeue = budget_dequeue,
	.get_count = budget_count,
};

/* Last of all: pools in shared memory name their ops by number, and a secondary process
 * (dpdk-dumpcap) must find its own at the same one. */
const char *mbuf_budget_ops(void)
{
	static bool registered;

	if (!registered)
		registered = rte_mempool_register_ops(&budget_ops) >= 0;
	return budget_ops.name;
}
