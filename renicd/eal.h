/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting DPDK's environment (EAL) as renicd needs it; see eal.c. Main thread, once. */
#ifndef RENICD_EAL_H
#define RENICD_EAL_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct eal_params {
	const uint16_t *data_cpus; /* data lcore i runs on CPU data_cpus[i] */
	unsigned n_data_cpus;
	uint32_t memory_mb;  /* hugepage memory for packet buffers and tables */
	const char *run_dir; /* names its telemetry */
	bool telemetry;
	bool pdump;		  /* other DPDK processes may attach, such as dpdk-dumpcap */
	const char *uplink;	  /* devargs, or empty; a PCI address opens the PCI bus */
	const char *const *extra; /* eal_args of the config file */
	unsigned n_extra;
};

/* Are these devargs a PCI address ("0000:3b:00.0", "3b:00.0")? */
bool eal_is_pci(const char *devargs);

/* 0, or an error that names the config key at fault. */
int eal_start(const struct eal_params *params, struct nic_error *err);

/* The calling thread, which serves who waits with a VM paused, gets a CPU soon when it wakes up. As
 * far as the kernel and our rights allow. */
void eal_hurry_control(void);

#endif
