/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap-filter(7) expressions: what is one, and the program that it stands for (libpcap). No DPDK,
 * no state: any thread. */
#ifndef RENICD_NIC_FILTER_PARSE_H
#define RENICD_NIC_FILTER_PARSE_H

#include "error.h"

struct bpf_program;

/* *program is the caller's to free (pcap_freecode()). 0, or an error that names `field`. */
int filter_parse(const char *expression, const char *field, struct bpf_program *program,
	struct nic_error *err);

/* Is it one? An empty one is fine. */
int filter_check(const char *expression, const char *field, struct nic_error *err);

#endif
