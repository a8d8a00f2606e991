/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data lcores and their mailboxes: renicd/lcore/lcore.c, mailbox.c. A lost wake-up shows as a
 * test that does not end (each costs a second of sleep): no time is asserted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lcore.h"
#include "mailbox.h"
#include "nic_fixture.h"

enum {
	PATIENCE_MS = 20000, /* until something that must happen is missed */
	THREADS = 8,
	CALLS = 1000,
	MAILBOX_ROOM = 255,
	SLEEPS = 60,
};

static unsigned n_lcores(void)
{
	return lcores_count();
}

static int start_sleepy(void **state)
{
	return lcores_start(false);
}

static int start_busy(void **state)
{
	return lcores_start(true);
}

static int stop(void **state)
{
	lcores_stop();
	return lcores_count() ? -1 : 0;
}

/* ---- a poller that tells what it sees ---- */

struct probe {
	struct poller poller;
	unsigned polls, arms, disarms; /* atomic */
	unsigned woken;		       /* atomic: arms after it was heard */
	unsigned last_order;	       /* atomic */
	int fd;			       /* what arm says */
	int lcore;		       /* atomic: that polled it last */
};

static unsigned order; /* atomic */

static unsigned get(const unsigned *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static unsigned probe_poll(void *ctx)
{
	struct probe *p = ctx;

	__atomic_store_n(&p->lcore, lcore_self(), __ATOMIC_RELAXED);
	__atomic_store_n(
		&p->last_order, __atomic_fetch_add(&order, 1, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->polls, 1, __ATOMIC_RELEASE);
	return 0;
}

static int probe_arm(void *ctx)
{
	struct probe *p = ctx;

	__atomic_fetch_add(&p->woken, p->poller.woken, __ATOMIC_RELEASE);
	p->poller.woken = false;
	__atomic_fetch_add(&p->arms, 1, __ATOMIC_RELEASE);
	return __atomic_load_n(&p->fd, __ATOMIC_RELAXED);
}

static void probe_disarm(void *ctx)
{
	struct probe *p = ctx;

	__atomic_fetch_add(&p->disarms, 1, __ATOMIC_RELEASE);
}

static struct probe probe_make(int fd)
{
	return (struct probe){.fd = fd, .lcore = -1};
}

static void add(void *arg)
{
	struct probe *p = arg;

	p->poller = (struct poller){
		.poll = probe_poll, .arm = probe_arm, .disarm = probe_disarm, .ctx = p};
	if (lcore_add_poller(&p->poller))
		abort();
}

static void remove_probe(void *arg)
{
	struct probe *p = arg;

	lcore_remove_poller(&p->poller);
}

/* false: it did not happen, ever. */
static bool reaches(const unsigned *counter, unsigned n)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (get(counter) >= n)
			return true;
		usleep(1000);
	}
	return false;
}

/* The lcore that has the probe sleeps, or is about to. */
static void await_sleep(const struct probe *p)
{
	for (int ms = 0; ms < PATIENCE_MS && get(&p->arms) <= get(&p->disarms); ms++)
		usleep(500);
	assert_true(get(&p->arms) > get(&p->disarms));
	usleep(500);
}

/* ---- calls ---- */

static int ran_on[LCORES_MAX];

static void note_lcore(void *arg)
{
	*(int *)arg = lcore_self();
}

static void count_own(void *arg)
{
	ran_on[lcore_self()]++;
}

static void call_runs_on_the_owner(void **state)
{
	for (unsigned i = 0; i < n_lcores(); i++) {
		int who = -1;

		lcore_call(i, note_lcore, &who);
		assert_int_equal(who, i);
	}
}

static void call_all_runs_on_every_lcore_once(void **state)
{
	memset(ran_on, 0, sizeof(ran_on));
	for (int round = 1; round <= 100; round++) {
		lcore_call_all(count_own, NULL);
		for (unsigned i = 0; i < n_lcores(); i++)
			assert_int_equal(ran_on[i], round);
	}
	assert_int_equal(n_lcores(), 2);
	assert_int_equal(ran_on[2], 0);
}

static void any_other_thread_is_no_lcore(void **state)
{
	assert_int_equal(lcore_self(), -1);
	lcore_wake(0);
}

static uint64_t total[LCORES_MAX]; /* each written by its lcore alone */

static void add_to_total(void *arg)
{
	total[lcore_self()] += *(const unsigned *)arg;
}

