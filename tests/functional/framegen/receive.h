/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verdict on what a port received, stream by stream: a stream is what one send queue numbers,
 * so it must arrive whole, once, and in order. Order is judged per receive queue (frames of two
 * receive queues have none); loss and repetition per port.
 */
#ifndef FRAMEGEN_RECEIVE_H
#define FRAMEGEN_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "port.h"

struct rte_mbuf;
struct receiver;

struct receiver *receiver_new(void);
void receiver_free(struct receiver *receiver);

/* Forget all that was received, and the arrival log. */
void receiver_clear(struct receiver *receiver);

/* Judge a burst. The mbufs stay the caller's. */
void receiver_take(struct receiver *receiver, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

/*
 * {"pkts", "bytes", "foreign", "streams": {"7": {"received", "unique", "lost", "repeated",
 * "reordered", "corrupt", "min", "max", "bytes", "first_ns", "last_ns", "tag", "queues"}}}.
 * lost: numbers missing between min and max. Times are CLOCK_MONOTONIC. tag: the port VLAN that
 * the last frame came with, -1: none; tagged: how many had one.
 */
json_t *receiver_report(const struct receiver *receiver);

/*
 * Note from now on when each run of frames of one stream arrived (or stop to).
 * receiver_write_arrivals writes the notes: 32 bytes each, in order of arrival, little-endian:
 * u64 ns, u32 stream, u32 count, u32 min, u32 max, u32 queue, u32 0. Returns how many, or -errno.
 */
void receiver_note_arrivals(struct receiver *receiver, bool on);
int receiver_write_arrivals(const struct receiver *receiver, const char *path);

#endif
