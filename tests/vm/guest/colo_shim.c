/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into QEMU 7.2 so that COLO runs under TCG.
 *
 * COLO's checkpoint saves live state without the big lock. Under TCG that ends in a wait for the
 * vCPUs: pthread_cond_wait() with the big lock as its mutex, by a thread that does not hold it,
 * which is undefined; with glibc the thread holds the lock for ever afterwards, and waits for
 * itself at the next lock. Here such a wait takes the lock first, waits a moment, and gives it
 * back; the caller looks at its condition in a loop.
 *
 * What a mutex knows of its owner is glibc's (nptl), as QEMU's default mutexes have it on Linux.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOMENT_NS = 300000, SECOND_NS = 1000000000 };

typedef int wait_function(pthread_cond_t *cond, pthread_mutex_t *mutex);

static wait_function *real_wait;

__attribute__((constructor)) static void find_real_wait(void)
{
	/* The unversioned name would be the one from before condition variables had attributes. */
	real_wait = (wait_function *)dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
}

static int is_ours(const pthread_mutex_t *mutex)
{
	static __thread pid_t tid;

	if (tid == 0)
		tid = (pid_t)syscall(SYS_gettid);
	return mutex->__data.__owner == tid;
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	struct timespec until;

	if (is_ours(mutex))
		return real_wait(cond, mutex);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += MOMENT_NS;
	if (until.tv_nsec >= SECOND_NS) {
		until.tv_nsec -= SECOND_NS;
		until.tv_sec++;
	}
	pthread_mutex_lock(mutex);
	pthread_cond_timedwait(cond, mutex, &until);
	pthread_mutex_unlock(mutex);
	return 0;
}
