/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A data lcore's mailbox: other threads post a function to run between two rounds and wait for
 * it. Messages live on the poster's stack; the ring carries pointers (rte_ring, many
 * producers, one consumer). An eventfd ends the owner's sleep.
 */
#ifndef RENICD_LCORE_MAILBOX_H
#define RENICD_LCORE_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

struct mail {
	void (*fn)(void *arg);
	void *arg;
	uint32_t done; /* atomic; set by the owner after fn has run */
};

struct mailbox {
	struct rte_ring *ring;
	int wake_fd;	   /* eventfd, in the owner's epoll set */
	uint32_t sleeping; /* atomic; set by the owner before it looks a last time */
};

int mailbox_init(struct mailbox *box, unsigned index);
void mailbox_fini(struct mailbox *box);

/* Any thread but the owner. The mail must stay until mailbox_wait() has returned. */
void mailbox_post(struct mailbox *box, struct mail *mail);
void mailbox_wait(const struct mail *mail);

/* What who waits for long does every 10 ms meanwhile; before the first wait, and after the last. */
void mailbox_on_silence(void (*fn)(void));

/* End the owner's sleep, if it sleeps. Any thread. */
void mailbox_wake(struct mailbox *box);

/* The owner: run what was posted. Returns how many. */
unsigned mailbox_run(struct mailbox *box);

static inline bool mailbox_is_empty(const struct mailbox *box)
{
	return rte_ring_empty(box->ring);
}

#endif
