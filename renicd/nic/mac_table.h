/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MAC table: which VF has a MAC in a VLAN (IEEE 802.1Q's filtering database, static entries
 * alone: nothing is learned from what passes).
 *
 * One writer, the control thread; readers on any lcore take no lock (rte_hash), and a slot is used
 * again only after they have passed a quiescent state (rte_rcu_qsbr). The id that the table gives
 * may have no VF yet, or any more: nic.by_id decides.
 *
 * Whoever keeps an answer (struct dest_cache) keeps the table's generation with it. It grows with
 * each change of the table, and of what else says where frames go: an older answer is void.
 */
#ifndef RENICD_NIC_MAC_TABLE_H
#define RENICD_NIC_MAC_TABLE_H

#include <stdint.h>
#include <string.h>

#include <rte_ether.h>

/* lcores run already (their RCU variable is needed). 0, or -errno. Control thread. */
int mac_table_init(void);

/* Nobody looks things up any more. Control thread. */
void mac_table_fini(void);

/* vlan: as vlan.h has it. 0, or negative: the table is full. Control thread. */
int mac_table_add(const struct rte_ether_addr *mac, uint16_t vlan, uint16_t vf_id);

/* It need not be there. Control thread. */
void mac_table_remove(const struct rte_ether_addr *mac, uint16_t vlan);

/* The id of the VF that has this MAC in this VLAN, or -1. Control thread, data lcores. */
int mac_table_lookup(const struct rte_ether_addr *mac, uint16_t vlan);

/* Something else than the table has changed that says where frames go: a VF, or its policy. Before
 * lcore_synchronize(), after which no lcore goes by what was. Control thread. */
void mac_table_outdate(void);

/* mac_table.c; read it by mac_table_generation(). */
extern uint64_t mac_table_generation_word;

/* 1 and more. Read before the table is. Any thread. */
static inline uint64_t mac_table_generation(void)
{
	return __atomic_load_n(&mac_table_generation_word, __ATOMIC_ACQUIRE);
}

/* MAC and VLAN as one word. */
static inline uint64_t mac_table_key(const struct rte_ether_addr *mac, uint16_t vlan)
{
	uint64_t key = (uint64_t)vlan << 48;

	memcpy(&key, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	return key;
}

#endif
