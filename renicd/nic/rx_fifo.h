/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that wait for a guest: while it is suspended, or out of receive buffers for a moment.
 * A plain ring of mbuf pointers with one user, the lcore that owns the queue pair; others may
 * count what is in it.
 */
#ifndef RENICD_NIC_RX_FIFO_H
#define RENICD_NIC_RX_FIFO_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_mbuf.h>

struct rx_fifo {
	struct rte_mbuf **slots;
	uint32_t mask;
	uint32_t head, tail; /* free-running; stored atomically, for rx_fifo_count_any() */
};

static inline uint32_t rx_fifo_count(const struct rx_fifo *f)
{
	return f->tail - f->head;
}

/* Any thread, a recent value: head first, which never exceeds what tail is later. */
static inline uint32_t rx_fifo_count_any(const struct rx_fifo *f)
{
	uint32_t head = __atomic_load_n(&f->head, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&f->tail, __ATOMIC_RELAXED) - head;
}

/* Room for at least n frames. 0 or -ENOMEM. Not on an lcore (allocates). */
static inline int rx_fifo_init(struct rx_fifo *f, uint32_t n)
{
	uint32_t size = rte_align32pow2(RTE_MAX(n, 64u));

	f->slots = calloc(size, sizeof(*f->slots));
	f->mask = size - 1;
	f->head = f->tail = 0;
	return f->slots ? 0 : -ENOMEM;
}

static inline void rx_fifo_put(struct rx_fifo *f, struct rte_mbuf *m)
{
	f->slots[f->tail & f->mask] = m;
	__atomic_store_n(&f->tail, f->tail + 1, __ATOMIC_RELAXED);
}

/* Before all that is in it; there is room. */
static inline void rx_fifo_put_first(struct rx_fifo *f, struct rte_mbuf *m)
{
	f->slots[(f->head - 1) & f->mask] = m;
	__atomic_store_n(&f->head, f->head - 1, __ATOMIC_RELEASE);
}

/* The run of frames at the head that lies in one piece; returns its length, at most max. */
static inline uint16_t rx_fifo_head(const struct rx_fifo *f, struct rte_mbuf ***pkts, uint16_t max)
{
	uint32_t pos = f->head & f->mask;
	uint32_t n = RTE_MIN(rx_fifo_count(f), f->mask + 1 - pos);

	*pkts = &f->slots[pos];
	return (uint16_t)RTE_MIN(n, (uint32_t)max);
}

static inline void rx_fifo_drop_head(struct rx_fifo *f, uint16_t n)
{
	__atomic_store_n(&f->head, f->head + n, __ATOMIC_RELEASE);
}

#endif
