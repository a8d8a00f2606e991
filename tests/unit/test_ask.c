/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to the control thread: renicd/control/ask.c. The test is the control thread. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask.h"

enum { ASKERS = 4, QUESTIONS = 2000 };

static pthread_t control;
static unsigned answered;      /* the control thread's alone */
static unsigned asked, denied; /* atomic */

static void count_answer(void *arg)
{
	if (pthread_equal(pthread_self(), control))
		answered++;
}

static void *ask_many(void *arg)
{
	for (int i = 0; i < QUESTIONS; i++) {
		if (ask_control(count_answer, NULL) == 0)
			__atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
		else
			__atomic_fetch_add(&denied, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void start(pthread_t threads[ASKERS])
{
	control = pthread_self();
	answered = asked = denied = 0;
	for (int i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, NULL), 0);
}

static void join(pthread_t threads[ASKERS])
{
	for (int i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
}

static void nobody_is_asked_before_the_loop_runs(void **state)
{
	assert_int_equal(ask_control(count_answer, NULL), -EAGAIN);
}

static void every_question_runs_once_on_the_control_thread(void **state)
{
	struct pollfd pfd = {.fd = ask_open(), .events = POLLIN};
	pthread_t threads[ASKERS];

	assert_true(pfd.fd >= 0);
	start(threads);
	while (answered < ASKERS * QUESTIONS) {
		assert_int_equal(poll(&pfd, 1, 10000), 1); /* each is told of */
		ask_run();
	}
	join(threads);
	assert_int_equal(asked, ASKERS * QUESTIONS);
	assert_int_equal(denied, 0);
	ask_close();
}

static void nobody_waits_for_a_loop_that_has_ended(void **state)
{
	pthread_t threads[ASKERS];

	assert_true(ask_open() >= 0);
	start(threads);
	while (answered < 100)
		ask_run();
	ask_close();
	join(threads);
	assert_int_equal(asked, answered);
	assert_int_equal(asked + denied, ASKERS * QUESTIONS);
	assert_true(denied > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_asked_before_the_loop_runs),
		cmocka_unit_test(every_question_runs_once_on_the_control_thread),
		cmocka_unit_test(nobody_waits_for_a_loop_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
