/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of whole numbers in constant space: exact below 64, then within 1/32 of the value.
 * For latencies of a run of any length. No allocation; one writer.
 */
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 5,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
	uint64_t count, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The value that `percent` of all values do not exceed (a bucket's upper end, at most max); 0 of
 * an empty histogram. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif
