/* SPDX-License-Identifier: BSD-3-Clause */
/* The arcs; see fsm.h, drawn in docs/replication.md. */
#include <stddef.h>

#include "fsm.h"

static const char *const primary_names[P_STATES] = {
	[P_CONNECTING] = "connecting",
	[P_SYNCING] = "syncing",
	[P_PROTECTED] = "protected",
	[P_BACKUP_LOST] = "backup_lost",
	[P_FENCING] = "fencing",
	[P_RELEASED] = "released",
	[P_SWITCHING] = "switching",
	[P_SWITCH_LOST] = "switch_lost",
	[P_GIVING_UP] = "giving_up",
	[P_SWITCHED] = "switched",
	[P_STALE] = "stale",
	[P_STOPPED] = "stopped",
};

static const char *const standby_names[STANDBY_STATES] = {
	[S_WAITING] = "waiting",
	[S_SYNCING] = "syncing",
	[S_READY] = "ready",
	[S_FENCING] = "fencing",
	[S_NEEDS_FENCE] = "needs_fence",
	[S_ACTIVATING] = "activating",
	[S_ACTIVE] = "active",
	[S_FAILED] = "failed",
};

static const struct {
	enum primary_state from;
	enum primary_event event;
	enum primary_state to;
} primary_arcs[] = {
	{P_CONNECTING, PE_UP, P_SYNCING},
	{P_CONNECTING, PE_VM_LOST, P_STOPPED}, /* nobody could take over */
	{P_CONNECTING, PE_STALE, P_STALE},
	{P_CONNECTING, PE_STOP, P_STOPPED},

	{P_SYNCING, PE_SYNCED, P_PROTECTED},
	{P_SYNCING, PE_RESYNC, P_SYNCING},
	{P_SYNCING, PE_LOST, P_BACKUP_LOST},
	{P_SYNCING, PE_LOST_BARE, P_CONNECTING},
	{P_SYNCING, PE_VM_LOST, P_GIVING_UP},
	{P_SYNCING, PE_STALE, P_STALE},
	{P_SYNCING, PE_STOP, P_STOPPED},

	{P_PROTECTED, PE_RESYNC, P_SYNCING},
	{P_PROTECTED, PE_LOST, P_BACKUP_LOST},
	{P_PROTECTED, PE_SWITCH, P_SWITCHING},
	{P_PROTECTED, PE_VM_LOST, P_GIVING_UP},
	{P_PROTECTED, PE_STALE, P_STALE},
	{P_PROTECTED, PE_STOP, P_STOPPED},

	{P_BACKUP_LOST, PE_UP, P_SYNCING},
	{P_BACKUP_LOST, PE_UP_AGAIN, P_SYNCING},
	{P_BACKUP_LOST, PE_FENCE, P_FENCING},
	{P_BACKUP_LOST, PE_VM_LOST, P_GIVING_UP},
	{P_BACKUP_LOST, PE_STALE, P_STALE},

	{P_FENCING, PE_FENCE_YES, P_RELEASED},
	{P_FENCING, PE_FENCE_NO, P_BACKUP_LOST},
	{P_FENCING, PE_VM_LOST, P_GIVING_UP},

	{P_RELEASED, PE_UP, P_SYNCING},
	{P_RELEASED, PE_VM_LOST, P_STOPPED},
	{P_RELEASED, PE_STALE, P_STALE},
	{P_RELEASED, PE_STOP, P_STOPPED},

	{P_SWITCHING, PE_TAKEN, P_SWITCHED},
	{P_SWITCHING, PE_BACK, P_PROTECTED},
	{P_SWITCHING, PE_LOST, P_SWITCH_LOST},
	{P_SWITCHING, PE_VM_LOST, P_GIVING_UP},
	{P_SWITCHING, PE_STALE, P_SWITCHED},

	{P_SWITCH_LOST, PE_UP, P_SYNCING},
	{P_SWITCH_LOST, PE_UP_AGAIN, P_SYNCING},
	{P_SWITCH_LOST, PE_BACK, P_BACKUP_LOST}, /* it did not take over, and is of no more use */
	{P_SWITCH_LOST, PE_VM_LOST, P_GIVING_UP},
	{P_SWITCH_LOST, PE_STALE, P_SWITCHED},

	{P_GIVING_UP, PE_TAKEN, P_SWITCHED},
	{P_GIVING_UP, PE_STALE, P_SWITCHED},
};

static const struct {
	enum standby_state from;
	enum standby_event event;
	enum standby_state to;
} standby_arcs[] = {
	{S_WAITING, SE_CONNECTED, S_SYNCING},

	{S_SYNCING, SE_HELD, S_READY},
	{S_SYNCING, SE_GONE, S_WAITING},
	{S_SYNCING, SE_BYE, S_WAITING},

	{S_READY, SE_CONNECTED, S_READY}, /* it came back before it was missed */
	{S_READY, SE_HELD, S_READY},
	{S_READY, SE_GONE, S_WAITING}, /* what was held went with an error */
	{S_READY, SE_SILENT, S_FENCING},
	{S_READY, SE_SILENT_UNFENCED, S_NEEDS_FENCE},
	{S_READY, SE_HANDOVER, S_ACTIVATING},
	{S_READY, SE_BYE, S_WAITING},
	{S_READY, SE_FENCE_YES, S_ACTIVATING},

	{S_FENCING, SE_FENCE_YES, S_ACTIVATING},
	{S_FENCING, SE_FENCE_NO, S_NEEDS_FENCE},

	{S_NEEDS_FENCE, SE_CONNECTED, S_READY},
	{S_NEEDS_FENCE, SE_FENCE_YES, S_ACTIVATING},

	{S_ACTIVATING, SE_ACTIVATED, S_ACTIVE},
	{S_ACTIVATING, SE_FAILED, S_FAILED},

	{S_FAILED, SE_FENCE_YES, S_ACTIVATING},
	{S_FAILED, SE_RETURNED, S_READY},
};

bool primary_next(enum primary_state *state, enum primary_event event)
{
	for (size_t i = 0; i < sizeof(primary_arcs) / sizeof(primary_arcs[0]); i++)
		if (primary_arcs[i].from == *state && primary_arcs[i].event == event) {
			*state = primary_arcs[i].to;
			return true;
		}
	return false;
}

bool standby_next(enum standby_state *state, enum standby_event event)
{
	for (size_t i = 0; i < sizeof(standby_arcs) / sizeof(standby_arcs[0]); i++)
		if (standby_arcs[i].from == *state && standby_arcs[i].event == event) {
			*state = standby_arcs[i].to;
			return true;
		}
	return false;
}

const char *primary_state_name(enum primary_state state)
{
	return primary_names[state];
}

const char *standby_state_name(enum standby_state state)
{
	return standby_names[state];
}

bool primary_is_final(enum primary_state state)
{
	for (size_t i = 0; i < sizeof(primary_arcs) / sizeof(primary_arcs[0]); i++)
		if (primary_arcs[i].from == state)
			return false;
	return true;
}
