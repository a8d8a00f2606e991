/* SPDX-License-Identifier: BSD-3-Clause */
/* Log-linear buckets: the position of the highest bit, then the next five bits. */
#include "histogram.h"

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value >> (HISTOGRAM_SUB_BITS + 1) == 0)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t end_of(unsigned bucket)
{
	unsigned shift;

	if (bucket >> (HISTOGRAM_SUB_BITS + 1) == 0)
		return bucket;
	shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	return (((uint64_t)bucket - ((uint64_t)shift << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[bucket_of(value)]++;
	histogram->count++;
	if (value > histogram->max)
		histogram->max = value;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	double wanted = (double)histogram->count * percent / 100;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return end_of(i) < histogram->max ? end_of(i) : histogram->max;
	}
	return histogram->max;
}
