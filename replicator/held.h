/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Held frames on their way to the backup (`replicate_egress`; docs/replication.md). What a VF held
 * is a run of bytes: for each frame the queue (16 bits), then its record as renicd's egress log has
 * it, without padding; little-endian. renicd's egress_load takes the same.
 *
 * A HELD message of a VF, one for each VF and checkpoint, perhaps in several frames: u64 the oldest
 * epoch of which something has not left yet, then the records that the backup does not have. Every
 * epoch before the oldest has left: the backup forgets it, and keeps the others until it is told.
 *
 * Codec and the primary's reader; no threads.
 */
#ifndef REPLICATOR_HELD_H
#define REPLICATOR_HELD_H

#include "daemon.h"
#include "wire.h"

enum {
	HELD_RECORD_MAX = 2 + 16 + 16 + 65535,
	HELD_OLDEST_BYTES = 8,
	HELD_MESSAGE_MAX = 256 << 20, /* of a VF in one checkpoint; more is left out */
	HELD_MAX = 1 << 30,	      /* of a VF in all */
};

struct held_record {
	uint16_t queue, flags;
	uint32_t frame_bytes;
	uint64_t epoch;
	const uint8_t *bytes; /* the whole record, its queue included */
	size_t n;
};

/* The next record; false: nothing more, or what comes is none (then in->failed). */
bool held_next(struct wire_in *in, struct held_record *record);

/* Bytes that grow. */
struct held_bytes {
	uint8_t *bytes;
	size_t n, room;
};

/* 0 or -ENOMEM. */
int held_append(struct held_bytes *to, const void *bytes, size_t n);
/* Nothing is left; what was a lot is given back. */
void held_empty(struct held_bytes *bytes);
void held_free(struct held_bytes *bytes);

/* Keep the records of epochs first .. last only. They are whole. */
void held_trim(struct held_bytes *held, uint64_t first, uint64_t last);

/* Are these whole records, of epochs first .. last? */
bool held_check(const uint8_t *bytes, size_t n, uint64_t first, uint64_t last);

/*
 * A message of what the local renicd holds of the VF: records of epochs first .. last, which must
 * be sealed. What leaves while it is read is not in it, nor is what would make it longer than
 * max_bytes: the newest records of the queue that is read then, and the queues after it. Of these
 * *left_out_bytes are. The VM may run. *message is replaced.
 */
int held_read(struct daemon *d, const char *vf, uint64_t first, uint64_t last, size_t max_bytes,
	struct held_bytes *message, uint64_t *left_out_bytes, struct nic_error *err);

#endif
