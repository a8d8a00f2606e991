/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a log file what it should be? Reads the bytes of an egress log's file as a daemon left them,
 * however it ended, and believes nothing: every offset, label and length is checked before it is
 * followed. Plain memory in, a verdict out: no EAL, no allocation, no state; any thread.
 *
 * What a crash may leave, by the order of the writer's stores (egress_log.c), is not damage: a
 * frame appended and not yet counted as committed, a seal half done, segments labelled for parts
 * that the log has not reached or has left.
 */
#ifndef RENICD_NIC_LOG_CHECK_H
#define RENICD_NIC_LOG_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "egress_log.h"
#include "log_format.h"

/* Where the parts of a file of `segments` segments lie. */
struct log_layout {
	uint64_t states_offset, labels_offset, data_offset, bytes;
};

void log_layout_of(uint32_t segments, struct log_layout *layout);

/* The header fits this build and the file's size: 0, or -1 with why in words. */
int log_check_header(const void *map, uint64_t bytes, char *why, size_t why_size);

/* Does the log of that state have frames in the file? */
static inline bool log_state_holds(const struct egress_log_state *state)
{
	return state->in_use && state->released < state->tail;
}

/* Does the log need the part that a segment's label names? The tail's own part counts where it
 * has been begun. */
bool log_state_needs_part(const struct egress_log_state *state, uint32_t part);

struct log_walk {
	const struct egress_log_state *state;
	/* The first byte of the segment that holds the part, or NULL. */
	const uint8_t *(*segment)(void *arg, uint64_t part);
	/* Each record from `released` on; offset is its start. May be NULL. */
	void (*visit)(void *arg, uint64_t offset, const struct egress_record *record);
	void *arg;
};

/* Follow one log from `released` to `tail`: 0, or -1 with why. */
int log_check_walk(const struct log_walk *walk, char *why, size_t why_size);

/* A whole file: header, labels, and every log in it. 0, or -1 with why. */
int log_check_file(const void *map, uint64_t bytes, char *why, size_t why_size);

#endif
