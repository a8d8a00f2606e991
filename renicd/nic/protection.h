/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock of protection.c, for nic_tick(). Control thread. */
#ifndef RENICD_NIC_PROTECTION_H
#define RENICD_NIC_PROTECTION_H

/* Groups whose replicator has been silent for too long lose it. */
void protection_check_timeouts(void);

#endif
