/* SPDX-License-Identifier: BSD-3-Clause */
/* Where metrics are scraped: a thread that answers HTTP; see metrics.c. Main thread. */
#ifndef RENICD_OBSERVE_METRICS_H
#define RENICD_OBSERVE_METRICS_H

#include <stdint.h>
#include <sys/types.h>

#include "nic/error.h"
#include "nic/types.h"

/* The config key "metrics": one of the two, or none. */
struct metrics_config {
	char socket[NIC_PATH_SIZE]; /* empty: none */
	uint16_t port;		    /* on 127.0.0.1; 0: none */
};

/* Metrics are in one place: RENIC_E_PARAMS where a socket and a port are named. */
int metrics_check(const struct metrics_config *config, struct nic_error *err);

/*
 * Listen and start the thread; without socket and port it does nothing.
 * @group, mode  of the Unix socket: the control socket's
 * 0 or RENIC_E_EXISTS, RENIC_E_IO with *err filled.
 */
int metrics_start(
	const struct metrics_config *config, gid_t group, mode_t mode, struct nic_error *err);

void metrics_stop(void);

#endif
