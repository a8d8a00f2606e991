/* SPDX-License-Identifier: BSD-3-Clause */
/* See learn.h. Every length is checked before a byte is read: guests send anything. */
#include <netinet/in.h>
#include <string.h>

#include "learn.h"

enum {
	ETH_BYTES = 14,
	ETH_SOURCE = 6,
	ETH_TYPE = 12,
	TYPE_ARP = 0x0806,
	TYPE_IPV6 = 0x86dd,
	/* ARP, from its start (RFC 826) */
	ARP_BYTES = 28,
	ARP_SENDER_MAC = 8,
	ARP_SENDER_IP = 14,
	/* IPv6 (RFC 8200, section 3) and what follows */
	IPV6_BYTES = 40,
	IPV6_NEXT_HEADER = 6,
	IPV6_HOP_LIMIT = 7,
	IPV6_SOURCE = 8,
	ND_BYTES = 24, /* a solicitation or advertisement without options */
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
	ND_HOP_LIMIT = 255, /* RFC 4861, section 7.1 */
};

/* An address moves to the end, or comes in there; the oldest one goes where there is no room. */
static void add(uint8_t *addrs, uint16_t *n, size_t bytes, const uint8_t *addr)
{
	uint16_t at = *n;

	if (at && !memcmp(addrs + (at - 1u) * bytes, addr, bytes))
		return;
	for (uint16_t i = 0; i < *n; i++)
		if (!memcmp(addrs + i * bytes, addr, bytes))
			at = i;
	if (at == *n && *n < RENIC_SNAPSHOT_ADDRS_MAX)
		(*n)++;
	else if (at == *n)
		at = 0;
	memmove(addrs + at * bytes, addrs + (at + 1u) * bytes, (*n - at - 1u) * bytes);
	memcpy(addrs + (*n - 1u) * bytes, addr, bytes);
}

/* A host's: not 0/8 (a probe's sender, RFC 5227), loopback, multicast, reserved or broadcast. */
static bool is_host_ipv4(const uint8_t ip[4])
{
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

/* Not unspecified (RFC 4862, duplicate address detection), loopback or multicast. */
static bool is_host_ipv6(const uint8_t ip[16])
{
	static const uint8_t low[15];

	return ip[0] != 0xff && (memcmp(ip, low, sizeof(low)) || ip[15] > 1);
}

static void learn_arp(
	struct learn_table *table, const uint8_t mac[6], const uint8_t *arp, uint32_t len)
{
	/* Ethernet, IPv4, their address lengths. */
	static const uint8_t start[] = {0, 1, 8, 0, 6, 4};

	if (len < ARP_BYTES || memcmp(arp, start, sizeof(start)) ||
		memcmp(arp + ARP_SENDER_MAC, mac, 6) || !is_host_ipv4(arp + ARP_SENDER_IP))
		return;
	add(table->ipv4[0], &table->n_ipv4, sizeof(table->ipv4[0]), arp + ARP_SENDER_IP);
}

static void learn_nd(struct learn_table *table, const uint8_t *ip, uint32_t len)
{
	const uint8_t *icmp = ip + IPV6_BYTES;

	if (len < IPV6_BYTES + ND_BYTES || ip[0] >> 4 != 6 ||
		ip[IPV6_NEXT_HEADER] != IPPROTO_ICMPV6 || ip[IPV6_HOP_LIMIT] != ND_HOP_LIMIT)
		return;
	if ((icmp[0] != ND_SOLICITATION && icmp[0] != ND_ADVERTISEMENT) || icmp[1] != 0 ||
		!is_host_ipv6(ip + IPV6_SOURCE))
		return;
	add(table->ipv6[0], &table->n_ipv6, sizeof(table->ipv6[0]), ip + IPV6_SOURCE);
}

void learn_from_frame(
	struct learn_table *table, const uint8_t mac[6], const uint8_t *frame, uint32_t len)
{
	uint16_t type;

	if (len < ETH_BYTES || memcmp(frame + ETH_SOURCE, mac, 6))
		return;
	type = (uint16_t)(frame[ETH_TYPE] << 8 | frame[ETH_TYPE + 1]);
	if (type == TYPE_ARP)
		learn_arp(table, mac, frame + ETH_BYTES, len - ETH_BYTES);
	else if (type == TYPE_IPV6)
		learn_nd(table, frame + ETH_BYTES, len - ETH_BYTES);
}

void learn_merge(struct learn_table *table, const struct learn_table *from)
{
	for (uint16_t i = 0; i < from->n_ipv4; i++)
		add(table->ipv4[0], &table->n_ipv4, sizeof(table->ipv4[0]), from->ipv4[i]);
	for (uint16_t i = 0; i < from->n_ipv6; i++)
		add(table->ipv6[0], &table->n_ipv6, sizeof(table->ipv6[0]), from->ipv6[i]);
}
