/* SPDX-License-Identifier: BSD-3-Clause */
/* See xen_save.h. */
#include "xen_save.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "xen_domain.h"

enum { PIPE_BYTES = 1 << 20 };

/* ---- its thread ---- */

static void become(struct xen_save *s, enum xen_save_state state)
{
	s->state = state;
	eventfd_write(s->told_fd, 1);
}

/* Stand still until the driver lets it go on. 1: go on, 0: end, as libxenguest wants it. */
static int stand(struct xen_save *s, enum xen_save_state at, enum xen_save_state next)
{
	int go_on;

	pthread_mutex_lock(&s->lock);
	become(s, at);
	while (s->state == at && !s->stop)
		pthread_cond_wait(&s->let_go, &s->lock);
	go_on = !s->stop;
	if (go_on)
		s->state = next;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static int on_suspend(void *data)
{
	return stand(data, XEN_SAVE_SUSPENDING, XEN_SAVE_SAVING);
}

/* The epoch was written. */
static int on_postcopy(void *data)
{
	return stand(data, XEN_SAVE_RESUMING, XEN_SAVE_COPYING);
}

static bool is_stopping(struct xen_save *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/* Whoever wants another checkpoint says so by xen_save_go(), from on_suspend(). */
static int on_checkpoint(void *data)
{
	return !is_stopping(data);
}

/* How often the running domain is gone through: until little is left, five times at most. */
static int on_precopy(struct precopy_stats stats, void *data)
{
	enum { ROUNDS_MAX = 5, LEFT_MAX = 256 };

	if (is_stopping(data))
		return XGS_POLICY_ABORT;
	return stats.iteration >= ROUNDS_MAX ||
			       (stats.dirty_count >= 0 && stats.dirty_count <= LEFT_MAX)
		       ? XGS_POLICY_STOP_AND_COPY
		       : XGS_POLICY_CONTINUE_PRECOPY;
}

/* HVM's alone. */
static int on_logdirty(uint32_t domid, unsigned enable, void *data)
{
	return 0;
}

static void *run(void *arg)
{
	struct xen_save *s = arg;
	struct save_callbacks callbacks = {
		.suspend = on_suspend,
		.precopy_policy = on_precopy,
		.postcopy = on_postcopy,
		.checkpoint = on_checkpoint,
		.switch_qemu_logdirty = on_logdirty,
		.data = s,
	};
	xc_interface *xch = xen_hypervisor();
	const char *why = strerror(errno);

	if (xch) {
		xc_domain_save(
			xch, s->pipe[1], s->domid, XCFLAGS_LIVE, &callbacks, XC_STREAM_REMUS, -1);
		why = xc_get_last_error(xch)->message;
	}
	pthread_mutex_lock(&s->lock);
	snprintf(s->error, sizeof(s->error), "%.150s", why);
	become(s, XEN_SAVE_ENDED);
	pthread_mutex_unlock(&s->lock);
	if (xch)
		xc_interface_close(xch);
	return NULL;
}

/* ---- the driver's ---- */

enum xen_save_state xen_save_state(struct xen_save *s)
{
	enum xen_save_state state;

	if (!s->running)
		return XEN_SAVE_NONE;
	pthread_mutex_lock(&s->lock);
	state = s->state;
	pthread_mutex_unlock(&s->lock);
	return state;
}

void xen_save_go(struct xen_save *s)
{
	if (!s->running)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->state == XEN_SAVE_SUSPENDING)
		s->state = XEN_SAVE_SAVING;
	else if (s->state == XEN_SAVE_RESUMING)
		s->state = XEN_SAVE_COPYING;
	pthread_cond_signal(&s->let_go);
	pthread_mutex_unlock(&s->lock);
}

static void close_fds(struct xen_save *s)
{
	close(s->pipe[0]);
	close(s->pipe[1]);
	close(s->told_fd);
}

int xen_save_start(struct xen_save *s, uint32_t domid, struct nic_error *err)
{
	int rc;

	if (pipe2(s->pipe, O_CLOEXEC) < 0)
		return nic_fail(err, RENIC_E_RESOURCES, "xen", "pipe: %s", strerror(errno));
	fcntl(s->pipe[0], F_SETFL, O_NONBLOCK);
	fcntl(s->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* as large as it may be */
	s->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->domid = domid;
	s->stop = false;
	s->state = XEN_SAVE_COPYING;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->let_go, NULL);
	rc = s->told_fd < 0 ? errno : pthread_create(&s->thread, NULL, run, s);
	s->running = rc == 0;
	if (s->running)
		return 0;
	close_fds(s);
	return nic_fail(err, RENIC_E_RESOURCES, "xen", "a thread to save it: %s", strerror(rc));
}

void xen_save_stop(struct xen_save *s)
{
	if (!s->running)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->let_go);
	pthread_mutex_unlock(&s->lock);
	close(s->pipe[0]); /* it may be writing; SIGPIPE is ignored */
	s->pipe[0] = -1;
	pthread_join(s->thread, NULL);
	close(s->pipe[1]);
	close(s->told_fd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->let_go);
	s->running = false;
}

static int ended(struct xen_save *s, struct nic_error *err)
{
	return nic_fail(
		err, RENIC_E_IO, "xen", "domain %u cannot be saved: %s", s->domid, s->error);
}

/* Until there is something to read, or another state. */
static bool wait_news(struct xen_save *s, unsigned timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = s->pipe[0], .events = POLLIN}, {.fd = s->told_fd, .events = POLLIN}};
	eventfd_t count;
	int n = poll(fds, 2, (int)timeout_ms);

	if (fds[1].revents)
		eventfd_read(s->told_fd, &count);
	return n != 0;
}

int64_t xen_save_drain(struct xen_save *s, enum xen_save_state until, struct remus_sink *sink,
	uint64_t max_bytes, unsigned timeout_ms, bool *there, struct nic_error *err)
{
	int64_t moved = 0;

	*there = false;
	if (!s->running)
		return nic_fail(err, RENIC_E_STATE, "xen", "nothing is being saved");
	while ((uint64_t)moved < max_bytes) {
		/* Before the pipe is found empty: what was written before is in it. */
		enum xen_save_state state = xen_save_state(s);
		ssize_t n = read(s->pipe[0], s->buffer, sizeof(s->buffer));
		int rc;

		if (n > 0) {
			rc = sink->write(sink, s->buffer, (size_t)n);
			if (rc)
				return rc;
			moved += n;
			continue;
		}
		*there = state == until;
		if (*there)
			break;
		if (n == 0 || state == XEN_SAVE_ENDED)
			return ended(s, err);
		if (!wait_news(s, timeout_ms))
			break;
	}
	return moved;
}
