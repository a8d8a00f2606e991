/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The primary side: checkpoints by the clock, commits when they are acknowledged, and what to do
 * when something is lost (docs/replication.md; design, "Checkpoint protocol"). The rules:
 *
 *  - nothing is committed in renicd that the standby has not acknowledged, except while no standby
 *    has ever held a checkpoint of this VM (`may_pass`: first copy);
 *  - a page whose arrival is not acknowledged stays known: in the set of its checkpoint in
 *    flight, and after a lost connection in `carry`, which the next checkpoint has to bring;
 *  - a VM that may run elsewhere never runs here: from the handover on it stays paused.
 *
 * One thread, the role's (and link.c's two, behind the staging buffer).
 */
#ifndef REPLICATOR_PRIMARY_H
#define REPLICATOR_PRIMARY_H

#include "daemon.h"
#include "fence.h"
#include "fsm.h"
#include "guest.h"
#include "held.h"
#include "link.h"
#include "pace.h"
#include "role.h"
#include "staging.h"

/* A checkpoint that was sealed and is not acknowledged yet; its pages: guest.sent[] of its place.
 */
struct flight {
	uint64_t epoch, held_pkts;
	int64_t resumed_ns;
};

struct primary {
	const struct remus_config *config;
	struct role *role;
	struct guest guests[STREAM_VMS_MAX];
	struct daemon daemon;
	struct staging staging;
	struct link *link;
	struct link_view view; /* the last look */
	uint64_t ends_seen;    /* of view.ends */
	struct fence fence;
	enum primary_state state;

	uint64_t session;		   /* a random number: whose checkpoints these are */
	bool session_has_epochs;	   /* some were sent */
	uint64_t sealed, acked, committed; /* epochs */
	uint64_t held_from;		   /* the first whose held frames were not staged yet */
	struct held_bytes held;		   /* a message under construction */
	uint64_t left_out_bytes;	   /* that the last checkpoint's messages had no room for */
	struct flight flights[IN_FLIGHT_MAX];
	unsigned head, n_flights, places; /* ring of `places` */
	struct msg_end counts;		  /* what was staged since the last END */

	bool up;	     /* the link was up at the last look */
	uint64_t generation; /* of the link, when it came up last */
	bool protecting;     /* renicd holds frames for us */
	bool ever_held;	     /* some standby may hold a checkpoint of this VM */
	bool is_void;	     /* the VM sent unheld since what a standby may hold */
	bool may_pass;	     /* no standby ever held a checkpoint: what is sealed may leave */
	bool paused;	     /* the VMs are */
	bool stream_broken;  /* a stream's part that was given up: it must begin anew */
	bool copying;	     /* the first copy goes on */
	bool handover_sent;
	bool vms_stopped;
	unsigned copy_vm; /* where it is: VM, word, round */
	uint64_t copy_word;
	unsigned copy_round;
	uint64_t copy_left; /* pages, at the beginning of the round */
	uint64_t copy_done; /* of them */
	struct pace pace;
	int64_t next_check_ns, retry_ns, deadline_ns;
	int64_t paused_ns;	/* how long the VMs were for the last checkpoint */
	int64_t daemon_lost_ns; /* 0: renicd is there */
	bool quit;
};

/* ---- primary_pages.c ---- */

/* What a VM's driver writes into: the VM's blob, in staging. */
struct primary_sink {
	struct remus_sink sink;
	struct primary *p;
	unsigned vm;
};

struct primary_sink primary_sink(struct primary *p, unsigned vm);
/* Where guest.sent[] has the pages of the checkpoint under way. */
unsigned primary_next_place(const struct primary *p);
/* Copy the pages `bits` of word w into staging. 0 or CHECKPOINT_LINK_LOST. */
int primary_put_pages(struct primary *p, unsigned vm, uint64_t w, uint64_t bits);
/* Those of `carry`, of all VMs: they are sent from now on. */
int primary_put_carry(struct primary *p);
/* Add to `carry` what was written. */
int primary_add_dirty(struct primary *p, struct nic_error *err);
/* The pages of flights up to `epoch` are held by the standby: forget them. */
void primary_land(struct primary *p, uint64_t epoch);
/* Those of all others, and of what was copied since, must go over again. */
void primary_recall(struct primary *p);

/* ---- primary_checkpoint.c ---- */

