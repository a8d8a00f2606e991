/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See announce.h. The control thread decides what is due; the lcore that owns the VF's first queue
 * pair makes the frames and sends them through the switch, as if the guest had.
 */
#include <string.h>

#include <rte_cycles.h>

#include "announce.h"
#include "switch.h"

/* As QEMU's announce-initial and announce-step. */
enum { FIRST_GAP_MS = 50, GAP_STEP_MS = 100, GAP_MAX_MS = 550 };

enum { MIN_FRAME_BYTES = 60, ETH_BYTES = 14, IPV6_BYTES = 40, NA_BYTES = 32 };

/* ---- frames ---- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static uint8_t *put_eth(uint8_t *at, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	const uint8_t be[2] = {(uint8_t)(type >> 8), (uint8_t)type};

	return put(put(put(at, dst, 6), src, 6), be, sizeof(be));
}

/* ARP and RARP: RFC 826, RFC 903; padded to the shortest frame. */
static uint16_t put_arp(uint8_t *buf, uint16_t type, uint8_t op, const uint8_t mac[6],
	const uint8_t target_mac[6], const uint8_t ipv4[4])
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, op};
	uint8_t *at;

	memset(buf, 0, MIN_FRAME_BYTES);
	at = put_eth(buf, broadcast, mac, type);
	at = put(put(put(at, head, sizeof(head)), mac, 6), ipv4, 4);
	put(put(at, target_mac, 6), ipv4, 4);
	return MIN_FRAME_BYTES;
}

uint16_t announce_rarp(uint8_t *buf, const uint8_t mac[6])
{
	static const uint8_t none[4];

	return put_arp(buf, RTE_ETHER_TYPE_RARP, 3, mac, mac, none);
}

uint16_t announce_arp(uint8_t *buf, const uint8_t mac[6], const uint8_t ipv4[4])
{
	static const uint8_t unknown[6];

	return put_arp(buf, RTE_ETHER_TYPE_ARP, 1, mac, unknown, ipv4);
}

