/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A counter that one thread, its owner, adds to, and any thread reads while it does: each value
 * that is read is whole, and no order with anything else is promised (docs/threads.md). It costs
 * what a plain += costs.
 */
#ifndef RENICD_NIC_COUNTER_H
#define RENICD_NIC_COUNTER_H

#include <stdint.h>

/* The owner. */
static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Any thread. */
static inline uint64_t counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