static void *call_often(void *arg)
{
	unsigned thread = *(const unsigned *)arg;

	for (unsigned i = 0; i < CALLS; i++) {
		unsigned value = i * thread;

		lcore_call((thread + i) % n_lcores(), add_to_total, &value);
	}
	return NULL;
}

static void mailbox_runs_every_call_of_many_threads_once(void **state)
{
	pthread_t threads[THREADS];
	unsigned names[THREADS];
	uint64_t want = 0;

	memset(total, 0, sizeof(total));
	for (unsigned t = 0; t < THREADS; t++) {
		names[t] = t + 1;
		want += (uint64_t)names[t] * CALLS * (CALLS - 1) / 2;
		assert_int_equal(pthread_create(&threads[t], NULL, call_often, &names[t]), 0);
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(total[0] + total[1], want);
}

/* A mailbox whose owner, the test, is late. */
static struct mailbox box;
static unsigned posted, passed; /* atomic; the owner's */

static void pass(void *arg)
{
	passed++;
}

static void *post_and_wait(void *arg)
{
	struct mail mail = {.fn = pass};

	mailbox_post(&box, &mail);
	__atomic_fetch_add(&posted, 1, __ATOMIC_RELEASE);
	mailbox_wait(&mail);
	return NULL;
}

static void mail_that_a_mailbox_has_no_room_for_waits_and_is_run(void **state)
{
	static struct mail mails[MAILBOX_ROOM];
	pthread_t threads[THREADS];
	unsigned ran = 0;

	posted = passed = 0;
	assert_int_equal(mailbox_init(&box, 77), 0);
	for (int i = 0; i < MAILBOX_ROOM; i++) {
		mails[i] = (struct mail){.fn = pass};
		mailbox_post(&box, &mails[i]);
	}
	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, post_and_wait, NULL);
	usleep(1000);
	assert_int_equal(get(&posted), 0); /* no room until the owner looks */
	while (ran < MAILBOX_ROOM + THREADS)
		ran += mailbox_run(&box);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (int i = 0; i < MAILBOX_ROOM; i++)
		mailbox_wait(&mails[i]);
	assert_int_equal(passed, MAILBOX_ROOM + THREADS);
	assert_true(mailbox_is_empty(&box));
	mailbox_fini(&box);
}

/* ---- pollers ---- */

static void add_both(void *arg)
{
	struct probe **both = arg;

	add(both[0]);
	add(both[1]);
}

static void remove_both(void *arg)
{
	struct probe **both = arg;

	remove_probe(both[0]);
	remove_probe(both[1]);
}

static void pollers_are_polled_by_their_lcore_in_order_of_adding(void **state)
{
	struct probe a = probe_make(POLLER_TIMED), b = probe_make(POLLER_TIMED);
	struct probe *both[] = {&a, &b};

	lcore_call(1, add_both, both);
	assert_true(reaches(&b.polls, 20));
	lcore_call(1, remove_both, both);
	assert_int_equal(a.lcore, 1);
	assert_int_equal(b.lcore, 1);
	assert_int_equal(a.polls, b.polls);
	assert_int_equal(b.last_order, a.last_order + 1);
}

static void a_removed_poller_is_polled_no_more_and_the_others_are(void **state)
{
	struct probe p[3];

	for (int i = 0; i < 3; i++) {
		p[i] = probe_make(POLLER_TIMED);
		lcore_call(0, add, &p[i]);
	}
	assert_true(reaches(&p[2].polls, 5));
	lcore_call(0, remove_probe, &p[1]);
	{
		unsigned stopped = get(&p[1].polls);

		assert_true(reaches(&p[0].polls, get(&p[0].polls) + 20));
		assert_true(reaches(&p[2].polls, get(&p[2].polls) + 20));
		assert_int_equal(get(&p[1].polls), stopped);
	}
	lcore_call(0, remove_probe, &p[1]); /* again: nothing */
	lcore_call(0, remove_probe, &p[0]);
	lcore_call(0, remove_probe, &p[2]);
}

static unsigned nothing_to_do(void *ctx)
{
	return 0;
}

struct crowd {
	struct poller *pollers;
	int added, last_rc;
};

static void add_until_full(void *arg)
{
	struct crowd *crowd = arg;

	do {
		crowd->pollers[crowd->added] = (struct poller){.poll = nothing_to_do};
		crowd->last_rc = lcore_add_poller(&crowd->pollers[crowd->added]);
	} while (!crowd->last_rc && ++crowd->added < 8200);
	for (int i = crowd->added; i--;)
		lcore_remove_poller(&crowd->pollers[i]);
}

