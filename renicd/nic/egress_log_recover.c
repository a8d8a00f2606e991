/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: taking up what an earlier daemon left; see egress_log.h. The file has the four
 * offsets and the records; everything else is made of these again. Frames seem to have come now:
 * when they really came is not known any more.
 * Not on an lcore.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "egress_log_priv.h"
#include "log_check.h"

/* The segments from that of `released` to that of `tail`. */
static int find_segments(struct egress_log *log)
{
	const struct egress_log_state *state = log->state;
	uint64_t end = part_of(state->tail + LOG_SEGMENT_BYTES - 1);
	uint32_t segment;

	log->first_part = log->end_part = part_of(state->released);
	if (end - log->first_part > log->segments_mask)
		return -EBADMSG;
	while (log->end_part < end) {
		segment = log_pool_find(log->pool, log->index, (uint32_t)log->end_part);
		/* An empty log may have given its last one back already. */
		if (segment == LOG_SEGMENT_NONE && state->released == state->tail)
			break;
		if (segment == LOG_SEGMENT_NONE)
			return -EBADMSG;
		log->segments[log->end_part++ & log->segments_mask] = segment;
	}
	return 0;
}

/* What the walk over the records finds. `end`s are where the last record before an offset ends: the
 * offset itself may lie behind an END, where no record may begin before it. */
struct rebuild {
	struct egress_log *log;
	uint64_t next_epoch; /* the first whose end is not found */
	uint64_t committed_end, sealed_end, tail_end;
};

/* Epochs before `epoch` that have no end yet end with the last record. */
static void end_epochs(struct rebuild *rebuild, uint64_t epoch)
{
	struct egress_log *log = rebuild->log;

	for (; rebuild->next_epoch < epoch; rebuild->next_epoch++)
		log->epochs[rebuild->next_epoch % EPOCHS_IN_FLIGHT_MAX] = (struct egress_epoch){
			.epoch = rebuild->next_epoch,
			.end = rebuild->tail_end,
			.end_pkts = log->appended_pkts,
			.end_bytes = log->appended_bytes,
		};
}

static const uint8_t *segment_bytes(void *arg, uint64_t part)
{
	const struct egress_log *log = ((const struct rebuild *)arg)->log;

	if (part < log->first_part || part >= log->end_part)
		return NULL;
	return log_pool_addr(log->pool, segment_of(log, part));
}

static void add_record(void *arg, uint64_t offset, const struct egress_record *record)
{
	struct rebuild *rebuild = arg;
	struct egress_log *log = rebuild->log;

	if (offset >= log->state->committed)
		end_epochs(rebuild, record->epoch);
	log->appended_pkts++;
	log->appended_bytes += record->len;
	rebuild->tail_end = offset + record_bytes(record->len, record->flags);
	if (offset < log->state->sealed)
		rebuild->sealed_end = rebuild->tail_end;
	if (offset < log->state->committed) {
		rebuild->committed_end = rebuild->tail_end;
		log->committed_pkts = log->appended_pkts;
		log->committed_bytes = log->appended_bytes;
	}
}

static int find_records(struct egress_log *log)
{
	struct egress_log_state *state = log->state;
	uint64_t first = state->released, open = state->epoch;
	struct rebuild rebuild = {
		.log = log,
		.next_epoch = open < EPOCHS_IN_FLIGHT_MAX ? 1 : open - (EPOCHS_IN_FLIGHT_MAX - 1),
		.committed_end = first,
		.sealed_end = first,
		.tail_end = first,
	};
	struct log_walk walk = {
		.state = state, .segment = segment_bytes, .visit = add_record, .arg = &rebuild};
	char why[160];

	if (log_check_walk(&walk, why, sizeof(why)))
		return -EBADMSG;
	end_epochs(&rebuild, open);
	publish(&state->committed, rebuild.committed_end);
	publish(&state->sealed, rebuild.sealed_end);
	publish(&state->tail, rebuild.tail_end);
	return 0;
}

/* Where the writing goes on. */
static void find_room(struct egress_log *log)
{
	uint64_t tail = log->state->tail;

	log->room = (uint32_t)(-tail & (LOG_SEGMENT_BYTES - 1));
	if (log->first_part == log->end_part)
		log->room = 0;
	if (log->room)
		log->write = address_of(log, tail);
}

/* What the writer was about when it was stopped. */
static void finish_stores(struct egress_log *log, uint64_t now_tsc)
{
	struct egress_log_state *state = log->state;

	/* Frames that were never to be held, appended but not yet committed. */
	if (!state->epoch && state->committed < state->tail)
		egress_log_commit_all(log);
	if (!egress_log_is_empty(log)) {
		log->n_marks = 1;
		log->marks[0] = (struct egress_mark){.end = state->tail, .first_tsc = now_tsc};
		egress_log_age(log);
		return;
	}
	if (!log->room) /* its segments are gone: go on at a part's start */
		publish(&state->tail, RTE_ALIGN_CEIL(state->tail, (uint64_t)LOG_SEGMENT_BYTES));
	egress_log_drained(log);
}

int egress_log_recover(struct egress_log *log, struct log_pool *pool, uint32_t state_index,
	uint64_t quota_bytes, uint64_t now_tsc)
{
	int rc;

	if (state_index < LOG_STATES_MAX && !log_pool_state(pool, state_index)->in_use)
		return egress_log_init(log, pool, state_index, quota_bytes);
	rc = egress_log_alloc(log, pool, state_index, quota_bytes);
	if (rc)
		return rc;
	rc = find_segments(log);
	if (!rc)
		rc = find_records(log);
	if (rc) {
		egress_log_detach(log);
		return rc;
	}
	find_room(log);
	finish_stores(log, now_tsc);
	return 0;
}