/* The checksum of RFC 4443, section 2.3, over n (even) bytes and the pseudo-header. */
static uint16_t icmp6_checksum(const uint8_t *addrs, const uint8_t *icmp, uint32_t n)
{
	uint32_t sum = n + IPPROTO_ICMPV6;

	for (uint32_t i = 0; i < 32; i += 2)
		sum += (uint32_t)(addrs[i] << 8 | addrs[i + 1]);
	for (uint32_t i = 0; i < n; i += 2)
		sum += (uint32_t)(icmp[i] << 8 | icmp[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint16_t announce_na(uint8_t *buf, const uint8_t mac[6], const uint8_t ipv6[16])
{
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t ip_head[8] = {0x60, 0, 0, 0, 0, NA_BYTES, IPPROTO_ICMPV6, 255};
	/* Type 136; the override flag; option 2: target link-layer address, 8 bytes. */
	static const uint8_t na_head[8] = {136, 0, 0, 0, 0x20};
	static const uint8_t option[2] = {2, 1};
	uint8_t *icmp = put_eth(buf, all_nodes_mac, mac, RTE_ETHER_TYPE_IPV6);
	uint16_t checksum;

	icmp = put(put(put(icmp, ip_head, sizeof(ip_head)), ipv6, 16), all_nodes, 16);
	put(put(put(put(icmp, na_head, sizeof(na_head)), ipv6, 16), option, 2), mac, 6);
	checksum = icmp6_checksum(icmp - 32, icmp, NA_BYTES);
	icmp[2] = (uint8_t)(checksum >> 8);
	icmp[3] = (uint8_t)checksum;
	return ETH_BYTES + IPV6_BYTES + NA_BYTES;
}

/* ---- on the owner lcore ---- */

/* Frames of one VF on their way to the switch. */
struct batch {
	struct vf_qp *qp;
	const struct vf_policy *policy;
	struct rte_mbuf *pkts[NIC_BURST];
	uint16_t n;
};

/* What is refused is not tried again: the next round comes. */
static void batch_send(struct batch *b)
{
	struct switch_from from = {.qp = b->qp, .group_id = b->policy->group_id};
	uint16_t done = b->n ? switch_send(&from, b->pkts, b->n) : 0;

	rte_pktmbuf_free_bulk(&b->pkts[done], b->n - done);
	b->n = 0;
}

static void batch_add(struct batch *b, const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(nic.pool);

	if (!m)
		return;
	memcpy(rte_pktmbuf_append(m, len), bytes, len);
	if (b->policy->vlan)
		policy_tag(b->policy, m);
	b->pkts[b->n++] = m;
	if (b->n == NIC_BURST)
		batch_send(b);
}

static void send_round(struct vf *vf)
{
	const struct learn_table *addrs = &vf->announce.addrs;
	struct batch b = {
		.qp = vf->qps[0],
		.policy = __atomic_load_n(&vf->policy, __ATOMIC_ACQUIRE),
	};
	const uint8_t *mac = b.policy->mac.addr_bytes;
	uint8_t buf[ANNOUNCE_FRAME_MAX];

	batch_add(&b, buf, announce_rarp(buf, mac));
	for (uint16_t i = 0; !vf->announce.own_mac && i < vf->macs.n; i++)
		batch_add(&b, buf, announce_rarp(buf, vf->macs.addrs[i].addr_bytes));
	for (uint16_t i = 0; i < addrs->n_ipv4; i++)
		batch_add(&b, buf, announce_arp(buf, mac, addrs->ipv4[i]));
	for (uint16_t i = 0; i < addrs->n_ipv6; i++)
		batch_add(&b, buf, announce_na(buf, mac, addrs->ipv6[i]));
	batch_send(&b);
}

static void send_own_rounds(void *arg)
{
	struct vf *vf;

	TAILQ_FOREACH (vf, &nic.vfs, next)
		if (vf->announce.due && vf->qps[0]->lcore == lcore_self())
			send_round(vf);
}

/* ---- control thread ---- */

static bool has_carrier(void)
{
	return !nic.uplink || nic.uplink->is_up();
}

static void plan_next_round(struct vf *vf)
{
	vf->announce.due = false;
	vf->announce.rounds_left--;
	vf->announce.next_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * vf->announce.gap_ms;
	vf->announce.gap_ms = RTE_MIN(vf->announce.gap_ms + GAP_STEP_MS, (unsigned)GAP_MAX_MS);
}

void announce_tick(void)
{
	uint64_t now_tsc = rte_rdtsc();
	bool any = false;
	struct vf *vf;

	if (!has_carrier())
		return;
	TAILQ_FOREACH (vf, &nic.vfs, next) {
		/* Its guest's other MACs may be of frames that are held, and nobody may know. */
		vf->announce.own_mac = vf_is_protected(vf);
		vf->announce.due = vf->announce.rounds_left && now_tsc >= vf->announce.next_tsc;
		any |= vf->announce.due;
	}
	if (!any)
		return;
	lcore_call_all(send_own_rounds, NULL);
	TAILQ_FOREACH (vf, &nic.vfs, next)
		if (vf->announce.due)
			plan_next_round(vf);
}

struct merge {
	const struct vf_qp *qp;
	struct learn_table *all;
};

static void merge_learned(void *arg)
{
	const struct merge *merge = arg;

	learn_merge(merge->all, &merge->qp->learned);
}

void vf_learned(const struct vf *vf, struct learn_table *all)
{
	*all = (struct learn_table){0};
	for (uint16_t q = 0; q < vf->n_qps; q++) { /* one after the other: they share all */
		struct merge merge = {.qp = vf->qps[q], .all = all};

		lcore_call(vf->qps[q]->lcore, merge_learned, &merge);
	}
}

void announce_start(struct vf *vf, unsigned rounds)
{
	vf->announce = (struct vf_announce){.rounds_left = rounds, .gap_ms = FIRST_GAP_MS};
	if (!vf_is_protected(vf))
		vf_learned(vf, &vf->announce.addrs);
	announce_tick();
}

void announce_cancel(struct vf *vf)
{
	vf->announce.rounds_left = 0;
}
