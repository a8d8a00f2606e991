/* SPDX-License-Identifier: BSD-3-Clause */
/* See config_rules.h. */
#include <stdio.h>
#include <string.h>

#include "config_rules.h"
#include "vlan.h"

int vf_transport_complete(struct vf_config *config, const char *run_dir, struct nic_error *err)
{
	char vif[sizeof("xen:65535/65535")];

	if (config->transport != TRANSPORT_XEN) {
		if (config->xen_domain || config->xen_handle)
			return nic_fail(err, RENIC_E_PARAMS,
				config->xen_domain ? "xen_domain" : "xen_handle",
				"xen_domain and xen_handle go with transport xen");
		if (!config->socket[0] && run_dir &&
			snprintf(config->socket, sizeof(config->socket), "%.70s/%s.sock", run_dir,
				config->name) >= (int)sizeof(config->socket))
			return nic_fail_value(
				err, "socket", run_dir, "a path of at most 107 bytes");
		return 0;
	}
	if (!config->xen_domain)
		return nic_fail(err, RENIC_E_PARAMS, "xen_domain",
			"xen_domain: expected with transport xen, the number of a domain");
	snprintf(vif, sizeof(vif), "xen:%u/%u", config->xen_domain, config->xen_handle);
	if (config->socket[0] && strcmp(config->socket, vif))
		return nic_fail_value(err, "socket", config->socket,
			"none, with transport xen: the guest has no vhost-user socket");
	memcpy(config->socket, vif, sizeof(vif));
	return 0;
}

static bool has_mac(const struct vf_config *vf)
{
	static const uint8_t none[6];

	return memcmp(vf->mac, none, sizeof(none)) != 0;
}

const char *vf_clash(const struct vf_config *a, const struct vf_config *b)
{
	if (!strcmp(a->name, b->name))
		return "name";
	if (a->socket[0] && !strcmp(a->socket, b->socket))
		return "socket";
	if (!a->standby && !b->standby && has_mac(a) && vlan_of_port(a) == vlan_of_port(b) &&
		!memcmp(a->mac, b->mac, sizeof(a->mac)))
		return "mac";
	return NULL;
}

void vf_mac_text(const struct vf_config *vf, char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", vf->mac[0], vf->mac[1], vf->mac[2],
		vf->mac[3], vf->mac[4], vf->mac[5]);
}

bool group_has_member(const struct group_config *group, const char *vf)
{
	for (uint16_t i = 0; i < group->n_vfs; i++)
		if (!strcmp(group->vfs[i], vf))
			return true;
	return false;
}

bool group_name_clash(const struct group_config *group, const char *vf)
{
	return !strcmp(group->name, vf) && !(group->n_vfs == 1 && !strcmp(group->vfs[0], vf));
}

const char *group_refuses(const struct group_config *group, const struct vf_config *vf)
{
	if (group->standby == vf->standby)
		return NULL;
	return group->standby ? "a standby, as the group is" : "a VF that is no standby";
}
