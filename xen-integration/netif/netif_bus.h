/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus: xenstore's vifs, and the ports that want one; see netif_bus.c. */
#ifndef XEN_NETIF_BUS_H
#define XEN_NETIF_BUS_H

#include "netif_vif.h"

/* From now on the port's vif is served. Control thread. */
int bus_add_port(struct netif_port *p, struct nic_error *err);

/* No notice comes from now on, and no ring is mapped. Control thread. */
void bus_remove_port(struct netif_port *p);

#endif
