/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mount ends with the mount namespace in which it is, and a service manager gives each start of a
 * service a namespace of its own (systemd.exec(5): ProtectSystem= and its like). Two signs of that,
 * see mount_namespaces(7):
 *
 * - the mount that dir is on receives what is mounted in another namespace ("master:" in
 *   /proc/self/mountinfo), and passes nothing back;
 * - process 1 has another namespace, where we may know it (ptrace(2), "access mode checking").
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mount_life.h"

enum { LINE_SIZE = 4096 };

/* The mount's line in /proc/self/mountinfo, proc(5): "ID parent major:minor root point options
 * [tag[:value]...] - type ...". */
static bool is_slave_line(char *line, unsigned long long id)
{
	unsigned long long line_id;
	char *end = strstr(line, " - ");

	if (!end || sscanf(line, "%llu", &line_id) != 1 || line_id != id)
		return false;
	*end = '\0';
	return strstr(line, " master:");
}

static bool is_on_slave(const char *dir)
{
	char line[LINE_SIZE];
	struct statx st;
	bool slave = false;
	FILE *mounts;

	if (statx(AT_FDCWD, dir, 0, STATX_MNT_ID, &st) || !(st.stx_mask & STATX_MNT_ID))
		return false;
	mounts = fopen("/proc/self/mountinfo", "re");
	if (!mounts)
		return false;
	while (!slave && fgets(line, sizeof(line), mounts))
		slave = is_slave_line(line, st.stx_mnt_id);
	fclose(mounts);
	return slave;
}

static bool is_namespace_of_our_own(void)
{
	struct stat ours, first;

	if (stat("/proc/self/ns/mnt", &ours) || stat("/proc/1/ns/mnt", &first))
		return false;
	return ours.st_ino != first.st_ino || ours.st_dev != first.st_dev;
}

bool mount_outlives_us(const char *dir)
{
	return !is_on_slave(dir) && !is_namespace_of_our_own();
}
