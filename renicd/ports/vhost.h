/* SPDX-License-Identifier: BSD-3-Clause */
/* The vhost-user port of a VF (librte_vhost); see vhost_port.h. */
#ifndef RENICD_PORTS_VHOST_H
#define RENICD_PORTS_VHOST_H

#include "port.h"

extern const struct vf_port_ops vhost_port_ops;

#endif
