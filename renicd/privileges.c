/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities belong to threads, and the kernel lets a thread change its own alone; DPDK's
 * threads are not made by us. So a signal makes each of them do it: its handler calls nothing but
 * system calls. See privileges.h, capabilities(7), signal-safety(7).
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "eal.h"
#include "log.h"
#include "privileges.h"

enum {
	THREADS_MAX = 256,
	WAIT_MS = 5000,
	CAPS = 64, /* bits of the sets as the kernel has them */
};

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* QEMU's sockets may be another user's. */
#define KEPT_ALWAYS CAP_BIT(CAP_DAC_OVERRIDE)
/* Physical addresses (/proc/self/pagemap), DMA mappings, I/O ports. */
#define KEPT_PCI (CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_IPC_LOCK) | CAP_BIT(CAP_SYS_RAWIO))
/* Promiscuous mode, MTU and the end of an interface of the kernel's. */
#define KEPT_NETDEV (CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_RAW))

/* Uplinks that are no interface of the kernel's. */
static const char *const plain_uplinks[] = {"net_null", "net_ring", "net_memif"};

static struct {
	uint64_t keep;
	atomic_int failed; /* errno of the last thread that could not */
	atomic_uint done;
} job;

static uint64_t caps_to_keep(const struct privileges *privileges)
{
	uint64_t keep = KEPT_ALWAYS;

	if (privileges->own_mount)
		keep |= CAP_BIT(CAP_SYS_ADMIN);
	if (!privileges->uplink[0])
		return keep;
	if (eal_is_pci(privileges->uplink))
		return keep | KEPT_PCI;
	for (size_t i = 0; i < sizeof(plain_uplinks) / sizeof(plain_uplinks[0]); i++)
		if (!strncmp(privileges->uplink, plain_uplinks[i], strlen(plain_uplinks[i])))
			return keep;
	return keep | KEPT_NETDEV;
}

/* This thread. Only system calls: it runs in a signal handler. */
static int drop_here(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &header, sets))
		return errno;
	/* Who may not (no CAP_SETPCAP) has nothing to gain from the bounding set either, as
	 * no_new_privs is set. */
	if (sets[0].effective & CAP_BIT(CAP_SETPCAP))
		for (unsigned cap = 0; cap < CAPS; cap++)
			if (!(job.keep & CAP_BIT(cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) &&
				errno != EINVAL)
				return errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return errno;
	for (int i = 0; i < 2; i++) {
		sets[i].permitted &= (uint32_t)(job.keep >> 32 * i);
		sets[i].effective &= sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, sets) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errno;
	return 0;
}

static void on_signal(int number)
{
	int saved = errno, rc = drop_here();

	if (rc)
		atomic_store(&job.failed, rc);
	atomic_fetch_add(&job.done, 1);
	errno = saved;
}

static void wait_done(unsigned n)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (unsigned ms = 0; atomic_load(&job.done) < n && ms < WAIT_MS; ms++)
		nanosleep(&pause, NULL);
	if (atomic_load(&job.done) < n)
		atomic_store(&job.failed, ETIMEDOUT);
}

/* Signal the threads that were not there at the last look; returns how many there are in all. */
static unsigned signal_new(DIR *tasks, pid_t seen[THREADS_MAX], unsigned n, int number)
{
	const struct dirent *entry;

	rewinddir(tasks);
	while ((entry = readdir(tasks))) {
		pid_t tid = (pid_t)atoi(entry->d_name);
		unsigned i = 0;

		while (i < n && seen[i] != tid)
			i++;
		if (tid <= 0 || tid == gettid() || i < n)
			continue;
		if (n == THREADS_MAX) {
			atomic_store(&job.failed, E2BIG);
			break;
		}
		seen[n++] = tid;
		if (syscall(SYS_tgkill, getpid(), tid, number))
			atomic_fetch_add(&job.done, 1); /* it has ended */
	}
	return n;
}

/* Until a look finds no thread that is new: whoever made one meanwhile may not have dropped. */
static void drop_others(DIR *tasks, int number)
{
	pid_t seen[THREADS_MAX];
	unsigned n = 0, before;

	do {
		before = n;
		n = signal_new(tasks, seen, n, number);
		wait_done(n);
	} while (n != before && !atomic_load(&job.failed));
}

int privileges_drop(const struct privileges *privileges, struct nic_error *err)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
	DIR *tasks = opendir("/proc/self/task");
	int rc, number = SIGRTMAX;

	if (!tasks)
		return nic_fail(
			err, RENIC_E_IO, "drop_privileges", "/proc/self/task: %s", strerror(errno));
	job.keep = caps_to_keep(privileges);
	sigfillset(&action.sa_mask);
	sigaction(number, &action, &old);
	rc = drop_here();
	if (rc)
		atomic_store(&job.failed, rc);
	else
		drop_others(tasks, number);
	sigaction(number, &old, NULL);
	closedir(tasks);
	rc = atomic_load(&job.failed);
	if (rc)
		return nic_fail(err, RENIC_E_IO, "drop_privileges",
			"capabilities cannot be dropped: %s", strerror(rc));
	LOG_INFO("capabilities kept: 0x%llx", (unsigned long long)job.keep);
	return 0;
}
