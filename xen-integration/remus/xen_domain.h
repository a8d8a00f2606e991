/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What renic-remus does to a Xen domain beside copying it: find it, suspend and resume it, end it,
 * describe it to the backup, and there make one like it and give it what xenstore has for a guest
 * (public/io/xs_wire.h, docs/misc/xenstore-paths in Xen's sources). PV and PVH guests: those that
 * have no device model, whose state would have to go along.
 *
 * One thread at a time for each xen_domain.
 */
#ifndef XEN_DOMAIN_H
#define XEN_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "nic/error.h"

enum {
	XEN_NAME_SIZE = 64,
	XEN_VIFS_MAX = 8,
	XEN_MAC_SIZE = 18,
	XEN_VCPUS_MAX = 128,
};

struct xen_domain {
	const char *vm; /* its name in renic-remus' config, for messages */
	xc_interface *xch;
	struct xs_handle *xs;
	uint32_t domid;
	bool suspended; /* by us */
	bool late;	/* it took up a request to suspend that was given up meanwhile */
};

/* What a domain that is to take another's state is made by. */
struct xen_shape {
	char name[XEN_NAME_SIZE];
	bool pvh;	     /* else PV */
	uint64_t paging_kib; /* PVH: of hypervisor's memory for its page tables */
	uint32_t vcpus;
	uint64_t max_kib;
	uint64_t target_kib; /* what its balloon shall leave it; 0: not known */
	unsigned n_vifs;
	struct xen_vif {
		uint32_t handle;
		char mac[XEN_MAC_SIZE];
	} vifs[XEN_VIFS_MAX];
};

/* What a guest talks to xenstore and its console by. */
struct xen_channels {
	uint32_t store_port, console_port;
	unsigned long store_gfn, console_gfn;
};

/* A handle of the hypervisor's, one for each thread, whose errors are told by their codes alone:
 * libxenguest prints a line for every checkpoint otherwise. NULL, and errno. */
xc_interface *xen_hypervisor(void);

/* Connect to the hypervisor and to xenstore. 0; RENIC_E_UNSUPPORTED: this is no Xen host. */
int xen_domain_connect(struct xen_domain *d, const char *vm, struct nic_error *err);
void xen_domain_disconnect(struct xen_domain *d);

/* ---- of a domain that runs ---- */

/* The domain of that name, or number. 0; RENIC_E_NOT_FOUND; RENIC_E_UNSUPPORTED: HVM. */
int xen_domain_find(struct xen_domain *d, const char *name, struct nic_error *err);
/* Can the hypervisor log its dirty pages? */
int xen_domain_check_log_dirty(struct xen_domain *d, struct nic_error *err);
/* 0, or REMUS_E_VM_GONE: destroyed, crashed, or shut down. Where the hypervisor does not say, it is
 * not known to be gone: 0. */
int xen_domain_check(struct xen_domain *d, struct nic_error *err);

/* Ask the guest to suspend and wait until it has. RENIC_E_TIMEOUT: it did not, RENIC_E_IO: the
 * hypervisor does not say; then the request is withdrawn. */
int xen_domain_suspend(struct xen_domain *d, unsigned timeout_ms, struct nic_error *err);
/* Let it go on where it suspended. Of one that runs it changes nothing. */
int xen_domain_resume(struct xen_domain *d, struct nic_error *err);
/* The last call, of one that goes on: where it took up a request to suspend that was given up, wait
 * a second at most until it has, and let it go on. */
void xen_domain_settle(struct xen_domain *d);
/* Its vCPUs never run again: paused at once, then taken away. One that is gone: nothing.
 * RENIC_E_IO: it may run. */
int xen_domain_end(struct xen_domain *d, struct nic_error *err);

/* ---- making one ---- */

int xen_shape_read(struct xen_domain *d, struct xen_shape *shape, struct nic_error *err);
/* A new reference, or NULL: no memory. */
json_t *xen_shape_pack(const struct xen_shape *shape);
int xen_shape_unpack(const json_t *object, struct xen_shape *shape, struct nic_error *err);

/* An empty domain of that shape, with number d->domid, which nobody may have. */
int xen_domain_make(struct xen_domain *d, const struct xen_shape *shape,
	struct xen_channels *channels, struct nic_error *err);
/* Its memory is there: what the guest finds in xenstore, with vifs whose backend is renicd. */
int xen_domain_introduce(struct xen_domain *d, const struct xen_shape *shape,
	const struct xen_channels *channels, struct nic_error *err);
int xen_domain_unpause(struct xen_domain *d, struct nic_error *err);
/* Was it made so, by a renic-remus that ended before it ran? */
bool xen_domain_is_leftover(struct xen_domain *d);
/* One that never ran, with all it has. */
void xen_domain_discard(struct xen_domain *d);

#endif
