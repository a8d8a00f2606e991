/* SPDX-License-Identifier: BSD-3-Clause */
/* See log_check.h. The format is that of egress_log.h and log_format.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log_check.h"

enum {
	HEADER_BYTES = 4096,
	RECORD_FLAGS = EGRESS_RECORD_END | EGRESS_RECORD_OFFLOAD | EGRESS_RECORD_VLAN |
		       EGRESS_RECORD_VLAN_AD | EGRESS_RECORD_SKIP_GROUP,
};

#define SEGMENT_MASK ((uint64_t)LOG_SEGMENT_BYTES - 1)

struct verdict {
	char *why;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int damaged(
	const struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->why, v->size, fmt, ap);
	va_end(ap);
	return -1;
}

static uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

void log_layout_of(uint32_t segments, struct log_layout *layout)
{
	layout->states_offset = align_up(sizeof(struct log_file_header), HEADER_BYTES);
	layout->labels_offset =
		layout->states_offset + LOG_STATES_MAX * sizeof(struct egress_log_state);
	layout->data_offset =
		align_up(layout->labels_offset + segments * sizeof(uint64_t), LOG_SEGMENT_BYTES);
	layout->bytes = layout->data_offset + (uint64_t)segments * LOG_SEGMENT_BYTES;
}

int log_check_header(const void *map, uint64_t bytes, char *why, size_t why_size)
{
	const struct verdict v = {why, why_size};
	struct log_file_header h;
	struct log_layout at;

	if (bytes < sizeof(h))
		return damaged(&v, "it has %" PRIu64 " bytes, less than a header", bytes);
	memcpy(&h, map, sizeof(h));
	if (memcmp(h.magic, LOG_FILE_MAGIC, sizeof(h.magic)))
		return damaged(&v, "it does not begin as an egress log does");
	if (h.version != LOG_FILE_VERSION)
		return damaged(&v, "its version is %" PRIu32 ", this renicd reads %d", h.version,
			LOG_FILE_VERSION);
	log_layout_of(h.segments, &at);
	if (h.segment_bytes != LOG_SEGMENT_BYTES || h.states != LOG_STATES_MAX ||
		h.state_bytes != sizeof(struct egress_log_state) ||
		h.label_bytes != sizeof(struct log_segment_label) || !h.segments ||
		h.states_offset != at.states_offset || h.labels_offset != at.labels_offset ||
		h.data_offset != at.data_offset)
		return damaged(&v, "its header describes another layout");
	if (bytes < at.bytes)
		return damaged(
			&v, "it has %" PRIu64 " bytes, its header says %" PRIu64, bytes, at.bytes);
	return 0;
}

bool log_state_needs_part(const struct egress_log_state *state, uint32_t part)
{
	uint64_t first = state->released >> LOG_SEGMENT_SHIFT;
	uint64_t end = (state->tail + SEGMENT_MASK) >> LOG_SEGMENT_SHIFT;

	/* Labels keep the low half of a part's number; a log is never that long. */
	return state->in_use && part - (uint32_t)first < end - first;
}

static int check_offsets(const struct verdict *v, const struct egress_log_state *s)
{
	if (s->released > s->committed || s->committed > s->sealed || s->sealed > s->tail ||
		(s->tail - s->released) >> LOG_SEGMENT_SHIFT >= UINT32_MAX / 2)
		return damaged(v,
			"its offsets are out of order: released %" PRIu64 ", committed %" PRIu64
			", sealed %" PRIu64 ", tail %" PRIu64,
			s->released, s->committed, s->sealed, s->tail);
	if ((s->released | s->committed | s->sealed | s->tail) % EGRESS_RECORD_ALIGN)
		return damaged(v, "an offset is no multiple of %d", EGRESS_RECORD_ALIGN);
	return 0;
}

