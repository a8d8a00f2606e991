/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: taking frames in, and what epochs do to them; see egress_log.h.
 *
 * Whatever the instant of a crash, the state in the file obeys released <= committed <= sealed <=
 * tail, and the bytes below tail are whole records: a record is written before tail moves past
 * it, a larger offset grows before a smaller one, and shrinks after it.
 * The owner lcore, but for init and fini.
 * Design, section 4; Remus (NSDI'08), section 3.4.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "egress_log_priv.h"

static_assert(sizeof(struct egress_record) == 16, "part of the file format");
static_assert(sizeof(struct egress_offload) == 16, "part of the file format");
static_assert(2 * sizeof(struct egress_record) + EGRESS_FRAME_MAX < LOG_SEGMENT_BYTES,
	"a record fits into a segment");

/* How far ahead of its writing memory is fetched. The log is written once and long out of cache
 * when it is written again; fetching each line early measured +20 to +50 % for frames of 512
 * bytes and more at 25 ms epochs, where streaming stores gained less and lost half at 2 ms. */
enum { WRITE_AHEAD_BYTES = 1024 };

/* ---- segments ---- */

/* Take a segment for the part after the last one. */
static bool segment_add(struct egress_log *log)
{
	uint32_t segment = log_pool_take(log->pool);

	if (segment == LOG_SEGMENT_NONE)
		return false;
	log->segments[log->end_part & log->segments_mask] = segment;
	log_pool_label(log->pool, segment, log->index, (uint32_t)log->end_part);
	log->end_part++;
	return true;
}

static void segment_drop(struct egress_log *log, uint64_t part)
{
	uint32_t segment = segment_of(log, part);

	log_pool_unlabel(log->pool, segment);
	log_pool_release(log->pool, segment);
}

void egress_log_drop_before(struct egress_log *log, uint64_t part)
{
	while (log->first_part < part && log->first_part < log->end_part)
		segment_drop(log, log->first_part++);
}

/* From the last one down: the one written last is on top of the pool's stack then. */
void egress_log_drop_from(struct egress_log *log, uint64_t part)
{
	while (log->end_part > part && log->end_part > log->first_part)
		segment_drop(log, --log->end_part);
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

void egress_log_drained(struct egress_log *log)
{
	struct egress_log_state *state = log->state;
	uint64_t next;

	if (log->room) {
		struct egress_record *end = (void *)log->write;

		/* Found by who reads the file after a crash between the stores below. */
		*end = (struct egress_record){.flags = EGRESS_RECORD_END};
	}
	next = state->tail + log->room;
	publish(&state->tail, next);
	publish(&state->sealed, next);
	publish(&state->committed, next);
	publish(&state->released, next);
	egress_log_drop_from(log, 0);
	log->first_part = log->end_part = part_of(next);
	log->room = 0;
	log->n_marks = 0;
	log->open_first_tsc = 0;
	egress_log_age(log);
}

/* ---- age ---- */

void egress_log_age(struct egress_log *log)
{
	uint64_t released = log->state->released;

	while (log->n_marks && log->marks[log->first_mark].end <= released) {
		log->first_mark = (log->first_mark + 1) % EGRESS_MARKS_MAX;
		log->n_marks--;
	}
	count(&log->oldest_tsc,
		log->n_marks ? log->marks[log->first_mark].first_tsc : log->open_first_tsc);
}

static struct egress_mark *mark_last(struct egress_log *log, uint32_t nth)
{
	return &log->marks[(log->first_mark + log->n_marks - nth) % EGRESS_MARKS_MAX];
}

/* A run of frames ends at tail. */
static void mark_end(struct egress_log *log)
{
	uint64_t first_tsc = log->open_first_tsc;

	if (!first_tsc)
		return;
	if (log->n_marks == EGRESS_MARKS_MAX) /* coarser, never younger than it is */
		first_tsc = mark_last(log, 1)->first_tsc;
	else
		log->n_marks++;
	*mark_last(log, 1) = (struct egress_mark){.end = log->state->tail, .first_tsc = first_tsc};
	log->open_first_tsc = 0;
}

static void mark_begin(struct egress_log *log, uint64_t now_tsc)
{
	log->open_first_tsc = now_tsc ? now_tsc : 1;
	egress_log_age(log);
}

/* The frames from `offset` on are gone. */
static void mark_truncate(struct egress_log *log, uint64_t offset)
{
	if (log->n_marks == 0 || mark_last(log, 1)->end < offset)
		return;
	log->open_first_tsc = 0;
	while (log->n_marks > 1 && mark_last(log, 2)->end >= offset)
		log->n_marks--;
	mark_last(log, 1)->end = offset;
}

/* ---- life ---- */

int egress_log_alloc(
	struct egress_log *log, struct log_pool *pool, uint32_t state_index, uint64_t quota_bytes)
{
	uint64_t quota = quota_bytes / LOG_SEGMENT_BYTES + !!(quota_bytes % LOG_SEGMENT_BYTES);
	uint32_t ring;

	if (state_index >= LOG_STATES_MAX)
		return -EINVAL;
	quota = RTE_MIN(quota, (uint64_t)log_pool_size(pool));
	quota = RTE_MAX(quota, 2u);
	/* All that the pool has: what an earlier quota allowed may be there. */
	ring = (uint32_t)rte_align64pow2((uint64_t)log_pool_size(pool) + 2);
	memset(log, 0, sizeof(*log));
	log->segments = calloc(ring, sizeof(*log->segments));
	if (!log->segments)
		return -ENOMEM;
	log->pool = pool;
	log->index = state_index;
	log->segments_mask = ring - 1;
	log->segments_max = (uint32_t)quota;
	log->state = log_pool_state(pool, state_index);
	return 0;
}

int egress_log_init(
	struct egress_log *log, struct log_pool *pool, uint32_t state_index, uint64_t quota_bytes)
{
	int rc;

	if (state_index < LOG_STATES_MAX && log_pool_state(pool, state_index)->in_use)
		return -EBUSY;
	rc = egress_log_alloc(log, pool, state_index, quota_bytes);
	if (rc)
		return rc;
	memset(log->state, 0, sizeof(*log->state));
	__atomic_store_n(&log->state->in_use, 1, __ATOMIC_RELEASE);
	return 0;
}

void egress_log_detach(struct egress_log *log)
{
	free(log->segments);
	memset(log, 0, sizeof(*log));
}

void egress_log_fini(struct egress_log *log)
{
	if (!log->state)
		return;
	__atomic_store_n(&log->state->in_use, 0, __ATOMIC_RELEASE);
	egress_log_drop_from(log, 0);
	egress_log_detach(log);
}

/* ---- append ---- */

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

static void fetch_ahead(const uint8_t *write, uint32_t bytes)
{
	for (uint32_t line = 0; line < bytes; line += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(write + WRITE_AHEAD_BYTES + line);
}

static void copy_chain(uint8_t *to, const struct rte_mbuf *m)
{
	for (; m; m = m->next) {
		rte_memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
}

/* Without an open epoch nothing is held back. */
static void commit_tail(struct egress_log *log)
{
	struct egress_log_state *state = log->state;

	publish(&state->sealed, state->tail);
	publish(&state->committed, state->tail);
	log->committed_pkts = log->appended_pkts;
	log->committed_bytes = log->appended_bytes;
}

void egress_log_append(
	struct egress_log *log, const struct rte_mbuf *m, uint16_t flags, uint64_t now_tsc)
{
	struct egress_log_state *state = log->state;
	uint64_t ol_flags = m->ol_flags;
	uint32_t len = m->pkt_len, bytes, skipped = 0;
	struct egress_record *record;
	uint8_t *to;

	flags |= ol_flags & RTE_MBUF_F_TX_VLAN ? EGRESS_RECORD_VLAN : 0;
	flags |= ol_flags & RTE_MBUF_F_TX_QINQ ? EGRESS_RECORD_VLAN_AD : 0;
	flags |= ol_flags & EGRESS_OL_FLAGS ? EGRESS_RECORD_OFFLOAD : 0;
	bytes = record_bytes(len, flags);
	if (unlikely(bytes > log->room)) {
		mark_end(log);
		skipped = segment_next(log);
	}
	fetch_ahead(log->write, bytes);
	record = (struct egress_record *)log->write;
	*record = (struct egress_record){
		.len = len,
		.flags = flags,
		.vlan_tci = flags & EGRESS_RECORD_VLAN ? m->vlan_tci : 0,
		.epoch = state->epoch,
	};
	to = (uint8_t *)(record + 1);
	if (unlikely(flags & EGRESS_RECORD_OFFLOAD)) {
		struct egress_offload *offload = (struct egress_offload *)to;

		offload->ol_flags = ol_flags & EGRESS_OL_FLAGS;
		offload->tx_offload = m->tx_offload;
		to += sizeof(*offload);
	}
	if (likely(m->nb_segs == 1))
		rte_memcpy(to, rte_pktmbuf_mtod(m, const void *), len);
	else
		copy_chain(to, m);
	log->write += bytes;
	log->room -= bytes;
	publish(&state->tail, state->tail + skipped + bytes);
	count(&log->appended_pkts, log->appended_pkts + 1);
	count(&log->appended_bytes, log->appended_bytes + len);
	if (unlikely(log->open_first_tsc == 0))
		mark_begin(log, now_tsc);
	if (unlikely(state->epoch == 0))
		commit_tail(log);
}

/* ---- epochs ---- */

void egress_log_open(struct egress_log *log, uint64_t epoch)
{
	mark_end(log);
	/* Ends that an earlier term left behind must not be found again. */
	memset(log->epochs, 0, sizeof(log->epochs));
	publish(&log->state->epoch, epoch);
}

void egress_log_seal(struct egress_log *log)
{
	struct egress_log_state *state = log->state;
	uint64_t epoch = state->epoch;

	if (epoch == 0)
		return;
	mark_end(log);
	log->epochs[epoch % EPOCHS_IN_FLIGHT_MAX] = (struct egress_epoch){
		.epoch = epoch,
		.end = state->tail,
		.end_pkts = log->appended_pkts,
		.end_bytes = log->appended_bytes,
	};
	publish(&state->sealed, state->tail);
	publish(&state->epoch, epoch + 1);
}

void egress_log_commit(struct egress_log *log, uint64_t epoch)
{
	const struct egress_epoch *sealed = &log->epochs[epoch % EPOCHS_IN_FLIGHT_MAX];
	struct egress_log_state *state = log->state;

	/* An end may be behind: committed before, or of a log that has drained since. */
	if (epoch == 0 || epoch >= state->epoch || sealed->epoch != epoch ||
		sealed->end <= state->committed)
		return;
	publish(&state->committed, sealed->end);
	log->committed_pkts = sealed->end_pkts;
	log->committed_bytes = sealed->end_bytes;
}

void egress_log_commit_all(struct egress_log *log)
{
	commit_tail(log);
	publish(&log->state->epoch, 0);
}

uint64_t egress_log_discard(struct egress_log *log)
{
	struct egress_log_state *state = log->state;
	uint64_t discarded = log->appended_pkts - log->committed_pkts;
	uint64_t committed = state->committed;

	publish(&state->sealed, committed);
	publish(&state->tail, committed);
	publish(&state->epoch, 0);
	count(&log->appended_pkts, log->committed_pkts);
	count(&log->appended_bytes, log->committed_bytes);
	mark_truncate(log, committed);
	log->room = (uint32_t)(-committed & (LOG_SEGMENT_BYTES - 1));
	if (log->room)
		log->write = address_of(log, committed);
	if (egress_log_is_empty(log)) {
		egress_log_drained(log);
	} else {
		egress_log_drop_from(log, part_of(committed - 1) + 1);
		egress_log_age(log);
	}
	return discarded;
}
