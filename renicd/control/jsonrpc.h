/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification): one line in, at most one line out.
 * Single requests, batches, notifications; ids are echoed as they came. Every refusal is an
 * error object with a stable code (renic_errors.h) and data {field, given, expected, state}.
 *
 * Hostile input: size, nesting, number of values, length of a batch and of an id are bounded
 * before any work is done; duplicate keys and bytes that are not UTF-8 are refused. So is what an
 * answer can grow to. Control thread only.
 */
#ifndef RENICD_CONTROL_JSONRPC_H
#define RENICD_CONTROL_JSONRPC_H

#include <stddef.h>

#include "rpc.h"

enum {
	JSONRPC_REQUEST_MAX = 1 << 20, /* bytes of a request's line, newline included */
	JSONRPC_DEPTH_MAX = 16,	       /* arrays and objects in one another */
	/* Values in one message: a full daemon's saved configuration has some 25,000. Of a peer
	 * that may only read: of a batch, each call with some parameters. */
	JSONRPC_VALUES_MAX = 32768,
	JSONRPC_READER_VALUES_MAX = 2048,
	JSONRPC_BATCH_MAX = 64, /* requests in a batch */
	JSONRPC_ID_MAX = 128,	/* bytes of an id that is a string */
	/* When a batch's answer is longer than this, its other requests are not carried out. One
	 * result may be longer: vf_list of 256 VFs of 16 queues is 2.6 MiB at the very most. */
	JSONRPC_BATCH_ANSWER_MAX = 1 << 20,
	JSONRPC_ANSWER_MAX = 4 << 20, /* what follows from these */
	/* When a batch of a peer that may only read has taken longer, the rest is not carried out.
	 */
	JSONRPC_READER_BATCH_US = 250,
};

/*
 * Carry out the message `text` for `peer` and write the answer into *reply, which was empty; its
 * buffer is the caller's to free or use again. Nothing is written when no answer is due.
 */
void jsonrpc_handle(struct rpc_peer *peer, const char *text, size_t len, struct rpc_reply *reply);

/* An error without a request to blame it on (id null), as a whole line. */
void jsonrpc_write_error(struct json_writer *w, const struct nic_error *err);

/* An event as a notification, as a whole line. time_us: CLOCK_REALTIME. */
void jsonrpc_write_event(struct json_writer *w, const struct nic_event *event, uint64_t time_us);

#endif
