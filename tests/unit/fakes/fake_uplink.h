/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire for unit tests: a struct uplink_ops that records what it is given, byte for byte as it
 * would be on the wire, and that can be down, refuse, and be slow to free what it took. It notes
 * what no device may be given (frames that are too long, tags that it cannot insert, bytes that
 * change while it still has the frame); fake_uplink_check() then fails.
 */
#ifndef TEST_FAKES_FAKE_UPLINK_H
#define TEST_FAKES_FAKE_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

#define FAKE_UPLINK_ENDLESS UINT64_MAX

struct wire_frame {
	struct wire_frame *next;
	int lcore; /* that sent it */
	uint32_t len;
	uint8_t bytes[];
};

/* max_frame_bytes may be set between tests' steps while no lcore sends. */
extern struct uplink_ops fake_uplink_ops;
/* What it says; 0: unknown. */
extern uint32_t fake_uplink_speed_mbps;

/* Forget everything; up, taking all. Frees what was kept. */
void fake_uplink_reset(void);

void fake_uplink_set_up(bool up);
/* Take this many frames and no more. */
void fake_uplink_set_credits(uint64_t frames);
/* Of a burst take a random part, which may be nothing. */
void fake_uplink_refuse_at_random(bool on);
/* Free a frame only when this many more were taken. */
void fake_uplink_set_slow(uint32_t frames);

/* The next frame in the order of sending; the caller frees it. NULL: none. */
struct wire_frame *fake_uplink_take(void);
uint32_t fake_uplink_count(void);

/* A frame comes in from the wire, on data lcore 0. false: no mbuf. */
bool fake_uplink_arrive(const void *bytes, uint32_t len);
/* Drops of frames that came in. */
extern uint64_t fake_uplink_drops[DROP_REASONS];

/* How often it took less than it was given. */
uint64_t fake_uplink_refused(void);
/* How often the device asked whether the link is up: once each time it tries to send. */
unsigned fake_uplink_asked(void);
/* Grows with each frame taken; with fake_uplink_refuse_at_random() with each try. */
uint64_t fake_uplink_moved(void);
void fake_uplink_check(void);

#endif
