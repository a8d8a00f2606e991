/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: taking frames in straight from a guest's memory; see egress_log.h. The guest may
 * change them meanwhile: what is judged is what was stored.
 * The owner lcore. What costs what: docs/performance.md.
 */
#include <emmintrin.h>

#include <rte_common.h>
#include <rte_memcpy.h>

#include "egress_log_priv.h"

enum { PIECE_BYTES = sizeof(alike_header) }; /* what copy_even() copies at once */

/* Frames that copy_long() gains something for, in a log that holds more than may still be in a
 * cache when it is released. */
enum { LONG_BYTES = 768, COLD_BYTES = 8 << 20 };

/* What a burst's lengths come to. */
struct lengths {
	uint64_t sum, longest, shortest;
	uint64_t records; /* bytes in the log */
};

static struct lengths measure(const struct egress_raw *frames, uint16_t n)
{
	struct lengths l = {.shortest = UINT32_MAX};

	for (uint16_t i = 0; i < n; i++) {
		uint64_t len = frames[i].len;

		l.sum += len;
		l.longest = RTE_MAX(l.longest, len);
		l.shortest = RTE_MIN(l.shortest, len);
		l.records += record_bytes(frames[i].len, 0);
	}
	return l;
}

/* What one that is like this one begins with, where the rule's mask has bits. */
static inline alike_header wanted(const struct alike_rule *rule, alike_header header)
{
	return (header & rule->to) | rule->own;
}

/* A mix most often shows here, before the copying. Not to be relied on: the guest may change it. */
static inline bool may_be_alike(
	const struct alike_rule *rule, alike_header want, const struct egress_raw *last)
{
	return alike_is_zero((alike_load(last->at) ^ want) & rule->mask);
}

/* Are they all of one length, and a good one for copy_even()? */
static bool are_even(const struct egress_raw *frames, uint16_t n)
{
	uint32_t len = frames[0].len, differs = 0;

	for (uint16_t i = 0; i < n; i++)
		differs |= frames[i].len ^ len;
	return !differs && len >= 2 * PIECE_BYTES && len <= EGRESS_COPY_MAX;
}

/*
 * Records of frames of one length, by `whole` pieces and the frame's last 16 bytes. These may be
 * read twice; the first piece, which is judged, is not. Returns in what those differ from `want`.
 */
static inline __rte_always_inline alike_header copy_pieces(uint8_t *write,
	const struct egress_raw *frames, uint16_t n, struct egress_record record, alike_header want,
	uint32_t whole)
{
	uint32_t len = record.len, bytes = record_bytes(len, 0);
	const alike_header header = alike_load(&record);
	uintptr_t next_fetch = write_ahead_begin(write);
	alike_header differs = {0};

	for (uint16_t i = 0; i < n; i++, write += bytes) {
		const uint8_t *from = frames[i].at;
		uint8_t *to = write + sizeof(record);
		alike_header first = alike_load_once(from);

		alike_store(write, header);
		alike_store(to, first);
		differs |= first ^ want;
		for (uint32_t at = PIECE_BYTES; at < whole * PIECE_BYTES; at += PIECE_BYTES)
			rte_mov16(to + at, from + at);
		rte_mov16(to + len - PIECE_BYTES, from + len - PIECE_BYTES);
		write_ahead(&next_fetch, write + bytes);
	}
	return differs;
}

static bool copy_even(struct egress_log *log, const struct egress_raw *frames, uint16_t n,
	const struct alike_rule *rule, struct egress_copied *copied)
{
	struct egress_record record = {.len = frames[0].len, .epoch = log->state->epoch};
	uint32_t bytes = n * record_bytes(record.len, 0), whole = (record.len - 1) / PIECE_BYTES;
	alike_header want = wanted(rule, alike_load_once(frames[0].at)), differs;

	if (unlikely(record.len > rule->bytes_max || bytes > log->room ||
		     !may_be_alike(rule, want, &frames[n - 1])))
		return false;
	differs = likely(whole == 3) ? copy_pieces(log->write, frames, n, record, want, 3)
				     : copy_pieces(log->write, frames, n, record, want, whole);
	*copied = (struct egress_copied){
		.write = log->write + bytes, .bytes = (uint64_t)n * record.len, .pkts = n};
	return alike_is_zero(differs & rule->mask);
}

