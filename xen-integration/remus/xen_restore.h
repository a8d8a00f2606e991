/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libxenguest's restore of a domain, XC_STREAM_REMUS: xc_domain_restore() on a thread of its own,
 * fed through a pipe. It keeps an epoch's records until the epoch is whole, and only then writes
 * them into the domain; when the pipe ends, the domain is as of the last whole one.
 *
 * All functions: the driver's thread.
 */
#ifndef XEN_RESTORE_H
#define XEN_RESTORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen_domain.h"

struct xen_restore {
	uint32_t domid;
	pthread_t thread;
	int pipe[2]; /* write end: not blocking */
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool running;	 /* the thread is there; the driver's own */
	uint64_t epochs; /* whole ones; under lock, as the next ones */
	bool ended;
	int rc; /* 0: the domain is ready to run */
	char error[160];
	struct xen_channels channels; /* the thread's, then the driver's */
};

/* Begin to restore into the empty domain. */
int xen_restore_start(struct xen_restore *r, uint32_t domid, const struct xen_channels *channels,
	struct nic_error *err);
/* More of the stream; waits at most timeout_ms for it to be taken. */
int xen_restore_feed(struct xen_restore *r, const void *data, size_t bytes, unsigned timeout_ms,
	struct nic_error *err);
/* Until that many epochs are there whole. */
int xen_restore_wait(
	struct xen_restore *r, uint64_t epochs, unsigned timeout_ms, struct nic_error *err);
/* Nothing more comes. 0: the domain is as of the last whole epoch; its channels in *channels. */
int xen_restore_finish(struct xen_restore *r, struct xen_channels *channels, struct nic_error *err);

#endif
