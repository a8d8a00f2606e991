/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress logs' file as a daemon finds it: log_check_file() reads nothing outside it. First
 * byte: bit 0 the input is a whole (short) file, else changes to a right one (patch.h). What is
 * found whole can be walked, and each record lies in the file.
 */
#include "fuzz.h"
#include "log_check.h"
#include "patch.h"

enum { SEGMENTS = 2, FRAMES = 3, FRAME = 48 };

static uint8_t *file;
static struct log_layout at;

static void put_record(uint64_t segment, uint64_t offset, struct egress_record record)
{
	memcpy(file + at.data_offset + segment * LOG_SEGMENT_BYTES + offset, &record,
		sizeof(record));
}

/* Log 0: the first part ends after FRAMES frames, one uncommitted frame is in the second. */
static void make_file(void)
{
	struct log_file_header header = {.magic = LOG_FILE_MAGIC,
		.version = LOG_FILE_VERSION,
		.segment_bytes = LOG_SEGMENT_BYTES,
		.segments = SEGMENTS,
		.states = LOG_STATES_MAX,
		.state_bytes = sizeof(struct egress_log_state),
		.label_bytes = sizeof(struct log_segment_label)};
	struct log_segment_label labels[SEGMENTS] = {{0, 0}, {0, 1}};
	struct egress_log_state state = {.in_use = 1, .epoch = 2};
	const uint64_t step = sizeof(struct egress_record) + FRAME;
	char why[256];

	log_layout_of(SEGMENTS, &at);
	header.states_offset = at.states_offset;
	header.labels_offset = at.labels_offset;
	header.data_offset = at.data_offset;
	file = calloc(1, at.bytes);
	FUZZ_REQUIRE(file);
	memcpy(file, &header, sizeof(header));
	memcpy(file + at.labels_offset, labels, sizeof(labels));
	for (int i = 0; i < FRAMES; i++)
		put_record(0, i * step, (struct egress_record){.len = FRAME, .epoch = 1});
	put_record(0, FRAMES * step, (struct egress_record){.flags = EGRESS_RECORD_END});
	put_record(1, 0, (struct egress_record){.len = FRAME, .epoch = 2});
	state.released = step;
	state.committed = 2 * step;
	state.sealed = LOG_SEGMENT_BYTES;
	state.tail = LOG_SEGMENT_BYTES + step;
	memcpy(file + at.states_offset, &state, sizeof(state));
	if (log_check_file(file, at.bytes, why, sizeof(why))) {
		fprintf(stderr, "the right file is refused: %s\n", why);
		abort();
	}
}

static void check(const void *map, size_t bytes)
{
	char why[256] = "";

	FUZZ_REQUIRE(!log_check_file(map, bytes, why, sizeof(why)) || why[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct patch_undo undo;

	if (!file)
		make_file();
	if (size && data[0] & 1) {
		void *copy = fuzz_copy(data + 1, size - 1);

		check(copy, size - 1);
		free(copy);
	} else if (size) {
		const struct patch_region regions[] = {{0, 1}, {at.states_offset, 8},
			{at.labels_offset, 4}, {at.data_offset, 8},
			{at.data_offset + LOG_SEGMENT_BYTES - 4096, 8},
			{at.data_offset + LOG_SEGMENT_BYTES, 8}, {at.bytes - 4096, 8}};

		patch_apply(file, at.bytes, regions, sizeof(regions) / sizeof(regions[0]), data + 1,
			size - 1, &undo);
		check(file, at.bytes);
		patch_undo(file, &undo);
	}
	return 0;
}
