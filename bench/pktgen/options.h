/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of renic-pktgen: one table says name, type, range, default and help, and
 * `--help` is printed from it. No DPDK.
 */
#ifndef PKTGEN_OPTIONS_H
#define PKTGEN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	VFS_MAX = 256,
	SIZES_MAX = 16,
	EAL_ARGS_MAX = 16,
	SIZE_MIN = 64, /* headers and stamp */
	SIZE_MAX_BYTES = 9000,
};

enum flow { FLOW_OUT, FLOW_IN, FLOW_BOTH, FLOW_PAIR };
enum driver { DRIVER_DIRECT, DRIVER_VIRTIO_USER };
enum boundary { BOUNDARY_EXACT, BOUNDARY_SENT };

struct options {
	/* guests */
	uint64_t vfs;
	uint64_t driver; /* enum driver */
	const char *sockets;
	bool listen;
	uint64_t ring_size;
	bool mergeable;
	const char *virtio_args;
	const char *far_end;
	/* traffic */
	uint64_t flow; /* enum flow */
	const char *sizes_text;
	unsigned n_sizes;
	uint16_t sizes[SIZES_MAX]; /* sent in turn */
	double rate_pps;	   /* all senders together; 0: flat out */
	uint64_t burst;
	uint64_t duration_us, warmup_us, drain_us;
	uint64_t count; /* frames of each sender; 0: by time */
	bool search;
	double resolution_percent;
	/* the daemon */
	const char *control;
	const char *prefix;
	uint64_t epoch_us; /* 0: not protected */
	uint64_t commit_after_us;
	uint64_t no_commit_after; /* epochs; 0: no such thing */
	uint64_t boundary;	  /* enum boundary */
	/* judging and reporting */
	uint64_t allow_lost, allow_repeated;
	const char *json;
	const char *arrivals;
	uint64_t fault; /* enum fault */
	/* machine */
	uint64_t cpu, memory_mb;
	const char *eal_args[EAL_ARGS_MAX];
	unsigned n_eal_args;
	bool help;
};

/* Faults of the sender, on purpose: to see that the judge notices. */
enum fault { FAULT_NONE, FAULT_SKIP, FAULT_REPEAT, FAULT_SWAP };

/*
 * Decode argv into *options (defaults first). Returns true, or false with one line in `error`
 * that names the option, what was given and what it may be.
 */
bool options_parse(struct options *options, int argc, char **argv, char *error, size_t size);

/* The whole help. */
void options_help(FILE *out);

#endif
