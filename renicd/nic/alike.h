/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bursts whose frames are all alike, as most are: one pass over them says so, and what follows (the
 * filter, the switch, the egress log) decides once a burst instead of once a frame.
 *
 * Alike means: from the VF's MAC, where that is checked, to one MAC; IPv4 (what needs no second
 * look: no tag, no ARP); of one segment; asking for nothing; not too short or long. A burst that is
 * not so is no error, it takes the longer way. Plain functions; any thread.
 */
#ifndef RENICD_NIC_ALIKE_H
#define RENICD_NIC_ALIKE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

/* An Ethernet header and two bytes more, for one comparison of all its fields. Every mbuf has room
 * for them. */
typedef uint64_t alike_header __attribute__((vector_size(16)));

/* What a VF's frames are held against; part of its policy. */
struct alike_rule {
	alike_header own;  /* its MAC as the source, IPv4; 0 else */
	alike_header mask; /* bits that count */
	alike_header to;   /* bits of the destination */
	uint32_t bytes_max;
	bool is_on; /* it has no VLANs */
};

static inline alike_header alike_load(const void *bytes)
{
	alike_header h;

	memcpy(&h, bytes, sizeof(h));
	return h;
}

/* Of memory that a guest may change meanwhile: read once, whatever is done with it. */
static inline alike_header alike_load_once(const void *bytes)
{
	alike_header h = alike_load(bytes);

	asm volatile("" : "+x"(h));
	return h;
}

static inline void alike_store(void *bytes, alike_header h)
{
	memcpy(bytes, &h, sizeof(h));
}

static inline bool alike_is_zero(alike_header h)
{
	return !(h[0] | h[1]);
}

/* checks_mac: the source must be `mac`. Sets all but is_on. */
static inline void alike_rule_set(struct alike_rule *rule, const struct rte_ether_addr *mac,
	bool checks_mac, uint32_t bytes_max)
{
	struct rte_ether_hdr own[2] = {
		{.src_addr = *mac, .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)}};
	struct rte_ether_hdr mask[2] = {{.ether_type = UINT16_MAX}}, to[2] = {0};

	memset(&to->dst_addr, 0xff, sizeof(to->dst_addr));
	memset(&mask->dst_addr, 0xff, sizeof(mask->dst_addr));
	memset(&mask->src_addr, checks_mac ? 0xff : 0, sizeof(mask->src_addr));
	rule->own = alike_load(own);
	rule->mask = alike_load(mask);
	rule->to = alike_load(to);
	rule->bytes_max = bytes_max;
}

struct alike {
	uint64_t bytes;	  /* of all frames */
	uint32_t longest; /* bytes; 0: the frames are not alike */
};

/*
 * Frames just taken from a guest, n > 0. Changes nothing. Where they are alike, each is of one mbuf
 * that is as it came from its pool, and can go back there as it is.
 */
static inline struct alike alike_look(
	const struct alike_rule *rule, struct rte_mbuf *const *pkts, uint16_t n)
{
	const uint16_t fresh_fields[4] = {0, 1, 1, 0}, count[4] = {0, UINT16_MAX, UINT16_MAX, 0};
	uint64_t longest = 0, bytes = 0, too_short = 0, flags = 0, rearm_differs = 0, fresh, counts;
	alike_header want, differs = {0};

	want = (alike_load(rte_pktmbuf_mtod(pkts[0], const void *)) & rule->to) | rule->own;
	/* A mix most often shows here. */
	if (!alike_is_zero(
		    (alike_load(rte_pktmbuf_mtod(pkts[n - 1], const void *)) ^ want) & rule->mask))
		return (struct alike){0};
	memcpy(&fresh, fresh_fields, sizeof(fresh)); /* refcnt, nb_segs */
	memcpy(&counts, count, sizeof(counts));
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];
		uint64_t len = m->pkt_len, rearm;

		memcpy(&rearm, &m->rearm_data, sizeof(rearm));
		rearm_differs |= rearm ^ fresh;
		differs |= alike_load(rte_pktmbuf_mtod(m, const void *)) ^ want;
		flags |= m->ol_flags;
		longest = RTE_MAX(longest, len);
		too_short |= len - RTE_ETHER_HDR_LEN; /* its highest bit, if so */
		bytes += len;
	}
	if (!alike_is_zero(differs & rule->mask) || flags || (rearm_differs & counts) ||
		(int64_t)too_short < 0 || longest > rule->bytes_max)
		return (struct alike){0};
	return (struct alike){.bytes = bytes, .longest = (uint32_t)longest};
}

#endif
