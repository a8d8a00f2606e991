/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast a VF may send, and how fast it must be able to: max_tx_rate and min_tx_rate.
 *
 * A token bucket kept as one number, the time at which all that was sent is paid for (the virtual
 * scheduling of ITU-T I.371's GCRA): sending moves it on, time passes it by. So all queues and
 * lcores of a VF share its rate by one atomic word, and nothing is filled up by a clock. Bytes are
 * those of frames without FCS. A burst may begin whenever the bucket is open and is paid for
 * afterwards, whatever its length: over a longer time the rate is exact. An lcore that was not
 * there for up to SHAPER_SLACK_US catches up.
 *
 * Time is TSC cycles times 16. The rate itself lies in the VF's policy.
 */
#ifndef RENICD_NIC_SHAPER_H
#define RENICD_NIC_SHAPER_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SHAPER_TIME_SHIFT = 4, /* wraps after 12 years of uptime */
	SHAPER_SLACK_US = 40000,
	SHAPER_DEBT_MAX_S = 3600, /* more than any burst at any rate: a clock that went back */
	SHAPER_BURST_US = 10000,  /* frames of a burst, at most what the rate has in that time */
};

/* Never changed once published. */
struct shaper_rate {
	uint64_t cost; /* time per byte, in 1/2^32; 0: no rate */
	uint64_t slack, debt_max;
	uint16_t burst_pkts; /* of 1,514 bytes; 1.. */
};

struct shaper {
	uint64_t paid; /* atomic */
};

/* rate_mbps: 0: none. tsc_hz: cycles a second. */
void shaper_rate_set(struct shaper_rate *rate, uint32_t rate_mbps, uint64_t tsc_hz);

/* May a burst begin at now_tsc? Always, without a rate. */
static inline bool shaper_is_open(
	const struct shaper *s, const struct shaper_rate *rate, uint64_t now_tsc)
{
	uint64_t now = now_tsc << SHAPER_TIME_SHIFT;
	uint64_t ahead = __atomic_load_n(&s->paid, __ATOMIC_RELAXED) - now;

	/* Ahead of now by 1 .. debt_max: there is something to pay yet. */
	return !rate->cost || ahead == 0 || ahead > rate->debt_max;
}

/* So many bytes were sent. Any lcore. */
static inline void shaper_charge(
	struct shaper *s, const struct shaper_rate *rate, uint64_t bytes, uint64_t now_tsc)
{
	uint64_t floor = (now_tsc << SHAPER_TIME_SHIFT) - rate->slack;
	uint64_t cost = (uint64_t)(((unsigned __int128)bytes * rate->cost) >> 32);
	uint64_t old = __atomic_load_n(&s->paid, __ATOMIC_RELAXED), from;

	if (!rate->cost)
		return;
	do {
		from = old - floor <= rate->debt_max ? old : floor;
	} while (!__atomic_compare_exchange_n(
		&s->paid, &old, from + cost, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

#endif
