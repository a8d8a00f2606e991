/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's guest side for Xen guests: the backend of the netif protocol (Xen's public/io/netif.h)
 * in user space. netif_port.c is the port; netif_bus.c watches xenstore, on a thread of its own,
 * which plays the part that librte_vhost's has for vhost-user; netif_vif.c is what becomes of one
 * vif; netif_ring.c moves frames.
 */
#ifndef XEN_NETIF_H
#define XEN_NETIF_H

#include "port.h"

extern const struct vf_port_ops xen_netif_port_ops;

/* Connect to xenstore. Control thread, before the first VF. RENIC_E_UNSUPPORTED: this is no Xen
 * host with its xenstore running. */
int xen_netif_start(struct nic_error *err);

/*
 * Serve vifs from now on: those of VFs with `transport` xen, and to say "I am here" those whose
 * hotplug script is vif-renic (libxl runs the script, which makes the VF, only after that). Control
 * thread, once privileges are dropped: libxenstore's thread blocks every signal, and would not hear
 * of that. Does nothing where xen_netif_start() failed.
 */
int xen_netif_run(struct nic_error *err);

/* The daemon ends: guests stay connected, for the next one. Control thread, before the VFs go. */
void xen_netif_ending(void);

/* Control thread, after the last VF. */
void xen_netif_stop(void);

#endif
