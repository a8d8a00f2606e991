/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blank checksums: a netfront always leaves TCP's and UDP's to the backend (netif.h,
 * NETTXF_csum_blank). Functions on one mbuf, any thread.
 */
#ifndef XEN_NETIF_CSUM_H
#define XEN_NETIF_CSUM_H

#include <stdbool.h>

struct rte_mbuf;

/* Write the TCP or UDP checksum of a frame over IPv4 or IPv6 (VLAN tags before it are fine). False:
 * it is no such frame, or is cut short; it is unchanged then. Its bytes may be anything. */
bool netif_csum_fill(struct rte_mbuf *m);

#endif
