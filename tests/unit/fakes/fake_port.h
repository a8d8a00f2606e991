/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's guest side for unit tests: a struct vf_port_ops whose guest is a pair of rings a queue
 * pair, worked by the test. It sees what a guest would suffer: any access to the rings while they
 * are stopped or the VF is suspended, or by two lcores, is noted, and fake_port_check() fails.
 *
 * One thread plays the guest of a queue pair; one at a time plays the front-end.
 */
#ifndef TEST_FAKES_FAKE_PORT_H
#define TEST_FAKES_FAKE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

enum { FAKE_RING_SIZE = 8192, FAKE_ROOM_ENDLESS = UINT32_MAX >> 1 };

struct fake_port;

struct guest_frame {
	uint32_t len;
	uint16_t segment; /* it asks for segments of so many bytes; 0: it does not */
	uint8_t bytes[];
};

extern const struct vf_port_ops fake_port_ops;

/* The port of the VF of that name; NULL: there is none. */
struct fake_port *fake_port_of(const char *vf);

/* As the port of the VF is destroyed, a start that was on its way comes; its memory goes; then fn
 * is run. */
void fake_port_start_late(const char *vf, void (*fn)(void));

/* The next create fails. */
void fake_port_refuse_create(void);

/* ---- the front-end, in the order of librte_vhost's callbacks ---- */

void fake_port_connect(struct fake_port *p);
void fake_port_start(struct fake_port *p);
/* From the next start on the guest has these features. */
void fake_port_set_features(struct fake_port *p, uint64_t features);
void fake_port_stop(struct fake_port *p);
void fake_port_enable(struct fake_port *p, uint16_t qp, bool enabled);
void fake_port_disconnect(struct fake_port *p, const char *error);
/* Connected, running, all queue pairs enabled. */
void fake_port_bring_up(struct fake_port *p);
bool fake_port_is_running(const struct fake_port *p);

/* ---- the guest ---- */

/* Put a frame into the ring, and kick if asked to. false: the ring is full. */
bool fake_port_send(struct fake_port *p, uint16_t qp, const void *bytes, uint32_t len);
/* The same of a frame that asks for segments, as VIRTIO_NET_HDR_GSO_TCPV4 or _TCPV6 does. */
bool fake_port_send_asking(
	struct fake_port *p, uint16_t qp, const void *bytes, uint32_t len, uint16_t segment);
/* The next frame that came; the caller frees it. NULL: none. */
struct guest_frame *fake_port_receive(struct fake_port *p, uint16_t qp);
/* Frames in the ring that the device has not taken. */
uint32_t fake_port_unread(const struct fake_port *p, uint16_t qp);
/* From now on the guest has buffers for so many frames (FAKE_ROOM_ENDLESS: it always has). */
void fake_port_set_room(struct fake_port *p, uint16_t qp, uint32_t frames);
/* has_frames says yes, from_guest finds nothing: a ring of nonsense. */
void fake_port_pretend_frames(struct fake_port *p, bool pretend);
/* from_guest does not return until it may: an lcore in the middle of a round. */
void fake_port_hold_round(struct fake_port *p, bool hold);
bool fake_port_round_is_held(const struct fake_port *p);
/* A kick that nobody asked for. */
void fake_port_kick(struct fake_port *p, uint16_t qp);
/* How often the device said, as it armed the port, that a kick was heard. */
uint32_t fake_port_woken(const struct fake_port *p, uint16_t qp);
bool fake_port_is_armed(const struct fake_port *p, uint16_t qp);

/* ---- what must hold ---- */

/* checkpoint_begin has returned / resume is about to be called. */
void fake_port_set_suspended(struct fake_port *p, bool suspended);
/* Fails the test when something was seen that must not be. The test's thread. */
void fake_port_check(void);
/* Grows with every frame that went through any port. */
uint64_t fake_port_moved(void);
/* Frames that the device copied out of the ring itself: look() and took(). */
uint64_t fake_port_taken_straight(const struct fake_port *p);

#endif
