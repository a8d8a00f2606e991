/* SPDX-License-Identifier: BSD-3-Clause */
/* See bpf_mend.h. Instructions: RFC 9669, section 4; jumps count from the next instruction. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "bpf_mend.h"

enum {
	INDEX = EBPF_REG_7, /* cBPF's X, as rte_bpf_convert() has it */
	SCRATCH = EBPF_REG_8,
	SHORT_MAX = INT8_MAX
};

static bool is_short_test(const struct ebpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JSET | BPF_K) && insn->imm >= 0 &&
	       insn->imm <= SHORT_MAX;
}

static bool is_indexed_load(const struct ebpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_IND;
}

static bool is_jump(const struct ebpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != EBPF_CALL &&
	       BPF_OP(insn->code) != EBPF_EXIT;
}

/* Where each instruction begins in the new program; place[n] is its length. */
static uint32_t *place_all(const struct ebpf_insn *insns, uint32_t n)
{
	uint32_t *place = malloc((n + 1) * sizeof(*place)), at = 0;

	for (uint32_t i = 0; place && i < n; i++) {
		place[i] = at;
		at += is_short_test(&insns[i]) ? 2 : 1;
	}
	if (place)
		place[n] = at;
	return place;
}

/* Instruction i to its place; false: it jumps too far. */
static bool move(
	const struct ebpf_insn *insns, const uint32_t *place, uint32_t i, struct ebpf_insn *out)
{
	struct ebpf_insn insn = insns[i];
	uint32_t at = place[i];
	int64_t off;

	if (is_short_test(&insn)) {
		out[at++] = (struct ebpf_insn){
			.code = BPF_ALU | EBPF_MOV | BPF_K, .dst_reg = SCRATCH, .imm = insn.imm};
		insn.code = BPF_JMP | BPF_JSET | BPF_X;
		insn.src_reg = SCRATCH;
		insn.imm = 0;
	}
	if (is_indexed_load(&insn))
		insn.src_reg = INDEX;
	if (is_jump(&insn)) {
		off = (int64_t)place[(int64_t)i + 1 + insn.off] - (at + 1);
		if (off < INT16_MIN || off > INT16_MAX)
			return false;
		insn.off = (int16_t)off;
	}
	out[at] = insn;
	return true;
}

struct rte_bpf_prm *bpf_mend(struct rte_bpf_prm *prm)
{
	uint32_t *place = place_all(prm->ins, prm->nb_ins);
	struct rte_bpf_prm *mended = NULL;
	struct ebpf_insn *out;

	rte_errno = ENOMEM;
	if (!place)
		goto done;
	mended = rte_zmalloc(NULL, sizeof(*mended) + place[prm->nb_ins] * sizeof(*out), 0);
	if (!mended)
		goto done;
	*mended = *prm;
	out = (struct ebpf_insn *)(mended + 1);
	mended->ins = out;
	mended->nb_ins = place[prm->nb_ins];
	for (uint32_t i = 0; i < prm->nb_ins; i++) {
		if (move(prm->ins, place, i, out))
			continue;
		rte_errno = E2BIG;
		rte_free(mended);
		mended = NULL;
		break;
	}
done:
	free(place);
	rte_free(prm);
	return mended;
}
