/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The staging buffer: what a checkpoint is copied to while the VM is paused, and sent from after
 * it runs again. A ring of slots of one page each, allocated and touched at start. One producer
 * (the checkpoint thread), one consumer (the sender).
 *
 * Filling takes no system call and no lock: slots become visible to the sender by
 * staging_publish(), after the pause. Only a producer that finds the ring full publishes what
 * it has, and waits for the sender: that lengthens the pause, and is counted.
 *
 * staging_kill(): the connection is gone. Both sides' calls fail until staging_reset(), which the
 * producer calls when neither is in the ring.
 */
#ifndef REPLICATOR_STAGING_H
#define REPLICATOR_STAGING_H

#include <pthread.h>

#include "driver.h"

enum slot_type {
	SLOT_PAGE,     /* index: page of the VM */
	SLOT_BLOB,     /* bytes of the VM's blob */
	SLOT_SNAPSHOT, /* index: VF of the VM; bytes of its snapshot */
	SLOT_HELD,     /* bytes of the held frames of that VF */
	SLOT_END,      /* a struct msg_end */
	SLOT_HANDOVER, /* a struct msg_handover */
	SLOT_ABORT,
	SLOT_BYE,
};

struct slot {
	uint8_t type; /* enum slot_type */
	uint8_t vm;
	uint16_t bytes; /* of data, at most a page */
	uint32_t index;
};

struct staging {
	struct slot *slots;
	uint8_t *data;
	uint64_t n;		  /* slots, a power of two */
	uint64_t tail;		  /* producer's: next to fill */
	uint64_t waits;		  /* producer's: times that it found the ring full */
	uint64_t published, head; /* atomic: [head, published) is the sender's */
	bool dead;		  /* atomic */
	pthread_mutex_t lock;	  /* for sleeping only */
	pthread_cond_t data_there, space_there;
};

/* bytes: of the data, rounded down to a power of two of pages, at least 16. 0 or -ENOMEM. */
int staging_init(struct staging *s, size_t bytes);
void staging_fini(struct staging *s);

/* ---- producer ---- */

/* The next slot's data, to be filled with slot->bytes bytes; NULL when the ring is full. */
uint8_t *staging_next(struct staging *s, struct slot slot);
/* As it, and waits while the ring is full. NULL: it is dead. */
uint8_t *staging_next_wait(struct staging *s, struct slot slot);
/* Any number of bytes, in as many slots as it takes. 0, or -EPIPE: dead. */
int staging_put(struct staging *s, struct slot slot, const void *data, size_t bytes);
/* Show the sender everything. */
void staging_publish(struct staging *s);
/* Free slots now. */
uint64_t staging_room(const struct staging *s);
void staging_reset(struct staging *s);

/* ---- consumer ---- */

/* The oldest slot, waiting at most timeout_ms for one; NULL: none, or dead. */
const struct slot *staging_peek(struct staging *s, int timeout_ms, const uint8_t **data);
/* Done with it. */
void staging_pop(struct staging *s);

/* ---- any thread ---- */
void staging_kill(struct staging *s);
bool staging_is_dead(const struct staging *s);

#endif
