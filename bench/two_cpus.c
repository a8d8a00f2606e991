/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In what state the two CPUs are, of which one is the daemon's and one the generator's: where a
 * host places them anew, all that is measured changes with it. Prints
 *   {"word_ns": how long a word takes from the one to the other,
 *    "beside_busy": what the second CPU gets done while the first works, of what it does alone}
 * beside_busy is 1 for two cores, less for two threads of one core.
 *
 * usage: two_cpus CPU CPU
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TRIPS = 4000, ROUNDS = 9, STEPS = 100000 };

enum task { TASK_REST, TASK_ECHO, TASK_WORK, TASK_END };

static _Alignas(128) _Atomic uint64_t ball;
static _Alignas(128) _Atomic int task;	  /* what the first CPU is to do */
static _Alignas(128) _Atomic int at_work; /* what it does */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* As many independent sums as a core can add at once: the bound is its execution units. */
static uint64_t work(uint64_t seed)
{
	uint64_t a = seed, b = seed + 1, c = seed + 2, d = seed + 3;

	for (int i = 0; i < STEPS; i++) {
		a = (a ^ (a >> 7)) + 3;
		b = (b ^ (b >> 7)) + 5;
		c = (c ^ (c >> 7)) + 7;
		d = (d ^ (d >> 7)) + 9;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	return a + b + c + d;
}

static void *first_cpu(void *cpu)
{
	uint64_t seen, last = 0;
	int now;

	if (pin(*(int *)cpu) != 0)
		return cpu;
	while ((now = atomic_load(&task)) != TASK_END) {
		atomic_store(&at_work, now);
		if (now == TASK_WORK)
			work(1);
		else if (now == TASK_ECHO && (seen = atomic_load(&ball)) != last)
			atomic_store(&ball, last = seen + 1);
		else if (now == TASK_REST)
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	return NULL;
}

static void have_it(enum task what)
{
	atomic_store(&task, what);
	while (atomic_load(&at_work) != (int)what)
		;
}

/* One way, as half of a round trip. */
static double word_ns(void)
{
	uint64_t start;

	have_it(TASK_ECHO);
	start = now_ns();
	for (int i = 0; i < TRIPS; i++) {
		uint64_t mine = atomic_load(&ball) + 1;

		atomic_store(&ball, mine);
		while (atomic_load(&ball) == mine)
			;
	}
	return (double)(now_ns() - start) / TRIPS / 2;
}

static double work_ns(enum task of_the_first)
{
	uint64_t start;

	have_it(of_the_first);
	start = now_ns();
	for (int i = 0; i < 5; i++)
		work((uint64_t)i);
	return (double)(now_ns() - start);
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

int main(int argc, char **argv)
{
	double word = INFINITY, alone = INFINITY, beside_busy = INFINITY;
	int first = argc == 3 ? atoi(argv[1]) : -1, second = argc == 3 ? atoi(argv[2]) : -1;
	pthread_t thread;

	if (first < 0 || second < 0 || first == second || pin(first) != 0 || pin(second) != 0) {
		fprintf(stderr, "usage: two_cpus CPU CPU, of two that are there\n");
		return 1;
	}
	if (pthread_create(&thread, NULL, first_cpu, &first) != 0) {
		perror("two_cpus: pthread_create");
		return 1;
	}
	for (int i = 0; i < ROUNDS; i++) { /* the best: what else runs on them spoils some rounds */
		word = least(word, word_ns());
		alone = least(alone, work_ns(TASK_REST));
		beside_busy = least(beside_busy, work_ns(TASK_WORK));
	}
	atomic_store(&task, TASK_END);
	pthread_join(thread, NULL);
	printf("{\"word_ns\": %.0f, \"beside_busy\": %.2f}\n", word, alone / beside_busy);
	return 0;
}
