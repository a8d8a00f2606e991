/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool that frames are read into, with a bound on what one burst from a guest may take of it.
 * librte_vhost copies a chain of descriptors whole before anybody can see how long it is: one chain
 * of a hostile guest could take every mbuf, and an lcore's time for as long as that takes.
 *
 * A mempool's ops, as DPDK's ring_mp_mc but for that bound; lcores' caches stand before them as
 * usual. Each thread has a budget of its own; without one there is no bound.
 */
#ifndef RENICD_NIC_MBUF_BUDGET_H
#define RENICD_NIC_MBUF_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* The ops' name, for rte_pktmbuf_pool_create_by_ops(); makes them known. Control thread, once EAL
 * has loaded its drivers. */
const char *mbuf_budget_ops(void);

/* Until mbuf_budget_end() the calling thread gets at most n from the pool's ring, in all. */
void mbuf_budget_begin(uint32_t n);

/* Returns whether it wanted more. */
bool mbuf_budget_end(void);

#endif
