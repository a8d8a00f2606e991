/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Send jobs: numbered frames of one stream into one send queue, a fixed number or without end,
 * flat out or at a rate. What the port refuses is offered again, so that a frame that was
 * numbered is sent, once. One thread.
 */
#ifndef FRAMEGEN_SEND_H
#define FRAMEGEN_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "frame.h"

struct rte_mempool;
struct port;

enum { JOBS_MAX = 256, SEND_BURST = 32 };

struct send_request {
	struct port *port;
	uint8_t origin; /* the port's number */
	uint16_t queue;
	uint16_t stream;
	enum frame_kind kind;
	uint16_t size_min, size_max; /* sizes in between depend on the sequence number */
	uint16_t tci;
	uint64_t count;	   /* 0: until stopped */
	uint64_t rate_pps; /* 0: as fast as the port takes them */
	int64_t seq;	   /* first number; -1: go on where the stream was */
	int32_t seq_step;  /* usually 1; 0 repeats, 2 leaves gaps, -1 turns the order round */
	int32_t flip;	   /* offset of a byte to falsify, for tests of the tests; -1: none */
	uint8_t dst[6], src[6];
};

void send_init(struct rte_mempool *pool);

/* Returns the job's number, or -ENOSPC. */
int send_start(const struct send_request *request);

/* Ends jobs; frames already numbered and refused by the port are dropped and not counted as
 * sent, and the stream goes on with the first of them. port NULL: of every port. job -1: all.
 * Returns their reports, as send_report(). */
json_t *send_stop(const struct port *port, int job);

/* One round over all jobs; reports those that ended: {"event": "sent", "job", "stream", "sent",
 * "next_seq"}. Returns frames moved. */
unsigned send_poll(void (*report)(json_t *event));

/* [{"event": "running", "job", "stream", "sent", "next_seq"}, …] */
json_t *send_report(void);

/* One frame of the caller's bytes. 0, -EINVAL, or -EAGAIN when the port has no room. */
int send_raw(struct port *port, uint16_t queue, const uint8_t *bytes, uint16_t len);

#endif
