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

enum {
	COPY_BYTES = 32 << 20, /* of the log at a time */
	KEEP_BYTES = 32 << 20, /* what held more gives its memory back once it is empty */
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

void held_empty(struct held_bytes *bytes)
{
	bytes->n = 0;
	if (bytes->room > KEEP_BYTES)
		held_free(bytes);
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

/* Extents of the log, of all queues, and how many of them were read. */
struct extents {
	struct daemon_extent *all;
	size_t n, done;
};

struct reading {
	uint64_t first, last, oldest;
	size_t max_bytes;
	struct held_bytes *message;
	bool full; /* the message is, or memory */
	uint64_t left_out_bytes;
};

static int put_record(
	struct held_bytes *message, uint16_t queue, const uint8_t *record, size_t n, size_t max)
{
	size_t before = message->n;

	queue = htole16(queue);
	if (n + sizeof(queue) > max - before)
		return -ENOMEM;
	if (held_append(message, &queue, sizeof(queue)) == 0 &&
		held_append(message, record, n) == 0)
		return 0;
	message->n = before;
	return -ENOMEM;
}

static void take_record(
	struct reading *r, uint16_t queue, uint64_t epoch, const uint8_t *record, size_t n)
{
	if (!epoch || epoch > r->last)
		return;
	if (epoch < r->oldest)
		r->oldest = epoch;
	if (epoch < r->first)
		return;
	r->full = r->full || put_record(r->message, queue, record, n, r->max_bytes);
	if (r->full)
		r->left_out_bytes += n;
}

/* The copy of an extent, which begins at a record's start; what was released since is passed over.
 */
static void take_extent(
	struct reading *r, const struct daemon_extent *e, const uint8_t *copy, uint64_t released)
{
	uint64_t at = released > e->log_offset ? released - e->log_offset : 0;

	while (at < e->bytes && e->bytes - at >= RECORD_BYTES) {
		const uint8_t *record = copy + at;
		struct wire_in in = {.p = record, .end = copy + e->bytes};
		uint32_t frame_bytes = get_u32(&in);
		uint16_t flags = get_u16(&in);
		uint64_t epoch, n;

		get_u16(&in);
		epoch = get_u64(&in);
		n = RECORD_BYTES + frame_bytes + (flags & RECORD_OFFLOAD ? OFFLOAD_BYTES : 0u);
		if (flags & RECORD_END || n > e->bytes - at)
			break;
		take_record(r, e->queue, epoch, record, n);
		at += (n + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
	}
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

/* The next extents, so many that their copy is a bounded one. */
static int copy_extents(
	const struct daemon_log *log, struct extents *extents, struct held_bytes *copy)
{
	int rc = 0;

	for (copy->n = 0; extents->done < extents->n && copy->n < COPY_BYTES && !rc;
		extents->done++) {
		const struct daemon_extent *e = &extents->all[extents->done];

		rc = held_append(copy, log->file + e->file_offset, e->bytes);
	}
	return rc;
}

/* Frames leave, and their segments are used again, while they are copied: what has left by the time
 * that the copy was made is known by asking again. */
static int read_some(struct daemon *d, const char *vf, struct extents *extents,
	struct held_bytes *copy, struct reading *r, struct nic_error *err)
{
	uint64_t released[QUEUES_MAX];
	size_t i = extents->done, at = 0;
	int rc;

	if (copy_extents(&d->log, extents, copy))
		return nic_fail(err, RENIC_E_RESOURCES, "replicate_egress",
			"no memory for frames that VF \"%s\" holds", vf);
	rc = daemon_log_look(d, vf, err);
	if (rc)
		return rc;
	find_released(&d->log, released);
	for (; i < extents->done; at += extents->all[i++].bytes)
		if (extents->all[i].queue < QUEUES_MAX)
			take_extent(r, &extents->all[i], copy->bytes + at,
				released[extents->all[i].queue]);
	return 0;
}

int held_read(struct daemon *d, const char *vf, uint64_t first, uint64_t last, size_t max_bytes,
	struct held_bytes *message, uint64_t *left_out_bytes, struct nic_error *err)
{
	struct reading r = {.first = first,
		.last = last,
		.oldest = last + 1,
		.max_bytes = max_bytes,
		.message = message};
	struct held_bytes copy = {0};
	struct extents extents;
	uint64_t oldest = 0;
	int rc;

	held_empty(message);
	if (held_append(message, &oldest, sizeof(oldest)))
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	rc = daemon_log_look(d, vf, err);
	if (rc)
		return rc;
	/* They are ours now: a later look makes its own. */
	extents = (struct extents){.all = d->log.extents, .n = d->log.n_extents};
	d->log.extents = NULL;
	d->log.n_extents = 0;
	while (!rc && extents.done < extents.n)
		rc = read_some(d, vf, &extents, &copy, &r, err);
	free(extents.all);
	held_free(&copy);
	oldest = htole64(r.oldest);
	memcpy(message->bytes, &oldest, sizeof(oldest));
	*left_out_bytes = r.left_out_bytes;
	return rc;
}
