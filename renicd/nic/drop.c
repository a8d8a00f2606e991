/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of drop reasons; see drop.h. Constant data, any thread. */
#include "drop.h"

const struct drop_desc drop_descs[DROP_REASONS] = {
	[DROP_RUNT] = {"runt", "shorter than an Ethernet header"},
	[DROP_OVERSIZE] = {"oversize", "longer than the MTU allows, or than the guest's buffers"},
	[DROP_SPOOFED_MAC] = {"spoofed_mac", "source MAC is not the VF's, and spoofchk is on"},
	[DROP_VLAN] = {"vlan",
		"tagged as the VF's vlan, proto or trunks do not allow, or no whole tag"},
	[DROP_NO_ROUTE] = {"no_route", "no VF has the destination MAC and VLAN"},
	[DROP_UPLINK_DOWN] = {"uplink_down", "never held, and the uplink is down"},
	[DROP_NO_FRONTEND] = {"no_frontend", "no guest driver is attached to the destination VF"},
	[DROP_RX_NO_BUFFER] = {"rx_no_buffer", "the guest gave no receive buffers for too long"},
	[DROP_RX_HOLD_FULL] = {"rx_hold_full",
		"suspended, and ingress_hold_pkts frames wait already"},
	[DROP_NO_MBUF] = {"no_mbuf", "out of packet buffers for a copy of a broadcast"},
	[DROP_DISCARDED] = {"discarded",
		"held, then discarded by order of protection_stop or vf_delete"},
	[DROP_SPOOFED_ARP] = {"spoofed_arp",
		"ARP or RARP whose sender is not the VF's MAC, and spoofchk is on"},
	[DROP_BAD_OFFLOAD] = {"bad_offload", "asks for a checksum or segments that its headers do "
					     "not allow, or for segments to a "
					     "group address"},
	[DROP_SPOOFED_ND] = {"spoofed_nd",
		"neighbour discovery that tells of another MAC than the VF's, and spoofchk is on"},
};
