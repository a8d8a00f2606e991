/* SPDX-License-Identifier: BSD-3-Clause */
/* The last events; see event.h. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "event.h"

enum { EVENTS_KEPT = 256 };

struct event {
	uint64_t id, time_us;
	char type[24], detail[232];
};

static struct {
	pthread_mutex_t lock;
	uint64_t last;
	struct event events[EVENTS_KEPT];
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

void event_post(const char *type, const char *fmt, ...)
{
	struct timespec now;
	struct event *e;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&ring.lock);
	e = &ring.events[++ring.last % EVENTS_KEPT];
	e->id = ring.last;
	e->time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	snprintf(e->type, sizeof(e->type), "%s", type);
	va_start(ap, fmt);
	vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	fprintf(stderr, "renic-remus: %s: %s\n", e->type, e->detail);
	pthread_mutex_unlock(&ring.lock);
}

json_t *event_list(uint64_t after)
{
	json_t *list = json_array();
	uint64_t first;

	pthread_mutex_lock(&ring.lock);
	first = ring.last >= EVENTS_KEPT ? ring.last - EVENTS_KEPT + 1 : 1;
	for (uint64_t id = after >= first ? after + 1 : first; id <= ring.last; id++) {
		const struct event *e = &ring.events[id % EVENTS_KEPT];

		json_array_append_new(list,
			json_pack("{s:I s:I s:s s:s}", "id", (json_int_t)e->id, "time_us",
				(json_int_t)e->time_us, "type", e->type, "detail", e->detail));
	}
	pthread_mutex_unlock(&ring.lock);
	return list;
}
