/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For builds with -Db_sanitize=thread: DPDK's mempool driver "ring_mp_mc" by rings that are
 * compiled here, so that ThreadSanitizer sees that who frees an mbuf comes before who gets it next.
 * It is registered first, and so found before the plugin of that name, which EAL loads later.
 */
#include <stdio.h>

#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_ring.h>

static int alloc(struct rte_mempool *mp)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), RTE_MEMPOOL_MZ_FORMAT, mp->name);
	mp->pool_data = rte_ring_create(name, rte_align32pow2(mp->size + 1), mp->socket_id, 0);
	return mp->pool_data ? 0 : -rte_errno;
}

static void release(struct rte_mempool *mp)
{
	rte_ring_free(mp->pool_data);
}

static int enqueue(struct rte_mempool *mp, void *const *objs, unsigned n)
{
	return rte_ring_mp_enqueue_bulk(mp->pool_data, objs, n, NULL) ? 0 : -ENOBUFS;
}

static int dequeue(struct rte_mempool *mp, void **objs, unsigned n)
{
	return rte_ring_mc_dequeue_bulk(mp->pool_data, objs, n, NULL) ? 0 : -ENOBUFS;
}

static unsigned get_count(const struct rte_mempool *mp)
{
	return rte_ring_count(mp->pool_data);
}

static const struct rte_mempool_ops ops_seen_by_tsan = {
	.name = "ring_mp_mc",
	.alloc = alloc,
	.free = release,
	.enqueue = enqueue,
	.dequeue = dequeue,
	.get_count = get_count,
};

RTE_MEMPOOL_REGISTER_OPS(ops_seen_by_tsan);
