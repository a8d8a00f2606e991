/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The primary's connection to its standby. Two threads of its own: the sender connects, says
 * hello, empties the staging buffer into the stream, and sends heartbeats when there is nothing to
 * send; the receiver takes acknowledgements, and gives the connection up when it is silent for
 * timeout_ms. A connection that has ended kills the staging buffer; the checkpoint thread sees
 * that, takes stock, resets the buffer, and allows the next one by link_allow().
 *
 * All else is a struct link_view, copied out under the lock. wake_fd is an eventfd that is
 * written whenever the view changes.
 */
#ifndef REPLICATOR_LINK_H
#define REPLICATOR_LINK_H

#include "conn.h"
#include "guest.h"
#include "page.h"
#include "staging.h"

enum { LINK_ENDS = 64 }; /* at least what may be in flight */

enum link_phase { LINK_DOWN, LINK_UP, LINK_REFUSED };

struct link_view {
	enum link_phase state;
	bool idle; /* it waits for link_allow(): the staging buffer is the caller's alone */
	uint64_t generation;	  /* counts connections */
	struct msg_hello peer;	  /* UP: what the standby said */
	struct msg_refuse refuse; /* REFUSED: why */
	uint64_t acked;		  /* newest epoch that this connection acknowledged */
	bool taken;		  /* an answer to the handover is in `answer` */
	struct msg_taken answer;
	uint64_t bytes_sent;
	struct page_stats pages;
	uint64_t ends;		       /* checkpoints sent */
	uint64_t end_bytes[LINK_ENDS]; /* [n % LINK_ENDS]: bytes that number n took */
	char peer_address[80];
	char error[512]; /* why it is down, or not up yet */
};

struct link;

/* Threads start, nothing is connected. wake_fd stays the caller's. */
int link_new(const struct remus_config *config, struct guest *guests, struct staging *staging,
	int wake_fd, struct link **link, struct nic_error *err);
void link_free(struct link *link);

/* Connect (again and again, until it works), and say this. The staging buffer is empty. */
void link_allow(struct link *link, const struct msg_hello *hello);

void link_look(struct link *link, struct link_view *view);

/* End the connection, if there is one. */
void link_drop(struct link *link);

#endif
