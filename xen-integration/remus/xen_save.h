/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libxenguest's save of a domain, XC_STREAM_REMUS, turned inside out. xc_domain_save() runs for as
 * long as the protection does and calls back when it wants the domain suspended, resumed, and
 * the next checkpoint. Here it has a thread of its own, which stands still in these callbacks until
 * the driver lets it go on, and writes into a pipe, which the driver drains into staging memory:
 * the network is never in the pause.
 *
 *    COPYING   all memory, the domain running       -> drain until SUSPENDING
 *    SUSPENDING   it waits for a suspended domain   -> xen_save_go(): SAVING
 *    SAVING    what was written since last time     -> drain until RESUMING
 *    RESUMING  the epoch is in the pipe, whole      -> xen_save_go(): back to SUSPENDING
 *    ENDED     of itself: an error
 *
 * All functions: the driver's thread.
 */
#ifndef XEN_SAVE_H
#define XEN_SAVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver.h"

enum xen_save_state {
	XEN_SAVE_NONE,
	XEN_SAVE_COPYING,
	XEN_SAVE_SUSPENDING,
	XEN_SAVE_SAVING,
	XEN_SAVE_RESUMING,
	XEN_SAVE_ENDED,
};

struct xen_save {
	uint32_t domid;
	pthread_t thread;
	bool running; /* the thread is there; the driver's own */
	int pipe[2];  /* read end: not blocking */
	int told_fd;  /* an eventfd, written when the state changes */
	pthread_mutex_t lock;
	pthread_cond_t let_go;
	enum xen_save_state state; /* under lock, as the next ones */
	bool stop;
	char error[160];
	uint8_t buffer[256 << 10];
};

/* Begin to save the domain: NONE to COPYING. */
int xen_save_start(struct xen_save *s, uint32_t domid, struct nic_error *err);
/* From any state to NONE; the domain's pages are not logged any more. */
void xen_save_stop(struct xen_save *s);

enum xen_save_state xen_save_state(struct xen_save *s);
/* Let it go on, from SUSPENDING or RESUMING. */
void xen_save_go(struct xen_save *s);

/*
 * Move what it writes into the sink, until it is in state `until` and the pipe is empty (*there),
 * or max_bytes have passed, or for timeout_ms nothing has come.
 * Returns the bytes moved; or the sink's code, or RENIC_E_IO: it ended.
 */
int64_t xen_save_drain(struct xen_save *s, enum xen_save_state until, struct remus_sink *sink,
	uint64_t max_bytes, unsigned timeout_ms, bool *there, struct nic_error *err);

#endif
