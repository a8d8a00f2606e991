/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture's file and the thread that fills it; see capture_file.c. Control thread. */
#ifndef RENICD_NIC_CAPTURE_FILE_H
#define RENICD_NIC_CAPTURE_FILE_H

#include <pthread.h>
#include <stdio.h>

#include "capture_ring.h"
#include "error.h"
#include "nic.h"

struct capture_file {
	pthread_t thread;
	FILE *out; /* the thread's while it runs */
	struct capture_ring *rings[VF_QPS_MAX];
	uint16_t n_rings;
	uint64_t max_bytes;
	uint64_t start_tsc, start_ns; /* the same instant */
	uint32_t stop;		      /* atomic: empty the rings and end */
	uint32_t state;		      /* atomic: enum capture_state */
	uint64_t pkts, bytes;	      /* the thread's; counter.h */
};

/* Make the file and start the thread; the rings are set already. 0, RENIC_E_EXISTS, RENIC_E_IO. */
int capture_file_start(struct capture_file *file, const struct capture_config *config,
	const char *dir, struct nic_error *err);

/* Waits until what the rings have is in the file. */
void capture_file_stop(struct capture_file *file);

/* Full or failed: nobody reads the rings any more. */
bool capture_file_ended(const struct capture_file *file);

void capture_file_info(const struct capture_file *file, struct capture_info *info);

#endif
