/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: taking frames in; see egress_log.h.
 *
 * A burst's records are written first and `tail` moves past them once: a crash may lose that burst.
 * Whoever reads the file meanwhile finds whole records below tail, and an END where a segment has
 * one, since the records before it are published before tail crosses into the next segment.
 * The owner lcore. What costs what: docs/performance.md.
 */
#include <assert.h>

#include <rte_common.h>
#include <rte_memcpy.h>

#include "egress_log_priv.h"

/* How far ahead of its writing memory is fetched. The log is written once and long out of cache
 * when it is written again; fetching each line early measured +20 to +50 % for frames of 512
 * bytes and more at 25 ms epochs, where streaming stores gained less and lost half at 2 ms. */
enum { WRITE_AHEAD_BYTES = 1024 };

enum { PIECE_BYTES = sizeof(alike_header) }; /* what copy_even() copies at once */

/* Take a segment for the part after the last one. */
static bool segment_add(struct egress_log *log)
{
	uint32_t segment;

	if (log->share && !log_pool_may_take(log->pool, log->share))
		return false;
	segment = log_pool_take(log->pool);
	if (segment == LOG_SEGMENT_NONE)
		return false;
	if (log->share)
		__atomic_fetch_add(&log->share->taken, 1, __ATOMIC_RELAXED);
	log->segments[log->end_part & log->segments_mask] = segment;
	log_pool_label(log->pool, segment, log->index, (uint32_t)log->end_part);
	log->end_part++;
	return true;
}

/* The tail's segment is full: mark the rest as unused, and go on in the next one. Returns how far
 * that moves tail; tail itself moves when the next record is whole. */
static uint32_t segment_next(struct egress_log *log)
{
	uint64_t tail = log->state->tail + log->room;
	uint32_t skipped = log->room;

	assert(part_of(tail) < log->end_part); /* reserved before, says the contract */
	if (log->room) {
		struct egress_record *end = (void *)log->write;

		*end = (struct egress_record){.flags = EGRESS_RECORD_END};
	}
	log->write = address_of(log, tail);
	log->room = LOG_SEGMENT_BYTES;
	return skipped;
}

static void mark_begin(struct egress_log *log, uint64_t now_tsc)
{
	log->open_first_tsc = now_tsc ? now_tsc : 1;
	egress_log_age(log);
}

/* Bytes that surely hold records of at most `record` bytes, in `room` bytes of one segment. */
static uint64_t usable(uint64_t room, uint32_t record)
{
	uint64_t waste = record - EGRESS_RECORD_ALIGN;

	return room > waste ? room - waste : 0;
}

/*
 * The records may need more than the tail's segment. n records surely fit if what is usable
 * exceeds (n - 1) records: a record that does not fit would find every segment wasting less
 * than one record, hence more than n - 1 records written already.
 */
static bool reserve_more(struct egress_log *log, uint32_t n, uint32_t record)
{
	uint64_t next_part = part_of(log->state->tail + log->room);
	uint64_t need = (uint64_t)(n - 1) * record;
	uint64_t have = usable(log->room, record);
	uint64_t end_part = log->end_part;

	have += (end_part - next_part) * usable(LOG_SEGMENT_BYTES, record);
	while (have <= need) {
		if (log->end_part - log->first_part >= log->segments_max || !segment_add(log)) {
			egress_log_drop_from(log, end_part);
			return false;
		}
		have += usable(LOG_SEGMENT_BYTES, record);
	}
	return true;
}

bool egress_log_reserve(struct egress_log *log, uint32_t n, uint32_t frame_bytes)
{
	uint32_t record;

	if (unlikely(n == 0))
		return true;
	if (unlikely(frame_bytes > EGRESS_FRAME_MAX))
		return false;
	record = record_bytes(frame_bytes, EGRESS_RECORD_OFFLOAD);
	if (likely((uint64_t)n * record <= log->room))
		return true;
	return reserve_more(log, n, record);
}

void egress_log_trim(struct egress_log *log)
{
	if (egress_log_is_empty(log))
		egress_log_drop_from(log, 0);
}

/* Fetch the lines WRITE_AHEAD_BYTES ahead of what is written, each once in a burst: *next is the
 * first one that has not been. */
static inline uintptr_t fetch_begin(const uint8_t *write)
{
	return RTE_ALIGN_CEIL((uintptr_t)write + WRITE_AHEAD_BYTES, RTE_CACHE_LINE_SIZE);
}

