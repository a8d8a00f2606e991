/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The replication stream, version 2: frames, and what small ones say (docs/replication.md has the
 * tables). A frame, little-endian: u32 type, u32 length of the payload in bytes, u32 CRC32C of
 * type, length and payload, payload. Both sides begin with a HELLO; nothing else is looked at
 * before that was found to fit. Unknown types, wrong sums, lengths out of range: the connection
 * ends.
 *
 * Primary to standby:
 *   HELLO VM*                      who I am, and each VM's RAM, VFs and machine
 *   (PAGES | BLOB | SNAPSHOT | HELD)* END    a checkpoint; the first one has the whole RAM
 *   ABORT                          the checkpoint is given up: its blobs are void, its pages stay
 *   HANDOVER                       take over from the last checkpoint: no VM runs here again
 *   BYE                            protection ended, what you hold is void
 *
 * Standby to primary: HELLO, ACK (a whole checkpoint is held), TAKEN (handover's answer), REFUSE.
 * Both: HEARTBEAT.
 *
 * Codec only: no sockets, no allocation, no state. Any thread.
 */
#ifndef REPLICATOR_STREAM_H
#define REPLICATOR_STREAM_H

#include "driver.h"
#include "wire.h"

enum {
	STREAM_VERSION = 2,	     /* 1: a VM frame without its machine */
	STREAM_WITHOUT_MACHINES = 1, /* what reads all of it but that */
	STREAM_HEADER_BYTES = 12,
	STREAM_PAYLOAD_MAX = 256 << 10,
	STREAM_FRAME_MAX = STREAM_HEADER_BYTES + STREAM_PAYLOAD_MAX,
	STREAM_VMS_MAX = 16,
	STREAM_VFS_MAX = 16, /* of a VM */
};

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_VM,
	FRAME_PAGES,
	FRAME_BLOB,
	FRAME_SNAPSHOT,
	FRAME_HELD,
	FRAME_END,
	FRAME_ACK,
	FRAME_HEARTBEAT,
	FRAME_HANDOVER,
	FRAME_TAKEN,
	FRAME_REFUSE,
	FRAME_BYE,
	FRAME_ABORT,
	FRAME_TYPES,
};

struct frame {
	enum frame_type type;
	const uint8_t *payload;
	uint32_t bytes;
};

struct msg_hello {
	uint16_t version, compatible; /* what I speak, and the oldest version that understands it */
	uint8_t side;		      /* enum remus_side */
	uint8_t n_vms;
	uint64_t term;
	uint64_t session; /* primary: its number; standby: whose checkpoint it holds */
	uint64_t epoch;	  /* standby: the last it holds whole; 0: none. Primary: the last sealed */
	uint32_t heartbeat_ms, timeout_ms;
	char group[REMUS_NAME_SIZE];
};

struct msg_region {
	uint64_t gpa, bytes;
};

struct msg_vm {
	uint8_t index, n_vfs, n_regions;
	char name[REMUS_NAME_SIZE], driver[REMUS_NAME_SIZE];
	struct msg_region regions[REMUS_REGIONS_MAX];
	char machine[REMUS_MACHINE_SIZE]; /* as its driver says it; empty: nothing */
};

/* END, and with it how much there was of each: what must have come. */
struct msg_end {
	uint64_t term, epoch;
	uint64_t pages;	     /* PAGES' records since the END before */
	uint64_t blob_bytes; /* all VMs; since the END or ABORT before, as are the others */
	uint32_t snapshots;
	uint64_t held_bytes;
};

struct msg_ack {
	uint64_t term, epoch;
};

enum refuse_reason {
	REFUSE_PROTOCOL = 1, /* does not speak this version, or broke its rules */
	REFUSE_TERM,	     /* the sender is of an older term: it was failed over from */
	REFUSE_BUSY,	     /* not now: come again */
	REFUSE_LAYOUT,	     /* VMs or RAM differ */
	REFUSE_FAILED,	     /* could not take over, and activated nothing: run your VMs yourself */
	REFUSE_REASONS,
};

struct msg_refuse {
	uint8_t reason;
	uint64_t term; /* the refuser's */
	char text[160];
};

struct msg_handover {
	uint8_t lost; /* 1: the VMs were lost; 0: a planned switch */
	uint64_t term, epoch;
};

struct msg_taken {
	uint8_t ok;
	uint64_t term;
	char text[160];
};

/* Write the header before a payload of `bytes` bytes that begins at buf + STREAM_HEADER_BYTES. */
void stream_seal(uint8_t *buf, enum frame_type type, uint32_t bytes);

/*
 * The frame at the beginning of n bytes. Returns its length with its header, 0 when more bytes are
 * needed, or a negative code with *err: RENIC_E_PARSE.
 */
long stream_frame(const uint8_t *bytes, size_t n, struct frame *frame, struct nic_error *err);

/* Encode into buf (STREAM_FRAME_MAX is always enough): bytes of the frame. */
size_t stream_put_hello(uint8_t *buf, const struct msg_hello *m);
size_t stream_put_vm(uint8_t *buf, const struct msg_vm *m);
size_t stream_put_end(uint8_t *buf, const struct msg_end *m);
size_t stream_put_ack(uint8_t *buf, const struct msg_ack *m);
size_t stream_put_refuse(uint8_t *buf, const struct msg_refuse *m);
size_t stream_put_handover(uint8_t *buf, const struct msg_handover *m);
size_t stream_put_taken(uint8_t *buf, const struct msg_taken *m);
size_t stream_put_empty(uint8_t *buf, enum frame_type type); /* HEARTBEAT, BYE, ABORT */

/* Decode a frame of that type: 0, or RENIC_E_PARSE with *err. What is out of range, too short or
 * too long is refused; strings end. */
int stream_get_hello(const struct frame *f, struct msg_hello *m, struct nic_error *err);
int stream_get_vm(const struct frame *f, struct msg_vm *m, struct nic_error *err);
int stream_get_end(const struct frame *f, struct msg_end *m, struct nic_error *err);
int stream_get_ack(const struct frame *f, struct msg_ack *m, struct nic_error *err);
int stream_get_refuse(const struct frame *f, struct msg_refuse *m, struct nic_error *err);
int stream_get_handover(const struct frame *f, struct msg_handover *m, struct nic_error *err);
int stream_get_taken(const struct frame *f, struct msg_taken *m, struct nic_error *err);

/* "hello", "pages", … */
const char *stream_type_name(unsigned type);

#endif
