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

static void a_domain_that_is_not_there_is_gone(void **state)
{
	host.there = false;
	assert_int_equal(xen_domain_check(&domain, &err), REMUS_E_VM_GONE);
	assert_string_equal(err.message, "VM web: domain 7 does not exist any more");
	assert_int_equal(xen_domain_end(&domain, &err), 0);
	assert_int_equal(host.paused, 0);
}

static void the_next_domain_is_not_the_one_that_is_gone(void **state)
{
	host.there = false;
	host.next_domid = HOST_DOMID + 1;
	assert_int_equal(xen_domain_check(&domain, &err), REMUS_E_VM_GONE);
	assert_int_equal(xen_domain_end(&domain, &err), 0);
	assert_int_equal(host.paused, 0);
}

static void a_hypervisor_that_does_not_say_ends_no_domain(void **state)
{
	host.failing = EPERM;
	assert_int_equal(xen_domain_check(&domain, &err), 0);
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), RENIC_E_IO);
	assert_int_equal(xen_domain_end(&domain, &err), RENIC_E_IO);
	assert_non_null(strstr(err.message, "VM web: domain 7 cannot be looked at: "));
	host.failing = 0;
	assert_int_equal(xen_domain_end(&domain, &err), 0);
	assert_int_equal(host.paused, 1);
	assert_int_equal(host.destroyed, 1);
}

/* It suspended while the hypervisor said nothing: it resumes when that is seen. */
static void a_suspend_that_nobody_saw_is_taken_back(void **state)
{
	host.failing_after_request = EFAULT;
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), RENIC_E_IO);
	assert_int_equal(xen_domain_resume(&domain, &err), 0);
	host.failing = host.failing_after_request = 0;
	assert_int_equal(xen_domain_check(&domain, &err), 0);
	assert_int_equal(host.resumed, 1);
	assert_false(host.shutdown);
}

static void a_suspended_guest_that_cannot_be_seen_stays_ours_to_resume(void **state)
{
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), 0);
	host.failing = EPERM;
	assert_int_equal(xen_domain_suspend(&domain, TIMEOUT_MS, &err), RENIC_E_IO);
	assert_int_equal(xen_domain_resume(&domain, &err), 0);
	assert_int_equal(host.resumed, 1);
}

static void a_guest_that_suspends_when_all_is_over_runs_on(void **state)
{
	domain.late = true;
	host.late = 2;
	host.reason = SHUTDOWN_suspend;
	xen_domain_settle(&domain);
	assert_int_equal(host.resumed, 1);
	assert_false(host.shutdown || domain.late);
}

static void a_domain_that_was_ended_does_not_run_on(void **state)
{
	domain.late = host.shutdown = true;
	host.reason = SHUTDOWN_suspend;
	assert_int_equal(xen_domain_end(&domain, &err), 0);
	host.there = true; /* not taken away yet */
	xen_domain_settle(&domain);
	assert_int_equal(host.resumed, 0);
}

/* What the backup's guest finds of its memory. */
static const char *target_after_a_failover(void)
{
	static const struct xen_channels channels = {.store_port = 3, .console_port = 4};
	struct xen_domain backup = domain;
	struct xen_shape shape;

	assert_int_equal(xen_shape_read(&domain, &shape, &err), 0);
	assert_int_equal(shape.max_kib, host.max_kib);
	backup.domid = HOST_FREE_DOMID;
	assert_int_equal(xen_domain_introduce(&backup, &shape, &channels, &err), 0);
	return xen_host_node("/local/domain/9/memory/target");
}

static void a_balloon_stays_as_large_as_it_was(void **state)
{
	assert_string_equal(target_after_a_failover(), "81920");
	assert_string_equal(xen_host_node("/local/domain/9/memory/static-max"), "98304");
}

/* xl lowers the limit first, and then the guest gives back what is over it. */
static void a_domain_that_has_more_than_it_may_is_made_with_room_for_it(void **state)
{
	struct xen_shape shape;

	host.pages = host.max_kib / 4 + 5;
	assert_int_equal(xen_shape_read(&domain, &shape, &err), 0);
	assert_int_equal(shape.max_kib, host.max_kib + 20);
}

static void without_a_target_the_guest_has_all_it_may_have(void **state)
{
	host.target_kib = 0;
	assert_string_equal(target_after_a_failover(), "98304");
	host.target_kib = host.max_kib + 1; /* more than it may have */
	assert_string_equal(target_after_a_failover(), "98304");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_runs_suspends_and_resumes),
		TEST(a_guest_that_crashed_is_gone),
		TEST(a_guest_that_shut_down_is_gone),
		TEST(a_guest_that_does_not_suspend_has_its_request_withdrawn),
		TEST(a_domain_that_is_not_there_is_gone),
		TEST(the_next_domain_is_not_the_one_that_is_gone),
		TEST(a_hypervisor_that_does_not_say_ends_no_domain),
		TEST(a_suspend_that_nobody_saw_is_taken_back),
		TEST(a_suspended_guest_that_cannot_be_seen_stays_ours_to_resume),
		TEST(a_guest_that_suspends_when_all_is_over_runs_on),
		TEST(a_domain_that_was_ended_does_not_run_on),
		TEST(a_balloon_stays_as_large_as_it_was),
		TEST(a_domain_that_has_more_than_it_may_is_made_with_room_for_it),
		TEST(without_a_target_the_guest_has_all_it_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
