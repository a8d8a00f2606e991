/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Included first in every file of a build with -Db_sanitize=thread (meson.build): shows
 * ThreadSanitizer the synchronisation that DPDK does out of its sight. DPDK's libraries are not
 * instrumented, and its inline code orders by fences, which ThreadSanitizer does not know.
 *
 * - Rings and stacks: the C11 variants, which lie in memory as the generic ones do, and with
 *   sequentially consistent atomics in place of others and fences.
 * - RCU's synchronize, the freeing of mbufs in bulk, and starting and ending of lcores: by code of
 *   the same meaning that is compiled here.
 * The pools' rings: mempool.c. What is left: ../tsan.supp. docs/threads.md says what all this
 * means for what is found.
 */
#if defined(__SANITIZE_THREAD__) && __has_include(<rte_mbuf.h>) && !defined(TESTS_TSAN_DPDK_H)
#define TESTS_TSAN_DPDK_H

#define ALLOW_EXPERIMENTAL_API
#define RTE_USE_C11_MEM_MODEL
#pragma push_macro("__ATOMIC_RELAXED")
#pragma push_macro("__ATOMIC_ACQUIRE")
#pragma push_macro("__ATOMIC_RELEASE")
#pragma push_macro("__ATOMIC_ACQ_REL")
#undef __ATOMIC_RELAXED
#undef __ATOMIC_ACQUIRE
#undef __ATOMIC_RELEASE
#undef __ATOMIC_ACQ_REL
#define __ATOMIC_RELAXED __ATOMIC_SEQ_CST
#define __ATOMIC_ACQUIRE __ATOMIC_SEQ_CST
#define __ATOMIC_RELEASE __ATOMIC_SEQ_CST
#define __ATOMIC_ACQ_REL __ATOMIC_SEQ_CST
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_stack.h>
#pragma pop_macro("__ATOMIC_RELAXED")
#pragma pop_macro("__ATOMIC_ACQUIRE")
#pragma pop_macro("__ATOMIC_RELEASE")
#pragma pop_macro("__ATOMIC_ACQ_REL")
#include <sanitizer/tsan_interface.h>

#define rte_rcu_qsbr_synchronize(v, id) (rte_rcu_qsbr_check(v, rte_rcu_qsbr_start(v), true))

static inline void tsan_free_bulk(struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(pkts[i]);
}
#define rte_pktmbuf_free_bulk(pkts, n) tsan_free_bulk(pkts, n)

struct tsan_launch {
	lcore_function_t *fn;
	void *arg;
};

static struct tsan_launch tsan_launches[RTE_MAX_LCORE] __rte_unused;

static inline int tsan_lcore(void *p)
{
	struct tsan_launch *launch = p;
	int rc;

	__tsan_acquire(launch);
	rc = launch->fn(launch->arg);
	__tsan_release(launch);
	return rc;
}

static inline int tsan_remote_launch(lcore_function_t *fn, void *arg, unsigned id)
{
	tsan_launches[id] = (struct tsan_launch){fn, arg};
	__tsan_release(&tsan_launches[id]);
	return rte_eal_remote_launch(tsan_lcore, &tsan_launches[id], id);
}

static inline int tsan_wait_lcore(unsigned id)
{
	int rc = rte_eal_wait_lcore(id);

	__tsan_acquire(&tsan_launches[id]);
	return rc;
}
#define rte_eal_remote_launch(fn, arg, id) tsan_remote_launch(fn, arg, id)
#define rte_eal_wait_lcore(id) tsan_wait_lcore(id)

#endif
