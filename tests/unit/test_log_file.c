/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of renicd/log_file.c and mount_life.c: where the log lies when nobody says where. Each in a
 * process that is the first of a PID namespace, with mounts of its own and no hugetlbfs among
 * them. As root; skipped otherwise.
 */
#include <mntent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_file.h"

enum { NOT_ALLOWED = 77 };

/* A tmpfs: the daemon's run directory. */
static char dir[32];

/* For the processes of a test: cmocka belongs to the one that runs them all. */
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: not true: %s\n", __LINE__, #condition);          \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int status_of(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One at a time: /proc/self/mounts is another file after each. */
static bool unmount_a_hugetlbfs(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *m;
	bool found = false;

	REQUIRE(mounts);
	while (!found && (m = getmntent(mounts)))
		found = !strcmp(m->mnt_type, "hugetlbfs") && !umount2(m->mnt_dir, MNT_DETACH);
	endmntent(mounts);
	return found;
}

static void be_the_first_process(void (*test)(void))
{
	REQUIRE(getpid() == 1);
	REQUIRE(!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	REQUIRE(!mount("proc", "/proc", "proc", 0, NULL));
	while (unmount_a_hugetlbfs())
		;
	REQUIRE(!mount("run", dir, "tmpfs", 0, NULL));
	test();
	_exit(0);
}

static void run(void (*test)(void))
{
	pid_t outer;
	int status;

	strcpy(dir, "/tmp/renic-log-XXXXXX");
	assert_non_null(mkdtemp(dir));
	outer = fork();
	if (outer == 0) {
		pid_t first;

		if (unshare(CLONE_NEWNS | CLONE_NEWPID))
			_exit(NOT_ALLOWED);
		first = fork();
		if (first == 0)
			be_the_first_process(test);
		_exit(status_of(first));
	}
	status = status_of(outer);
	rmdir(dir);
	if (status == NOT_ALLOWED)
		skip();
	assert_int_equal(status, 0);
}

static int choose(char path[256], struct nic_error *err)
{
	return log_file_path(dir, "", true, path, 256, err);
}

static const char *inside(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void expect_mount_of_its_own(void)
{
	struct nic_error err = {0};
	char path[256];

	REQUIRE(!choose(path, &err));
	REQUIRE(!strncmp(path, inside("hugetlbfs/"), strlen(inside("hugetlbfs/"))));
	REQUIRE(log_file_owns_mount());
	log_file_cleanup();
	REQUIRE(access(inside("hugetlbfs"), F_OK));
}

static void expect_refusal(void)
{
	struct nic_error err = {0};
	char path[256];

	REQUIRE(choose(path, &err) == RENIC_E_IO);
	REQUIRE(!strcmp(err.field, "egress_log.hugepages"));
	REQUIRE(strstr(err.message, "mount namespace of its own"));
	REQUIRE(!log_file_owns_mount());
	REQUIRE(access(inside("hugetlbfs"), F_OK));
}

static void expect_mounted_one(void)
{
	struct nic_error err = {0};
	char path[256];

	REQUIRE(!choose(path, &err));
	REQUIRE(!strncmp(path, inside("pages/"), strlen(inside("pages/"))));
	REQUIRE(!log_file_owns_mount());
}

/* As a service manager does: mounts come in, and none goes out. */
static void enter_namespace(void)
{
	REQUIRE(!mount("none", dir, NULL, MS_SHARED, NULL));
	REQUIRE(!unshare(CLONE_NEWNS));
	REQUIRE(!mount("none", dir, NULL, MS_SLAVE, NULL));
}

static void refuse_in_service(void)
{
	enter_namespace();
	expect_refusal();
}

static void refuse_beside_first_process(void)
{
	pid_t child = fork();

	if (child == 0) {
		REQUIRE(!unshare(CLONE_NEWNS));
		expect_refusal();
		_exit(0);
	}
	REQUIRE(status_of(child) == 0);
}

static void use_what_is_mounted(void)
{
	REQUIRE(!mkdir(inside("pages"), 0700));
	REQUIRE(!mount("none", inside("pages"), "hugetlbfs", 0, "pagesize=2M"));
	enter_namespace();
	expect_mounted_one();
}

static void a_hugetlbfs_is_mounted_where_there_is_none(void **state)
{
	run(expect_mount_of_its_own);
}

static void none_is_mounted_where_it_would_end_with_the_service(void **state)
{
	run(refuse_in_service);
}

static void none_is_mounted_in_another_namespace_than_the_first_process_has(void **state)
{
	run(refuse_beside_first_process);
}

static void a_service_uses_what_the_host_has_mounted(void **state)
{
	run(use_what_is_mounted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hugetlbfs_is_mounted_where_there_is_none),
		cmocka_unit_test(none_is_mounted_where_it_would_end_with_the_service),
		cmocka_unit_test(none_is_mounted_in_another_namespace_than_the_first_process_has),
		cmocka_unit_test(a_service_uses_what_the_host_has_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
