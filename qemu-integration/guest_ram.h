/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A QEMU guest's RAM, found from outside: the one shared memory backend of the machine, where the
 * guest sees it (`info mtree -f`), where QEMU has it mapped (/proc/PID/maps), and a mapping of
 * our own, made from QEMU's own descriptor (/proc/PID/fd), so that no path is needed and a memfd
 * works as well as a file.
 */
#ifndef QEMU_GUEST_RAM_H
#define QEMU_GUEST_RAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dirty.h"
#include "nic/error.h"
#include "qmp.h"

enum { RAM_PARTS_MAX = 4, RAM_NAME_SIZE = 32 };

/* A run of guest physical addresses that the backend's file backs. */
struct ram_part {
	uint64_t gpa, offset, bytes;
};

struct guest_ram {
	char backend[RAM_NAME_SIZE]; /* its id */
	uint64_t bytes;
	unsigned n_parts; /* ordered by offset; without gaps in the file */
	struct ram_part parts[RAM_PARTS_MAX];
	uint8_t *base;		    /* the whole file, mapped here */
	struct dirty_target target; /* where QEMU has it */
};

/*
 * Fill *ram and map it (writable: to fill it, else to read it only). RENIC_E_UNSUPPORTED names what
 * of the machine does not fit; others as QMP's, RENIC_E_IO, RENIC_E_RESOURCES.
 */
int guest_ram_open(struct guest_ram *ram, struct qmp *qmp, pid_t pid, bool writable,
	unsigned timeout_ms, struct nic_error *err);
void guest_ram_close(struct guest_ram *ram);

/*
 * The layout alone: the parts of a backend of that size, from the text of `info mtree -f`.
 * What the chipset shadows below 1 MiB counts as RAM, so that both sides agree whatever the guest's
 * firmware did. 0, or RENIC_E_UNSUPPORTED.
 */
int guest_ram_layout(struct guest_ram *ram, const char *mtree, struct nic_error *err);

#endif
