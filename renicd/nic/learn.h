/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses that a guest uses, learned from what it sends: whom to announce when it comes up
 * elsewhere. From ARP (RFC 826) its sender, from IPv6 neighbour discovery (RFC 4861) the source of
 * solicitations and advertisements; nothing else is looked at. Functions on bytes, no state but
 * the table: who owns that calls them, in the data path the owner lcore.
 */
#ifndef RENICD_NIC_LEARN_H
#define RENICD_NIC_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include <renic_snapshot.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

/* The addresses used last, the newest at the end. */
struct learn_table {
	uint16_t n_ipv4, n_ipv6;
	uint8_t ipv4[RENIC_SNAPSHOT_ADDRS_MAX][4]; /* network byte order */
	uint8_t ipv6[RENIC_SNAPSHOT_ADDRS_MAX][16];
};

/* Learn from an untagged frame whose first `len` bytes are at `frame`; it is the guest's own:
 * what another source MAC than `mac` sends is passed over. Any bytes, any length. */
void learn_from_frame(
	struct learn_table *table, const uint8_t mac[6], const uint8_t *frame, uint32_t len);

/* Add all of `from`, its newest as the newest. */
void learn_merge(struct learn_table *table, const struct learn_table *from);

/* Is it worth calling learn_from_frame()? At least an Ethernet header lies at eth; cheap. */
static inline bool learn_may_tell(const struct rte_ether_hdr *eth, uint32_t len)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(eth + 1);

	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return true;
	return eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
	       len >= sizeof(*eth) + sizeof(*ip) && ip->proto == IPPROTO_ICMPV6;
}

#endif
