/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of what an operator may say; see schema.h. A row that two tables share is written once,
 * as a macro. docs/protocol.md has the same names; ranges are those of nic/types.h.
 */
#include <string.h>

#include "nic/nic.h"
#include "nic/vlan.h"
#include "schema.h"

const char *const log_level_names[LOG_LEVELS] = {"debug", "info", "notice", "warning", "error"};
const char *const socket_role_names[2] = {"client", "server"};
const char *const link_state_names[LINK_STATES] = {
	[LINK_ENABLE] = "enable",
	[LINK_DISABLE] = "disable",
	[LINK_AUTO] = "auto",
};
const char *const vlan_proto_names[VLAN_PROTOS] = {
	[VLAN_PROTO_8021Q] = "802.1Q",
	[VLAN_PROTO_8021AD] = "802.1ad",
};
const char *const transport_names[TRANSPORTS] = {
	[TRANSPORT_VHOST_USER] = "vhost-user",
	[TRANSPORT_XEN] = "xen",
};
const char *const internal_names[2] = {"hold", "pass"};
const char *const replicator_policy_names[2] = {
	[REPLICATOR_HOLD] = "hold",
	[REPLICATOR_RELEASE] = "release",
};

enum {
	RATE_MAX_MBPS = 1000000,
	MTU_MIN = 68,
	MTU_MAX = 9000,
	INGRESS_HOLD_MAX = 65536,
	REPLICATOR_TIMEOUT_MAX_MS = 24 * 3600 * 1000,
};

#define EGRESS_LOG_MIN_BYTES (UINT64_C(2) << 20)
#define EGRESS_LOG_MAX_BYTES (UINT64_C(1) << 40)

#define CHOICES(names) .choices = (names), .n_choices = sizeof(names) / sizeof((names)[0])

#define VF_ROW_NAME                                                                                \
	{                                                                                          \
		.name = "name", .type = PARAM_NAME, .required = true,                              \
		PARAM_FIELD(struct vf_config, name), .help = "name of the VF",                     \
	}
#define VF_ROW_MAC                                                                                 \
	{                                                                                          \
		.name = "mac", .type = PARAM_MAC, .bit = VF_SET_MAC,                               \
		PARAM_FIELD(struct vf_config, mac),                                                \
		.help = "the guest's MAC address; without one, renicd makes one up",               \
	}
#define VF_ROW_VLAN                                                                                \
	{                                                                                          \
		.name = "vlan", .type = PARAM_UINT, .bit = VF_SET_VLAN,                            \
		PARAM_FIELD(struct vf_config, vlan), .max = VLAN_ALL,                              \
		.help = "port VLAN, 1 to 4094; 0, or 4095 for all of them: the guest may tag",     \
	}
#define VF_ROW_QOS                                                                                 \
	{                                                                                          \
		.name = "qos", .type = PARAM_UINT, .bit = VF_SET_QOS,                              \
		PARAM_FIELD(struct vf_config, qos), .max = VLAN_QOS_MAX,                           \
		.help = "priority in the port VLAN's tag (default 0)",                             \
	}
#define VF_ROW_PROTO                                                                               \
	{                                                                                          \
		.name = "proto", .type = PARAM_ENUM, .bit = VF_SET_PROTO,                          \
		PARAM_FIELD(struct vf_config, proto), CHOICES(vlan_proto_names),                   \
		.help = "of the port VLAN's tag: 802.1Q (default); in 802.1ad the guest may tag",  \
	}
#define VF_ROW_TRUST                                                                               \
	{                                                                                          \
		.name = "trust", .type = PARAM_BOOL, .bit = VF_SET_TRUST,                          \
		PARAM_FIELD(struct vf_config, trust),                                              \
		.help = "the guest may use other MACs than the VF's; the VF may have trunks, "     \
			"promisc and allmulti (default false)",                                    \
	}
#define VF_ROW_TRUNKS                                                                              \
	{                                                                                          \
		.name = "trunks", .type = PARAM_STRING, .bit = VF_SET_TRUNKS,                      \
		PARAM_FIELD(struct vf_config, trunks),                                             \
		.help = "VLANs of a trusted guest that tags, as 0,10,20-29 (0: untagged); empty: " \
			"any",                                                                     \
	}
#define VF_ROW_PROMISC                                                                             \
	{                                                                                          \
		.name = "promisc", .type = PARAM_BOOL, .bit = VF_SET_PROMISC,                      \
		PARAM_FIELD(struct vf_config, promisc),                                            \
		.help = "a trusted guest gets a copy of all that passes in its VLANs (default "    \
			"false)",                                                                  \
	}