/* A line past the caches; `to` is where one begins. */
static inline void stream_line(__m128i *to, const __m128i *from)
{
	__m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
	__m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);

	_mm_stream_si128(to, a);
	_mm_stream_si128(to + 1, b);
	_mm_stream_si128(to + 2, c);
	_mm_stream_si128(to + 3, d);
}

/* The bytes of a long frame but for its first piece: whole lines go past the caches. Lines that
 * other records have a part of are written as usual: half a line each way costs a round trip to
 * memory. */
static inline void copy_past(uint8_t *to, const uint8_t *from, uint32_t len)
{
	uint32_t at = PIECE_BYTES, edge = (uint32_t)(-(uintptr_t)to & (RTE_CACHE_LINE_SIZE - 1));

	if (edge < PIECE_BYTES)
		edge += RTE_CACHE_LINE_SIZE;
	for (; at < edge; at += PIECE_BYTES)
		rte_mov16(to + at, from + at);
	for (; at + RTE_CACHE_LINE_SIZE <= len; at += RTE_CACHE_LINE_SIZE)
		stream_line((void *)(to + at), (const void *)(from + at));
	rte_memcpy(to + at, from + at, len - at);
}

/* Long frames into a log that is longer than the caches: none of it would still be there when it is
 * released, and to write a line the usual way it is read first. */
static alike_header copy_long(uint8_t *write, const struct egress_raw *frames, uint16_t n,
	uint64_t epoch, alike_header want)
{
	alike_header differs = {0};

	for (uint16_t i = 0; i < n; i++) {
		struct egress_record *record = (struct egress_record *)write;
		uint8_t *to = (uint8_t *)(record + 1);
		alike_header first = alike_load_once(frames[i].at);

		*record = (struct egress_record){.len = frames[i].len, .epoch = epoch};
		alike_store(to, first);
		differs |= first ^ want;
		copy_past(to, frames[i].at, frames[i].len);
		write += record_bytes(frames[i].len, 0);
	}
	_mm_sfence(); /* before tail tells of them */
	return differs;
}

/* Frames of any length, judged where they were copied to. */
static alike_header copy_any(uint8_t *write, const struct egress_raw *frames, uint16_t n,
	uint64_t epoch, alike_header want)
{
	uintptr_t next_fetch = write_ahead_begin(write);
	alike_header differs = {0};

	for (uint16_t i = 0; i < n; i++) {
		struct egress_record *record = (struct egress_record *)write;

		*record = (struct egress_record){.len = frames[i].len, .epoch = epoch};
		rte_memcpy(record + 1, frames[i].at, frames[i].len);
		differs |= alike_load(record + 1) ^ want;
		write += record_bytes(frames[i].len, 0);
		write_ahead(&next_fetch, write);
	}
	return differs;
}

static bool copy_mixed(struct egress_log *log, const struct egress_raw *frames, uint16_t n,
	const struct alike_rule *rule, struct egress_copied *copied)
{
	const struct egress_log_state *state = log->state;
	struct lengths l = measure(frames, n);
	alike_header want, differs;

	if (unlikely(l.shortest < PIECE_BYTES || l.longest > rule->bytes_max ||
		     l.records > log->room))
		return false;
	want = wanted(rule, alike_load_once(frames[0].at));
	if (!may_be_alike(rule, want, &frames[n - 1]))
		return false;
	differs = l.shortest >= LONG_BYTES && state->tail - state->released > COLD_BYTES
			  ? copy_long(log->write, frames, n, state->epoch, want)
			  : copy_any(log->write, frames, n, state->epoch, want);
	*copied =
		(struct egress_copied){.write = log->write + l.records, .bytes = l.sum, .pkts = n};
	return alike_is_zero(differs & rule->mask);
}

bool egress_log_copy(struct egress_log *log, const struct egress_raw *frames, uint16_t n,
	const struct alike_rule *rule, struct egress_copied *copied)
{
	return likely(are_even(frames, n)) ? copy_even(log, frames, n, rule, copied)
					   : copy_mixed(log, frames, n, rule, copied);
}

void egress_log_keep(struct egress_log *log, const struct egress_copied *copied, uint64_t now_tsc)
{
	egress_log_publish(log, copied->write, 0, copied->pkts, copied->bytes);
	if (unlikely(log->open_first_tsc == 0))
		egress_log_mark_begin(log, now_tsc);
	if (unlikely(log->state->epoch == 0))
		egress_log_commit_tail(log);
}
