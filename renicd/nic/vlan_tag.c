/* SPDX-License-Identifier: BSD-3-Clause */
/* See vlan_tag.h. */
#include "offload.h"
#include "vlan_tag.h"

/* Take the outer tag out of the bytes, of either protocol. */
static void strip_tag(struct rte_mbuf *m)
{
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(eth + sizeof(struct rte_vlan_hdr), eth, 2 * RTE_ETHER_ADDR_LEN);
	rte_pktmbuf_adj(m, sizeof(struct rte_vlan_hdr));
	if (offload_is_asked(m))
		m->l2_len -= sizeof(struct rte_vlan_hdr);
}

bool vlan_tag_shape(struct rte_mbuf **m, uint16_t vid, uint16_t vlan)
{
	if (likely(!vid))
		return true;
	if (vid != vlan)
		return vlan_tag_insert(m);
	if ((*m)->ol_flags & RTE_MBUF_F_TX_VLAN) {
		(*m)->ol_flags &= ~BESIDE_8021AD;
		return true;
	}
	if (!nic_make_writable(m))
		return false;
	strip_tag(*m);
	return true;
}
