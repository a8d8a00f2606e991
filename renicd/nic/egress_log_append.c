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

void egress_log_mark_begin(struct egress_log *log, uint64_t now_tsc)
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

void egress_log_publish(
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
	uintptr_t next_fetch = write_ahead_begin(write);
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
		write_ahead(&next_fetch, write);
	}
	if (likely(i))
		egress_log_publish(log, write, skipped, i, frame_bytes);
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
			egress_log_mark_begin(log, now_tsc);
		if (likely(done == n))
			break;
		egress_log_mark_end(log);
		skipped = segment_next(log);
	}
	if (unlikely(log->state->epoch == 0))
		egress_log_commit_tail(log);
}
