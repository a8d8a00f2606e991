/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sched_setattr(2) and sched_getattr(2) take, for which the C library has no function and no
 * structure; <linux/sched/types.h>, which has one, cannot stand beside <sched.h>.
 */
#ifndef RENICD_SCHED_ATTRIBUTES_H
#define RENICD_SCHED_ATTRIBUTES_H

#include <stdint.h>

struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns; /* SCHED_OTHER: runtime_ns is its slice */
};

#endif
