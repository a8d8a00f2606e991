/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The standby side: takes checkpoints, says when one is whole, and takes over when the primary is
 * gone and somebody says that it is dead (docs/replication.md). The rules:
 *
 *  - a checkpoint is acknowledged once all of it is held, and RAM is always one whole checkpoint
 *    (replica.h). What renicd here could not take over is never held, as the next hello tells what
 *    is held, and the primary sends what that answers for;
 *  - nothing is activated without a fence command's yes, an operator's word, or the primary's own
 *    handover. There is no command that says yes by itself;
 *  - once renicd may have activated, a handover is not answered with a no: the primary would run
 *    its VMs again. The connection ends, and the primary's next hello is answered by the term.
 *    Until then (standby_activated_nothing()) it is a no, to the primary's next hello too, as the
 *    answer to its handover may not have reached it. Where no VM was loaded that hello is as good
 *    as any other;
 *  - a primary of an older term is turned away, whatever it has to say.
 *
 * The role's thread does all that; others, at the door, accept connections and hear their hello,
 * so that nobody who says nothing can keep it from its work.
 */
#ifndef REPLICATOR_STANDBY_H
#define REPLICATOR_STANDBY_H

#include "conn.h"
#include "daemon.h"
#include "fence.h"
#include "fsm.h"
#include "reader.h"
#include "replica.h"
#include "role.h"

/* Who was let in, and what it said. */
struct visitor {
	struct conn *conn; /* NULL: nobody */
	struct msg_hello hello;
	struct msg_vm vms[STREAM_VMS_MAX];
};

struct door;

struct standby {
	const struct remus_config *config;
	struct role *role;
	struct guest guests[STREAM_VMS_MAX];
	struct daemon daemon;
	struct daemon
		pulse; /* a connection of its own: is renicd there, and the group a standby? */
	struct replica replica;
	struct door *door;
	struct conn *conn; /* the primary, or NULL */
	struct reader reader;
	struct fence fence;
	enum standby_state state;
	uint64_t term;	  /* the newest that is known */
	char primary[80]; /* its address */
	int64_t heard_ns, said_ns;
	bool mute; /* nothing can be said: our hello is to come first, or the last was not taken */
	bool rehearsed; /* this connection's first checkpoint was shown to renicd */
	/* How far a failover has come. spent: a VM was to load, and takes no checkpoint any more.
	 * asked: renicd was to activate, and did not say no. */
	bool loaded[STREAM_VMS_MAX], spent, asked, activated;
	int64_t next_check_ns;
	bool unfit; /* renicd is away: nothing is acknowledged, nobody is let in */
	bool quit, protect, vm_lost;
};

/* ---- door.c ---- */
/* Listen, in a thread of its own. wake_fd is written when a visitor waits. */
int door_open(
	const struct remus_config *config, int wake_fd, struct door **door, struct nic_error *err);
void door_close(struct door *door);
/* The visitor that waits, now the caller's; false: none. */
bool door_take(struct door *door, struct visitor *visitor);

/* ---- takeover.c ---- */
/* Show the next checkpoint's snapshots to renicd's standby group: 0, or why they do not fit. */
int takeover_rehearse(struct standby *s, struct nic_error *err);
/* The state allows it: take over, now. */
void standby_take_over(struct standby *s);
/* Is it sure that no VF was activated here, and so no VM was run? */
bool standby_activated_nothing(const struct standby *s);
/* Ask the fence command, if there is one. */
void standby_primary_is_silent(struct standby *s);
void standby_look_at_fence(struct standby *s);

/* ---- standby_link.c ---- */
enum { STANDBY_IDLE_MS = 20 };
/* Let it in, or tell it why not; the visitor's connection is this function's. */
void standby_welcome(struct standby *s, struct visitor *visitor);
/* Read what is there, some frames of it; wait for more at most until the next heartbeat. */
void standby_listen(struct standby *s);
/* Something that takes long has got on: a heartbeat, if one is due. `arg`: the standby. */
void standby_progress(void *arg);
void standby_hang_up(struct standby *s, const char *why);

/* ---- standby.c ---- */
/* Take the arc, and say so; false: the state has none for the event. */
bool standby_go(struct standby *s, enum standby_event event, const char *why);
/* Until a signal comes: 0; 1: to be protected now (ROLE_PROTECT); 2: its VM is gone; negative:
 * could not begin. */
int standby_run(const struct remus_config *config, struct role *role, struct nic_error *err);

#endif
