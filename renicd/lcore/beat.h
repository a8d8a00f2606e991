/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints come by the clock, and who replicates waits for each of them with its VM paused: an
 * lcore that sleeps should be awake just before the next one. The next beat is expected as long
 * after the last one as that came after the one before it. Where it does not come, nothing more is
 * expected. Times are TSC cycles. The owner lcore.
 */
#ifndef RENICD_LCORE_BEAT_H
#define RENICD_LCORE_BEAT_H

#include <stdint.h>

enum {
	BEAT_EARLY_SHARE = 32, /* awake from a 32nd of the period before the beat to one after it */
	BEAT_PERIOD_MAX_MS = 1000,
	BEAT_AFTER_US = 300, /* awake so long after it: what follows a beat follows soon */
};

struct beat {
	uint64_t last_tsc, period_tsc; /* 0: none yet */
};

static inline void beat_note(struct beat *beat, uint64_t now_tsc)
{
	beat->period_tsc = beat->last_tsc ? now_tsc - beat->last_tsc : 0;
	beat->last_tsc = now_tsc;
}

/* How long there is to sleep: 0: stay awake; UINT64_MAX: no beat is expected. */
static inline uint64_t beat_sleep_tsc(const struct beat *beat, uint64_t now_tsc, uint64_t tsc_hz)
{
	uint64_t since = now_tsc - beat->last_tsc, early = beat->period_tsc / BEAT_EARLY_SHARE;

	if (!beat->last_tsc)
		return UINT64_MAX;
	if (since < tsc_hz / 1000000 * BEAT_AFTER_US)
		return 0;
	if (!beat->period_tsc || beat->period_tsc > tsc_hz / 1000 * BEAT_PERIOD_MAX_MS ||
		since > beat->period_tsc + early)
		return UINT64_MAX;
	return since < beat->period_tsc - early ? beat->period_tsc - early - since : 0;
}

#endif
