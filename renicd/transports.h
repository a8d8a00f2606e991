/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of ports that guests are reached through; see transports.c. Control thread. */
#ifndef RENICD_TRANSPORTS_H
#define RENICD_TRANSPORTS_H

#include "port.h"

/* By enum vf_transport; NULL: not built in. */
extern const struct vf_port_ops *const transport_ops[TRANSPORTS];

/* What runs beside the device: before the first VF; once privileges are dropped; when the daemon is
 * about to end (guests stay connected, for the next one), and after the last VF. What is not
 * possible on this host is said when a VF asks for it. */
void transports_start(void);
int transports_run(struct nic_error *err);
void transports_ending(void);
void transports_stop(void);

#endif
