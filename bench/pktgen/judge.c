/* SPDX-License-Identifier: BSD-3-Clause */
/* One frame at a time; see judge.h. */
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_ether.h>

#include "frame.h"
#include "judge.h"
#include "sender.h"
#include "stamp.h"

struct judge judge;

bool judge_init(bool bins)
{
	judge.streams = calloc(STREAMS_MAX, sizeof(*judge.streams));
	if (bins) {
		judge.bins = calloc(BINS, sizeof(*judge.bins));
		judge.bins_start_tsc = rte_rdtsc();
	}
	return judge.streams && (!bins || judge.bins);
}

void judge_stream(unsigned stream, int receiver, uint64_t first)
{
	struct stream_in *in = &judge.streams[stream];

	tracker_reset(&in->tracker, first);
	in->latency_tsc = (struct histogram){0};
	in->receiver = receiver;
	in->bytes = in->misdelivered = in->corrupt = 0;
}

void judge_silence_ends(uint64_t now_tsc)
{
	if (judge.last_tsc && now_tsc - judge.last_tsc > judge.silence_tsc)
		judge.silence_tsc = now_tsc - judge.last_tsc;
}

static void note_arrival(uint64_t now_tsc)
{
	if (judge.measuring && judge.last_tsc && now_tsc - judge.last_tsc > judge.silence_tsc)
		judge.silence_tsc = now_tsc - judge.last_tsc;
	judge.last_tsc = now_tsc;
	if (judge.bins) {
		uint64_t bin =
			(now_tsc - judge.bins_start_tsc) / (rte_get_tsc_hz() / 1000000 * BIN_US);

		if (bin < BINS)
			judge.bins[bin]++;
	}
}

/* The whole frame, but for its addresses, against what its sender made. */
static __rte_noinline bool is_as_sent(const uint8_t *frame, uint32_t len, const struct stamp *stamp)
{
	const struct frame_stamp template = {
		.stream = stamp->stream, .len = (uint16_t)len, .kind = FRAME_IPV4};
	static uint8_t sent[FRAME_MAX];

	if (len > sizeof(sent))
		return false;
	frame_build(sent, &template, frame, frame + RTE_ETHER_ADDR_LEN);
	memcpy(sent + STAMP_OFFSET, stamp, sizeof(*stamp));
	return !memcmp(sent, frame, len);
}

void judge_frame(const struct sender *sender, const uint8_t *frame, uint32_t len, uint64_t now_tsc)
{
	struct stream_in *in;
	struct stamp stamp;
	bool whole;

	if (unlikely(!stamp_get(frame, len, &stamp, &whole) || stamp.stream >= STREAMS_MAX)) {
		judge.foreign++;
		return;
	}
	in = &judge.streams[stamp.stream];
	if (unlikely(!whole || (stamp.seq % WHOLE_EVERY == 0 && !is_as_sent(frame, len, &stamp)))) {
		in->corrupt++;
		return;
	}
	if (unlikely(in->receiver != (int)sender->number)) {
		in->misdelivered++;
		return;
	}
	judge.received++;
	judge.bytes += len;
	in->bytes += len;
	tracker_take(&in->tracker, stamp.seq);
	if (judge.measuring)
		histogram_add(
			&in->latency_tsc, now_tsc > stamp.sent_tsc ? now_tsc - stamp.sent_tsc : 0);
	if (now_tsc != judge.last_tsc || judge.bins)
		note_arrival(now_tsc);
}
