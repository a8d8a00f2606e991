/* SPDX-License-Identifier: BSD-3-Clause */
/* What renic-remus does to a domain, xen-integration/remus/xen_domain.c, without Xen (xen_host.h).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "driver.h"
#include "xen_domain.h"
#include "xen_host.h"

enum { TIMEOUT_MS = 20 };

static struct xen_domain domain;
static struct nic_error err;

static int setup(void **state)
{
	xen_host_reset();
	err = (struct nic_error){0};
	domain = (struct xen_domain){
		.vm = "web", .xch = host.xch, .xs = host.xs, .domid = HOST_DOMID};
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
