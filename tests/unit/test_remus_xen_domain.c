/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What renic-remus does to a domain, without Xen: xen-integration/remus/xen_domain.c. The host is
 * this program (-Wl,--wrap): one domain, of which the hypervisor tells as libxenctrl does, and a
 * xenstore whose one node is the domain's control/shutdown.
 */
#include <errno.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "driver.h"
#include "xen_domain.h"

enum { DOMID = 7, TIMEOUT_MS = 20 };

static struct {
	bool there, dying, crashed, shutdown;
	unsigned reason;  /* of the shutdown */
	int failing;	  /* errno of what the hypervisor is asked; 0: it answers */
	bool deaf;	  /* its guest does not read control/shutdown */
	char request[16]; /* control/shutdown */
	unsigned paused, destroyed, resumed;
} host;

static char handle; /* of both interfaces */

/* ---- the hypervisor ---- */

xc_interface *__wrap_xc_interface_open(
	xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned flags);
xc_interface *__wrap_xc_interface_open(
	xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned flags)
{
	return (xc_interface *)&handle;
}

int __wrap_xc_interface_close(xc_interface *xch);
int __wrap_xc_interface_close(xc_interface *xch)
{
	return 0;
}

const xc_error *__wrap_xc_get_last_error(xc_interface *xch);
const xc_error *__wrap_xc_get_last_error(xc_interface *xch)
{
	static const xc_error error = {.code = XC_INTERNAL_ERROR, .message = "out of luck"};

	return &error;
}

/* The next domain that there is; ESRCH where there is none. */
int __wrap_xc_domain_getinfo(
	xc_interface *xch, uint32_t first_domid, unsigned max_doms, xc_dominfo_t *info);
int __wrap_xc_domain_getinfo(
	xc_interface *xch, uint32_t first_domid, unsigned max_doms, xc_dominfo_t *info)
{
	memset(info, 0, sizeof(*info));
	errno = host.failing ? host.failing : ESRCH;
	if (host.failing || (!host.there && first_domid > 0) || first_domid > DOMID)
		return -1;
	info->domid = host.there ? DOMID : 0;
	info->dying = host.dying;
	info->crashed = host.crashed;
	info->shutdown = host.shutdown;
	info->shutdown_reason = host.reason;
	return 1;
}

int __wrap_xc_domain_pause(xc_interface *xch, uint32_t domid);
int __wrap_xc_domain_pause(xc_interface *xch, uint32_t domid)
{
	assert_int_equal(domid, DOMID);
	host.paused++;
	return 0;
}

int __wrap_xc_domain_destroy(xc_interface *xch, uint32_t domid);
int __wrap_xc_domain_destroy(xc_interface *xch, uint32_t domid)
{
	assert_int_equal(domid, DOMID);
	host.destroyed++;
	host.there = false;
	return 0;
}

int __wrap_xc_domain_resume(xc_interface *xch, uint32_t domid, int fast);
int __wrap_xc_domain_resume(xc_interface *xch, uint32_t domid, int fast)
{
	assert_int_equal(domid, DOMID);
	assert_true(host.shutdown && fast);
	host.shutdown = false;
	host.resumed++;
	return 0;
}

/* ---- xenstore, and xl, which is not there ---- */

bool __wrap_xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	unsigned int len);
bool __wrap_xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	unsigned int len)
{
	assert_string_equal(path, "/local/domain/7/control/shutdown");
	assert_true(len < sizeof(host.request));
	memcpy(host.request, data, len);
	host.request[len] = '\0';
	if (!len || host.deaf)
		return true;
	host.request[0] = '\0';
	host.shutdown = true;
	host.reason = SHUTDOWN_suspend;
	return true;
}

void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len);
void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	*len = (unsigned)strlen(host.request);
	return strdup(host.request);
}

int __wrap_xs_fileno(struct xs_handle *h);
int __wrap_xs_fileno(struct xs_handle *h)
{
	return -1;
}

char **__wrap_xs_check_watch(struct xs_handle *h);
char **__wrap_xs_check_watch(struct xs_handle *h)
{
	return NULL;
}

xs_transaction_t __wrap_xs_transaction_start(struct xs_handle *h);
xs_transaction_t __wrap_xs_transaction_start(struct xs_handle *h)
{
	return 1;
}

bool __wrap_xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort);
bool __wrap_xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	return true;
}

bool __wrap_xs_resume_domain(struct xs_handle *h, unsigned int domid);
bool __wrap_xs_resume_domain(struct xs_handle *h, unsigned int domid)
{
	return true;
}

int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return ENOENT;
}

/* ---- a domain ---- */

static struct xen_domain domain;
static struct nic_error err;

static int setup(void **state)
{
	memset(&host, 0, sizeof(host));
	host.there = true;
	err = (struct nic_error){0};
	domain = (struct xen_domain){.vm = "web",
		.xch = (xc_interface *)&handle,
		.xs = (struct xs_handle *)&handle,
		.domid = DOMID};
	return 0;
}

static void a_guest_that_runs_suspends_and_resumes(void **state)
{
	assert_int_equal(xen_domain_check(&domain, &err), 0);
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), 0);
	assert_true(host.shutdown);
	assert_int_equal(xen_domain_resume(&domain, &err), 0);
	assert_int_equal(host.resumed, 1);
	assert_int_equal(xen_domain_resume(&domain, &err), 0);
	assert_int_equal(host.resumed, 1);
}

static void a_guest_that_crashed_is_gone(void **state)
{
	host.crashed = true;
	host.reason = SHUTDOWN_crash;
	assert_int_equal(xen_domain_check(&domain, &err), REMUS_E_VM_GONE);
	assert_string_equal(err.message, "VM web: domain 7 has crashed");
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), REMUS_E_VM_GONE);
	assert_int_equal(xen_domain_end(&domain, &err), 0);
	assert_int_equal(host.destroyed, 1);
}

static void a_guest_that_shut_down_is_gone(void **state)
{
	host.shutdown = true;
	host.reason = SHUTDOWN_poweroff;
	assert_int_equal(xen_domain_check(&domain, &err), REMUS_E_VM_GONE);
	assert_string_equal(err.message, "VM web: domain 7 has shut down");
}

static void a_guest_that_does_not_suspend_has_its_request_withdrawn(void **state)
{
	host.deaf = true;
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), RENIC_E_TIMEOUT);
	assert_string_equal(host.request, "");
	assert_int_equal(xen_domain_resume(&domain, &err), 0);
	assert_int_equal(host.resumed, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_runs_suspends_and_resumes),
		TEST(a_guest_that_crashed_is_gone),
		TEST(a_guest_that_shut_down_is_gone),
		TEST(a_guest_that_does_not_suspend_has_its_request_withdrawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
