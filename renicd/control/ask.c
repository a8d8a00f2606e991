/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of questions on their askers' stacks, and an eventfd; see ask.h. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ask.h"

struct question {
	STAILQ_ENTRY(question) next;
	void (*fn)(void *arg);
	void *arg;
	bool done; /* under lock */
	int rc;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static STAILQ_HEAD(, question) waiting = STAILQ_HEAD_INITIALIZER(waiting); /* under lock */
static int event_fd = -1;						   /* under lock */

/* Under lock. */
static void finish(struct question *q, int rc)
{
	q->rc = rc;
	q->done = true;
	pthread_cond_broadcast(&answered);
}

static bool post(struct question *q)
{
	uint64_t one = 1;

	if (event_fd < 0 || write(event_fd, &one, sizeof(one)) < 0)
		return false;
	STAILQ_INSERT_TAIL(&waiting, q, next);
	return true;
}

int ask_control(void (*fn)(void *arg), void *arg)
{
	struct question q = {.fn = fn, .arg = arg, .rc = -EAGAIN};

	pthread_mutex_lock(&lock);
	q.done = !post(&q);
	while (!q.done)
		pthread_cond_wait(&answered, &lock);
	pthread_mutex_unlock(&lock);
	return q.rc;
}

int ask_open(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&lock);
	event_fd = fd;
	pthread_mutex_unlock(&lock);
	return fd;
}

/* The next one, or NULL; it stays its asker's, who waits. */
static struct question *take(void)
{
	struct question *q;

	pthread_mutex_lock(&lock);
	q = STAILQ_FIRST(&waiting);
	if (q)
		STAILQ_REMOVE_HEAD(&waiting, next);
	pthread_mutex_unlock(&lock);
	return q;
}

void ask_run(void)
{
	struct question *q;
	uint64_t count;

	while (read(event_fd, &count, sizeof(count)) > 0)
		;
	while ((q = take())) {
		q->fn(q->arg);
		pthread_mutex_lock(&lock);
		finish(q, 0);
		pthread_mutex_unlock(&lock);
	}
}

void ask_close(void)
{
	struct question *q;

	pthread_mutex_lock(&lock);
	if (event_fd >= 0)
		close(event_fd);
	event_fd = -1;
	while ((q = STAILQ_FIRST(&waiting))) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		finish(q, -EAGAIN);
	}
	pthread_mutex_unlock(&lock);
}
