/* SPDX-License-Identifier: BSD-3-Clause */
/* Held frames for the backup; see held.h. Records: renicd/nic/egress_log.h. */
#include <errno.h>
#include <stdlib.h>

#include "held.h"

/* As in renicd/nic/egress_log.h, which needs DPDK: part of the file format. */
enum {
	RECORD_END = 1 << 0,
	RECORD_OFFLOAD = 1 << 1,
	RECORD_BYTES = 16,
	OFFLOAD_BYTES = 16,
	RECORD_ALIGN = 16,
	FRAME_MAX = 65535,
	QUEUES_MAX = VF_QPS_MAX,
};

/* ---- codec ---- */

bool held_next(struct wire_in *in, struct held_record *record)
{
	size_t more;

	if (!get_left(in))
		return false;
	record->bytes = in->p;
	record->queue = get_u16(in);
	record->frame_bytes = get_u32(in);
	record->flags = get_u16(in);
	get_u16(in);
	record->epoch = get_u64(in);
	more = record->frame_bytes + (record->flags & RECORD_OFFLOAD ? OFFLOAD_BYTES : 0u);
	if (record->frame_bytes > FRAME_MAX || record->flags & RECORD_END || !record->epoch)
		in->failed = true;
	get_span(in, more);
	record->n = (size_t)(in->p - record->bytes);
	return !in->failed;
}

int held_append(struct held_bytes *to, const void *bytes, size_t n)
{
	size_t room = to->room ? to->room : 4096;
	uint8_t *grown;

	if (n > HELD_MAX - to->n)
		return -ENOMEM;
	while (room < to->n + n)
		room *= 2;
	if (room != to->room) {
		grown = realloc(to->bytes, room);
		if (!grown)
			return -ENOMEM;
		to->bytes = grown;
		to->room = room;
	}
	if (n)
		memcpy(to->bytes + to->n, bytes, n);
	to->n += n;
	return 0;
}

void held_free(struct held_bytes *bytes)
{
	free(bytes->bytes);
	*bytes = (struct held_bytes){0};
}

void held_trim(struct held_bytes *held, uint64_t first, uint64_t last)
{
	struct wire_in in = wire_over(held->bytes, held->n);
	struct held_record record;
	size_t kept = 0;

	while (held_next(&in, &record)) {
		if (record.epoch < first || record.epoch > last)
			continue;
		memmove(held->bytes + kept, record.bytes, record.n);
		kept += record.n;
	}
	held->n = kept;
}

bool held_check(const uint8_t *bytes, size_t n, uint64_t first, uint64_t last)
{
	struct wire_in in = wire_over(bytes, n);
	struct held_record record;
	bool ok = true;

	while (ok && held_next(&in, &record))
		ok = record.epoch >= first && record.epoch <= last;
	return ok && !in.failed;
}

/* ---- out of renicd's log ---- */

/* Bytes of one queue's log, copied, and where in the log they lie. */
struct run {
	uint16_t queue;
	uint64_t log_offset;
	struct held_bytes copy;
};

struct reading {
	uint64_t first, last, oldest;
	struct held_bytes *message;
};

/* A run begins at a record's start; one that was released meanwhile is passed over. */
static int take_run(struct reading *r, const struct run *run, uint64_t released)
{
	uint64_t at = released > run->log_offset ? released - run->log_offset : 0;
	int rc = 0;

	if (at > run->copy.n)
		return 0;
	while (!rc && at + RECORD_BYTES <= run->copy.n) {
		const uint8_t *record = run->copy.bytes + at;
		struct wire_in in = {.p = record, .end = run->copy.bytes + run->copy.n};
		uint32_t frame_bytes = get_u32(&in);
		uint16_t flags = get_u16(&in), queue = htole16(run->queue);
		uint64_t epoch, n;

		get_u16(&in);
		epoch = get_u64(&in);
		n = RECORD_BYTES + frame_bytes + (flags & RECORD_OFFLOAD ? OFFLOAD_BYTES : 0u);
		if (flags & RECORD_END || n > run->copy.n - at)
			break;
		if (epoch && epoch <= r->last && epoch < r->oldest)
			r->oldest = epoch;
		if (epoch >= r->first && epoch <= r->last && epoch) {
			rc = held_append(r->message, &queue, sizeof(queue));
			rc = rc ? rc : held_append(r->message, record, n);
		}
		at += (n + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
	}
	return rc;
}

static void free_runs(struct run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		held_free(&runs[i].copy);
	free(runs);
}

/* Copy all that the log has now. */
static int copy_runs(const struct daemon_log *log, struct run **runs)
{
	int rc = 0;

	*runs = calloc(log->n_extents ? log->n_extents : 1, sizeof(**runs));
	if (!*runs)
		return -ENOMEM;
	for (size_t i = 0; i < log->n_extents && !rc; i++) {
		const struct daemon_extent *e = &log->extents[i];

		(*runs)[i].queue = e->queue;
		(*runs)[i].log_offset = e->log_offset;
		rc = held_append(&(*runs)[i].copy, log->file + e->file_offset, e->bytes);
	}
	return rc;
}

/* Where each queue's log begins by now; a queue without extents has nothing left. */
static void find_released(const struct daemon_log *log, uint64_t released[QUEUES_MAX])
{
	memset(released, 0xff, QUEUES_MAX * sizeof(*released));
	for (size_t i = 0; i < log->n_extents; i++) {
		const struct daemon_extent *e = &log->extents[i];

		if (e->queue < QUEUES_MAX && e->log_offset < released[e->queue])
			released[e->queue] = e->log_offset;
	}
}

/* Frames leave, and their segments are used again, while they are copied: what has left by the time
 * that the copy was made is known by asking again. */
int held_read(struct daemon *d, const char *vf, uint64_t first, uint64_t last,
	struct held_bytes *message, struct nic_error *err)
{
	struct reading r = {.first = first, .last = last, .oldest = last + 1, .message = message};
	uint64_t released[QUEUES_MAX], oldest = 0;
	struct run *runs = NULL;
	size_t n_runs;
	int rc, full;

	message->n = 0;
	rc = daemon_log_look(d, vf, err);
	if (rc)
		return rc;
	n_runs = d->log.n_extents;
	full = copy_runs(&d->log, &runs);
	rc = full ? 0 : daemon_log_look(d, vf, err);
	find_released(&d->log, released);
	full = full ? full : held_append(message, &oldest, sizeof(oldest));
	for (size_t i = 0; i < n_runs && !rc && !full; i++)
		if (runs[i].queue < QUEUES_MAX)
			full = take_run(&r, &runs[i], released[runs[i].queue]);
	free_runs(runs, runs ? n_runs : 0);
	if (rc)
		return rc;
	if (full || message->n > HELD_MESSAGE_MAX)
		return nic_fail(err, RENIC_E_RESOURCES, "replicate_egress",
			"VF \"%s\" holds more than can go to the backup at once", vf);
	oldest = htole64(r.oldest);
	memcpy(message->bytes, &oldest, sizeof(oldest));
	return 0;
}
