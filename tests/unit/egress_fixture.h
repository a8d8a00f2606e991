/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the egress log's tests share: pools, frames whose bytes follow from their number, and a
 * log in a fresh pool.
 */
#ifndef TESTS_UNIT_EGRESS_FIXTURE_H
#define TESTS_UNIT_EGRESS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "egress_log.h"
#include "unit_eal.h"

enum {
	FRAME_MIN = 14,
	FRAME_MAX = 9022,
	NOISE_BYTES = 1 << 16,
	PEEK_MAX = 512,
};

static struct rte_mempool *guest_pool; /* frames as a guest sends them */
static struct rte_mempool *data_pool, *attach_pool;
static uint8_t noise[NOISE_BYTES + FRAME_MAX];

/* A frame: its bytes follow from number and len. */
struct frame {
	uint32_t number;
	uint32_t len;
	uint16_t flags;	   /* as given to append */
	uint16_t vlan_tci; /* with RTE_MBUF_F_TX_VLAN in ol_flags */
	uint64_t ol_flags;
	uint64_t tx_offload;
};

static inline uint32_t random_below(uint32_t n)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)((x >> 32) % n);
}

static inline uint32_t random_len(void)
{
	static const uint32_t common[] = {14, 60, 64, 128, 255, 256, 257, 1514, 9022};

	if (random_below(3) == 0)
		return common[random_below(sizeof(common) / sizeof(common[0]))];
	return FRAME_MIN + random_below(FRAME_MAX - FRAME_MIN + 1);
}

static inline const uint8_t *frame_bytes(const struct frame *f)
{
	return &noise[f->number * 7919u % NOISE_BYTES];
}

/* As one mbuf, or as a chain of `segs`. */
static inline struct rte_mbuf *frame_mbuf(const struct frame *f, uint32_t segs)
{
	struct rte_mbuf *head = NULL;
	uint32_t done = 0;

	segs = segs < 1 ? 1 : segs;
	for (uint32_t i = 0; i < segs; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(guest_pool);
		uint32_t len = i == segs - 1 ? f->len - done : random_below(f->len - done + 1);

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame_bytes(f) + done, len);
		done += len;
		if (!head)
			head = m;
		else
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	}
	assert_int_equal(head->pkt_len, f->len);
	head->ol_flags |= f->ol_flags;
	head->vlan_tci = f->vlan_tci;
	head->tx_offload = f->tx_offload;
	return head;
}

static inline void frame_append(
	struct egress_log *log, const struct frame *f, uint32_t segs, uint64_t tsc)
{
	struct rte_mbuf *m = frame_mbuf(f, segs);

	egress_log_append(log, m, f->flags, tsc);
	rte_pktmbuf_free(m);
}

/* The mbuf and flags of a peek are this frame. */
static inline void frame_check(const struct frame *f, const struct rte_mbuf *m, uint16_t flags)
{
	uint64_t kept = m->ol_flags & ~RTE_MBUF_F_EXTERNAL;

	assert_int_equal(m->pkt_len, f->len);
	assert_int_equal(m->data_len, f->len);
	assert_int_equal(m->nb_segs, 1);
	assert_memory_equal(rte_pktmbuf_mtod(m, const void *), frame_bytes(f), f->len);
	assert_int_equal(flags & EGRESS_RECORD_SKIP_GROUP, f->flags);
	assert_int_equal(kept, f->ol_flags);
	if (f->ol_flags & RTE_MBUF_F_TX_VLAN)
		assert_int_equal(m->vlan_tci, f->vlan_tci);
	if (f->ol_flags & ~RTE_MBUF_F_TX_VLAN)
		assert_int_equal(m->tx_offload, f->tx_offload);
}

/* The same in every process. */
static inline void noise_make(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (uint8_t)(x >> 24);
	}
}

static inline int pools_make(void)
{
	guest_pool = rte_pktmbuf_pool_create(
		"guest", 127, 0, 0, RTE_PKTMBUF_HEADROOM + FRAME_MAX, SOCKET_ID_ANY);
	data_pool = rte_pktmbuf_pool_create(
		"data", 1023, 32, 0, RTE_PKTMBUF_HEADROOM + EGRESS_COPY_MAX, SOCKET_ID_ANY);
	attach_pool = rte_pktmbuf_pool_create("attach", 1023, 32, 0, 0, SOCKET_ID_ANY);
	noise_make();
	return guest_pool && data_pool && attach_pool ? 0 : -1;
}

/* No test may leak an mbuf. */
static inline void pools_check(void)
{
	assert_int_equal(rte_mempool_in_use_count(guest_pool), 0);
	assert_int_equal(rte_mempool_in_use_count(data_pool), 0);
	assert_int_equal(rte_mempool_in_use_count(attach_pool), 0);
}

static inline void pools_free(void)
{
	rte_mempool_free(guest_pool);
	rte_mempool_free(data_pool);
	rte_mempool_free(attach_pool);
}

#endif
