/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the daemon may still do once it has started: memory is mapped, the uplink open, the
 * control socket bound, so nearly all of root's capabilities can go (capabilities(7)). It stays
 * the user it was: its run directory, sockets and log file are that user's, and VFs that are
 * created later find them so.
 */
#ifndef RENICD_PRIVILEGES_H
#define RENICD_PRIVILEGES_H

#include <stdbool.h>

#include "nic/error.h"

struct privileges {
	const char *uplink; /* devargs; empty: none */
	bool own_mount;	    /* a hugetlbfs of our own is to be unmounted at the end */
};

/*
 * In every thread of the process: keep only the capabilities that are needed later, in all sets,
 * and gain no privilege by execve() any more. Threads made afterwards inherit that. Control
 * thread, once. Returns 0, or RENIC_E_IO with *err filled: some thread may have kept more.
 */
int privileges_drop(const struct privileges *privileges, struct nic_error *err);

#endif
