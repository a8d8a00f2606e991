/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events on their way to the control socket. Ports' threads post them into a queue; the control
 * thread takes them out at nic_tick(), woken by an eventfd. Not for data lcores: it allocates.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "event.h"
#include "log.h"

struct queued {
	STAILQ_ENTRY(queued) next;
	struct nic_event event;
};

enum { EVENTS_QUEUED_MAX = 4096 }; /* a front-end that flaps must not eat our memory */

const char *const nic_event_names[EVENT_TYPES] = {
	[EVENT_VF_CREATED] = "vf_created",
	[EVENT_VF_DELETED] = "vf_deleted",
	[EVENT_FRONTEND_CONNECTED] = "frontend_connected",
	[EVENT_FRONTEND_RUNNING] = "frontend_running",
	[EVENT_FRONTEND_STOPPED] = "frontend_stopped",
	[EVENT_FRONTEND_DISCONNECTED] = "frontend_disconnected",
	[EVENT_FRONTEND_ERROR] = "frontend_error",
	[EVENT_UPLINK_UP] = "uplink_up",
	[EVENT_UPLINK_DOWN] = "uplink_down",
	[EVENT_GROUP_STATE] = "group_state",
	[EVENT_REPLICATOR_LOST] = "replicator_lost",
	[EVENT_LOG_HIGH_WATER] = "log_high_water",
	[EVENT_RING_STUCK] = "ring_stuck",
	[EVENT_DROPS] = "drops",
	[EVENT_CAPTURE_ENDED] = "capture_ended",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static STAILQ_HEAD(, queued) queue = STAILQ_HEAD_INITIALIZER(queue); /* under lock */
static unsigned n_queued;					     /* under lock */
static int event_fd = -1;
static void (*sink)(const struct nic_event *event, void *arg);
static void *sink_arg;

int nic_event_fd(void)
{
	if (event_fd < 0)
		event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return event_fd;
}

void nic_set_event_sink(void (*fn)(const struct nic_event *event, void *arg), void *arg)
{
	sink = fn;
	sink_arg = arg;
}

void nic_post_event(enum nic_event_type type, const char *name, const char *fmt, ...)
{
	struct queued *q = calloc(1, sizeof(*q));
	uint64_t one = 1;
	va_list ap;

	if (!q)
		return;
	q->event.type = type;
	snprintf(q->event.name, sizeof(q->event.name), "%s", name);
	va_start(ap, fmt);
	vsnprintf(q->event.detail, sizeof(q->event.detail), fmt, ap);
	va_end(ap);
	LOG_INFO("%s %s %s", nic_event_names[type], name, q->event.detail);

	pthread_mutex_lock(&lock);
	if (n_queued < EVENTS_QUEUED_MAX) {
		STAILQ_INSERT_TAIL(&queue, q, next);
		n_queued++;
		q = NULL;
	}
	pthread_mutex_unlock(&lock);
	free(q);
	if (event_fd >= 0 && write(event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		LOG_ERR("events: eventfd: errno %d", errno);
}

static struct queued *take(void)
{
	struct queued *q;

	pthread_mutex_lock(&lock);
	q = STAILQ_FIRST(&queue);
	if (q) {
		STAILQ_REMOVE_HEAD(&queue, next);
		n_queued--;
	}
	pthread_mutex_unlock(&lock);
	return q;
}

void event_deliver(void)
{
	struct queued *q;
	uint64_t count;

	while (read(event_fd, &count, sizeof(count)) > 0)
		;
	while ((q = take())) {
		if (sink)
			sink(&q->event, sink_arg);
		free(q);
	}
}

void event_fini(void)
{
	sink = NULL;
	if (event_fd < 0)
		return;
	event_deliver();
	close(event_fd);
	event_fd = -1;
}