#define VF_ROW_ALLMULTI                                                                            \
	{                                                                                          \
		.name = "allmulti", .type = PARAM_BOOL, .bit = VF_SET_ALLMULTI,                    \
		PARAM_FIELD(struct vf_config, allmulti),                                           \
		.help = "a trusted guest gets multicast that is for bridges too, as LLDP "         \
			"(default false)",                                                         \
	}
#define VF_ROW_SPOOFCHK                                                                            \
	{                                                                                          \
		.name = "spoofchk", .type = PARAM_BOOL, .bit = VF_SET_SPOOFCHK,                    \
		PARAM_FIELD(struct vf_config, spoofchk),                                           \
		.help = "drop frames, ARP and ND with another sender than the VF's MAC (default "  \
			"true)",                                                                   \
	}
#define VF_ROW_STATE                                                                               \
	{                                                                                          \
		.name = "state", .type = PARAM_ENUM, .bit = VF_SET_STATE,                          \
		PARAM_FIELD(struct vf_config, state), CHOICES(link_state_names),                   \
		.help = "the guest's carrier: on (enable, default), off, or as the uplink's",      \
	}
#define VF_ROW_MAX_TX_RATE                                                                         \
	{                                                                                          \
		.name = "max_tx_rate", .type = PARAM_UINT, .bit = VF_SET_MAX_TX_RATE,              \
		PARAM_FIELD(struct vf_config, max_tx_rate), .max = RATE_MAX_MBPS,                  \
		.help = "Mbit/s that the guest may send; 0 (default): no bound",                   \
	}
#define VF_ROW_MIN_TX_RATE                                                                         \
	{                                                                                          \
		.name = "min_tx_rate", .type = PARAM_UINT, .bit = VF_SET_MIN_TX_RATE,              \
		PARAM_FIELD(struct vf_config, min_tx_rate), .max = RATE_MAX_MBPS,                  \
		.help = "Mbit/s that the guest gets on the uplink before others; 0 (default): "    \
			"none",                                                                    \
	}
#define VF_ROW_MTU                                                                                 \
	{                                                                                          \
		.name = "mtu", .type = PARAM_UINT, .bit = VF_SET_MTU,                              \
		PARAM_FIELD(struct vf_config, mtu), .min = MTU_MIN, .max = MTU_MAX,                \
		.help = "largest layer 3 payload in bytes (default 9000)",                         \
	}
#define VF_ROW_INGRESS_HOLD                                                                        \
	{                                                                                          \
		.name = "ingress_hold_pkts", .type = PARAM_UINT, .bit = VF_SET_INGRESS_HOLD,       \
		PARAM_FIELD(struct vf_config, ingress_hold_pkts), .max = INGRESS_HOLD_MAX,         \
		.help = "frames kept for the guest while it is suspended (default 4096)",          \
	}
#define VF_ROW_HOLD_EXEMPT                                                                         \
	{                                                                                          \
		.name = "hold_exempt", .type = PARAM_STRING, .bit = VF_SET_HOLD_EXEMPT,            \
		PARAM_FIELD(struct vf_config, hold_exempt),                                        \
		.help = "pcap-filter of frames that need no holding; empty: none",                 \
	}

const struct param vf_create_params[VF_CREATE_PARAMS] = {
	VF_ROW_NAME,
	VF_ROW_MAC,
	VF_ROW_VLAN,
	VF_ROW_QOS,
	VF_ROW_PROTO,
	VF_ROW_TRUST,
	VF_ROW_TRUNKS,
	VF_ROW_PROMISC,
	VF_ROW_ALLMULTI,
	{
		.name = "queues",
		.type = PARAM_UINT,
		PARAM_FIELD(struct vf_config, queues),
		.min = 1,
		.max = VF_QPS_MAX,
		.help = "queue pairs (default 1)",
	},
	{
		.name = "role",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct vf_config, server),
		CHOICES(socket_role_names),
		.help = "who connects on the vhost-user socket: client: renicd does (default), "
			"server: the front-end does",
	},
	{
		.name = "packed",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct vf_config, packed),
		.help = "offer packed virtqueues (default true)",
	},
	{
		.name = "offloads",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct vf_config, offloads),
		.help = "offer checksum and segmentation offload (default true)",
	},
	VF_ROW_SPOOFCHK,
	VF_ROW_STATE,
	VF_ROW_MAX_TX_RATE,
	VF_ROW_MIN_TX_RATE,
	VF_ROW_MTU,
	VF_ROW_INGRESS_HOLD,
	{
		.name = "egress_log_bytes",
		.type = PARAM_BYTES,
		PARAM_FIELD(struct vf_config, egress_log_bytes),
		.min = EGRESS_LOG_MIN_BYTES,
		.max = EGRESS_LOG_MAX_BYTES,
		.help = "most held bytes per TX queue, in steps of 2 MiB (default: a share)",
	},
	{
		.name = "socket",
		.type = PARAM_PATH,
		PARAM_FIELD(struct vf_config, socket),
		.help = "path of the vhost-user socket (default RUN_DIR/NAME.sock)",
	},
	VF_ROW_HOLD_EXEMPT,
	{
		.name = "standby",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct vf_config, standby),
		.help = "a backup's VF: nothing leaves, nothing enters, until it is activated",
	},
	{
		.name = "transport",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct vf_config, transport),
		CHOICES(transport_names),
		.help = "what the guest is reached through: vhost-user (default), or xen: a vif of "
			"a Xen domain",
	},
	{
		.name = "xen_domain",
		.type = PARAM_UINT,
		PARAM_FIELD(struct vf_config, xen_domain),
		.min = 1,
		.max = XEN_DOMID_MAX,
		.help = "transport xen: number of the guest's domain (xl domid NAME)",
	},
	{
		.name = "xen_handle",
		.type = PARAM_UINT,
		PARAM_FIELD(struct vf_config, xen_handle),
		.max = XEN_HANDLE_MAX,
		.help = "transport xen: which of the domain's vifs (default 0)",
	},
};

