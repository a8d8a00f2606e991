/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of replicator/hurry.c, asked of the kernel. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hurry.h"
#include "sched_attributes.h"

enum { THREADS = 3, NICE = 3 };

struct worker {
	pthread_t handle;
	pid_t thread;
	int policy;
	sem_t is_there, may_end;
};

static struct worker workers[THREADS];

static void *work(void *arg)
{
	struct sched_param none = {0};
	struct worker *w = arg;

	w->thread = gettid();
	setpriority(PRIO_PROCESS, w->thread, NICE);
	sched_setscheduler(0, w->policy, &none);
	sem_post(&w->is_there);
	sem_wait(&w->may_end);
	return NULL;
}

static int start(void **state)
{
	for (int i = 0; i < THREADS; i++) {
		sem_init(&workers[i].is_there, 0, 0);
		sem_init(&workers[i].may_end, 0, 0);
		workers[i].policy = i == THREADS - 1 ? SCHED_IDLE : SCHED_OTHER;
		pthread_create(&workers[i].handle, NULL, work, &workers[i]);
		sem_wait(&workers[i].is_there);
	}
	return 0;
}

static int end(void **state)
{
	for (int i = 0; i < THREADS; i++) {
		sem_post(&workers[i].may_end);
		pthread_join(workers[i].handle, NULL);
	}
	return 0;
}

/* As the kernel says, 0 before Linux 6.12. */
static uint64_t slice_ns(pid_t thread)
{
	struct sched_attributes a = {0};

	assert_int_equal(syscall(SYS_sched_getattr, thread, &a, sizeof(a), 0), 0);
	return a.runtime_ns;
}

static void skip_where_slices_are_unknown(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	major = strtol(name.release, NULL, 10);
	minor = strtol(name.release + (major > 9 ? 3 : 2), NULL, 10);
	if (major < 6 || (major == 6 && minor < 12))
		skip();
}

static void a_thread_gets_a_short_slice_and_keeps_its_nice_level(void **state)
{
	skip_where_slices_are_unknown();
	assert_true(slice_ns(workers[0].thread) > HURRY_SLICE_NS);
	assert_int_equal(hurry_thread(workers[0].thread), 0);
	assert_int_equal(slice_ns(workers[0].thread), HURRY_SLICE_NS);
	assert_int_equal(getpriority(PRIO_PROCESS, workers[0].thread), NICE);
}

static void all_threads_but_those_named_get_it(void **state)
{
	pid_t but[] = {workers[1].thread, workers[2].thread};

	skip_where_slices_are_unknown();
	assert_int_equal(hurry_process(getpid(), but, 2), 0);
	assert_int_equal(slice_ns(workers[0].thread), HURRY_SLICE_NS);
	assert_int_equal(slice_ns(getpid()), HURRY_SLICE_NS);
	assert_true(slice_ns(workers[1].thread) > HURRY_SLICE_NS);
}

static void a_policy_of_somebody_else_stays(void **state)
{
	assert_int_equal(hurry_thread(workers[2].thread), -ENOTSUP);
	assert_int_equal(sched_getscheduler(workers[2].thread), SCHED_IDLE);
	assert_int_equal(hurry_process(getpid(), NULL, 0), -ENOTSUP);
}

static void a_process_that_is_gone_is_told(void **state)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	assert_int_equal(hurry_process(child, NULL, 0), -ENOENT);
	assert_int_equal(hurry_thread(child), -ESRCH);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		RULE(a_thread_gets_a_short_slice_and_keeps_its_nice_level),
		RULE(all_threads_but_those_named_get_it),
		RULE(a_policy_of_somebody_else_stays),
		RULE(a_process_that_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
