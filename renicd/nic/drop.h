/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a frame was dropped. One table; `vf_stats`, `renicctl top` and the documentation are
 * made from it. Held frames are in none of these rows: they wait. Snapshots carry the counters in
 * this order: a new reason goes to the end.
 */
#ifndef RENICD_NIC_DROP_H
#define RENICD_NIC_DROP_H

enum drop_reason {
	DROP_RUNT,
	DROP_OVERSIZE,
	DROP_SPOOFED_MAC,
	DROP_VLAN,
	DROP_NO_ROUTE,
	DROP_UPLINK_DOWN,
	DROP_NO_FRONTEND,
	DROP_RX_NO_BUFFER,
	DROP_RX_HOLD_FULL,
	DROP_NO_MBUF,
	DROP_DISCARDED,
	DROP_SPOOFED_ARP,
	DROP_SPOOFED_ND,
	DROP_BAD_OFFLOAD,
	DROP_REASONS,
};

struct drop_desc {
	const char *name; /* as counted in vf_stats */
	const char *help;
};

extern const struct drop_desc drop_descs[DROP_REASONS];

#endif
