/* SPDX-License-Identifier: BSD-3-Clause */
/* uplink_get: the wire side. Without an uplink every member is there all the same, empty or
 * zero, and "present" is false. Control thread; docs/protocol.md, "Methods". */
#include "json_vf.h"
#include "rpc.h"

static const struct {
	enum uplink_offload bit;
	const char *name;
} offloads[] = {
	{UPLINK_IPV4_CHECKSUM, "ipv4_checksum"},
	{UPLINK_TCP_CHECKSUM, "tcp_checksum"},
	{UPLINK_UDP_CHECKSUM, "udp_checksum"},
	{UPLINK_TCP_SEGMENTS, "tcp_segments"},
};

static void write_offloads(struct json_writer *w, uint32_t bits)
{
	jw_open(w, "offloads", '[');
	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		if (bits & offloads[i].bit)
			jw_str(w, NULL, offloads[i].name);
	jw_close(w, ']');
}

static int uplink_get(struct rpc_call *call, struct nic_error *err)
{
	struct json_writer *w = call->out;
	struct uplink_info info = {0};

	nic_uplink_get(&info);
	jw_open(w, NULL, '{');
	jw_bool(w, "present", info.present);
	jw_str(w, "devargs", info.devargs);
	jw_str(w, "driver", info.driver);
	jw_u64(w, "port_id", info.port_id);
	jw_mac(w, "mac", info.mac);
	jw_str(w, "link", info.up ? "up" : "down");
	jw_u64(w, "speed_mbps", info.speed_mbps);
	jw_u64(w, "mtu", info.mtu);
	jw_u64(w, "rx_queues", info.rx_queues);
	jw_u64(w, "tx_queues", info.tx_queues);
	write_offloads(w, info.offloads);
	jw_u64(w, "rx_pkts", info.rx_pkts);
	jw_u64(w, "rx_bytes", info.rx_bytes);
	jw_u64(w, "tx_pkts", info.tx_pkts);
	jw_u64(w, "tx_bytes", info.tx_bytes);
	jw_u64(w, "refused", info.refused);
	json_drops(w, "drops", info.drops);
	jw_close(w, '}');
	return 0;
}

static const struct rpc_method methods[] = {
	{
		.name = "uplink_get",
		.handler = uplink_get,
		.flags = RPC_READ,
		.help = "the uplink: device, link, counters",
	},
};

const struct rpc_topic rpc_uplink = RPC_METHODS(methods);
