/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two sides' states and arcs, as tables. What is not in the table does not happen: an event in
 * a state without an arc leaves the state as it is, and the caller is told. No state is kept here.
 */
#ifndef REPLICATOR_FSM_H
#define REPLICATOR_FSM_H

#include <stdbool.h>

enum primary_state {
	P_CONNECTING,  /* no standby yet, none ever held a checkpoint of this run */
	P_SYNCING,     /* all of RAM goes over while the VM runs; then the first checkpoint */
	P_PROTECTED,   /* the standby holds a checkpoint; epochs go on */
	P_BACKUP_LOST, /* nobody acknowledges: what is sent is held, the VM runs */
	P_FENCING,     /* asking the fence command whether the backup is surely dead */
	P_RELEASED,    /* it is: the VM runs unprotected, until a backup comes */
	P_SWITCHING,   /* planned: VM paused, last checkpoint or handover on its way */
	P_SWITCH_LOST, /* connection lost in the handover: VM stays paused until it is known */
	P_GIVING_UP,   /* VM or renicd lost: VM stopped for good, standby asked to take over */
	P_SWITCHED,    /* the standby has taken over; the VM never runs here again */
	P_STALE,       /* another one has taken over meanwhile: nothing is released any more */
	P_STOPPED,     /* protection was ended by the operator */
	P_STATES,
};

enum primary_event {
	PE_UP,	      /* connected; the standby needs everything */
	PE_UP_AGAIN,  /* connected; the standby holds a checkpoint that pages can be added to */
	PE_SYNCED,    /* the first checkpoint is acknowledged */
	PE_RESYNC,    /* some page's fate is not known: everything must go over again */
	PE_LOST,      /* connection lost; the standby may hold a checkpoint */
	PE_LOST_BARE, /* connection lost; the standby never held one */
	PE_FENCE,     /* the policy asks for the fence command */
	PE_FENCE_YES,
	PE_FENCE_NO,
	PE_SWITCH,  /* the operator's planned failover */
	PE_BACK,    /* the switch failed before the handover, or the standby says no to it */
	PE_TAKEN,   /* the standby runs the VM */
	PE_VM_LOST, /* VM dead, or renicd gone for too long */
	PE_STALE,   /* the standby is of a newer term */
	PE_STOP,    /* ended by the operator */
	PRIMARY_EVENTS,
};

enum standby_state {
	S_WAITING,     /* no checkpoint is held, nobody is connected */
	S_SYNCING,     /* the first copy comes */
	S_READY,       /* a whole checkpoint is held, the primary lives */
	S_FENCING,     /* primary silent; the fence command runs */
	S_NEEDS_FENCE, /* nobody says that the primary is dead: an operator must */
	S_ACTIVATING,  /* VFs and VM are being started */
	S_ACTIVE,      /* the VM runs here */
	S_FAILED,      /* activation failed; may be tried again */
	STANDBY_STATES,
};

enum standby_event {
	SE_CONNECTED, /* a primary whose hello fits */
	SE_RETURNED,  /* the same, and nothing of a failed activation was loaded or activated */
	SE_HELD,      /* a whole checkpoint */
	SE_GONE,      /* connection ended, nothing is held */
	SE_SILENT, /* nothing heard for timeout_ms, a checkpoint is held, a fence command is there
		    */
	SE_SILENT_UNFENCED, /* the same without a fence command */
	SE_FENCE_YES,	    /* the fence command, or the operator's word */
	SE_FENCE_NO,
	SE_HANDOVER, /* the primary says: take over */
	SE_BYE,	     /* the primary says: it is over */
	SE_ACTIVATED,
	SE_FAILED,
	STANDBY_EVENTS,
};

/* Take the arc. false: there is none, *state is as it was. */
bool primary_next(enum primary_state *state, enum primary_event event);
bool standby_next(enum standby_state *state, enum standby_event event);

/* Words for status, events and metrics. */
const char *primary_state_name(enum primary_state state);
const char *standby_state_name(enum standby_state state);

/* Nothing leads out of it. */
bool primary_is_final(enum primary_state state);

#endif
