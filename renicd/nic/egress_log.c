/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: its segments, and what epochs do to the frames; see egress_log.h.
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

#include "egress_log_priv.h"

static_assert(sizeof(struct egress_record) == 16, "part of the file format");
static_assert(sizeof(struct egress_offload) == 16, "part of the file format");
static_assert(2 * sizeof(struct egress_record) + EGRESS_FRAME_MAX < LOG_SEGMENT_BYTES,
	"a record fits into a segment");

/* ---- segments ---- */

static void segment_drop(struct egress_log *log, uint64_t part)
{
	uint32_t segment = segment_of(log, part);

	log_pool_unlabel(log->pool, segment);
	log_pool_release(log->pool, segment);
	if (log->share)
		__atomic_fetch_sub(&log->share->taken, 1, __ATOMIC_RELAXED);
}

void egress_log_set_share(struct egress_log *log, struct log_share *share)
{
	log->share = share;
	__atomic_fetch_add(
		&share->taken, (uint32_t)(log->end_part - log->first_part), __ATOMIC_RELAXED);
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

void egress_log_mark_end(struct egress_log *log)
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

/* ---- epochs ---- */

void egress_log_commit_tail(struct egress_log *log)
{
	struct egress_log_state *state = log->state;

	publish(&state->sealed, state->tail);
	publish(&state->committed, state->tail);
	log->committed_pkts = log->appended_pkts;
	log->committed_bytes = log->appended_bytes;
}

void egress_log_open(struct egress_log *log, uint64_t epoch)
{
	egress_log_mark_end(log);
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
	egress_log_mark_end(log);
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
	egress_log_commit_tail(log);
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
