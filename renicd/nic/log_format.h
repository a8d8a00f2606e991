/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress logs' file, as it outlives the daemon (kill -9) and as others map it; little-endian.
 *
 * It begins with a header of one or more segments: struct log_file_header, one struct
 * egress_log_state (egress_log.h) per log, and one label per segment that says which part of which
 * log it holds. That is all that is needed to read the held frames after a crash. Segments of 2 MiB
 * follow; what lies in them are records (egress_log.h). log_check.h tells a whole file from others.
 */
#ifndef RENICD_NIC_LOG_FORMAT_H
#define RENICD_NIC_LOG_FORMAT_H

#include <stdint.h>

enum {
	LOG_FILE_VERSION = 2,
	LOG_SEGMENT_SHIFT = 21,
	LOG_SEGMENT_BYTES = 1 << LOG_SEGMENT_SHIFT,
	LOG_STATES_MAX = 256 * 16, /* places for logs */
};

#define LOG_FILE_MAGIC "RENICLOG"

struct log_file_header {
	char magic[8]; /* LOG_FILE_MAGIC, without a NUL; written last at creation */
	uint32_t version;
	uint32_t segment_bytes;
	uint32_t segments;	/* not counting the header's own */
	uint32_t states;	/* LOG_STATES_MAX */
	uint32_t state_bytes;	/* sizeof(struct egress_log_state) */
	uint32_t label_bytes;	/* sizeof(struct log_segment_label) */
	uint64_t states_offset; /* of the array of struct egress_log_state, in the file */
	uint64_t labels_offset; /* of the array of struct log_segment_label, in the file */
	uint64_t data_offset;	/* of segment 0, in the file */
	uint64_t instance;	/* random; the journal that belongs to the file has it too */
};

/* What a segment holds: bytes [part, part + 1) * LOG_SEGMENT_BYTES of log number log_index.
 * Read and written as one 64-bit word, so that a crash never leaves half of it. Counts only
 * while it lies within the log's [released, tail]; else it is left over. */
struct log_segment_label {
	uint32_t log_index; /* LOG_SEGMENT_FREE: holds nothing */
	uint32_t part;
};

#define LOG_SEGMENT_FREE UINT32_MAX

#endif
