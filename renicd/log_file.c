/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress logs live in a file, so that they outlive the daemon: on hugetlbfs by default. One
 * daemon, one file: its name is made of the run directory's.
 */
#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "log.h"
#include "log_file.h"
#include "mount_life.h"

#define PRIVATE_MOUNT "/hugetlbfs"

enum { HUGE_2M = 2 << 20 };

static char our_mount[256];
static char log_path[512]; /* as last answered */

static bool is_hugetlbfs_2m(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC && fs.f_bsize == HUGE_2M;
}

/* One that a renicd mounted for itself: it will unmount it. */
static bool is_private(const char *dir)
{
	const char *base = strrchr(dir, '/');

	return base && !strcmp(base, PRIVATE_MOUNT);
}

static bool has_file(const char *dir, const char *name)
{
	char path[512];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* The first mounted hugetlbfs of 2 MiB pages; or the one that has the file, where one has: others
 * may have been mounted since. */
static bool find_mount(const char *name, char *dir, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	bool found = false, has = false;
	struct mntent *m;

	if (!mounts)
		return false;
	while (!has && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "hugetlbfs") || !is_hugetlbfs_2m(m->mnt_dir) ||
			is_private(m->mnt_dir) || strlen(m->mnt_dir) >= size)
			continue;
		has = has_file(m->mnt_dir, name);
		if (has || !found)
			strcpy(dir, m->mnt_dir);
		found = true;
	}
	endmntent(mounts);
	return found;
}

static int mount_own(const char *run_dir, char *dir, size_t size, struct nic_error *err)
{
	if (snprintf(dir, size, "%s" PRIVATE_MOUNT, run_dir) >= (int)size)
		return nic_fail_value(err, "run_dir", run_dir, "a shorter path");
	if (!is_hugetlbfs_2m(dir) && !mount_outlives_us(run_dir))
		return nic_fail(err, RENIC_E_IO, "egress_log.hugepages",
			"no hugetlbfs of 2 MiB pages is mounted, and one that renicd mounts would "
			"end with it, and held frames too: it has a mount namespace of its own. "
			"Mount one before the start, or set egress_log.hugepages to false");
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return nic_fail(err, RENIC_E_IO, "run_dir", "%s: %s", dir, strerror(errno));
	if (is_hugetlbfs_2m(dir) || mount("hugetlbfs", dir, "hugetlbfs", 0, "pagesize=2M") == 0) {
		snprintf(our_mount, sizeof(our_mount), "%s", dir);
		return 0;
	}
	return nic_fail(err, RENIC_E_IO, "egress_log.hugepages",
		"no hugetlbfs of 2 MiB pages is mounted, and mounting one at %s failed: %s. Mount "
		"one, or set egress_log.hugepages to false",
		dir, strerror(errno));
}

/* Did one of before mount its own, and leave frames there? */
static bool has_own(const char *run_dir, const char *name)
{
	char dir[256];

	return snprintf(dir, sizeof(dir), "%s" PRIVATE_MOUNT, run_dir) < (int)sizeof(dir) &&
	       is_hugetlbfs_2m(dir) && has_file(dir, name);
}

bool log_file_owns_mount(void)
{
	return our_mount[0] != '\0';
}

void log_file_cleanup(void)
{
	if (access(log_path, F_OK) == 0)
		return; /* it holds frames: the next daemon finds the mount */
	if (our_mount[0] && umount(our_mount) < 0)
		LOG_WARN("umount %s: %s", our_mount, strerror(errno));
	else if (our_mount[0])
		rmdir(our_mount);
	our_mount[0] = '\0';
}

int log_file_path(const char *run_dir, const char *dir, bool hugepages, char *path, size_t size,
	struct nic_error *err)
{
	char chosen[256], name[256];
	int rc = 0;

	snprintf(name, sizeof(name), "renicd%s.egress", run_dir);
	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '_';
	if (dir[0])
		snprintf(chosen, sizeof(chosen), "%s", dir);
	else if (!hugepages)
		snprintf(chosen, sizeof(chosen), "%s", run_dir);
	else if (has_own(run_dir, name) || !find_mount(name, chosen, sizeof(chosen)))
		rc = mount_own(run_dir, chosen, sizeof(chosen), err);
	if (rc)
		return rc;
	if (snprintf(path, size, "%s/%s", chosen, name) >= (int)size)
		return nic_fail_value(err, "run_dir", run_dir, "a shorter path");
	snprintf(log_path, sizeof(log_path), "%s", path);
	return 0;
}
