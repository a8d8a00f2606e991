/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Around two faults of DPDK's. Its conversion from libpcap's programs takes the bit that tells a
 * load's width for the one that says "with the index": `ldb [x + 27]` and `ld [x + 27]` (of
 * `tcp[tcpflags]`, say) were made to read at A + 27. They get the index register here.
 *
 * And its eBPF compiler for x86: for `if (reg & constant) goto` with a constant
 * from 0 to 127 it writes TEST r/m, imm32 (opcode F7 /0, which has no short form) with one byte
 * of the constant, so that the rest of the machine code is shifted by three bytes: it crashes or
 * answers anything. `tcp[tcpflags] & tcp-syn != 0` is such a filter. The form with the constant
 * in a register is right, so that is what such jumps are made into. Right for any compiler.
 */
#ifndef RENICD_NIC_BPF_MEND_H
#define RENICD_NIC_BPF_MEND_H

struct rte_bpf_prm;

/*
 * Rewrite the program that rte_bpf_convert() gave; register 8, its scratch, must be free at
 * every such jump, as it is in what that makes. Control thread. Returns a new one with prm freed
 * (rte_free() it); NULL with rte_errno set, prm freed: no memory, or a jump that is too
 * long now.
 */
struct rte_bpf_prm *bpf_mend(struct rte_bpf_prm *prm);

#endif
