/* SPDX-License-Identifier: BSD-3-Clause */
/* See vlan.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vlan.h"

/* A VLAN id in decimal at *at, which is moved past it. */
static bool take_id(const char **at, unsigned *id)
{
	unsigned value = 0;
	const char *p = *at;

	for (; *p >= '0' && *p <= '9' && p - *at < 4; p++)
		value = value * 10 + (unsigned)(*p - '0');
	if (p == *at || value > VLAN_ID_MAX)
		return false;
	*at = p;
	*id = value;
	return true;
}

bool vlan_set_parse(const char *list, struct vlan_set *set)
{
	unsigned first, last;

	memset(set, 0, sizeof(*set));
	while (*list) {
		if (!take_id(&list, &first))
			return false;
		last = first;
		if (*list == '-') {
			list++;
			if (!take_id(&list, &last) || last < first)
				return false;
		}
		for (unsigned id = first; id <= last; id++)
			set->bits[id / 64] |= UINT64_C(1) << id % 64;
		if (!*list)
			return true;
		if (*list++ != ',' || !*list)
			return false;
	}
	return true;
}

uint16_t vlan_of_port(const struct vf_config *config)
{
	if (!vlan_is_port(config->vlan))
		return VLAN_NONE;
	return config->proto == VLAN_PROTO_8021AD ? config->vlan | VLAN_AD : config->vlan;
}

int vlan_check(const struct vf_config *config, struct nic_error *err)
{
	struct vlan_set set;
	char given[8];

	snprintf(given, sizeof(given), "%u", config->qos);
	if (config->qos && !vlan_is_port(config->vlan))
		return nic_fail_value(err, "qos", given, "0, unless vlan is 1 to 4094");
	if (config->proto != VLAN_PROTO_8021Q && !vlan_is_port(config->vlan))
		return nic_fail_value(err, "proto", "802.1ad", "802.1Q, unless vlan is 1 to 4094");
	if (!vlan_set_parse(config->trunks, &set))
		return nic_fail_value(
			err, "trunks", config->trunks, "VLAN ids and ranges, such as 0,10,20-29");
	if (config->trunks[0] && config->vlan)
		return nic_fail_value(err, "trunks", config->trunks, "none, unless vlan is 0");
	if (config->trunks[0] && !config->trust)
		return nic_fail_value(err, "trunks", config->trunks, "none, unless trust is on");
	return 0;
}
