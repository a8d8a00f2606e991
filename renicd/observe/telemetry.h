/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands of DPDK's telemetry (dpdk-telemetry.py); see telemetry.c. */
#ifndef RENICD_OBSERVE_TELEMETRY_H
#define RENICD_OBSERVE_TELEMETRY_H

/* Before or after rte_eal_init(); main thread. */
void telemetry_register(void);

#endif
