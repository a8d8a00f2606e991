/* SPDX-License-Identifier: BSD-3-Clause */
/* What nic_tick() and a restart ask of protection.c. Control thread. */
#ifndef RENICD_NIC_PROTECTION_H
#define RENICD_NIC_PROTECTION_H

struct group;

/* Groups whose replicator has been silent for too long lose it. */
void protection_check_timeouts(void);

/* The group was taken over from a daemon that ended: its replicator's connection is lost. Under
 * policy release the replicator gets replicator_timeout_ms to come back. */
void protection_taken_up(struct group *group);

#endif
