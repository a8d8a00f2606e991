/* SPDX-License-Identifier: BSD-3-Clause */
/* renic-remus's driver for Xen as the core calls it, xen-integration/remus/driver.c, without Xen
 * (xen_host.h): a primary, and in some tests a standby that is given what it wrote. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "driver.h"
#include "xen_host.h"

enum { TIMEOUT_MS = 10000, MIB = 1 << 20, HEAD_ROOM = 64 << 10 };

static const struct remus_driver *driver;
static struct remus_vm *vm;
static struct nic_error err;
static unsigned timeout_ms = TIMEOUT_MS;

/* What the driver wrote: how much, and its beginning. */
static struct {
	struct remus_sink sink;
	uint64_t bytes;
	uint8_t head[HEAD_ROOM];
} out;

static int keep(struct remus_sink *sink, const void *data, size_t bytes)
{
	size_t room = out.bytes < HEAD_ROOM ? HEAD_ROOM - out.bytes : 0;

	memcpy(out.head + (HEAD_ROOM - room), data, bytes < room ? bytes : room);
	out.bytes += bytes;
	return 0;
}

static struct remus_vm *open_vm(enum remus_side side)
{
	json_t *options = side == REMUS_PRIMARY ? json_pack("{s:s}", "domain", "web")
						: json_pack("{s:i}", "domid", HOST_FREE_DOMID);
	struct remus_vm_config config = {
		.name = "vm", .options = options, .timeout_ms = timeout_ms};
	struct remus_vm *opened = NULL;

	assert_int_equal(driver->open(&config, side, &opened, &err), 0);
	json_decref(options);
	return opened;
}

static int setup(void **state)
{
	xen_host_reset();
	host.live_bytes = MIB;
	memset(&out, 0, sizeof(out));
	out.sink.write = keep;
	driver = remus_driver_find("xen");
	assert_non_null(driver);
	vm = open_vm(REMUS_PRIMARY);
	return 0;
}

static int teardown(void **state)
{
	driver->close(vm);
	return 0;
}

/* The first copy, up to where the guest is to be paused. */
static void copy_all(void)
{
	bool done = false;

	assert_int_equal(driver->track(vm, &err), 0);
	while (!done)
		assert_int_equal(driver->live(vm, &out.sink, &done, &err), 0);
}

/* Pause, state and resume; state()'s code, and its bytes in out.bytes. */
static int checkpoint(void)
{
	int rc;

	assert_int_equal(driver->pause(vm, false, &err), 0);
	out.bytes = 0;
	rc = driver->state(vm, &out.sink, &err);
	assert_int_equal(driver->resume(vm, &err), 0);
	return rc;
}

static void an_epoch_may_have_all_of_the_domains_pages(void **state)
{
	host.epoch_bytes = (size_t)host.max_kib << 10;
	assert_true(host.epoch_bytes > REMUS_BLOB_MAX_BYTES);
	copy_all();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(checkpoint(), 0);
		assert_int_equal(out.bytes, host.epoch_bytes);
	}
	assert_int_equal(host.resumed, 2);
}

static void an_epoch_of_more_than_the_domain_has_is_given_up(void **state)
{
	host.epoch_bytes = 2 * ((size_t)host.max_kib << 10);
	copy_all();
	assert_int_equal(checkpoint(), RENIC_E_TIMEOUT);
	assert_non_null(strstr(err.message, "VM vm: an epoch of more than 160 MiB"));
	assert_true(out.bytes < host.epoch_bytes);
	assert_int_equal(host.resumed, 1);
}

static void both_sides_allow_as_much(void **state)
{
	struct remus_vm *standby = open_vm(REMUS_STANDBY);
	uint64_t allowed = driver->max_blob_bytes(vm);

	assert_true(allowed > REMUS_BLOB_MAX_BYTES + (host.max_kib << 10));
	assert_int_equal(driver->max_blob_bytes(standby), REMUS_BLOB_MAX_BYTES);
	copy_all();
	assert_int_equal(driver->apply_live(standby, out.head, HEAD_ROOM, &err), 0);
	assert_int_equal(host.made_max_kib, host.max_kib);
	assert_int_equal(driver->max_blob_bytes(standby), allowed);
	assert_int_equal(driver->reset(standby, &err), 0);
	assert_int_equal(driver->max_blob_bytes(standby), REMUS_BLOB_MAX_BYTES);
	driver->close(standby);
}

static void a_first_copy_again_makes_the_domain_as_large_as_it_is_then(void **state)
{
	struct remus_vm *standby = open_vm(REMUS_STANDBY);
	uint64_t kib = host.max_kib;

	for (unsigned i = 1; i <= 2; i++) {
		host.max_kib = i * kib;
		out.bytes = 0;
		copy_all();
		assert_int_equal(driver->reset(standby, &err), 0);
		assert_int_equal(driver->apply_live(standby, out.head, HEAD_ROOM, &err), 0);
		assert_int_equal(host.made_max_kib, i * kib);
	}
	driver->close(standby);
}

/* It is looked at every millisecond, for two seconds after it took up the request. */
static void a_guest_that_is_late_runs_on_when_the_driver_ends(void **state)
{
	struct remus_vm *hasty;

	timeout_ms = 1;
	hasty = open_vm(REMUS_PRIMARY);
	timeout_ms = TIMEOUT_MS;
	host.late = UINT_MAX;
	assert_int_equal(driver->pause(hasty, false, &err), RENIC_E_TIMEOUT);
	assert_int_equal(driver->resume(hasty, &err), 0);
	assert_int_equal(host.resumed, 0);
	host.late = 2;
	driver->close(hasty);
	assert_int_equal(host.resumed, 1);
	assert_false(host.shutdown);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_epoch_may_have_all_of_the_domains_pages),
		TEST(an_epoch_of_more_than_the_domain_has_is_given_up),
		TEST(both_sides_allow_as_much),
		TEST(a_guest_that_is_late_runs_on_when_the_driver_ends),
		TEST(a_first_copy_again_makes_the_domain_as_large_as_it_is_then),
	};

	signal(SIGPIPE, SIG_IGN); /* as main.c does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
