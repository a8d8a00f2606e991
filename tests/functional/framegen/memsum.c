/* SPDX-License-Identifier: BSD-3-Clause */
/* Sum over all DPDK memory segments, in order of address; see memsum.h. */
#include <rte_memory.h>

#include "memsum.h"

static int add_segment(
	const struct rte_memseg_list *list, const struct rte_memseg *segment, void *arg)
{
	const uint64_t *words = segment->addr;
	uint64_t *sum = arg;

	if (list->external)
		return 0;
	for (size_t i = 0; i < segment->len / sizeof(*words); i++)
		*sum = (*sum ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	return 0;
}

uint64_t memsum(void)
{
	uint64_t sum = 0;

	rte_memseg_walk(add_segment, &sum);
	return sum;
}
