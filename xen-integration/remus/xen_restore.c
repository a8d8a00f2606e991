/* SPDX-License-Identifier: BSD-3-Clause */
/* See xen_restore.h. */
#include "xen_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xenguest.h>

#include "clock.h"

enum { PIPE_BYTES = 1 << 20 };

/* ---- its thread ---- */

/* An epoch was read to its end; it is kept, and written into the domain after this. */
static int on_checkpoint(void *data)
{
	struct xen_restore *r = data;

	pthread_mutex_lock(&r->lock);
	r->epochs++;
	pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
	return XGR_CHECKPOINT_SUCCESS;
}

static void *run(void *arg)
{
	struct xen_restore *r = arg;
	struct restore_callbacks callbacks = {.checkpoint = on_checkpoint, .data = r};
	xc_interface *xch = xen_hypervisor();
	const char *why = strerror(errno);
	int rc = -1;

	if (xch) {
		rc = xc_domain_restore(xch, r->pipe[0], r->domid, r->channels.store_port,
			&r->channels.store_gfn, 0, r->channels.console_port,
			&r->channels.console_gfn, 0, XC_STREAM_REMUS, &callbacks, -1);
		why = xc_get_last_error(xch)->message;
	}
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	r->rc = rc;
	snprintf(r->error, sizeof(r->error), "%.150s", why);
	pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
	if (xch)
		xc_interface_close(xch);
	return NULL;
}

/* ---- the driver's ---- */

int xen_restore_start(struct xen_restore *r, uint32_t domid, const struct xen_channels *channels,
	struct nic_error *err)
{
	pthread_condattr_t monotonic;
	int rc;

	*r = (struct xen_restore){.domid = domid, .channels = *channels};
	if (pipe2(r->pipe, O_CLOEXEC) < 0)
		return nic_fail(err, RENIC_E_RESOURCES, "xen", "pipe: %s", strerror(errno));
	fcntl(r->pipe[1], F_SETFL, O_NONBLOCK);
	fcntl(r->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* as large as it may be */
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->news, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = pthread_create(&r->thread, NULL, run, r);
	r->running = rc == 0;
	if (r->running)
		return 0;
	close(r->pipe[0]);
	close(r->pipe[1]);
	return nic_fail(err, RENIC_E_RESOURCES, "xen", "a thread to restore it: %s", strerror(rc));
}

static bool has_ended(struct xen_restore *r)
{
	bool ended;

	pthread_mutex_lock(&r->lock);
	ended = r->ended;
	pthread_mutex_unlock(&r->lock);
	return ended;
}

static int failed(struct xen_restore *r, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_IO, "xen", "domain %u cannot be restored: %s", r->domid,
		r->error[0] ? r->error : "the stream makes no sense");
}

int xen_restore_feed(struct xen_restore *r, const void *data, size_t bytes, unsigned timeout_ms,
	struct nic_error *err)
{
	enum { LOOK_MS = 50 }; /* whether it has ended: nobody reads the pipe then */
	int64_t deadline = now_ns() + timeout_ms * NS_PER_MS;
	struct pollfd room = {.fd = r->pipe[1], .events = POLLOUT};
	const uint8_t *p = data;

	while (bytes) {
		ssize_t n = write(r->pipe[1], p, bytes);

		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
			deadline = now_ns() + timeout_ms * NS_PER_MS;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return failed(r, err);
		if (has_ended(r))
			return failed(r, err);
		if (now_ns() > deadline)
			return nic_fail(err, RENIC_E_TIMEOUT, "xen",
				"domain %u does not take what it is restored from", r->domid);
		poll(&room, 1, LOOK_MS);
	}
	return 0;
}

static void wait_news(struct xen_restore *r, int64_t deadline_ns)
{
	struct timespec at = {deadline_ns / (1000 * NS_PER_MS), deadline_ns % (1000 * NS_PER_MS)};

	pthread_cond_timedwait(&r->news, &r->lock, &at);
}

int xen_restore_wait(
	struct xen_restore *r, uint64_t epochs, unsigned timeout_ms, struct nic_error *err)
{
	int64_t deadline = now_ns() + timeout_ms * NS_PER_MS;
	bool there, ended;

	pthread_mutex_lock(&r->lock);
	while (r->epochs < epochs && !r->ended && now_ns() < deadline)
		wait_news(r, deadline);
	there = r->epochs >= epochs;
	ended = r->ended;
	pthread_mutex_unlock(&r->lock);
	if (there)
		return 0;
	if (ended)
		return failed(r, err);
	return nic_fail(err, RENIC_E_TIMEOUT, "xen", "domain %u: its epoch is not whole", r->domid);
}

int xen_restore_finish(struct xen_restore *r, struct xen_channels *channels, struct nic_error *err)
{
	if (!r->running)
		return nic_fail(err, RENIC_E_STATE, "xen", "nothing was restored");
	close(r->pipe[1]);
	pthread_join(r->thread, NULL); /* the last epoch is being written, at the pace of memory */
	close(r->pipe[0]);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->news);
	r->running = false;
	*channels = r->channels;
	return r->rc ? failed(r, err) : 0;
}
