/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: letting committed frames out; see egress_log.h.
 *
 * Peek changes nothing in the log but the segments' reference counts: each attached mbuf has one
 * reference, so that a segment goes back to the pool when its last frame has left the driver,
 * however long that takes. Advance alone moves `released`.
 * The owner lcore, but for what is marked "any thread".
 */
#include <stddef.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include "egress_log_priv.h"

enum {
	PEEK_CHUNK = 64, /* records looked at together; all in one segment */
	PEEK_AHEAD = 32, /* records, of the size of this one, to prefetch ahead of those at hand */
	RECORD_MIN = 32, /* header and the least frame */
	RUN_MIN = 8,	 /* records that are worth a loop of their own */
};

/* Mbufs of one kind at hand for one chunk, taken from the front. */
struct stock {
	struct rte_mempool *pool;
	struct rte_mbuf *mbufs[PEEK_CHUNK];
	uint16_t next, count;
	bool filled;
};

/* Up to `want` mbufs, raw: all at once, or, when the pool is nearly empty, what is left. */
static void stock_fill(struct stock *stock, uint16_t want)
{
	stock->filled = true;
	stock->count = want;
	if (want == 0 ||
		likely(rte_mempool_get_bulk(stock->pool, (void **)stock->mbufs, want) == 0))
		return;
	for (stock->count = 0; stock->count < want; stock->count++)
		if (rte_mempool_get(stock->pool, (void **)&stock->mbufs[stock->count]) < 0)
			break;
}

static struct rte_mbuf *stock_take(struct stock *stock)
{
	return likely(stock->next < stock->count) ? stock->mbufs[stock->next++] : NULL;
}

static void stock_return(struct stock *stock)
{
	if (unlikely(stock->next < stock->count))
		rte_mempool_put_bulk(stock->pool, (void **)&stock->mbufs[stock->next],
			stock->count - stock->next);
}

