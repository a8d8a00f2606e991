/* SPDX-License-Identifier: BSD-3-Clause */
/* See filter.h. Port VLANs as SR-IOV NICs have them: the guest sees untagged frames. */
#include <errno.h>
#define ALLOW_EXPERIMENTAL_API /* rte_bpf_convert() */
#include <pcap/pcap.h>
#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "bpf_mend.h"
#include "filter.h"
#include "filter_parse.h"
#include "learn.h"
#include "mac_table.h"
#include "offload.h"
#include "spoof.h"

/* The guest's own tag, or that it has none. A port VLAN of 802.1ad takes 802.1Q tags along. */
static enum drop_reason check_tag(const struct vf_policy *policy, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(eth + 1);
	bool is_ad = eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
	uint16_t id = VLAN_NONE;

	if (is_ad || eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		if (m->data_len < sizeof(*eth) + sizeof(*tag))
			return DROP_VLAN;
		if (policy->vlan)
			return is_ad || !(policy->vlan & VLAN_AD) ? DROP_VLAN : DROP_REASONS;
		id = rte_be_to_cpu_16(tag->vlan_tci) & VLAN_ID_MASK;
		if (id > VLAN_ID_MAX)
			return DROP_VLAN;
	}
	return policy->has_trunks && !vlan_set_has(&policy->trunks, id) ? DROP_VLAN : DROP_REASONS;
}

static bool is_tcp_or_udp6(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(eth + 1);

	return eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
	       m->data_len >= sizeof(*eth) + sizeof(*ip) &&
	       (ip->proto == IPPROTO_TCP || ip->proto == IPPROTO_UDP);
}

/* Another source MAC than the VF's: a trusted guest's own, if nobody else has it. */
static __rte_noinline enum drop_reason check_mac(
	struct vf_qp *qp, const struct vf_policy *policy, const struct rte_ether_addr *mac)
{
	int id;

	if (!policy->trust || !rte_is_valid_assigned_ether_addr(mac))
		return policy->spoofchk ? DROP_SPOOFED_MAC : DROP_REASONS;
	id = mac_table_lookup(mac, policy->vlan);
	if (id < 0)
		vf_macs_note(qp->vf, mac);
	else if (id != qp->vf->id && policy->spoofchk)
		return DROP_SPOOFED_MAC;
	return DROP_REASONS;
}

/* What is not IPv4 may be tagged, speak for others, or tell an address of the guest's. */
static __rte_noinline enum drop_reason check_other(
	struct vf_qp *qp, const struct vf_policy *policy, const struct rte_mbuf *m)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)bytes;
	const struct rte_ether_addr *sender = policy->trust ? &eth->src_addr : &policy->mac;
	enum drop_reason reason;

	if (is_tcp_or_udp6(m))
		return DROP_REASONS;
	reason = check_tag(policy, m);
	if (reason == DROP_REASONS && policy->spoofchk)
		reason = spoof_check(sender->addr_bytes, bytes, m->data_len, m->pkt_len);
	if (reason == DROP_REASONS && learn_may_tell(eth, m->data_len))
		learn_from_frame(&qp->learned, policy->mac.addr_bytes, bytes, m->data_len);
	return reason;
}

/* Returns the reason to drop m, or DROP_REASONS to keep it. */
static inline enum drop_reason check_frame(
	struct vf_qp *qp, const struct vf_policy *policy, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth;

	if (unlikely(m->data_len < sizeof(*eth)))
		return DROP_RUNT;
	if (unlikely(qp->asks_offloads)) {
		enum drop_reason reason =
			offload_from_guest(m, policy->max_frame_bytes, qp->may_segment);

		if (unlikely(reason != DROP_REASONS))
			return reason;
	}
	if (unlikely(offload_frame_bytes(m) > policy->max_frame_bytes))
		return DROP_OVERSIZE;
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	if (policy->checks_mac && unlikely(!rte_is_same_ether_addr(&eth->src_addr, &policy->mac))) {
		enum drop_reason reason = check_mac(qp, policy, &eth->src_addr);

		if (unlikely(reason != DROP_REASONS))
			return reason;
	}
	if (unlikely(eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4))) {
		enum drop_reason reason = check_other(qp, policy, m);

		if (unlikely(reason != DROP_REASONS))
			return reason;
	}
	if (policy->vlan)
		policy_tag(policy, m);
	else if (unlikely(policy->has_trunks))
		return check_tag(policy, m);
	return DROP_REASONS;
}

/* Frame by frame; *bytes: of all. */
static __rte_noinline uint16_t filter_each(struct vf_qp *qp, const struct vf_policy *policy,
	struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t kept = 0;

	*bytes = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum drop_reason reason;

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], void *));
		*bytes += m->pkt_len;
		reason = check_frame(qp, policy, m);
		if (likely(reason == DROP_REASONS))
			pkts[kept++] = m;
		else
			qp_drop(qp, m, reason);
	}
	return kept;
}

uint16_t filter_from_guest(struct vf_qp *qp, const struct vf_policy *policy, struct rte_mbuf **pkts,
	uint16_t n, struct alike *alike)
{
	uint16_t kept = n;
	uint64_t bytes;

	*alike = (struct alike){0};
	if (likely(policy->alike.is_on && n))
		*alike = alike_look(&policy->alike, pkts, n);
	bytes = alike->bytes;
	if (unlikely(!alike->longest))
		kept = filter_each(qp, policy, pkts, n, &bytes);
	counter_add(&qp->counters.tx_pkts, n);
	counter_add(&qp->counters.tx_bytes, bytes);
	return kept;
}

/* cBPF of libpcap -> eBPF -> machine code. */
static int load_program(
	const struct bpf_program *cbpf, uint64_t (**fn)(void *mbuf), struct rte_bpf **bpf)
{
	struct rte_bpf_prm *prm = rte_bpf_convert(cbpf);
	struct rte_bpf_jit jit;

	if (prm)
		prm = bpf_mend(prm);
	if (!prm)
		return -rte_errno;
	*bpf = rte_bpf_load(prm);
	rte_free(prm);
	if (!*bpf)
		return -rte_errno;
	if (rte_bpf_get_jit(*bpf, &jit) || !jit.func) {
		rte_bpf_destroy(*bpf);
		*bpf = NULL;
		return -ENOTSUP;
	}
	*fn = jit.func;
	return 0;
}

int filter_compile(const char *expression, const char *field, uint64_t (**fn)(void *mbuf),
	struct rte_bpf **bpf, struct nic_error *err)
{
	struct bpf_program cbpf;
	int rc;

	*fn = NULL;
	*bpf = NULL;
	if (!expression[0])
		return 0;
	rc = filter_parse(expression, field, &cbpf, err);
	if (rc)
		return rc;
	rc = load_program(&cbpf, fn, bpf);
	pcap_freecode(&cbpf);
	if (rc)
		return nic_fail(err, RENIC_E_UNSUPPORTED, field,
			"\"%s\" cannot be compiled to native code: %s", expression,
			rte_strerror(-rc));
	return 0;
}

int filter_compile_exempt(struct vf_policy *policy, const char *expression, struct nic_error *err)
{
	return filter_compile(expression, "hold_exempt", &policy->exempt, &policy->exempt_bpf, err);
}
