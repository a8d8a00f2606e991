/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL for unit tests: one lcore (the CPU that the test runs on), ordinary memory, no devices;
 * works without root and without hugepages. And a folder for files, removed at the end.
 */
#ifndef TESTS_UNIT_EAL_H
#define TESTS_UNIT_EAL_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

static char unit_dir[64];

/* A path in the folder; valid until the next call. */
static inline const char *unit_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", unit_dir, name);
	return path;
}

/* In unit_dir, which is there. 0, or -1 with a message of EAL's on stderr. */
static inline int unit_eal_start(const char *program)
{
	char lcores[32];
	char *argv[] = {(char *)program, "--no-huge", "-m", "64", "--no-shconf", "--no-pci",
		"--no-telemetry", "--log-level=lib.eal:error", "--lcores", lcores, NULL};

	/* Where EAL, when not root, makes dpdk/rte/. */
	setenv("XDG_RUNTIME_DIR", unit_dir, 1);
	snprintf(lcores, sizeof(lcores), "0@%d", sched_getcpu());
	return rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0 ? -1 : 0;
}

/* The same, in a new folder. */
static inline int unit_eal_init(const char *program)
{
	snprintf(unit_dir, sizeof(unit_dir), "/tmp/renic-unit-XXXXXX");
	return mkdtemp(unit_dir) ? unit_eal_start(program) : -1;
}

static inline void unit_eal_end(void)
{
	rte_eal_cleanup();
	rmdir(unit_path("dpdk/rte"));
	rmdir(unit_path("dpdk"));
	rmdir(unit_dir);
}

#endif
