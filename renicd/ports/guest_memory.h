/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory that its front-end pulls away. A region is a mapping of a file that the front-end
 * has too: when it makes the file shorter, or takes its huge pages, our next access is a SIGBUS.
 * The handler puts memory of our own in the place of what is gone, so that the burst under way
 * goes on, marks the guest's memory as lost, and hangs up. Any other SIGBUS ends the daemon, as it
 * would without this.
 *
 * The table that the handler looks into is written by librte_vhost's thread alone, while it holds
 * the rings' locks; its words are atomic, and never freed.
 */
#ifndef RENICD_PORTS_GUEST_MEMORY_H
#define RENICD_PORTS_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GUEST_REGIONS_MAX = 8,		   /* librte_vhost's */
	GUEST_MAP_LOG = GUEST_REGIONS_MAX, /* the dirty log that a front-end shares */
	GUEST_MAPS_MAX = GUEST_MAP_LOG + 1,
};

struct guest_memory;

/* One for a port, until it is given back; NULL: none left, or no handler. Control thread. */
struct guest_memory *guest_memory_take(void);
void guest_memory_give(struct guest_memory *memory);

/* Map number `which` is these bytes from now on; bytes 0: it is none. */
void guest_memory_set(struct guest_memory *memory, unsigned which, const void *start, size_t bytes);

/* Has it that map already? */
bool guest_memory_has(const struct guest_memory *memory, const void *start);

/* Another connection, whose descriptor the handler shuts down (-1: it is over). Nothing is lost
 * any more. No lcore uses the memory. */
void guest_memory_connect(struct guest_memory *memory, int fd);

/* The calling thread is about to touch maps that are not in the table yet (true), or has done so:
 * what faults on it meanwhile is `memory`. NULL: nothing is. */
void guest_memory_expect(struct guest_memory *memory);

enum guest_memory_state {
	GUEST_MEMORY_GOOD,
	GUEST_MEMORY_LOST,   /* pulled away */
	GUEST_MEMORY_GREEDY, /* what it says takes more memory of ours than a guest may */
	GUEST_MEMORY_SLOW,   /* or more time */
	GUEST_MEMORY_DEAF,   /* or has to be waited for with a signal */
};

/* The guest does what it must not: hang up too, and leave its memory alone from now on. A data
 * lcore that uses the memory. */
void guest_memory_shun(struct guest_memory *memory, enum guest_memory_state why);

/* Any thread; cheap. */
enum guest_memory_state guest_memory_state(const struct guest_memory *memory);

#endif
