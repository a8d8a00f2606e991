/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stops SECONDS: how a Xen guest sees its checkpoints. Prints, in microseconds, how long it stood
 * still each time that a sleep of two milliseconds took STOP_US and more.
 *
 * By the TSC, as the kernel's clocks may stand still while the domain is suspended; how fast it is
 * CLOCK_BOOTTIME tells, over the whole run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

enum { SLEEP_NS = 2000000, STOP_US = 15000, STOPS_MAX = 10000 };

static double boot_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static uint64_t gaps[STOPS_MAX];
	const struct timespec gap = {0, SLEEP_NS};
	double begin_s = boot_s(), seconds = argc == 2 ? atof(argv[1]) : 0, us;
	uint64_t begin = __rdtsc(), last = begin;
	unsigned n = 0;

	while (boot_s() < begin_s + seconds) {
		uint64_t now;

		nanosleep(&gap, NULL);
		now = __rdtsc();
		gaps[n] = now - last;
		/* Those that are none are told from the others when the TSC's rate is known. */
		n += n < STOPS_MAX - 1 && gaps[n] > (STOP_US * (uint64_t)100);
		last = now;
	}
	us = (boot_s() - begin_s) * 1e6 / (double)(last - begin);
	for (unsigned i = 0; i < n; i++)
		if ((double)gaps[i] * us >= STOP_US)
			printf("%.0f\n", (double)gaps[i] * us);
	return 0;
}
