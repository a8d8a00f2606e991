/* SPDX-License-Identifier: BSD-3-Clause */
/* See mac_table.h. */
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_rcu_qsbr.h>

#include "mac_table.h"
#include "vf.h"

static struct rte_hash *mac_table;
uint64_t mac_table_generation_word = 1; /* atomic */

int mac_table_init(void)
{
	struct rte_hash_parameters params = {
		.name = "renic_macs",
		.entries = VF_MAX * (VF_MACS_MAX + 4),
		.key_len = sizeof(uint64_t),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};
	struct rte_hash_rcu_config rcu = {.v = lcore_qsbr(), .mode = RTE_HASH_QSBR_MODE_SYNC};

	mac_table = rte_hash_create(&params);
	if (!mac_table)
		return -rte_errno;
	return rte_hash_rcu_qsbr_add(mac_table, &rcu) ? -rte_errno : 0;
}

void mac_table_fini(void)
{
	rte_hash_free(mac_table);
	mac_table = NULL;
}

void mac_table_outdate(void)
{
	__atomic_fetch_add(&mac_table_generation_word, 1, __ATOMIC_RELEASE);
}

int mac_table_add(const struct rte_ether_addr *mac, uint16_t vlan, uint16_t vf_id)
{
	uint64_t key = mac_table_key(mac, vlan);

	int rc = rte_hash_add_key_data(mac_table, &key, (void *)(uintptr_t)vf_id);

	mac_table_outdate();
	return rc;
}

void mac_table_remove(const struct rte_ether_addr *mac, uint16_t vlan)
{
	uint64_t key = mac_table_key(mac, vlan);

	rte_hash_del_key(mac_table, &key);
	mac_table_outdate();
}

int mac_table_lookup(const struct rte_ether_addr *mac, uint16_t vlan)
{
	uint64_t key = mac_table_key(mac, vlan);
	void *data;

	return rte_hash_lookup_data(mac_table, &key, &data) < 0 ? -1 : (int)(uintptr_t)data;
}
