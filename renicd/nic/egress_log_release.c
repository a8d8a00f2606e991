/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: letting committed frames out; see egress_log.h.
 *
 * Peek changes nothing in the log but the segments' reference counts: each attached mbuf has one
 * reference, so that a segment goes back to the pool when its last frame has left the driver,
 * however long that takes. Advance alone moves `released`.
 * The owner lcore, but for what is marked "any thread".
 */
#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "egress_log_priv.h"

enum {
	PEEK_CHUNK = 64, /* records looked at together; all in one segment */
	PEEK_AHEAD = 24, /* records, of the size of this one, to prefetch ahead */
};

/* Mbufs at hand for one chunk, taken from the front. */
struct stock {
	struct rte_mbuf *mbufs[PEEK_CHUNK];
	uint16_t next, count;
};

/* Up to `want` mbufs: all at once, or, when the pool is nearly empty, what is left. */
static void stock_fill(struct stock *stock, struct rte_mempool *pool, uint16_t want)
{
	stock->next = 0;
	stock->count = want;
	if (want == 0 || likely(rte_pktmbuf_alloc_bulk(pool, stock->mbufs, want) == 0))
		return;
	for (stock->count = 0; stock->count < want; stock->count++) {
		stock->mbufs[stock->count] = rte_pktmbuf_alloc(pool);
		if (!stock->mbufs[stock->count])
			break;
	}
}

static struct rte_mbuf *stock_take(struct stock *stock)
{
	return likely(stock->next < stock->count) ? stock->mbufs[stock->next++] : NULL;
}

static void stock_return(struct stock *stock)
{
	if (unlikely(stock->next < stock->count))
		rte_pktmbuf_free_bulk(&stock->mbufs[stock->next], stock->count - stock->next);
}

static bool is_small(const struct egress_record *record)
{
	return record->len <= EGRESS_COPY_MAX;
}

/* Later records are most often as long as this one. Of a larger frame only the header is read. */
static void fetch_ahead(const struct egress_record *record, uint32_t bytes)
{
	const uint8_t *later = (const uint8_t *)record + PEEK_AHEAD * bytes;
	uint32_t fetch = is_small(record) ? bytes : RTE_CACHE_LINE_SIZE;

	for (uint32_t line = 0; line < fetch; line += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(later + line);
}

/* The chunk of records from *offset on (below limit), which is moved past them. */
static uint16_t chunk_find(const struct egress_log *log, uint64_t *offset, uint64_t limit,
	const struct egress_record **records, uint16_t max)
{
	const struct egress_record *record = record_at(log, offset);
	uint64_t end = run_end(*offset, limit);
	uint16_t n = 0;

	do {
		uint32_t bytes = record_bytes(record->len, record->flags);

		fetch_ahead(record, bytes);
		records[n++] = record;
		*offset += bytes;
		record = (const void *)((const uint8_t *)record + bytes);
	} while (n < max && *offset < end && likely(!(record->flags & EGRESS_RECORD_END)));
	return n;
}

/* The frame's bytes; sets the fields that travel with the frame. */
static const uint8_t *frame_of(const struct egress_record *record, struct rte_mbuf *m)
{
	const uint8_t *bytes = (const uint8_t *)(record + 1);

	if (unlikely(record->flags & EGRESS_RECORD_VLAN)) {
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
		m->ol_flags |= record->flags & EGRESS_RECORD_VLAN_AD ? RTE_MBUF_F_TX_QINQ : 0;
		m->vlan_tci = record->vlan_tci;
	}
	if (unlikely(record->flags & EGRESS_RECORD_OFFLOAD)) {
		const struct egress_offload *offload = (const void *)bytes;

		m->ol_flags |= offload->ol_flags;
		m->tx_offload = offload->tx_offload;
		bytes += sizeof(*offload);
	}
	return bytes;
}

/* One segment's worth of what rte_pktmbuf_attach_extbuf() asks for. */
struct source {
	const uint8_t *base;
	rte_iova_t iova;
	struct rte_mbuf_ext_shared_info *shinfo;
};

static void build_copy(struct rte_mbuf *m, const struct egress_record *record)
{
	const uint8_t *bytes = frame_of(record, m);

	m->data_len = (uint16_t)record->len;
	m->pkt_len = record->len;
	rte_memcpy(rte_pktmbuf_mtod(m, void *), bytes, record->len);
}

static void build_attached(
	struct rte_mbuf *m, const struct egress_record *record, const struct source *from)
{
	const uint8_t *bytes = frame_of(record, m);

	rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)bytes,
		from->iova + (rte_iova_t)(bytes - from->base), (uint16_t)record->len, from->shinfo);
	m->data_len = (uint16_t)record->len;
	m->pkt_len = record->len;
}