/* What a checkpoint may end in, beside 0 and drivers' and daemon's codes. */
enum {
	CHECKPOINT_LINK_LOST = -3001, /* the staging buffer is dead */
	CHECKPOINT_RESYNC = -3002,    /* renicd lost track of its writes: all RAM must go again */
	CHECKPOINT_REFUSED = -3003,   /* by renicd's group, for its state: it is not protected */
};

/* Pause, seal, copy, resume (unless `stay`). On an error the VMs run again, if there are any,
 * and its pages are in `carry`. */
int primary_checkpoint(struct primary *p, bool stay, struct nic_error *err);

/* What renicd said to prepare or begin: a wrong state is the group's, not a driver's. */
int primary_asked(int rc);

/* Let the paused VMs run. */
int primary_resume_vms(struct primary *p, struct nic_error *err);

/* ---- primary_copy.c ---- */

/* Begin the first copy: all pages, tracked from now on. */
int primary_copy_all(struct primary *p, struct nic_error *err);
/* Copy for a while, the VMs running. true: what is left fits a checkpoint. */
bool primary_copy_some(struct primary *p, int *rc, struct nic_error *err);
/* Nobody holds anything: end renicd's epoch, take its dirty pages, let its frames leave. */
int primary_pass(struct primary *p, struct nic_error *err);

/* ---- primary_daemon.c ---- */

/* A call of renicd failed: it is away, or this side is stale, or it said no. */
void primary_daemon_failed(struct primary *p, int rc, const struct nic_error *err);
/* Let go what is acknowledged. */
void primary_commit(struct primary *p);
/* Hold what the VFs send from now on, or go on with that. 0 or a negative code with *err. */
int primary_protect(struct primary *p, struct nic_error *err);
/* Hold nothing any more. 0 or negative, and an event. */
int primary_unprotect(struct primary *p, bool discard);
void primary_start_copy(struct primary *p);
/* Checkpoints from now on are none of those that a standby has. */
void primary_new_session(struct primary *p);
bool primary_is_bare(const struct primary *p);
bool primary_can_hand_over(const struct primary *p);
/* All must go over again; of a stream from its beginning, to a standby that forgot it. */
void primary_resync(struct primary *p, const char *why);
/* It was away: is it back? */
void primary_retry_daemon(struct primary *p);

/* ---- primary_link.c ---- */

/* See what the link has to say: up, down, refused, acknowledged. */
void primary_look(struct primary *p);
/* The backup is lost: is the policy to release, and does the fence command say yes? */
void primary_consider_fence(struct primary *p);
void primary_go_on_fencing(struct primary *p);
/* Tell the standby to forget what it holds: nobody may run that. It comes back without. */
void primary_forget_void(struct primary *p);
/* Nobody is to run the VMs in our place: let go what is held. Again, where renicd did not. */
void primary_release(struct primary *p);

/* ---- primary_leave.c ---- */

enum { PRIMARY_DRAIN_MS = 3000 }; /* to the last acknowledgement, and until all has left */

/* The VM is gone, or has no network: the standby shall run it, if it surely does not run here. */
void primary_vm_lost(struct primary *p, const char *why);
/* Stop the VMs if they are not; if they are, hand them over as soon as there is a link. */
void primary_give_up(struct primary *p);
/* Ask the standby to take over. lost: the VM is; else a planned switch. */
void primary_hand_over(struct primary *p, bool lost);
/* The standby runs the VMs: here nothing of them may leave or be heard any more. */
void primary_switched(struct primary *p);
void primary_begin_switch(struct primary *p);
void primary_go_on_switching(struct primary *p);
/* The standby has not taken over, and takes no checkpoint any more. */
void primary_switch_refused(struct primary *p);
void primary_go_on_giving_up(struct primary *p);

/* ---- primary.c ---- */

/* Take the arc, and say so; false: the state has none for the event. */
bool primary_go(struct primary *p, enum primary_event event, const char *why);
/* A checkpoint, or a piece of the first copy, failed: what follows from it. */
void primary_checkpoint_failed(struct primary *p, int rc, const struct nic_error *err);

/* Until protection ends, the VM has gone over, or a signal came. 0; 1: ended in a state that needs
 * somebody; negative: could not begin. */
int primary_run(const struct remus_config *config, struct role *role, struct nic_error *err);

#endif