/* Later records are most often as long as this one. Of a larger frame only the header is read. */
static inline void fetch_ahead(const uint8_t *record, uint32_t bytes, bool is_small)
{
	const uint8_t *later = record + PEEK_AHEAD * bytes;

	rte_prefetch0(later);
	for (uint32_t line = RTE_CACHE_LINE_SIZE; is_small && line < bytes;
		line += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(later + line);
}

/* One segment's worth of what an attached mbuf needs. */
struct source {
	const uint8_t *base;
	rte_iova_t iova;
	struct rte_mbuf_ext_shared_info *shinfo;
};

/* A raw mbuf becomes a frame of one segment: what rte_pktmbuf_reset() sets, the lengths included,
 * by four stores to one line. tx_offload has a meaning only where ol_flags give it one. */
static inline void mbuf_set(struct rte_mbuf *m, uint16_t data_off, uint32_t len, uint64_t ol_flags)
{
	const uint16_t rearm[4] = {data_off, 1, 1, RTE_MBUF_PORT_INVALID};
	const uint32_t lengths[4] = {RTE_PTYPE_UNKNOWN, len, len, 0};

	_Static_assert(offsetof(struct rte_mbuf, rearm_data) + sizeof(rearm) ==
				       offsetof(struct rte_mbuf, ol_flags) &&
			       offsetof(struct rte_mbuf, ol_flags) + sizeof(ol_flags) ==
				       offsetof(struct rte_mbuf, rx_descriptor_fields1),
		"fields in a row");
	memcpy(&m->rearm_data, rearm, sizeof(rearm));
	m->ol_flags = ol_flags;
	memcpy(&m->rx_descriptor_fields1, lengths, sizeof(lengths));
}

/* The fields that travel with the frame; returns its bytes. */
static const uint8_t *mbuf_add_fields(
	struct rte_mbuf *m, const struct egress_record *record, const uint8_t *bytes)
{
	if (record->flags & EGRESS_RECORD_VLAN) {
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
		m->ol_flags |= record->flags & EGRESS_RECORD_VLAN_AD ? RTE_MBUF_F_TX_QINQ : 0;
		m->vlan_tci = record->vlan_tci;
	}
	if (record->flags & EGRESS_RECORD_OFFLOAD) {
		const struct egress_offload *offload = (const void *)bytes;

		m->ol_flags |= offload->ol_flags;
		m->tx_offload = offload->tx_offload;
		bytes += sizeof(*offload);
	}
	return bytes;
}

static inline const uint8_t *bytes_of(struct rte_mbuf *m, const struct egress_record *record)
{
	const uint8_t *bytes = (const uint8_t *)(record + 1);

	return likely(!(record->flags & (EGRESS_RECORD_VLAN | EGRESS_RECORD_OFFLOAD)))
		       ? bytes
		       : mbuf_add_fields(m, record, bytes);
}

static inline void build_copy(struct rte_mbuf *m, const struct egress_record *record)
{
	mbuf_set(m, RTE_PKTMBUF_HEADROOM, record->len, 0);
	copy_padded(rte_pktmbuf_mtod(m, uint8_t *), bytes_of(m, record), record->len);
}

/* As rte_pktmbuf_attach_extbuf() does. */
static inline void build_attached(
	struct rte_mbuf *m, const struct egress_record *record, const struct source *from)
{
	const uint8_t *bytes;

	mbuf_set(m, 0, record->len, RTE_MBUF_F_EXTERNAL);
	bytes = bytes_of(m, record);
	m->buf_addr = (void *)(uintptr_t)bytes;
	m->buf_iova = from->iova + (rte_iova_t)(bytes - from->base);
	m->buf_len = (uint16_t)record->len;
	m->shinfo = from->shinfo;
}

/* How many of `want` more frames may point into the segment: the count must not wrap. */
static uint16_t attach_limit(const struct egress_log *log, uint32_t segment, uint16_t want)
{
	uint32_t refs = log_pool_refs(log->pool, segment);

	return refs + want <= LOG_SEGMENT_REFS_MAX ? want : 0;
}

static struct source source_of(const struct egress_log *log, uint32_t segment)
{
	return (struct source){
		.base = log_pool_addr(log->pool, segment),
		.iova = log_pool_iova(log->pool, segment),
		.shinfo = log_pool_shinfo(log->pool, segment),
	};
}

/* A walk over records, and what it has built. */
struct peek {
	const struct egress_log *log;
	struct stock small, large;
	uint64_t offset;      /* of the next record */
	uint64_t frame_bytes; /* of what was built */
	uint64_t first;	      /* the first frame's first 8 bytes */
	uint64_t differs;     /* not 0: some frame is not like the first */
	uint64_t longest;
	bool short_of_mbufs;
};

/* The frame's first 8 bytes: its destination and two more. A record has room for them. */
static inline uint64_t first_bytes(const struct egress_record *record)
{
	uint64_t word;

	memcpy(&word, record + 1, sizeof(word));
	return word;
}

/* Not 0: for another MAC than the first, tagged, or asking for something. */
static inline uint64_t differs(const struct egress_record *record, uint64_t first)
{
	const uint64_t mac = RTE_BE64(UINT64_C(0xffffffffffff0000));
	uint16_t type;

	memcpy(&type, (const uint8_t *)(record + 1) + 2 * RTE_ETHER_ADDR_LEN, sizeof(type));
	return ((first_bytes(record) ^ first) & mac) | record->flags |
	       (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) | (type == RTE_BE16(RTE_ETHER_TYPE_QINQ)) |
	       (record->len < RTE_ETHER_HDR_LEN);
}

/* An mbuf for the next frame; the first one of a kind takes as many as the chunk may need. */
static inline struct rte_mbuf *peek_mbuf(
	struct peek *peek, bool is_small, uint32_t segment, uint16_t want)
{
	struct stock *stock = is_small ? &peek->small : &peek->large;

	if (unlikely(!stock->filled))
		stock_fill(stock, is_small ? want : attach_limit(peek->log, segment, want));
	return stock_take(stock);
}

/* What the header says of the frame, all in one word: its length, and nothing that travels with it
 * where the flags are 0. */
static inline uint64_t header_word(const uint8_t *record)
{
	uint64_t word;

	memcpy(&word, record, sizeof(word));
	return word;
}

/* Records of small frames that all begin with one header, a plain one. */
struct run {
	const uint8_t *record; /* the first one */
	uint64_t header;       /* header_word() of each */
	uint32_t len, bytes;   /* of a frame, of its record */
};

/* How many of at most `max` records from the first one on are such ones. */
static uint16_t run_length(const struct run *run, uint16_t max)
{
	uint16_t n = 0;

	while (n < max && header_word(run->record + (size_t)n * run->bytes) == run->header)
		n++;
	return n;
}

/* At most how many records a run may have, of `max`; 0: what begins here is none. */
static uint16_t run_find(
	struct run *run, const struct egress_record *first, uint64_t bytes_left, uint16_t max)
{
	*run = (struct run){
		.record = (const void *)first,
		.header = header_word((const void *)first),
		.len = first->len,
		.bytes = record_bytes(first->len, 0),
	};
	if (first->flags || first->len > EGRESS_COPY_MAX)
		return 0;
	max = (uint16_t)RTE_MIN((uint64_t)max, bytes_left / run->bytes);
	return max >= RUN_MIN && run_length(run, RUN_MIN) == RUN_MIN ? max : 0;
}

/* Fill mbufs, one a record, as long as the run goes on, *n at most; their frames take `pieces` of
 * 16 bytes. *n: how many. Returns in what the frames' first bytes differ. */
static inline __rte_always_inline alike_header build_pieces(
	struct rte_mbuf **pkts, const struct run *run, uint16_t *n, uint32_t pieces)
{
	const uint8_t *record = run->record;
	const alike_header first = alike_load(record + sizeof(struct egress_record));
	uint32_t bytes = sizeof(struct egress_record) + pieces * EGRESS_RECORD_ALIGN;
	alike_header differ = {0};
	uint16_t i;

	for (i = 0; i < *n && likely(header_word(record) == run->header); i++, record += bytes) {
		const uint8_t *frame = record + sizeof(struct egress_record);
		uint8_t *to = (uint8_t *)pkts[i]->buf_addr + RTE_PKTMBUF_HEADROOM;
		alike_header own = alike_load(frame);

		for (uint32_t at = 0; at < bytes; at += RTE_CACHE_LINE_SIZE)
			rte_prefetch0(frame + PEEK_AHEAD * bytes + at);
		mbuf_set(pkts[i], RTE_PKTMBUF_HEADROOM, run->len, 0);
		alike_store(to, own);
		differ |= own ^ first;
		for (uint32_t at = EGRESS_RECORD_ALIGN; at < pieces * EGRESS_RECORD_ALIGN;
			at += EGRESS_RECORD_ALIGN)
			rte_mov16(to + at, frame + at);
	}
	*n = i;
	return differ;
}

static alike_header build_run(struct rte_mbuf **pkts, const struct run *run, uint16_t *n)
{
	uint32_t pieces = frame_padded(run->len) / EGRESS_RECORD_ALIGN;

	return likely(pieces == 4) ? build_pieces(pkts, run, n, 4)
				   : build_pieces(pkts, run, n, pieces);
}

/* The bits of a frame's first 16 bytes that say for whom it is, and of which type. */
static alike_header what_counts(void)
{
	struct rte_ether_hdr bits[2] = {{.ether_type = UINT16_MAX}};

	memset(&bits->dst_addr, 0xff, sizeof(bits->dst_addr));
	return alike_load(bits);
}

/* A chunk of records that are all alike in length; 0: peek_chunk() must look at each. */
static uint16_t peek_run(
	struct peek *peek, struct rte_mbuf **pkts, uint16_t *flags, uint16_t max, bool is_first)
{
	const struct egress_record *record = record_at(peek->log, &peek->offset);
	uint64_t end = run_end(peek->offset, peek->log->state->committed);
	struct rte_mempool *pool = peek->small.pool;
	alike_header differ;
	struct run run;
	uint16_t n;

	max = run_find(&run, record, end - peek->offset, max);
	if (!max || rte_mempool_get_bulk(pool, (void **)pkts, max) < 0)
		return 0;
	n = max;
	differ = build_run(pkts, &run, &n);
	if (unlikely(n < max))
		rte_mempool_put_bulk(pool, (void **)&pkts[n], max - n);
	memset(flags, 0, n * sizeof(*flags));
	if (is_first)
		peek->first = first_bytes(record);
	peek->differs |= differs(record, peek->first) | !alike_is_zero(differ & what_counts());
	peek->longest = RTE_MAX(peek->longest, (uint64_t)run.len);
	peek->frame_bytes += (uint64_t)n * run.len;
	peek->offset += (uint64_t)n * run.bytes;
	return n;
}

/* One chunk of at most max records; peek->offset is moved past what was built. */
static uint16_t peek_chunk(
	struct peek *peek, struct rte_mbuf **pkts, uint16_t *flags, uint16_t max, bool is_first)
{
	const struct egress_log *log = peek->log;
	const struct egress_record *record = record_at(log, &peek->offset);
	uint64_t offset = peek->offset, end = run_end(offset, log->state->committed);
	uint32_t segment = segment_of(log, part_of(offset));
	struct source from = source_of(log, segment);
	uint64_t differ = peek->differs, longest = peek->longest, frame_bytes = 0;
	uint64_t first = is_first ? first_bytes(record) : peek->first;
	uint16_t n = 0;

	max = RTE_MIN(max, (uint16_t)PEEK_CHUNK);
	max = (uint16_t)RTE_MIN((uint64_t)max, (end - offset + RECORD_MIN - 1) / RECORD_MIN);
	peek->small.next = peek->small.count = peek->large.next = peek->large.count = 0;
	peek->small.filled = peek->large.filled = false;
	do {
		uint32_t len = record->len, bytes = record_bytes(len, record->flags);
		bool is_small = len <= EGRESS_COPY_MAX;
		struct rte_mbuf *m = peek_mbuf(peek, is_small, segment, max - n);

		if (unlikely(!m)) {
			peek->short_of_mbufs = true;
			break;
		}
		fetch_ahead((const uint8_t *)record, bytes, is_small);
		if (likely(is_small))
			build_copy(m, record);
		else
			build_attached(m, record, &from);
		differ |= differs(record, first);
		longest = RTE_MAX(longest, (uint64_t)len);
		pkts[n] = m;
		flags[n++] = record->flags;
		frame_bytes += len;
		offset += bytes;
		record = (const void *)((const uint8_t *)record + bytes);
	} while (n < max && offset < end && likely(!(record->flags & EGRESS_RECORD_END)));
	peek->offset = offset;
	peek->first = first;
	peek->differs = differ;
	peek->longest = longest;
	peek->frame_bytes += frame_bytes;
	if (peek->large.next)
		log_pool_hold(log->pool, segment, peek->large.next);
	stock_return(&peek->small);
	stock_return(&peek->large);
	return n;
}

uint16_t egress_log_peek(struct egress_log *log, struct rte_mempool *data_pool,
	struct rte_mempool *attach_pool, struct rte_mbuf **pkts, uint16_t *flags, uint16_t n)
{
	struct peek peek;
	uint16_t built = 0;

	peek.log = log;
	peek.small.pool = data_pool;
	peek.large.pool = attach_pool;
	peek.offset = log->state->released;
	peek.frame_bytes = peek.differs = 0;
	peek.longest = 0;
	peek.short_of_mbufs = false;
	while (built < n && peek.offset < log->state->committed && !peek.short_of_mbufs) {
		uint16_t got = peek_run(&peek, &pkts[built], &flags[built], n - built, !built);

		if (unlikely(!got))
			got = peek_chunk(&peek, &pkts[built], &flags[built], n - built, !built);
		built += got;
	}
	log->peeked = (struct egress_peeked){.from = log->state->released,
		.end = peek.offset,
		.alike = {.bytes = peek.frame_bytes,
			.longest = peek.differs ? 0 : (uint32_t)peek.longest},
		.pkts = built};
	return built;
}

/* Past the next n committed frames, by looking at them; *n: how many there are, at most. */
static struct egress_peeked walk(const struct egress_log *log, uint16_t n)
{
	uint64_t committed = log->state->committed;
	struct egress_peeked passed = {.from = log->state->released, .end = log->state->released};

	while (passed.pkts < n && passed.end < committed) {
		const struct egress_record *record = record_at(log, &passed.end);
		uint64_t end = run_end(passed.end, committed);

		do {
			uint32_t step = record_bytes(record->len, record->flags);

			passed.pkts++;
			passed.alike.bytes += record->len;
			passed.end += step;
			record = (const void *)((const uint8_t *)record + step);
		} while (passed.pkts < n && passed.end < end &&
			 likely(!(record->flags & EGRESS_RECORD_END)));
	}
	return passed;
}

void egress_log_advance(struct egress_log *log, uint16_t n)
{
	struct egress_peeked passed = log->peeked;

	if (unlikely(passed.pkts != n || passed.from != log->state->released))
		passed = walk(log, n);
	log->peeked.pkts = 0;
	/* After what was appended, for difference(). */
	publish(&log->released_pkts, log->released_pkts + passed.pkts);
	publish(&log->released_bytes, log->released_bytes + passed.alike.bytes);
	publish(&log->state->released, passed.end);
	if (egress_log_is_empty(log)) {
		egress_log_drained(log);
		return;
	}
	egress_log_drop_before(log, part_of(passed.end));
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
