/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest of renic-pktgen's own: split rings over memory that is shared with the back-end, one
 * fixed buffer a descriptor. DPDK's net_virtio_user does the same for any mbuf, but Debian's DPDK
 * has room for 32 ports, and this costs a fraction of it per frame, so that the back-end is what
 * gets measured. Source: virtio 1.2, sections 2.7 and 5.1.6.
 */
#ifndef PKTGEN_GUEST_H
#define PKTGEN_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "sender.h"

struct guest_setup {
	const char *path; /* of the vhost-user socket */
	bool listen;
	bool mergeable;
	uint16_t ring_size;
};

/* sender: all but ops and counters filled in. Returns 0, or -errno with *why set. */
int guest_open(struct sender **guest, const struct sender *sender, const struct guest_setup *setup,
	const char **why);

#endif
