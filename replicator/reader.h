/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames out of a connection, one at a time, in a buffer that never grows. One thread. */
#ifndef REPLICATOR_READER_H
#define REPLICATOR_READER_H

#include "conn.h"
#include "stream.h"

enum { READER_BYTES = 2 * STREAM_FRAME_MAX };

struct reader {
	uint8_t *buf;
	size_t head, tail; /* [head, tail) is not consumed */
	uint64_t bytes;	   /* received altogether */
};

int reader_init(struct reader *r, struct nic_error *err);
void reader_fini(struct reader *r);
void reader_clear(struct reader *r);

/*
 * The next frame, valid until the next call. Returns 1; 0: nothing whole came within
 * timeout_ms in all, however many bytes of it came in time, and *got tells whether anything came at
 * all; or a negative code with *err: the connection has ended, or does not speak the protocol.
 */
int reader_next(struct reader *r, struct conn *c, int timeout_ms, struct frame *frame, bool *got,
	struct nic_error *err);

#endif