/* Builds what there are mbufs for; returns how many, in *attached how many of them attached. */
static uint16_t chunk_build(const struct egress_record **records, uint16_t n,
	const struct source *from, struct stock *small, struct stock *large, struct rte_mbuf **pkts,
	uint16_t *flags)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		const struct egress_record *record = records[i];
		bool copy = is_small(record);
		struct rte_mbuf *m = stock_take(copy ? small : large);

		if (unlikely(!m))
			break;
		if (copy)
			build_copy(m, record);
		else
			build_attached(m, record, from);
		pkts[i] = m;
		flags[i] = record->flags;
	}
	return i;
}

/* How many of `want` more frames may point into the segment: the count must not wrap. */
static uint16_t attach_limit(const struct egress_log *log, uint32_t segment, uint16_t want)
{
	uint32_t refs = log_pool_refs(log->pool, segment);

	return refs + want <= LOG_SEGMENT_REFS_MAX ? want : 0;
}

/* One chunk; *offset is moved past what was built. */
static uint16_t peek_chunk(struct egress_log *log, uint64_t *offset, struct rte_mempool *data_pool,
	struct rte_mempool *attach_pool, struct rte_mbuf **pkts, uint16_t *flags, uint16_t max,
	bool *short_of_mbufs)
{
	const struct egress_record *records[PEEK_CHUNK];
	struct stock small, large;
	struct source from = {0};
	uint16_t n, n_small = 0, built;
	uint32_t segment;

	n = chunk_find(log, offset, log->state->committed, records, RTE_MIN(max, PEEK_CHUNK));
	segment = segment_of(log, part_of(*offset - 1));
	for (uint16_t i = 0; i < n; i++)
		n_small += is_small(records[i]);
	stock_fill(&small, data_pool, n_small);
	stock_fill(&large, attach_pool, attach_limit(log, segment, n - n_small));
	if (large.count) {
		from.base = log_pool_addr(log->pool, segment);
		from.iova = log_pool_iova(log->pool, segment);
		from.shinfo = log_pool_shinfo(log->pool, segment);
	}
	built = chunk_build(records, n, &from, &small, &large, pkts, flags);
	if (large.next)
		log_pool_hold(log->pool, segment, large.next);
	stock_return(&small);
	stock_return(&large);
	*short_of_mbufs = built < n;
	return built;
}

uint16_t egress_log_peek(struct egress_log *log, struct rte_mempool *data_pool,
	struct rte_mempool *attach_pool, struct rte_mbuf **pkts, uint16_t *flags, uint16_t n)
{
	uint64_t offset = log->state->released;
	bool short_of_mbufs = false;
	uint16_t built = 0;

	while (built < n && offset < log->state->committed && !short_of_mbufs)
		built += peek_chunk(log, &offset, data_pool, attach_pool, &pkts[built],
			&flags[built], n - built, &short_of_mbufs);
	return built;
}

void egress_log_advance(struct egress_log *log, uint16_t n)
{
	struct egress_log_state *state = log->state;
	uint64_t offset = state->released, committed = state->committed;
	uint64_t pkts = 0, bytes = 0;

	while (pkts < n && offset < committed) {
		const struct egress_record *record = record_at(log, &offset);
		uint64_t end = run_end(offset, committed);

		do {
			uint32_t step = record_bytes(record->len, record->flags);

			pkts++;
			bytes += record->len;
			offset += step;
			record = (const void *)((const uint8_t *)record + step);
		} while (pkts < n && offset < end && likely(!(record->flags & EGRESS_RECORD_END)));
	}
	/* After what was appended, for difference(). */
	publish(&log->released_pkts, log->released_pkts + pkts);
	publish(&log->released_bytes, log->released_bytes + bytes);
	publish(&state->released, offset);
	if (egress_log_is_empty(log)) {
		egress_log_drained(log);
		return;
	}
	egress_log_drop_before(log, part_of(offset));
	egress_log_age(log);
}

/* ---- any thread ---- */

/* Released is read first: it never exceeds what the other counter is then. */
static uint64_t difference(const uint64_t *appended, const uint64_t *released)
{
	uint64_t left = __atomic_load_n(released, __ATOMIC_ACQUIRE);

	return __atomic_load_n(appended, __ATOMIC_RELAXED) - left;
}

uint64_t egress_log_held_pkts(const struct egress_log *log)
{
	return difference(&log->appended_pkts, &log->released_pkts);
}

uint64_t egress_log_held_bytes(const struct egress_log *log)
{
	return difference(&log->appended_bytes, &log->released_bytes);
}

uint64_t egress_log_oldest_tsc(const struct egress_log *log)
{
	return __atomic_load_n(&log->oldest_tsc, __ATOMIC_RELAXED);
}

uint64_t egress_log_extent(const struct egress_log *log, uint64_t offset, uint64_t *file_offset)
{
	uint64_t end = (part_of(offset) + 1) << LOG_SEGMENT_SHIFT;

	if (offset < log->state->released || offset >= log->state->tail)
		return 0;
	*file_offset = log_pool_file_offset(log->pool, segment_of(log, part_of(offset))) +
		       (offset & (LOG_SEGMENT_BYTES - 1));
	return RTE_MIN(end, log->state->tail) - offset;
}
