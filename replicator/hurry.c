/* SPDX-License-Identifier: BSD-3-Clause */
/* Short scheduler slices; see hurry.h. */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hurry.h"
#include "sched_attributes.h"

int hurry_thread(pid_t thread)
{
	struct sched_attributes a;

	if (syscall(SYS_sched_getattr, thread, &a, sizeof(a), 0) < 0)
		return -errno;
	if (a.policy != SCHED_OTHER)
		return -ENOTSUP;
	a.size = sizeof(a);
	a.runtime_ns = HURRY_SLICE_NS;
	return syscall(SYS_sched_setattr, thread, &a, 0) < 0 ? -errno : 0;
}

static bool is_one_of(pid_t thread, const pid_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == thread)
			return true;
	return false;
}

int hurry_process(pid_t process, const pid_t *but, size_t n)
{
	struct dirent *entry;
	char path[64];
	int rc = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		pid_t thread = atoi(entry->d_name);
		int one = thread > 0 && !is_one_of(thread, but, n) ? hurry_thread(thread) : 0;

		if (one && one != -ESRCH) /* it ended meanwhile */
			rc = one;
	}
	closedir(dir);
	return rc;
}