const struct param vf_set_params[VF_SET_PARAMS] = {
	VF_ROW_NAME,
	VF_ROW_MAC,
	VF_ROW_VLAN,
	VF_ROW_QOS,
	VF_ROW_PROTO,
	VF_ROW_TRUST,
	VF_ROW_TRUNKS,
	VF_ROW_PROMISC,
	VF_ROW_ALLMULTI,
	VF_ROW_SPOOFCHK,
	VF_ROW_STATE,
	VF_ROW_MAX_TX_RATE,
	VF_ROW_MIN_TX_RATE,
	VF_ROW_MTU,
	VF_ROW_INGRESS_HOLD,
	VF_ROW_HOLD_EXEMPT,
};

#define GROUP_ROW_NAME                                                                             \
	{                                                                                          \
		.name = "name", .type = PARAM_NAME, .required = true,                              \
		PARAM_FIELD(struct group_config, name), .help = "name of the group",               \
	}
#define GROUP_ROW_INTERNAL                                                                         \
	{                                                                                          \
		.name = "internal", .type = PARAM_ENUM, .bit = GROUP_SET_INTERNAL,                 \
		PARAM_FIELD(struct group_config, internal_pass), CHOICES(internal_names),          \
		.help = "frames between VFs of the group: hold (default), or pass at once",        \
	}
#define GROUP_ROW_TIMEOUT                                                                          \
	{                                                                                          \
		.name = "replicator_timeout_ms", .type = PARAM_UINT, .bit = GROUP_SET_TIMEOUT,     \
		PARAM_FIELD(struct group_config, replicator_timeout_ms),                           \
		.max = REPLICATOR_TIMEOUT_MAX_MS,                                                  \
		.help = "silence after which the replicator is lost; 0 (default): only a closed "  \
			"connection",                                                              \
	}
#define GROUP_ROW_POLICY                                                                           \
	{                                                                                          \
		.name = "on_replicator_lost", .type = PARAM_ENUM, .bit = GROUP_SET_POLICY,         \
		PARAM_FIELD(struct group_config, on_replicator_lost),                              \
		CHOICES(replicator_policy_names),                                                  \
		.help = "held frames when the replicator is lost: hold (default) or release",      \
	}

static const struct param vf_name_element = {
	.name = "vf",
	.type = PARAM_NAME,
	.size = NIC_NAME_SIZE,
};

const struct param group_create_params[GROUP_CREATE_PARAMS] = {
	GROUP_ROW_NAME,
	{
		.name = "vfs",
		.type = PARAM_LIST,
		.offset = offsetof(struct group_config, vfs),
		.size = NIC_NAME_SIZE,
		.max = VF_MAX,
		.element = &vf_name_element,
		.count_offset = offsetof(struct group_config, n_vfs),
		.help = "names of the VFs that are checkpointed together",
	},
	GROUP_ROW_INTERNAL,
	GROUP_ROW_TIMEOUT,
	GROUP_ROW_POLICY,
	{
		.name = "standby",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct group_config, standby),
		.help = "a group of standby VFs",
	},
};

const struct param group_set_params[GROUP_SET_PARAMS] = {
	GROUP_ROW_NAME,
	GROUP_ROW_INTERNAL,
	GROUP_ROW_TIMEOUT,
	GROUP_ROW_POLICY,
};

void schema_vf_defaults(void *vf_config)
{
	memset(vf_config, 0, sizeof(struct vf_config));
	vf_config_defaults(vf_config);
}

void schema_group_defaults(void *group_config)
{
	memset(group_config, 0, sizeof(struct group_config));
}