/* The record at offset: whole, in its segment, on one side of each offset. */
static int check_record(const struct verdict *v, const struct egress_log_state *s, uint64_t offset,
	const struct egress_record *r, uint64_t *end)
{
	uint64_t bytes = sizeof(*r) + (uint64_t)r->len;

	if (r->flags & ~RECORD_FLAGS)
		return damaged(v, "unknown flags 0x%x at offset %" PRIu64, r->flags, offset);
	if (r->flags & EGRESS_RECORD_OFFLOAD)
		bytes += sizeof(struct egress_offload);
	*end = offset + align_up(bytes, EGRESS_RECORD_ALIGN);
	if (!r->len || r->len > EGRESS_FRAME_MAX ||
		(*end - 1) >> LOG_SEGMENT_SHIFT != offset >> LOG_SEGMENT_SHIFT || *end > s->tail)
		return damaged(
			v, "a frame of %" PRIu32 " bytes at offset %" PRIu64, r->len, offset);
	if ((offset<s->committed && * end> s->committed) || (offset<s->sealed && * end> s->sealed))
		return damaged(v, "the frame at offset %" PRIu64 " is cut by an offset", offset);
	return 0;
}

/* Of what is not committed: epochs do not go back, and none is later than the open one. */
static int check_epoch(const struct verdict *v, const struct egress_log_state *s, uint64_t offset,
	uint64_t epoch, uint64_t *last)
{
	if (offset < s->committed)
		return 0;
	if (epoch > s->epoch || epoch < *last || (s->epoch && !epoch))
		return damaged(v,
			"epoch %" PRIu64 " at offset %" PRIu64 ", after %" PRIu64 "; %" PRIu64
			" is open",
			epoch, offset, *last, s->epoch);
	*last = epoch;
	return 0;
}

int log_check_walk(const struct log_walk *walk, char *why, size_t why_size)
{
	const struct verdict v = {why, why_size};
	const struct egress_log_state *s = walk->state;
	uint64_t offset = s->released, last_epoch = 0, end = offset;
	struct egress_record record;

	if (check_offsets(&v, s))
		return -1;
	while (offset < s->tail) {
		const uint8_t *segment = walk->segment(walk->arg, offset >> LOG_SEGMENT_SHIFT);

		if (!segment)
			return damaged(&v, "no segment holds offset %" PRIu64, offset);
		memcpy(&record, segment + (offset & SEGMENT_MASK), sizeof(record));
		if (record.flags & EGRESS_RECORD_END) {
			offset = ((offset >> LOG_SEGMENT_SHIFT) + 1) << LOG_SEGMENT_SHIFT;
			if (offset > s->tail)
				return damaged(&v, "the last segment ends before the tail");
			continue;
		}
		if (check_record(&v, s, offset, &record, &end) ||
			check_epoch(&v, s, offset, record.epoch, &last_epoch))
			return -1;
		if (walk->visit)
			walk->visit(walk->arg, offset, &record);
		offset = end;
	}
	return 0;
}

/* ---- a whole file ---- */

struct image {
	const uint8_t *map;
	const struct log_file_header *header;
	const struct log_segment_label *labels;
	uint32_t log_index;
};

static const uint8_t *image_segment(void *arg, uint64_t part)
{
	const struct image *image = arg;

	for (uint32_t i = 0; i < image->header->segments; i++)
		if (image->labels[i].log_index == image->log_index &&
			image->labels[i].part == (uint32_t)part)
			return image->map + image->header->data_offset +
			       (uint64_t)i * LOG_SEGMENT_BYTES;
	return NULL;
}

int log_check_file(const void *map, uint64_t bytes, char *why, size_t why_size)
{
	struct image image = {.map = map, .header = map};
	const struct egress_log_state *states;
	char reason[160];

	if (log_check_header(map, bytes, why, why_size))
		return -1;
	image.labels = (const void *)(image.map + image.header->labels_offset);
	states = (const void *)(image.map + image.header->states_offset);
	for (uint32_t i = 0; i < LOG_STATES_MAX; i++) {
		struct log_walk walk = {
			.state = &states[i], .segment = image_segment, .arg = &image};

		image.log_index = i;
		if (!states[i].in_use || !log_check_walk(&walk, reason, sizeof(reason)))
			continue;
		snprintf(why, why_size, "log %" PRIu32 ": %s", i, reason);
		return -1;
	}
	return 0;
}
