/* SPDX-License-Identifier: BSD-3-Clause */
/* See shaper.h. Any thread. */
#include <string.h>

#include "shaper.h"

enum { FRAME_BYTES = 1514, BURST_MAX = 32 };

void shaper_rate_set(struct shaper_rate *rate, uint32_t rate_mbps, uint64_t tsc_hz)
{
	uint64_t bytes_per_s = (uint64_t)rate_mbps * 1000000 / 8, burst;

	memset(rate, 0, sizeof(*rate));
	if (!rate_mbps)
		return;
	rate->cost =
		(uint64_t)(((unsigned __int128)tsc_hz << (SHAPER_TIME_SHIFT + 32)) / bytes_per_s);
	rate->slack = (tsc_hz / 1000000 * SHAPER_SLACK_US) << SHAPER_TIME_SHIFT;
	rate->debt_max = (tsc_hz * SHAPER_DEBT_MAX_S) << SHAPER_TIME_SHIFT;
	burst = bytes_per_s / (1000000 / SHAPER_BURST_US) / FRAME_BYTES;
	rate->burst_pkts = (uint16_t)(burst < 1 ? 1 : burst > BURST_MAX ? BURST_MAX : burst);
}
