/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device without DPDK behind nic/nic.h, for unit tests of the control plane: it keeps VFs and
 * groups as plain tables, knows just the group states that the socket's answers depend on, and
 * records what it was asked. The real device is tested by the functional suite.
 *
 * The server under test runs in a thread of its own: what the test reads while it serves is
 * atomic or behind the lock.
 */
#ifndef TEST_FAKE_NIC_H
#define TEST_FAKE_NIC_H

#include <stdatomic.h>
#include <stdbool.h>

#include <renic_snapshot.h>

#include "nic/nic.h"

enum { FAKE_GROUPS_MAX = GROUP_MAX };

struct fake_nic {
	struct vf_info vfs[VF_MAX];
	unsigned n_vfs;
	struct group_info groups[FAKE_GROUPS_MAX];
	unsigned n_groups;
	struct uplink_info uplink;
	struct capture_info capture; /* no VF: none */
	uint64_t last_client;	     /* of the last protection_* or checkpoint_* call */
	uint64_t last_term;	     /* the same */
	unsigned last_mask;	     /* of the last vf_set or group_set */
	bool last_flag;		     /* force of vf_delete, discard of protection_stop */
	uint8_t ingress[64];	     /* what was given last, and is taken once */
	uint32_t ingress_bytes;
	unsigned n_restored, rounds;	 /* of the last standby_restore, vf_announce */
	char restored_vf[NIC_NAME_SIZE]; /* the last one of that */
	struct renic_snapshot restored;
	unsigned list_takes_us;	     /* how long nic_vf_foreach() does */
	char refused[NIC_NAME_SIZE]; /* VF or group whose creation fails with RENIC_E_IO */
	char log_module[64], log_level[16];
	atomic_uint alive_calls, gone_calls, ticks;
	atomic_ullong last_gone;
};

extern struct fake_nic fake_nic;

/* Forget everything. No server may be running. */
void fake_nic_reset(void);

/* Have the control thread deliver an event at its next nic_tick(), which is made due. */
void fake_nic_post(enum nic_event_type type, const char *name, const char *detail);

#endif
