/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL as renicd needs it: nothing on disk (--in-memory), no device but the uplink, the control
 * thread (main lcore) free to run on every CPU we may use, data lcores pinned.
 */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pdump.h>

#include "eal.h"
#include "log.h"
#include "sched_attributes.h"

enum { ARGS_MAX = 128, ARG_SIZE = 8192, CONTROL_NICE = -10, CONTROL_SLICE_NS = 100000 };

struct args {
	int n;
	char *v[ARGS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void add(struct args *args, const char *fmt, ...)
{
	va_list ap;

	if (args->n == ARGS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&args->v[args->n], fmt, ap) >= 0)
		args->n++;
	va_end(ap);
}

bool eal_is_pci(const char *devargs)
{
	unsigned a, b, c;

	return isxdigit((unsigned char)devargs[0]) &&
	       (sscanf(devargs, "%x:%x:%x.", &a, &b, &c) == 3 ||
		       sscanf(devargs, "%x:%x.%x", &a, &b, &c) == 3);
}

static int check_cpus(
	const struct eal_params *params, const cpu_set_t *allowed, struct nic_error *err)
{
	char field[32], given[16];

	for (unsigned i = 0; i < params->n_data_cpus; i++) {
		if (params->data_cpus[i] < CPU_SETSIZE && CPU_ISSET(params->data_cpus[i], allowed))
			continue;
		snprintf(field, sizeof(field), "data_cpus[%u]", i);
		snprintf(given, sizeof(given), "%u", params->data_cpus[i]);
		return nic_fail_value(err, field, given, "a CPU that this process may run on");
	}
	return 0;
}

/* The CPUs for all that is not data: those without a data lcore, where there are such. A data lcore
 * that polls would make the control thread wait, which waits for it. */
static cpu_set_t cpus_for_control(const struct eal_params *params, const cpu_set_t *allowed)
{
	cpu_set_t cpus = *allowed;

	for (unsigned i = 0; i < params->n_data_cpus; i++)
		CPU_CLR(params->data_cpus[i], &cpus);
	return CPU_COUNT(&cpus) ? cpus : *allowed;
}

/* "0@(0-1,4),1@2,2@3": lcore 0 on the CPUs for control, the data lcores on theirs. */
static void add_lcores(struct args *args, const struct eal_params *params, const cpu_set_t *control)
{
	char text[ARG_SIZE] = "0@(";
	size_t at = strlen(text);

	for (int cpu = 0, last; cpu < CPU_SETSIZE; cpu = last + 1) {
		last = cpu;
		if (!CPU_ISSET(cpu, control))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, control))
			last++;
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s%d", text[at - 1] == '(' ? "" : ",", cpu);
		if (last > cpu)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "-%d", last);
	}
	at += (size_t)snprintf(text + at, sizeof(text) - at, ")");
	for (unsigned i = 0; i < params->n_data_cpus; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, ",%u@%u", i + 1, params->data_cpus[i]);
	add(args, "--lcores=%s", text);
}

/* eal_args have --no-huge, which EAL does not take beside --in-memory. */
static bool without_hugepages(const struct eal_params *params)
{
	for (unsigned i = 0; i < params->n_extra; i++)
		if (!strcmp(params->extra[i], "--no-huge"))
			return true;
	return false;
}

/* One daemon, one prefix, by its run directory: /run/renicd is "renicd", /run/a/b is "a_b". */
static void add_sharing(struct args *args, const struct eal_params *params)
{
	const char *dir = params->run_dir;
	char prefix[ARG_SIZE];

	if (!params->telemetry)
		add(args, "--no-telemetry");
	/* Memory that no other process can find is the rule; its files go with a killed daemon. */
	if (!params->pdump)
		add(args, without_hugepages(params) ? "--no-shconf" : "--in-memory");
	if (!params->telemetry && !params->pdump)
		return;
	if (!strncmp(dir, "/run/", 5))
		dir += 5;
	snprintf(prefix, sizeof(prefix), "%s", dir + strspn(dir, "/"));
	for (char *c = prefix; *c; c++)
		if (*c == '/')
			*c = '_';
	add(args, "--file-prefix=%s", prefix[0] ? prefix : "renicd");
}

void eal_hurry_control(void)
{
	const struct sched_attributes attributes = {
		.size = sizeof(attributes),
		.policy = SCHED_OTHER,
		.nice = CONTROL_NICE,
		.runtime_ns = CONTROL_SLICE_NS, /* Linux 6.12: a short slice comes soon */
	};

	if (syscall(SYS_sched_setattr, 0, &attributes, 0))
		LOG_WARN("the control thread has no priority (%s): checkpoints wait for other "
			 "programs; it takes CAP_SYS_NICE at the start",
			strerror(errno));
}

static int start_pdump(struct nic_error *err)
{
	if (rte_pdump_init() == 0)
		return 0;
	return nic_fail(err, RENIC_E_RESOURCES, "pdump", "pdump: %s", rte_strerror(rte_errno));
}

int eal_start(const struct eal_params *params, struct nic_error *err)
{
	static struct args args, given; /* EAL reorders what it gets, and keeps pointers */
	cpu_set_t allowed, control;
	int rc;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return nic_fail(err, RENIC_E_IO, NULL, "sched_getaffinity: %s", strerror(errno));
	rc = check_cpus(params, &allowed, err);
	if (rc)
		return rc;
	add(&args, "renicd");
	add_sharing(&args, params);
	add(&args, "--main-lcore=0");
	add(&args, "-m");
	add(&args, "%u", params->memory_mb);
	control = cpus_for_control(params, &allowed);
	add_lcores(&args, params, &control);
	if (eal_is_pci(params->uplink)) {
		add(&args, "--allow=%s", params->uplink);
	} else { /* nothing here needs physical addresses */
		add(&args, "--no-pci");
		add(&args, "--iova-mode=va");
	}
	for (unsigned i = 0; i < params->n_extra; i++)
		add(&args, "%s", params->extra[i]);
	given = args;
	rc = rte_eal_init(given.n, given.v);
	if (rc >= 0)
		return params->pdump ? start_pdump(err) : 0;
	return nic_fail(err, RENIC_E_RESOURCES, "memory_mb",
		"DPDK cannot start with %u MiB of memory: %s. Are enough 2 MiB hugepages reserved "
		"(/proc/sys/vm/nr_hugepages), and are data_cpus and eal_args right?",
		params->memory_mb, rte_strerror(rte_errno));
}
