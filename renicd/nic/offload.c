/* SPDX-License-Identifier: BSD-3-Clause */
/* See offload.h. Segments as RFC 9293 and Linux's software GSO make them. */
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "offload.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

static bool is_udp(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
}

static uint8_t ip_of(const struct rte_mbuf *m)
{
	return m->ol_flags & RTE_MBUF_F_TX_IPV4 ? OFFLOAD_IPV4 : OFFLOAD_IPV6;
}

/* ---- what is asked ---- */

/* Lengths and protocol of m's headers, as a request; false: none that can be fulfilled. */
static bool find_headers(struct rte_mbuf *m)
{
	struct rte_net_hdr_lens lens = {0};
	uint32_t type = rte_net_get_ptype(m, &lens, RTE_PTYPE_ALL_MASK);
	uint32_t l4 = type & RTE_PTYPE_L4_MASK;
	uint32_t l4_min = sizeof(struct rte_tcp_hdr);

	if ((!RTE_ETH_IS_IPV4_HDR(type) && !RTE_ETH_IS_IPV6_HDR(type)) ||
		(type & (RTE_PTYPE_TUNNEL_MASK)) ||
		(l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP))
		return false;
	if (l4 == RTE_PTYPE_L4_UDP)
		l4_min = lens.l4_len = sizeof(struct rte_udp_hdr);
	if (lens.l4_len < l4_min || lens.l3_len < sizeof(struct rte_ipv4_hdr) ||
		lens.l2_len + lens.l3_len + lens.l4_len > RTE_MIN(m->data_len, OFFLOAD_HEADERS_MAX))
		return false;
	m->l2_len = lens.l2_len;
	m->l3_len = lens.l3_len;
	m->l4_len = lens.l4_len;
	m->ol_flags |= RTE_ETH_IS_IPV4_HDR(type) ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= l4 == RTE_PTYPE_L4_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	return true;
}

enum drop_reason offload_from_guest(
	struct rte_mbuf *m, uint32_t max_frame_bytes, uint8_t may_segment)
{
	bool tso = m->ol_flags & RTE_MBUF_F_RX_LRO;
	bool checksum = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
	uint16_t segment = m->tso_segsz;

	m->ol_flags = 0;
	m->tx_offload = 0;
	if (!tso && !checksum)
		return DROP_REASONS;
	if (!find_headers(m) || (tso && (is_udp(m) || !(ip_of(m) & may_segment))))
		return DROP_BAD_OFFLOAD;
	if (!tso || m->pkt_len <= offload_headers(m) + segment)
		return DROP_REASONS;
	/* TCP has one peer: cut for every VF, a frame for all of them would be a flood. */
	if (segment < OFFLOAD_SEGMENT_MIN ||
		rte_is_multicast_ether_addr(rte_pktmbuf_mtod(m, const struct rte_ether_addr *)))
		return DROP_BAD_OFFLOAD;
	if (m->pkt_len > OFFLOAD_FRAME_MAX || offload_headers(m) + segment > max_frame_bytes)
		return DROP_OVERSIZE;
	m->tso_segsz = segment;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	return DROP_REASONS;
}

/* ---- checksums ---- */

/* What TCP or UDP has of the frame, as its IP header says: a short frame may be padded. Where that
 * cannot be, all that is left. */
static uint32_t l4_bytes(const struct rte_mbuf *m)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
	uint32_t left = m->pkt_len - m->l2_len - m->l3_len, bytes;

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4)
		bytes = rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)l3)->total_length);
	else
		bytes = rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)l3)->payload_len) +
			(uint32_t)sizeof(struct rte_ipv6_hdr);
	bytes -= m->l3_len; /* less than nothing is more than is left */
	return bytes >= m->l4_len && bytes <= left ? bytes : left;
}

/* Of the pseudo-header (RFC 793, RFC 8200 section 8.1), whatever headers lie between. */
static uint16_t pseudo_sum(const struct rte_mbuf *m, uint32_t l4_bytes)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
	uint8_t proto = is_udp(m) ? IPPROTO_UDP : IPPROTO_TCP;

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		struct rte_ipv4_hdr ip;

		memcpy(&ip, l3, sizeof(ip));
		ip.version_ihl = RTE_IPV4_VHL_DEF;
		ip.next_proto_id = proto;
		ip.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + l4_bytes));
		return rte_ipv4_phdr_cksum(&ip, 0);
	} else {
		struct rte_ipv6_hdr ip;

		memcpy(&ip, l3, sizeof(ip));
		ip.proto = proto;
		ip.payload_len = rte_cpu_to_be_16((uint16_t)l4_bytes);
		return rte_ipv6_phdr_cksum(&ip, 0);
	}
}

