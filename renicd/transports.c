/* SPDX-License-Identifier: BSD-3-Clause */
/* See transports.h. The one place that knows what was built in. */
#include "transports.h"

#include "log.h"
#include "vhost.h"
#ifdef RENICD_XEN
#include "netif.h"
#endif

const struct vf_port_ops *const transport_ops[TRANSPORTS] = {
	[TRANSPORT_VHOST_USER] = &vhost_port_ops,
#ifdef RENICD_XEN
	[TRANSPORT_XEN] = &xen_netif_port_ops,
#endif
};

void transports_start(void)
{
#ifdef RENICD_XEN
	struct nic_error err;

	if (xen_netif_start(&err))
		LOG_INFO("no Xen guests: %s", err.message);
#endif
}

int transports_run(struct nic_error *err)
{
#ifdef RENICD_XEN
	return xen_netif_run(err);
#else
	return 0;
#endif
}

void transports_ending(void)
{
#ifdef RENICD_XEN
	xen_netif_ending();
#endif
}

void transports_stop(void)
{
#ifdef RENICD_XEN
	xen_netif_stop();
#endif
}