static inline void fetch_ahead(uintptr_t *next, const uint8_t *write)
{
	for (; *next < (uintptr_t)write + WRITE_AHEAD_BYTES; *next += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch((const void *)*next, 1);
}

static __rte_noinline void copy_chain(uint8_t *to, const struct rte_mbuf *m)
{
	for (; m; m = m->next) {
		rte_memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
}

static inline void copy_frame(uint8_t *to, const struct rte_mbuf *m, uint32_t len)
{
	const uint8_t *from = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely(m->nb_segs != 1))
		copy_chain(to, m);
	else if (len <= EGRESS_COPY_MAX && m->data_off + frame_padded(len) <= m->buf_len)
		copy_padded(to, from, len);
	else
		rte_memcpy(to, from, len);
}

static uint8_t *put_offload(uint8_t *to, const struct rte_mbuf *m)
{
	struct egress_offload *offload = (struct egress_offload *)to;

	offload->ol_flags = m->ol_flags & EGRESS_OL_FLAGS;
	offload->tx_offload = m->tx_offload;
	return to + sizeof(*offload);
}

/* Records up to `write`, and `skipped` bytes before them, are part of the log from here on. */
static void publish_burst(
	struct egress_log *log, uint8_t *write, uint32_t skipped, uint16_t pkts, uint64_t bytes)
{
	struct egress_log_state *state = log->state;
	uint32_t grown = (uint32_t)(write - log->write);

	log->write = write;
	log->room -= grown;
	publish(&state->tail, state->tail + skipped + grown);
	count(&log->appended_pkts, log->appended_pkts + pkts);
	count(&log->appended_bytes, log->appended_bytes + bytes);
}

/* Appends what fits into the tail's segment, of which `skipped` bytes are passed over; returns how
 * many frames. */
static uint16_t append_here(struct egress_log *log, uint32_t skipped, struct rte_mbuf *const *pkts,
	const uint16_t *skip_flags, uint16_t n)
{
	uint8_t *write = log->write, *end = write + log->room;
	uint64_t epoch = log->state->epoch, frame_bytes = 0;
	uintptr_t next_fetch = fetch_begin(write);
	uint16_t i;

	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];
		uint64_t ol_flags = m->ol_flags;
		uint32_t len = m->pkt_len, bytes;
		uint16_t flags = skip_flags ? skip_flags[i] : 0, tci = 0;
		struct egress_record *record = (struct egress_record *)write;
		uint8_t *to = (uint8_t *)(record + 1);

		if (unlikely(ol_flags & RTE_MBUF_F_TX_VLAN)) {
			flags |= EGRESS_RECORD_VLAN;
			flags |= ol_flags & RTE_MBUF_F_TX_QINQ ? EGRESS_RECORD_VLAN_AD : 0;
			tci = m->vlan_tci;
		}
		flags |= ol_flags & EGRESS_OL_FLAGS ? EGRESS_RECORD_OFFLOAD : 0;
		bytes = record_bytes(len, flags);
		if (unlikely(bytes > end - write))
			break;
		*record = (struct egress_record){
			.len = len, .flags = flags, .vlan_tci = tci, .epoch = epoch};
		if (unlikely(flags & EGRESS_RECORD_OFFLOAD))
			to = put_offload(to, m);
		copy_frame(to, m, len);
		write += bytes;
		frame_bytes += len;
		fetch_ahead(&next_fetch, write);
	}
	if (likely(i))
		publish_burst(log, write, skipped, i, frame_bytes);
	return i;
}

void egress_log_append_burst(struct egress_log *log, struct rte_mbuf *const *pkts,
	const uint16_t *flags, uint16_t n, uint64_t now_tsc)
{
	uint32_t skipped = 0;
	uint16_t done = 0, got;

	for (;;) {
		got = likely(log->room) ? append_here(log, skipped, &pkts[done],
						  flags ? &flags[done] : NULL, n - done)
					: 0;
		done += got;
		if (got && unlikely(log->open_first_tsc == 0))
			mark_begin(log, now_tsc);
		if (likely(done == n))
			break;
		egress_log_mark_end(log);
		skipped = segment_next(log);
	}
	if (unlikely(log->state->epoch == 0))
		egress_log_commit_tail(log);
}

/* Before anything is copied: is each of a good length, and room for all? */
static bool may_copy(const struct egress_log *log, const struct egress_raw *frames, uint16_t n,
	const struct alike_rule *rule)
{
	uint64_t need = 0, longest = 0, shortest = UINT32_MAX;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t len = frames[i].len;

		longest = RTE_MAX(longest, len);
		shortest = RTE_MIN(shortest, len);
		need += record_bytes(frames[i].len, 0);
	}
	return shortest >= sizeof(alike_header) && longest <= rule->bytes_max && need <= log->room;
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
	uintptr_t next_fetch = fetch_begin(write);
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
		fetch_ahead(&next_fetch, write + bytes);
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

static bool copy_mixed(struct egress_log *log, const struct egress_raw *frames, uint16_t n,
	const struct alike_rule *rule, struct egress_copied *copied)
{
	alike_header differs = {0}, want = {0};
	uint64_t epoch = log->state->epoch, bytes = 0;
	uintptr_t next_fetch;
	uint8_t *write;

	if (unlikely(!may_copy(log, frames, n, rule) ||
		     !may_be_alike(rule, wanted(rule, alike_load(frames[0].at)), &frames[n - 1])))
		return false;
	write = log->write;
	next_fetch = fetch_begin(write);
	for (uint16_t i = 0; i < n; i++) {
		struct egress_record *record = (struct egress_record *)write;
		uint32_t len = frames[i].len;
		alike_header header;

		*record = (struct egress_record){.len = len, .epoch = epoch};
		rte_memcpy(record + 1, frames[i].at, len);
		header = alike_load(record + 1);
		if (i == 0)
			want = wanted(rule, header);
		differs |= header ^ want;
		bytes += len;
		write += record_bytes(len, 0);
		fetch_ahead(&next_fetch, write);
	}
	*copied = (struct egress_copied){.write = write, .bytes = bytes, .pkts = n};
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
	publish_burst(log, copied->write, 0, copied->pkts, copied->bytes);
	if (unlikely(log->open_first_tsc == 0))
		mark_begin(log, now_tsc);
	if (unlikely(log->state->epoch == 0))
		egress_log_commit_tail(log);
}