static void an_lcore_refuses_pollers_beyond_its_bound(void **state)
{
	struct crowd crowd = {.pollers = calloc(8200, sizeof(struct poller))};
	struct probe p = probe_make(POLLER_TIMED);

	lcore_call(0, add_until_full, &crowd);
	assert_int_equal(crowd.added, 8192); /* VF_MAX * VF_QPS_MAX and more */
	assert_int_equal(crowd.last_rc, -ENOSPC);
	free(crowd.pollers);
	lcore_call(0, add, &p);
	assert_true(reaches(&p.polls, 5));
	lcore_call(0, remove_probe, &p);
}

/* ---- sleeping ---- */

static void a_sleeping_lcore_wakes_on_a_message(void **state)
{
	struct probe p = probe_make(POLLER_NO_FD);

	lcore_call(1, add, &p);
	for (int i = 0; i < SLEEPS; i++) {
		int who = -1;

		await_sleep(&p);
		lcore_call(1, note_lcore, &who);
		assert_int_equal(who, 1);
	}
	lcore_call(1, remove_probe, &p);
}

/* disarm is called after a wake-up alone, not when the time is up. */
static void a_sleeping_lcore_wakes_on_an_armed_descriptor(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct probe p = probe_make(fd);

	lcore_call(0, add, &p);
	for (int i = 0; i < SLEEPS; i++) {
		uint64_t one = 1;
		unsigned before;

		await_sleep(&p);
		before = get(&p.disarms);
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		assert_true(reaches(&p.disarms, before + 1));
	}
	lcore_call(0, remove_probe, &p);
	close(fd);
}

static void a_replaced_descriptor_is_watched_when_the_poller_says_so(void **state)
{
	int old = eventfd(0, EFD_NONBLOCK), fd = eventfd(0, EFD_NONBLOCK);
	struct probe p = probe_make(old);
	uint64_t one = 1;
	unsigned before;

	lcore_call(0, add, &p);
	await_sleep(&p);
	__atomic_store_n(&p.fd, fd, __ATOMIC_RELAXED);
	before = get(&p.arms);
	lcore_wake(0);
	assert_true(reaches(&p.arms, before + 1)); /* has seen the new one */
	await_sleep(&p);
	before = get(&p.disarms);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_true(reaches(&p.disarms, before + 1));
	lcore_call(0, remove_probe, &p);
	close(old);
	close(fd);
}

static void a_poller_is_told_that_it_was_heard_and_no_other_is(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK), idle_fd = eventfd(0, EFD_NONBLOCK);
	struct probe p = probe_make(fd), idle = probe_make(idle_fd);
	uint64_t one = 1;

	lcore_call(0, add, &p);
	lcore_call(0, add, &idle);
	for (unsigned i = 0; i < SLEEPS; i++) {
		unsigned before;

		await_sleep(&p);
		before = get(&p.arms);
		lcore_wake(0);
		assert_true(reaches(&p.arms, before + 1));
		assert_int_equal(get(&p.woken), i);
		await_sleep(&p);
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		assert_true(reaches(&p.woken, i + 1));
	}
	assert_int_equal(get(&idle.woken), 0);
	lcore_call(0, remove_probe, &p);
	lcore_call(0, remove_probe, &idle);
	close(fd);
	close(idle_fd);
}

static void wake_ends_a_sleep(void **state)
{
	struct probe p = probe_make(POLLER_NO_FD);

	lcore_call(0, add, &p);
	for (int i = 0; i < SLEEPS; i++) {
		unsigned before;

		await_sleep(&p);
		before = get(&p.disarms);
		lcore_wake(0);
		assert_true(reaches(&p.disarms, before + 1));
	}
	lcore_call(0, remove_probe, &p);
}

static void a_poller_that_cannot_signal_is_polled_while_its_lcore_sleeps(void **state)
{
	struct probe timed = probe_make(POLLER_TIMED), quiet = probe_make(POLLER_NO_FD);
	unsigned polls;

	lcore_call(0, add, &quiet);
	lcore_call(0, add, &timed);
	await_sleep(&timed);
	polls = get(&timed.polls);
	assert_true(reaches(&timed.polls, polls + 100)); /* by the second it would be too late */
	lcore_call(0, remove_probe, &timed);
	lcore_call(0, remove_probe, &quiet);
}

static void a_descriptor_that_epoll_refuses_is_polled_instead(void **state)
{
	FILE *file = tmpfile();
	struct probe p = probe_make(fileno(file));
	unsigned polls;

	lcore_call(0, add, &p);
	await_sleep(&p);
	polls = get(&p.polls);
	assert_true(reaches(&p.polls, polls + 100));
	lcore_call(0, remove_probe, &p);
	fclose(file);
}

