/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A running VM with disks at rest for a moment, in which no disk writes into its memory.
 *
 * A read with cache=none (O_DIRECT) pins its page when it begins: that is a write to whoever
 * tracks writes. Its bytes come later, past the page tables, and nobody is told. So the page must
 * not be counted anew between the two: a collection of the running VM would report it, have it
 * copied too early, and no later one would report it again. `stop` is answered when the disks have
 * done what they were asked for, so counting is begun, and pages are taken, between `stop` and
 * `cont`: some milliseconds for each round of the first copy. The other way, to report all that
 * the rounds reported again in the first pause, makes that as long as a copy of it.
 *
 * One thread at a time.
 */
#ifndef QEMU_REST_H
#define QEMU_REST_H

#include <stdbool.h>

#include "pause.h"

enum { REST_STATUS_SIZE = 32 };

/* What QEMU is doing: "running", "inmigrate", ... Errors as qmp_call()'s. */
int rest_status(
	struct qmp *qmp, unsigned timeout_ms, char status[REST_STATUS_SIZE], struct nic_error *err);

/*
 * Do work(arg) while the VM is at rest; of one without disks, at once. One that somebody else
 * paused stays so; any other goes on whatever happens, at the latest when a `stop` that was not
 * answered in time is. *ran: somebody else let it go on meanwhile. What the pauser prepared is
 * withdrawn. Errors: work()'s, or as qmp_call(); each command within the pauser's timeout.
 */
int rest_do(struct pauser *p, int (*work)(void *arg, struct nic_error *err), void *arg, bool *ran,
	struct nic_error *err);

#endif