static uint16_t *checksum_field(struct rte_mbuf *m)
{
	uint32_t at = is_udp(m) ? offsetof(struct rte_udp_hdr, dgram_cksum)
				: offsetof(struct rte_tcp_hdr, cksum);

	return rte_pktmbuf_mtod_offset(m, uint16_t *, (uint32_t)m->l2_len + m->l3_len + at);
}

void offload_checksum(struct rte_mbuf *m)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len, bytes = l4_bytes(m);
	uint16_t *field = checksum_field(m), raw = 0;
	uint32_t sum;

	*field = 0;
	if (rte_raw_cksum_mbuf(m, l4, bytes, &raw) == 0) {
		sum = (uint32_t)raw + pseudo_sum(m, bytes);
		sum = (sum & 0xffff) + (sum >> 16);
		*field = (uint16_t)~sum;
		if (is_udp(m) && !*field)
			*field = 0xffff;
	}
	m->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
}

/* ---- for a device ---- */

bool offload_suits_devices(const struct rte_mbuf *m)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
	uint32_t l3_bytes = m->pkt_len - m->l2_len;

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4)
		return rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)l3)->total_length) ==
		       l3_bytes;
	return m->l3_len == sizeof(struct rte_ipv6_hdr) &&
	       rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)l3)->payload_len) ==
		       l3_bytes - sizeof(struct rte_ipv6_hdr);
}

static void fill_ipv4_checksum(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, m->l3_len);
}

void offload_ask_again(struct rte_mbuf *m)
{
	*checksum_field(m) = pseudo_sum(m, l4_bytes(m));
	if (offload_is_tso(m) && (m->ol_flags & RTE_MBUF_F_TX_IPV4))
		fill_ipv4_checksum(m);
	m->ol_flags &= ~RTE_MBUF_F_TX_IP_CKSUM;
}

/* ---- segments ---- */

uint32_t offload_segments(const struct rte_mbuf *m)
{
	return (m->pkt_len - offload_headers(m) + m->tso_segsz - 1) / m->tso_segsz;
}

static void fix_ip(struct rte_mbuf *s, uint32_t index)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(s, uint8_t *, s->l2_len);
	uint16_t l3_bytes = (uint16_t)(s->pkt_len - s->l2_len);

	if (s->ol_flags & RTE_MBUF_F_TX_IPV4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

		ip->total_length = rte_cpu_to_be_16(l3_bytes);
		ip->packet_id =
			rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->packet_id) + index));
		fill_ipv4_checksum(s);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

		ip->payload_len = rte_cpu_to_be_16((uint16_t)(l3_bytes - sizeof(*ip)));
	}
}

static void fix_tcp(struct rte_mbuf *s, uint32_t index, uint32_t offset, bool is_last)
{
	struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(s, struct rte_tcp_hdr *, s->l2_len + s->l3_len);

	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + offset);
	if (!is_last)
		tcp->tcp_flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (index)
		tcp->tcp_flags &= (uint8_t)~TCP_CWR;
}

static struct rte_mbuf *segment_of(
	const struct rte_mbuf *m, uint32_t index, struct rte_mempool *pool)
{
	uint32_t headers = offload_headers(m), offset = index * m->tso_segsz;
	uint32_t left = m->pkt_len - headers - offset;
	uint32_t bytes = RTE_MIN(left, (uint32_t)m->tso_segsz);
	struct rte_mbuf *s = rte_pktmbuf_copy(m, pool, headers + offset, bytes);
	char *head;

	if (!s)
		return NULL;
	head = rte_pktmbuf_prepend(s, (uint16_t)headers);
	if (!head) {
		rte_pktmbuf_free(s);
		return NULL;
	}
	memcpy(head, rte_pktmbuf_mtod(m, const char *), headers);
	s->vlan_tci = m->vlan_tci;
	s->tx_offload = m->tx_offload;
	s->ol_flags =
		m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM |
				      RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_QINQ);
	fix_ip(s, index);
	fix_tcp(s, index, offset, left == bytes);
	offload_checksum(s);
	return s;
}

uint16_t offload_segment(const struct rte_mbuf *m, uint32_t first, struct rte_mempool *pool,
	struct rte_mbuf **segments, uint16_t max)
{
	uint32_t total = offload_segments(m);
	uint16_t n = 0;

	for (; n < max && first + n < total; n++) {
		segments[n] = segment_of(m, first + n, pool);
		if (!segments[n])
			break;
	}
	return n;
}
