/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a QEMU guest finds in its machine: the type of board and CPU, the PCI functions with their
 * identities and regions, and the devices that QEMU was told of. A state that was saved loads only
 * where all of these are the same, and QEMU says so late, at the failover. What the guest may
 * change (addresses, bus numbers) is not in it, nor are names that only people see.
 *
 * Sources: QEMU's QMP reference, query-pci, query-cpus-fast, qom-list, qom-get; PCI Local Bus 3.0,
 * section 6.1.
 */
#ifndef QEMU_MACHINE_H
#define QEMU_MACHINE_H

#include "driver.h"
#include "qmp.h"

/*
 * Write it into `text`, of REMUS_MACHINE_SIZE bytes, NUL-terminated: printable lines that end with
 * a newline; the first is that of the form, as machine() in driver.h has it. What QEMU does not
 * tell is left out, what has no room as well. timeout_ms is for all of it. Errors as qmp_call().
 */
int machine_describe(struct qmp *qmp, unsigned timeout_ms, char *text, struct nic_error *err);

#endif
