/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hypervisor interface: all that renic-remus knows of QEMU or Xen. A driver is one constant
 * struct remus_driver; its row in drivers.c makes it known. It fills a staging buffer with pages
 * and opaque blobs while its VM is paused, and on the backup takes them and runs the VM from them.
 *
 * Two kinds fit, also mixed in one VM:
 *  - RAM that we map (QEMU): regions() says where it is. The driver only says which pages are
 * dirty; the core copies them, sends them, and writes them into the standby's regions.
 *  - a stream (Xen's XC_STREAM_REMUS): no regions. live() and state() drain what the library wrote
 *    into blobs, which the standby's apply() gets in the same order.
 *
 * The order of calls, on the primary (each line repeats as the text says):
 *
 *    open(PRIMARY)  regions  track
 *    dirty, live              while the VM runs, as often as the first copy takes rounds
 *    pause  dirty  resume_soon  state  resume  prepare
 *                             every checkpoint; after pause the core calls renicd's
 *                             checkpoint_begin, after resume_soon checkpoint_resume (before resume
 *                             where one of the group's drivers has no resume_soon)
 *    stop                     the VM must never run again (planned switch, or it is being given up)
 *    close                    whatever the VM does, it goes on doing
 *
 * and on the standby:
 *
 *    open(STANDBY)  regions
 *    apply                    every checkpoint that is there whole, after its pages were copied
 *    reset                    another primary, or a first copy again: forget what apply() took
 *    load  run                the failover; renicd's activate comes between them
 *    close, or after run: close and open(PRIMARY), to be protected again
 *
 * Several VMs in a group: all are paused one after the other, then begin, then dirty of each, then
 * resume_soon of each, state of each, then all are resumed.
 *
 * Threads: all functions of one VM are called by one thread at a time, though not always by the
 * same one. A driver may keep threads of its own. The core holds no lock in a call.
 *
 * Time: the VM stands still from pause() to the end of resume(): in that span a driver allocates
 * nothing, logs nothing, and starts early what takes long (it may begin to save the device state
 * in pause() and collect it in state()). Every call is bounded in time by the driver itself
 * (open, track, load: seconds; others: `timeout_ms`); one that cannot go on returns an error.
 *
 * Errors: 0, or a negative code with *err filled (nic_fail(); err is never NULL), as a sentence
 * that names the VM. REMUS_E_VM_GONE: the VM does not exist any more (process dead, domain
 * destroyed); on the primary the core then lets the backup take over without a fence. Any other
 * code in a checkpoint: the checkpoint is given up, resume() is called, and the pages that dirty()
 * gave are sent with the next one. An error of resume() counts as REMUS_E_VM_GONE.
 *
 * (Remus: Cully et al., NSDI'08, sections 3.2 and 3.3.)
 */
#ifndef REPLICATOR_DRIVER_H
#define REPLICATOR_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "nic/error.h"

enum {
	REMUS_E_VM_GONE = -2001, /* beside enum renic_error_code, out of its ranges */

	REMUS_PAGE_SHIFT = 12,
	REMUS_PAGE_BYTES = 1 << REMUS_PAGE_SHIFT,
	REMUS_REGIONS_MAX = 16,		 /* of a VM */
	REMUS_NAME_SIZE = 32,		 /* of VMs and regions, NUL included */
	REMUS_MACHINE_SIZE = 4096,	 /* of what machine() says, NUL included */
	REMUS_BLOB_MAX_BYTES = 64 << 20, /* of one VM in one checkpoint; see max_blob_bytes() */
};

enum remus_side { REMUS_PRIMARY, REMUS_STANDBY };

struct remus_vm; /* the driver's own */

/* What the config file says of a VM. */
struct remus_vm_config {
	char name[REMUS_NAME_SIZE];
	/* The object under the driver's name in the VM's entry ("qemu": {...}), or NULL. Valid in
	 * open() only. The driver checks it and names the member at fault in err->field, as the
	 * config file is checked: params_decode() does it. */
	const json_t *options;
	unsigned timeout_ms; /* of calls on a running VM */
};

/*
 * A run of guest RAM. Pages are counted through the regions in their order: page n of the VM is
 * the n-th 4 KiB of all of them. Regions are the same on both sides: as many, in the same order,
 * with the same gpa and bytes (the standby refuses anything else), and do not change while the VM
 * is open. (A machine with RAM below and above 4 GiB has two, though one file.)
 */
struct remus_region {
	char name[REMUS_NAME_SIZE]; /* for people */
	uint64_t gpa;		    /* guest physical address, page aligned */
	uint64_t bytes;		    /* page aligned, not 0 */
	uint8_t *base;		    /* mapped here: primary: readable; standby: writable */
};

/* Where blobs go while the VM is paused (state) or runs (live). The core implements it. */
struct remus_sink {
	/* Append `bytes` bytes to the VM's blob of this checkpoint. The memory may be used again at
	 * once. When staging is full this waits for the sender. 0, or a negative code that the
	 * driver returns as it is: the connection is lost, the checkpoint is given up. */
	int (*write)(struct remus_sink *sink, const void *data, size_t bytes);
};

struct remus_driver {
	const char *name; /* in the config file: "driver": "qemu" */

	/* ---- both sides ---- */

	/*
	 * Find the VM (connect to its QMP socket, its domain) and map its RAM. Standby: a VM that
	 * is prepared but does not run (-S -incoming defer). Primary: a VM that runs, or one that
	 * this process ran after a failover. On an error *vm is not touched.
	 */
	int (*open)(const struct remus_vm_config *config, enum remus_side side,
		struct remus_vm **vm, struct nic_error *err);

	/* Unmap, disconnect, free. A paused VM is not resumed: the core has done that. */
	void (*close)(struct remus_vm *vm);

	/* Fill regions[]; returns how many, at most REMUS_REGIONS_MAX; 0 for a stream. */
	unsigned (*regions)(struct remus_vm *vm, struct remus_region *regions);

	/* How it learns of dirty pages, or another word on how it works, for log and status:
	 * "userfaultfd", "soft-dirty". Valid until close(). NULL function: nothing to say. */
	const char *(*engine)(struct remus_vm *vm);

	/* What must be the same on both sides for load() to take what state() wrote, so that the
	 * standby refuses a primary of another make at once: printable lines, each ended by a
	 * newline, of less than REMUS_MACHINE_SIZE bytes. The first line says of which form it is:
	 * texts of two forms are not compared. As it was in open(), valid until close(). NULL
	 * function: nothing to say. */
	const char *(*machine)(struct remus_vm *vm);

	/* The most blob bytes that state() may write in one checkpoint, for a stream has the pages
	 * in them. NULL function: REMUS_BLOB_MAX_BYTES. The standby asks it of its own VM: what
	 * was not yet described there has no more than that either. */
	uint64_t (*max_blob_bytes)(struct remus_vm *vm);

	/* Is the VM still there? 0, or REMUS_E_VM_GONE. No wait; called a few times a second. */
	int (*check)(struct remus_vm *vm, struct nic_error *err);

	/* ---- primary ---- */

	/* Begin to track dirty pages, from now on and from nothing; the core sends every page after
	 * this. Again after a lost backup: as at first. */
	int (*track)(struct remus_vm *vm, struct nic_error *err);

	/*
	 * OR into bitmap (bit n of 64-bit words: page n) the pages written since track() or the
	 * last dirty(), and count from now on anew. VM paused or running; of a page written during
	 * the call it may be this call or the next one that says so, but one of them does. Too many
	 * is fine, too few never is. What renicd writes need not be in it: the core adds renicd's
	 * own log. NULL for a stream.
	 */
	int (*dirty)(struct remus_vm *vm, uint64_t *bitmap, struct nic_error *err);

	/*
	 * Stream only, else NULL: the VM runs; drain what there is to send by now. *done: nothing
	 * more comes until a pause. May wait up to timeout_ms for the first byte.
	 */
	int (*live)(
		struct remus_vm *vm, struct remus_sink *sink, bool *done, struct nic_error *err);

	/* May be NULL. The VM runs: do ahead what the next pause() then need not. An error is the
	 * next pause()'s to meet, if it lasts. */
	int (*prepare)(struct remus_vm *vm, struct nic_error *err);

	/*
	 * Stop the vCPUs. When this returns, the guest's memory changes no more by its own doing.
	 * stay: a planned switch, in which they do not go on before resume(), if that is called at
	 * all. Else, and where the group needs no resume_soon(), they may go on in state().
	 */
	int (*pause)(struct remus_vm *vm, bool stay, struct nic_error *err);

	/*
	 * May be NULL. The VM's pages have been copied: it may run again as soon as its device
	 * state is saved, without waiting for us. For a driver that can queue its resume behind the
	 * save; state() or resume() then waits for it. Only where saving writes no guest memory.
	 * renicd is resumed after it: what the VM sends before that waits in its rings.
	 */
	int (*resume_soon)(struct remus_vm *vm, struct nic_error *err);

	/* The VM is paused, its VFs suspended: write the device state (and a stream's pages) into
	 * the sink. Called once a checkpoint. */
	int (*state)(struct remus_vm *vm, struct remus_sink *sink, struct nic_error *err);

	/* Let the vCPUs run again, after a checkpoint that was taken or given up. Of a VM that runs
	 * already (its pause() failed) it changes nothing. */
	int (*resume)(struct remus_vm *vm, struct nic_error *err);

	/* The VM ends now: kill it, or make sure it stays paused for good. Whether it was running,
	 * paused or gone already. 0 means: its vCPUs never run again. Standby: the same. */
	int (*stop)(struct remus_vm *vm, struct nic_error *err);

	/* ---- standby ---- */

	/*
	 * A checkpoint is there whole. blob: what state() wrote on the primary, in one piece, and
	 * before it, for a stream, what live() wrote; valid in this call only, so copy it. bytes
	 * may be 0 where the primary's driver wrote none. The pages are in the regions already.
	 * An error: the checkpoint is not acknowledged, the connection is given up.
	 */
	int (*apply)(struct remus_vm *vm, const void *blob, size_t bytes, uint64_t epoch,
		struct nic_error *err);

	/* Stream only, else may be NULL: the first copy goes on, part of the blob is there. Saves
	 * keeping all of it until the first checkpoint is whole; after that it is not called. */
	int (*apply_live)(
		struct remus_vm *vm, const void *blob, size_t bytes, struct nic_error *err);

	/* What apply() took is void. */
	int (*reset)(struct remus_vm *vm, struct nic_error *err);

	/* Load the last checkpoint; the VM is then paused and ready to run. At most once. */
	int (*load)(struct remus_vm *vm, struct nic_error *err);

	/* Run it. renicd's VFs are active. */
	int (*run)(struct remus_vm *vm, struct nic_error *err);
};

/* The driver of that name, or NULL. drivers.c has one row each. */
const struct remus_driver *remus_driver_find(const char *name);

/* Names of all drivers, for messages: "fake, qemu". */
const char *remus_driver_names(void);

#endif
