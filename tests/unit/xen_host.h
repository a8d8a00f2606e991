/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Xen host without Xen, for tests of renic-remus's driver: libxenctrl, libxenguest and
 * libxenstore are this (-Wl,--wrap, tests/unit/meson.build). One PV domain runs here, "web", of
 * which the hypervisor tells as libxenctrl does; others may be made. One at a time, one thread but
 * for xc_domain_save() and xc_domain_restore(), which have their own.
 */
#ifndef TESTS_XEN_HOST_H
#define TESTS_XEN_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xenctrl.h>
#include <xenstore.h>

enum { HOST_DOMID = 7, HOST_FREE_DOMID = 9, HOST_NODES_MAX = 64 };

struct xen_host {
	xc_interface *xch;
	struct xs_handle *xs;
	/* its domain */
	bool there, dying, crashed, shutdown;
	unsigned reason; /* of the shutdown */
	uint64_t max_kib, target_kib, pages;
	bool deaf;	  /* its guest does not read control/shutdown */
	unsigned late;	  /* it suspends when it is looked at the n-th time after it was asked */
	char request[16]; /* control/shutdown */
	/* what the hypervisor does */
	int failing;		   /* errno of what it is asked; 0: it answers */
	int failing_after_request; /* from when its guest was asked to suspend */
	uint32_t next_domid;	   /* another domain after ours; 0: none */
	unsigned paused, destroyed, resumed;
	uint64_t made_max_kib; /* of the domain that was made */
	/* what else xenstore was given, the newest last */
	unsigned n_nodes;
	struct xen_host_node {
		char path[96], value[64];
	} nodes[HOST_NODES_MAX];
	/* what xc_domain_save() writes */
	size_t live_bytes, epoch_bytes;
};

extern struct xen_host host;

/* As at first: it runs, and nothing was done yet. */
void xen_host_reset(void);
/* What was written there; NULL: nothing. */
const char *xen_host_node(const char *path);

#endif
