/* SPDX-License-Identifier: BSD-3-Clause */
/* See vf_settings.h. */
#include <stdio.h>
#include <string.h>

#include "nic.h"
#include "vf_settings.h"
#include "vlan.h"

void vf_config_defaults(struct vf_config *config)
{
	memset(config, 0, sizeof(*config));
	config->queues = 1;
	config->packed = true;
	config->offloads = true;
	config->spoofchk = true;
	config->mtu = 9000;
	config->ingress_hold_pkts = 4096;
}

#define FIELD(bit, name)                                                                           \
	{                                                                                          \
		(bit), offsetof(struct vf_config, name), sizeof(((struct vf_config *)0)->name)     \
	}

static const struct {
	unsigned bit;
	size_t offset, size;
} fields[] = {
	FIELD(VF_SET_MAC, mac),
	FIELD(VF_SET_VLAN, vlan),
	FIELD(VF_SET_QOS, qos),
	FIELD(VF_SET_PROTO, proto),
	FIELD(VF_SET_TRUST, trust),
	FIELD(VF_SET_TRUNKS, trunks),
	FIELD(VF_SET_PROMISC, promisc),
	FIELD(VF_SET_ALLMULTI, allmulti),
	FIELD(VF_SET_SPOOFCHK, spoofchk),
	FIELD(VF_SET_STATE, state),
	FIELD(VF_SET_MAX_TX_RATE, max_tx_rate),
	FIELD(VF_SET_MIN_TX_RATE, min_tx_rate),
	FIELD(VF_SET_MTU, mtu),
	FIELD(VF_SET_INGRESS_HOLD, ingress_hold_pkts),
	FIELD(VF_SET_HOLD_EXEMPT, hold_exempt),
};

void vf_settings_overlay(struct vf_config *config, const struct vf_config *values, unsigned mask)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (mask & fields[i].bit)
			memcpy((char *)config + fields[i].offset,
				(const char *)values + fields[i].offset, fields[i].size);
}

void vf_settings_set(struct vf_config *config, const struct vf_config *values, unsigned mask)
{
	vf_settings_overlay(config, values, mask);
	if (!(mask & VF_SET_VLAN) || vlan_is_port(config->vlan))
		return;
	if (!(mask & VF_SET_QOS))
		config->qos = 0;
	if (!(mask & VF_SET_PROTO))
		config->proto = VLAN_PROTO_8021Q;
}

int vf_settings_check(const struct vf_config *config, struct nic_error *err)
{
	char given[16], expected[48];

	if (!config->trust && (config->promisc || config->allmulti))
		return nic_fail_value(err, config->promisc ? "promisc" : "allmulti", "true",
			"false, unless trust is on");
	if (config->max_tx_rate && config->min_tx_rate > config->max_tx_rate) {
		snprintf(given, sizeof(given), "%u", config->min_tx_rate);
		snprintf(expected, sizeof(expected), "at most max_tx_rate, which is %u",
			config->max_tx_rate);
		return nic_fail_value(err, "min_tx_rate", given, expected);
	}
	return vlan_check(config, err);
}
