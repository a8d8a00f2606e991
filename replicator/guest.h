/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VMs of the group, as both sides have them: driver, RAM, VFs, and sets of pages. A page's
 * number counts through the VM's regions (driver.h). A page set is a bitmap of 64-bit words.
 * The thread that runs the role owns them.
 */
#ifndef REPLICATOR_GUEST_H
#define REPLICATOR_GUEST_H

#include "config.h"
#include "driver.h"
#include "stream.h"

enum { IN_FLIGHT_MAX = 33 /* one more than may be in flight: what is being copied */ };

struct guest {
	const struct config_vm *config;
	const struct remus_driver *driver;
	struct remus_vm *vm; /* NULL: not open */
	const char *machine; /* as the driver said when it was opened; empty: nothing */
	unsigned n_regions;
	struct remus_region regions[REMUS_REGIONS_MAX];
	uint64_t first[REMUS_REGIONS_MAX + 1]; /* page number of each region's first page */
	uint64_t n_pages, n_words;
	uint64_t *carry;	       /* primary: pages that the next checkpoint must have */
	uint64_t *sent[IN_FLIGHT_MAX]; /* primary: pages of each checkpoint in flight */
};

/* Open every VM of the config for that side. On failure all are closed again. */
int guests_open(struct guest *guests, const struct remus_config *config, enum remus_side side,
	struct nic_error *err);
void guests_close(struct guest *guests, unsigned n);
/* Is there one whose driver sends a stream, not pages of ours? */
bool guests_have_stream(const struct guest *guests, unsigned n);

/* Is there one whose driver says what its machine is? This and what a VM frame says of it is fixed
 * while the guests are open: any thread. */
bool guests_say_machines(const struct guest *guests, unsigned n);

/* Where the page is in our memory. page < n_pages. */
uint8_t *guest_page(const struct guest *g, uint64_t page);

/* The page number of a guest page frame (address >> 12), or UINT64_MAX: not RAM. */
uint64_t guest_page_of_gfn(const struct guest *g, uint64_t gfn);

/* OR renicd's dirty bitmap (by guest page frame) into `set`. */
void guest_add_gfns(const struct guest *g, uint64_t *set, const uint64_t *bitmap, uint64_t words);

void guest_set_all(const struct guest *g, uint64_t *set);
uint64_t guest_count(const struct guest *g, const uint64_t *set);
/* to |= from; from = 0. */
void guest_move(const struct guest *g, uint64_t *to, uint64_t *from);

/* What a VM frame says of it. */
void guest_describe(const struct guest *g, unsigned index, struct msg_vm *msg);

#endif