static void a_busy_lcore_never_arms(void **state)
{
	struct probe p = probe_make(POLLER_NO_FD);

	lcore_call(0, add, &p);
	assert_true(reaches(&p.polls, 200000));
	lcore_call(0, remove_probe, &p);
	assert_int_equal(p.arms, 0);
}

static void lcores_can_be_stopped_asleep_and_started_again(void **state)
{
	for (int i = 0; i < 5; i++) {
		struct probe p = probe_make(POLLER_NO_FD);
		int who = -1;

		assert_int_equal(lcores_start(false), 0);
		lcore_call(1, note_lcore, &who);
		assert_int_equal(who, 1);
		lcore_call(0, add, &p);
		await_sleep(&p);
		lcores_stop();
		assert_int_equal(lcores_count(), 0);
	}
}

/* ---- synchronize ---- */

static unsigned in_round, leave, left; /* atomic */

static unsigned stuck_poll(void *ctx)
{
	if (get(&leave))
		return 0;
	__atomic_store_n(&in_round, 1, __ATOMIC_RELEASE);
	while (!get(&leave))
		sched_yield();
	__atomic_store_n(&left, 1, __ATOMIC_RELEASE);
	return 0;
}

static void add_plain(void *arg)
{
	if (lcore_add_poller(arg))
		abort();
}

static void remove_plain(void *arg)
{
	lcore_remove_poller(arg);
}

static void *synchronize_and_look(void *arg)
{
	lcore_synchronize();
	*(unsigned *)arg = get(&left);
	return NULL;
}

static void synchronize_waits_for_the_round_under_way(void **state)
{
	for (int i = 0; i < 20; i++) {
		struct poller stuck = {.poll = stuck_poll};
		unsigned saw = 2;
		pthread_t t;

		in_round = leave = left = 0;
		lcore_call(1, add_plain, &stuck);
		assert_true(reaches(&in_round, 1));
		pthread_create(&t, NULL, synchronize_and_look, &saw);
		usleep(1000);
		__atomic_store_n(&leave, 1, __ATOMIC_RELEASE);
		pthread_join(t, NULL);
		assert_int_equal(saw, 1);
		lcore_call(1, remove_plain, &stuck);
	}
}

static void synchronize_does_not_wait_for_a_sleeping_lcore(void **state)
{
	struct probe p = probe_make(POLLER_NO_FD), q = probe_make(POLLER_NO_FD);

	lcore_call(0, add, &p);
	lcore_call(1, add, &q);
	for (int i = 0; i < SLEEPS; i++) {
		await_sleep(&p);
		await_sleep(&q);
		lcore_synchronize();
	}
	lcore_call(0, remove_probe, &p);
	lcore_call(1, remove_probe, &q);
}

#define LCORE_TEST(name) cmocka_unit_test_setup_teardown(name, start_sleepy, stop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LCORE_TEST(call_runs_on_the_owner),
		LCORE_TEST(call_all_runs_on_every_lcore_once),
		LCORE_TEST(any_other_thread_is_no_lcore),
		LCORE_TEST(mailbox_runs_every_call_of_many_threads_once),
		LCORE_TEST(mail_that_a_mailbox_has_no_room_for_waits_and_is_run),
		LCORE_TEST(pollers_are_polled_by_their_lcore_in_order_of_adding),
		LCORE_TEST(a_removed_poller_is_polled_no_more_and_the_others_are),
		LCORE_TEST(an_lcore_refuses_pollers_beyond_its_bound),
		LCORE_TEST(a_sleeping_lcore_wakes_on_a_message),
		LCORE_TEST(a_sleeping_lcore_wakes_on_an_armed_descriptor),
		LCORE_TEST(a_replaced_descriptor_is_watched_when_the_poller_says_so),
		LCORE_TEST(a_poller_is_told_that_it_was_heard_and_no_other_is),
		LCORE_TEST(wake_ends_a_sleep),
		LCORE_TEST(a_poller_that_cannot_signal_is_polled_while_its_lcore_sleeps),
		LCORE_TEST(a_descriptor_that_epoll_refuses_is_polled_instead),
		cmocka_unit_test_setup_teardown(a_busy_lcore_never_arms, start_busy, stop),
		cmocka_unit_test(lcores_can_be_stopped_asleep_and_started_again),
		LCORE_TEST(synchronize_waits_for_the_round_under_way),
		LCORE_TEST(synchronize_does_not_wait_for_a_sleeping_lcore),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
