/* SPDX-License-Identifier: BSD-3-Clause */
/* What the control plane must be told by the program it is linked into. */
#ifndef RENICD_CONTROL_VERSION_H
#define RENICD_CONTROL_VERSION_H

/* DPDK's version as text. Any thread; main.c has it, so that nothing in control/ needs DPDK. */
const char *renicd_dpdk_version(void);

#endif
