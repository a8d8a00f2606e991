/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VF's guest may send: length, source MAC and who else it claims to be (spoof.h), VLAN. Runs
 * before anything is held, so that the log carries only frames that will leave. The owner lcore.
 */
#ifndef RENICD_NIC_FILTER_H
#define RENICD_NIC_FILTER_H

#include <stdint.h>

#include "alike.h"
#include "vf.h"

/*
 * Drop what the policy forbids (counted on qp), tag what belongs to the port VLAN (tag held in
 * the mbuf: RTE_MBUF_F_TX_VLAN). Compacts pkts; returns how many stay, and in *alike what is known
 * of all of these.
 */
uint16_t filter_from_guest(struct vf_qp *qp, const struct vf_policy *policy, struct rte_mbuf **pkts,
	uint16_t n, struct alike *alike);

/*
 * Compile a pcap-filter expression (libpcap, rte_bpf): *fn tells frames by it, until *bpf is
 * destroyed. Both are NULL for an empty expression. field: the parameter that an error names.
 * Control thread.
 */
int filter_compile(const char *expression, const char *field, uint64_t (**fn)(void *mbuf),
	struct rte_bpf **bpf, struct nic_error *err);

/* Compile a pcap-filter expression for policy->exempt (libpcap, rte_bpf). Control thread.
 * An empty expression clears it. */
int filter_compile_exempt(struct vf_policy *policy, const char *expression, struct nic_error *err);

#endif
