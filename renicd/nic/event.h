/* SPDX-License-Identifier: BSD-3-Clause */
/* The event queue's life and delivery, for nic.c; see event.c. Control thread. */
#ifndef RENICD_NIC_EVENT_H
#define RENICD_NIC_EVENT_H

#include "vf.h"

void event_deliver(void);
void event_fini(void);

#endif
