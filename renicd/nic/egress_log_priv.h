/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What egress_log.c (epochs), egress_log_append.c, egress_log_copy.c, egress_log_release.c (peek,
 * advance) and egress_log_recover.c share: the format of records and the owner's helpers. For these
 * files only.
 */
#ifndef RENICD_NIC_EGRESS_LOG_PRIV_H
#define RENICD_NIC_EGRESS_LOG_PRIV_H

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "egress_log.h"

/* Kept in ol_flags' place in the log: what the guest asked for. Not kept: the layout of the mbuf
 * that carried it, and the tag, which the record's header has. */
#define EGRESS_OL_FLAGS                                                                            \
	(~(RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_QINQ))

/* Bytes that a record takes, padding included. */
static inline uint32_t record_bytes(uint32_t frame_bytes, uint16_t flags)
{
	uint32_t bytes = (uint32_t)sizeof(struct egress_record) + frame_bytes;

	if (flags & EGRESS_RECORD_OFFLOAD)
		bytes += sizeof(struct egress_offload);
	return RTE_ALIGN_CEIL(bytes, (uint32_t)EGRESS_RECORD_ALIGN);
}

/* Bytes that a frame takes after its record's header. */
static inline uint32_t frame_padded(uint32_t frame_bytes)
{
	return RTE_ALIGN_CEIL(frame_bytes, (uint32_t)EGRESS_RECORD_ALIGN);
}

/* Copies a small frame by whole pieces of EGRESS_RECORD_ALIGN bytes: both ends must have room for
 * frame_padded(len). No call, and no branch that depends on more than how many pieces. */
static inline void copy_padded(uint8_t *to, const uint8_t *from, uint32_t len)
{
	uint32_t at = 0;

	for (; at + 64 <= len; at += 64)
		rte_mov64(to + at, from + at);
	for (; at < len; at += EGRESS_RECORD_ALIGN)
		rte_mov16(to + at, from + at);
}

static inline uint64_t part_of(uint64_t offset)
{
	return offset >> LOG_SEGMENT_SHIFT;
}

static inline uint32_t segment_of(const struct egress_log *log, uint64_t part)
{
	return log->segments[part & log->segments_mask];
}

static inline uint8_t *address_of(const struct egress_log *log, uint64_t offset)
{
	uint8_t *base = log_pool_addr(log->pool, segment_of(log, part_of(offset)));

	return base + (offset & (LOG_SEGMENT_BYTES - 1));
}

/* The record at or, past an END, after *offset, which is moved to it. *offset < tail. */
static inline const struct egress_record *record_at(const struct egress_log *log, uint64_t *offset)
{
	const struct egress_record *record = (const void *)address_of(log, *offset);

	if (unlikely(record->flags & EGRESS_RECORD_END)) {
		*offset = (part_of(*offset) + 1) << LOG_SEGMENT_SHIFT;
		record = (const void *)address_of(log, *offset);
	}
	return record;
}

/* The end of the run of records from `offset` on that lie in one segment: at most `limit`. */
static inline uint64_t run_end(uint64_t offset, uint64_t limit)
{
	return RTE_MIN(limit, (part_of(offset) + 1) << LOG_SEGMENT_SHIFT);
}

/* How far ahead of its writing memory is fetched. The log is written once and long out of cache
 * when it is written again; fetching each line early measured +20 to +50 % for frames of 512
 * bytes and more at 25 ms epochs. */
enum { WRITE_AHEAD_BYTES = 1024 };

/* Fetch the lines WRITE_AHEAD_BYTES ahead of what is written, each once in a burst: *next is the
 * first one that has not been. */
static inline uintptr_t write_ahead_begin(const uint8_t *write)
{
	return RTE_ALIGN_CEIL((uintptr_t)write + WRITE_AHEAD_BYTES, RTE_CACHE_LINE_SIZE);
}

static inline void write_ahead(uintptr_t *next, const uint8_t *write)
{
	for (; *next < (uintptr_t)write + WRITE_AHEAD_BYTES; *next += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch((const void *)*next, 1);
}

/* Stores of the offsets: in program order for whoever reads the file after a crash. */
static inline void publish(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/* Counters that other threads read. */
static inline void count(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

/* A log of no segments, on the state as it is. As egress_log_init() says. */
int egress_log_alloc(
	struct egress_log *log, struct log_pool *pool, uint32_t state_index, uint64_t quota_bytes);

/* Everything has been released: give back all segments, go on at the next part's start. */
void egress_log_drained(struct egress_log *log);

/* Give back the segments of the parts before `part`, or of those from `part` on. */
void egress_log_drop_before(struct egress_log *log, uint64_t part);
void egress_log_drop_from(struct egress_log *log, uint64_t part);

/* The open epoch has its first frame, of that time. */
void egress_log_mark_begin(struct egress_log *log, uint64_t now_tsc);

/* Records up to `write`, and `skipped` bytes before them, are part of the log from here on. */
void egress_log_publish(
	struct egress_log *log, uint8_t *write, uint32_t skipped, uint16_t pkts, uint64_t bytes);

/* Without an open epoch nothing is held back. */
void egress_log_commit_tail(struct egress_log *log);

/* A run of frames ends at tail. */
void egress_log_mark_end(struct egress_log *log);

/* `released` or the marks have moved: find the oldest frame's time again. */
void egress_log_age(struct egress_log *log);

#endif
