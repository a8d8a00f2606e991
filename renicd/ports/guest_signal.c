/* SPDX-License-Identifier: BSD-3-Clause */
/* See guest_signal.h. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "guest_signal.h"

/* Data lcores and librte_vhost's threads; a thread beyond them is not watched. */
enum { THREADS_MAX = 64, RESCUE_SIGNAL = SIGURG };

/* One a thread that ever wrote; the thread's, but for what the rescuer keeps. */
struct writer {
	pthread_t thread;
	uint32_t writes; /* atomic: odd while it is at one */
	uint32_t seen;	 /* atomic: as at the last look */
} __rte_cache_aligned;

static struct writer writers[THREADS_MAX];
static uint32_t n_writers;	/* atomic: those in use have `ready` */
static bool ready[THREADS_MAX]; /* atomic */

static __thread struct writer *mine;
static __thread bool unwatched, waited;

static void on_rescue(int number)
{
}

int guest_signals_init(void)
{
	/* No SA_RESTART: what the thread waits in shall end. */
	struct sigaction action = {.sa_handler = on_rescue};

	return sigaction(RESCUE_SIGNAL, &action, NULL) < 0 ? -errno : 0;
}

static void register_thread(void)
{
	uint32_t i = __atomic_fetch_add(&n_writers, 1, __ATOMIC_RELAXED);
	sigset_t set;

	if (i >= THREADS_MAX) {
		unwatched = true;
		return;
	}
	sigemptyset(&set);
	sigaddset(&set, RESCUE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	mine = &writers[i];
	mine->thread = pthread_self();
	__atomic_store_n(&ready[i], true, __ATOMIC_RELEASE);
}

/* Replaces libc's. */
int eventfd_write(int fd, eventfd_t value)
{
	ssize_t n;

	if (unlikely(!mine && !unwatched))
		register_thread();
	if (likely(mine))
		__atomic_store_n(&mine->writes, mine->writes + 1, __ATOMIC_RELAXED);
	n = write(fd, &value, sizeof(value));
	if (likely(mine))
		__atomic_store_n(&mine->writes, mine->writes + 1, __ATOMIC_RELAXED);
	if (unlikely(n < 0 && errno == EINTR))
		waited = true;
	return n == sizeof(value) ? 0 : -1;
}

void guest_signals_rescue(void)
{
	for (uint32_t i = 0; i < THREADS_MAX; i++) {
		struct writer *w = &writers[i];
		uint32_t writes, seen;

		if (!__atomic_load_n(&ready[i], __ATOMIC_ACQUIRE))
			continue;
		writes = __atomic_load_n(&w->writes, __ATOMIC_RELAXED);
		seen = __atomic_exchange_n(&w->seen, writes, __ATOMIC_RELAXED);
		if (unlikely((writes & 1) && writes == seen))
			pthread_kill(w->thread, RESCUE_SIGNAL);
	}
}

bool guest_signal_waited(void)
{
	bool was = waited;

	if (unlikely(was))
		waited = false;
	return was;
}
