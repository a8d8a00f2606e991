/* SPDX-License-Identifier: BSD-3-Clause */
/* See netif_csum.h. */
#include "netif_csum.h"

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* Offset of the checksum field in the layer 4 header, and the least that header has; 0: it is
 * neither TCP nor UDP. */
static uint16_t field_offset(uint32_t ptype, uint16_t *header_bytes)
{
	switch (ptype & RTE_PTYPE_L4_MASK) {
	case RTE_PTYPE_L4_TCP:
		*header_bytes = sizeof(struct rte_tcp_hdr);
		return offsetof(struct rte_tcp_hdr, cksum);
	case RTE_PTYPE_L4_UDP:
		*header_bytes = sizeof(struct rte_udp_hdr);
		return offsetof(struct rte_udp_hdr, dgram_cksum);
	default:
		return 0;
	}
}

/* Bytes of layer 4, by the IP header; 0: the frame does not hold them. */
static uint32_t l4_bytes(
	const struct rte_mbuf *m, uint32_t ptype, const struct rte_net_hdr_lens *lens)
{
	const void *ip = rte_pktmbuf_mtod_offset(m, const void *, lens->l2_len);
	uint32_t l3_bytes;

	if (RTE_ETH_IS_IPV4_HDR(ptype))
		l3_bytes = rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)ip)->total_length);
	else if (RTE_ETH_IS_IPV6_HDR(ptype) && lens->l3_len == sizeof(struct rte_ipv6_hdr))
		l3_bytes = sizeof(struct rte_ipv6_hdr) +
			   rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)ip)->payload_len);
	else
		return 0; /* extension headers: nobody asks for it (no feature-ipv6-csum-offload) */
	if (l3_bytes < lens->l3_len || lens->l2_len + l3_bytes > m->pkt_len)
		return 0;
	return l3_bytes - lens->l3_len;
}

static uint16_t pseudo_header(const struct rte_mbuf *m, uint32_t ptype, uint16_t offset)
{
	return RTE_ETH_IS_IPV4_HDR(ptype)
		       ? rte_ipv4_phdr_cksum(
				 rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, offset), 0)
		       : rte_ipv6_phdr_cksum(
				 rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, offset), 0);
}

bool netif_csum_fill(struct rte_mbuf *m)
{
	struct rte_net_hdr_lens lens = {0};
	uint32_t ptype = rte_net_get_ptype(
		m, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint16_t header_bytes = 0, field = field_offset(ptype, &header_bytes);
	uint32_t l4_offset = lens.l2_len + lens.l3_len, bytes = l4_bytes(m, ptype, &lens), sum;
	uint16_t *at, raw;

	if (!field || bytes < header_bytes || l4_offset + header_bytes > m->data_len)
		return false;
	at = rte_pktmbuf_mtod_offset(m, uint16_t *, l4_offset + field);
	*at = 0;
	if (rte_raw_cksum_mbuf(m, l4_offset, bytes, &raw))
		return false;
	sum = (uint32_t)raw + pseudo_header(m, ptype, lens.l2_len);
	sum = (sum >> 16) + (sum & 0xffff);
	raw = (uint16_t) ~((sum >> 16) + sum);
	/* RFC 768: a sum of zero is sent as all ones. */
	*at = raw || header_bytes != sizeof(struct rte_udp_hdr) ? raw : 0xffff;
	return true;
}
