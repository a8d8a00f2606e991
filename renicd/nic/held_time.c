/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of held frames and the histogram of their times; see held_time.h. The owner lcore, but for
 * what reads a histogram: any thread. */
#include <string.h>

#include "held_time.h"

enum { SUB_BITS = 2, SUBS = 1 << SUB_BITS }; /* buckets in a power of two */

void held_time_init(struct held_time *ht, uint64_t tsc_hz)
{
	memset(ht, 0, sizeof(*ht));
	ht->tsc_per_us = tsc_hz > 1000000 ? tsc_hz / 1000000 : 1;
	ht->quantum_tsc = HELD_QUANTUM_US * ht->tsc_per_us;
}

static struct held_run *run_at(struct held_time *ht, uint32_t i)
{
	return &ht->runs[(ht->first + i) % HELD_RUNS];
}

/* Two neighbours become one, with the older one's time. */
static void halve(struct held_time *ht)
{
	for (uint32_t i = 0; i < ht->n / 2; i++)
		*run_at(ht, i) = (struct held_run){
			.end_pkts = run_at(ht, 2 * i + 1)->end_pkts,
			.tsc = run_at(ht, 2 * i)->tsc,
		};
	ht->n /= 2;
	ht->quantum_tsc *= 2;
}

void held_time_new_run(struct held_time *ht, uint64_t end_pkts, uint64_t now_tsc)
{
	if (ht->n == 0)
		ht->quantum_tsc = HELD_QUANTUM_US * ht->tsc_per_us;
	if (ht->n == HELD_RUNS)
		halve(ht);
	*run_at(ht, ht->n++) = (struct held_run){.end_pkts = end_pkts, .tsc = now_tsc};
}

unsigned held_bucket(uint64_t us)
{
	unsigned power, bucket;

	if (us < SUBS)
		return (unsigned)us;
	power = 63 - (unsigned)__builtin_clzll(us);
	bucket = (power - 1) * SUBS + ((us >> (power - SUB_BITS)) & (SUBS - 1));
	return bucket < HELD_BUCKETS ? bucket : HELD_BUCKETS - 1;
}

uint64_t held_bucket_end_us(unsigned bucket)
{
	unsigned power = bucket / SUBS + 1;

	if (bucket < SUBS)
		return bucket + 1;
	return (uint64_t)(SUBS + bucket % SUBS + 1) << (power - SUB_BITS);
}

void held_time_release(struct held_time *ht, uint64_t released_pkts, uint64_t now_tsc)
{
	while (ht->n && ht->done_pkts < released_pkts) {
		const struct held_run *run = run_at(ht, 0);
		bool whole = run->end_pkts <= released_pkts;
		uint64_t pkts = (whole ? run->end_pkts : released_pkts) - ht->done_pkts;
		uint64_t us = now_tsc > run->tsc ? (now_tsc - run->tsc) / ht->tsc_per_us : 0;

		counter_add(&ht->histogram.pkts[held_bucket(us)], pkts);
		counter_add(&ht->histogram.sum_us, us * pkts);
		ht->done_pkts += pkts;
		if (!whole)
			break;
		ht->first = (ht->first + 1) % HELD_RUNS;
		ht->n--;
	}
	ht->done_pkts = released_pkts;
}

void held_time_truncate(struct held_time *ht, uint64_t end_pkts)
{
	while (ht->n > 1 && run_at(ht, ht->n - 2)->end_pkts >= end_pkts)
		ht->n--;
	if (ht->n && ht->done_pkts >= end_pkts)
		ht->n = 0;
	else if (ht->n)
		run_at(ht, ht->n - 1)->end_pkts = end_pkts;
}

/* ---- reading: any thread ---- */

void held_histogram_add(struct held_histogram *sum, const struct held_histogram *h)
{
	for (unsigned i = 0; i < HELD_BUCKETS; i++)
		sum->pkts[i] += counter_read(&h->pkts[i]);
	sum->sum_us += counter_read(&h->sum_us);
}

uint64_t held_histogram_count(const struct held_histogram *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HELD_BUCKETS; i++)
		n += h->pkts[i];
	return n;
}

uint64_t held_histogram_us(const struct held_histogram *h, double share)
{
	uint64_t count = held_histogram_count(h), below = 0;
	uint64_t wanted = (uint64_t)((double)count * share);

	if (count == 0)
		return 0;
	if (wanted >= count)
		wanted = count - 1;
	for (unsigned i = 0; i < HELD_BUCKETS; i++) {
		below += h->pkts[i];
		if (below > wanted)
			return held_bucket_end_us(i);
	}
	return 0;
}
