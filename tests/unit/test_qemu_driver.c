/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of qemu-integration/driver.c and rest.c, against fakes/fake_qemu.h, whose guest RAM is a
 * memfd of this process, and an engine that counts as "userfaultfd" does: what a collection
 * reports it counts anew, whether the VM runs or not. A disk's read is counted when it begins;
 * its bytes come when the VM's disks are drained, and are not.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dirty.h"
#include "driver.h"
#include "fakes/fake_qemu.h"
#include "guest_ram.h"

extern const struct remus_driver remus_qemu_driver;

enum {
	LONG_MS = 20000,
	HUGE_BYTES = 2 << 20,
	RAM_BYTES = 2 * HUGE_BYTES,
	PAGES = RAM_BYTES / DIRTY_BYTES,
	WORDS = PAGES / 64,
	NO_PAGE = -1,
};

static struct fake_qemu qemu;
static struct remus_vm *vm;
static struct nic_error err;

static int ram_fd;
static uint8_t *ram;
static uint8_t copy[RAM_BYTES]; /* the standby's */
static uint64_t carry[WORDS];	/* pages that are to be copied */

/* ---- the engine, and a disk ---- */

static uint64_t counted[WORDS];
static uint64_t target_page_bytes;
static bool engine_fails;
static const char *in_start; /* what QEMU says in it */
static int reading = NO_PAGE;

static void begin_read(int page)
{
	dirty_mark(counted, page);
	reading = page;
}

static void land_read(void)
{
	if (reading != NO_PAGE)
		ram[(size_t)reading * DIRTY_BYTES]++;
	reading = NO_PAGE;
}

static void write_page(int page)
{
	ram[(size_t)page * DIRTY_BYTES]++;
	dirty_mark(counted, page);
}

static int start(void *state, struct nic_error *e)
{
	if (in_start)
		fake_qemu_say(&qemu, in_start);
	if (engine_fails)
		return nic_fail(e, RENIC_E_IO, "dirty", "it fails");
	memset(counted, 0, sizeof(counted));
	return 0;
}

static int collect(void *state, uint64_t *bitmap, bool paused, struct nic_error *e)
{
	for (size_t i = 0; i < WORDS; i++)
		bitmap[i] |= counted[i];
	return start(state, e);
}

static const struct dirty_engine engine = {.name = "test", .start = start, .collect = collect};

int __wrap_dirty_tracker_open(struct dirty_tracker *tracker, const struct dirty_target *target,
	const char *wanted, struct nic_error *e);

int __wrap_dirty_tracker_open(struct dirty_tracker *tracker, const struct dirty_target *target,
	const char *wanted, struct nic_error *e)
{
	target_page_bytes = target->page_bytes;
	tracker->engine = &engine;
	return 0;
}

/* ---- a primary ---- */

static bool make_ram(unsigned flags)
{
	ram_fd = memfd_create("ram", flags);
	if (ram_fd < 0 || ftruncate(ram_fd, RAM_BYTES) < 0)
		return false;
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	return ram != MAP_FAILED;
}

static int begin(void **state)
{
	memset(counted, 0, sizeof(counted));
	memset(carry, 0, sizeof(carry));
	memset(copy, 0, sizeof(copy));
	engine_fails = false;
	in_start = NULL;
	reading = NO_PAGE;
	ram = MAP_FAILED;
	fake_qemu_start(&qemu);
	qemu.ram_bytes = RAM_BYTES;
	qemu.drained = land_read;
	return 0;
}

static void open_vm(bool has_disks)
{
	struct remus_vm_config config = {.name = "vm1", .timeout_ms = LONG_MS};
	json_t *options = json_pack("{s:s}", "qmp", qemu.path);

	if (ram == MAP_FAILED)
		assert_true(make_ram(0));
	qemu.has_disks = has_disks;
	config.options = options;
	assert_int_equal(remus_qemu_driver.open(&config, REMUS_PRIMARY, &vm, &err), 0);
	json_decref(options);
	qemu.log[0] = '\0';
}

static int end(void **state)
{
	remus_qemu_driver.close(vm);
	fake_qemu_end(&qemu);
	munmap(ram, RAM_BYTES);
	close(ram_fd);
	return 0;
}

static bool bit(const uint64_t *bitmap, size_t page)
{
	return bitmap[page / 64] >> (page % 64) & 1;
}

static void copy_carry(void)
{
	for (size_t page = 0; page < PAGES; page++)
		if (bit(carry, page))
			memcpy(copy + page * DIRTY_BYTES, ram + page * DIRTY_BYTES, DIRTY_BYTES);
	memset(carry, 0, sizeof(carry));
}

/* The first copy begins: all pages go over. */
static void track(void)
{
	assert_int_equal(remus_qemu_driver.track(vm, &err), 0);
	memset(carry, 0xff, sizeof(carry));
	copy_carry();
}

static void take_dirty(void)
{
	assert_int_equal(remus_qemu_driver.dirty(vm, carry, &err), 0);
}

static int drop(struct remus_sink *sink, const void *data, size_t bytes)
{
	return 0;
}

/* rc: of the state; what was dirty stays in `carry`. */
static void pause_and_go_on(int rc)
{
	struct remus_sink sink = {.write = drop};

	assert_int_equal(remus_qemu_driver.pause(vm, false, &err), 0);
	take_dirty();
	assert_int_equal(remus_qemu_driver.resume_soon(vm, &err), 0);
	assert_int_equal(remus_qemu_driver.state(vm, &sink, &err), rc);
	assert_int_equal(remus_qemu_driver.resume(vm, &err), 0);
}

static void expect_a_right_checkpoint(void)
{
	struct remus_sink sink = {.write = drop};

	assert_int_equal(remus_qemu_driver.pause(vm, false, &err), 0);
	take_dirty();
	copy_carry();
	assert_memory_equal(copy, ram, RAM_BYTES);
	assert_int_equal(remus_qemu_driver.state(vm, &sink, &err), 0);
	assert_int_equal(remus_qemu_driver.resume(vm, &err), 0);
	assert_true(qemu.running);
}

static void expect_named(const uint64_t *bitmap, bool all)
{
	for (size_t page = 0; page < PAGES; page++)
		assert_int_equal(bit(bitmap, page), all);
}

/* ---- disks ---- */

static void a_read_under_way_when_tracking_begins_is_not_missed(void **state)
{
	open_vm(true);
	begin_read(3);
	track();
	assert_true(qemu.running);
	expect_a_right_checkpoint();
}

static void a_read_under_way_when_a_round_begins_is_not_missed(void **state)
{
	open_vm(true);
	track();
	begin_read(5);
	take_dirty();
	copy_carry();
	assert_true(qemu.running);
	begin_read(6);
	expect_a_right_checkpoint();
	assert_string_equal(qemu.log, "query-status stop cont query-status stop cont "
				      "stop xen-save-devices-state cont ");
}

static void a_vm_without_disks_is_not_stopped_for_it(void **state)
{
	open_vm(false);
	track();
	write_page(7);
	take_dirty();
	assert_true(bit(carry, 7));
	copy_carry();
	assert_string_equal(qemu.log, "");
	expect_a_right_checkpoint();
}

static void one_that_somebody_paused_stays_paused(void **state)
{
	open_vm(true);
	qemu.running = false;
	begin_read(3);
	track();
	begin_read(4);
	take_dirty();
	assert_false(qemu.running);
	assert_string_equal(qemu.log, "query-status stop query-status stop ");
}

static void one_whose_engine_fails_goes_on(void **state)
{
	open_vm(true);
	engine_fails = true;
	assert_int_equal(remus_qemu_driver.track(vm, &err), RENIC_E_IO);
	assert_non_null(strstr(err.message, "it fails"));
	assert_true(qemu.running);
	assert_int_equal(remus_qemu_driver.dirty(vm, carry, &err), RENIC_E_IO);
	assert_true(qemu.running);
}

static void a_pause_that_was_prepared_may_be_tracked_anew(void **state)
{
	open_vm(true);
	track();
	assert_int_equal(remus_qemu_driver.prepare(vm, &err), 0);
	begin_read(3);
	track();
	expect_a_right_checkpoint();
}

/* Somebody resumed it before all was counted anew: a read may have begun. */
static void one_that_somebody_resumed_meanwhile_names_all_pages(void **state)
{
	open_vm(true);
	in_start = "{\"event\": \"RESUME\"}\r\n";
	track();
	in_start = NULL;
	take_dirty();
	expect_named(carry, true);
	memset(carry, 0, sizeof(carry));
	in_start = "{\"event\": \"RESUME\"}\r\n";
	take_dirty();
	expect_named(carry, false);
	in_start = NULL;
	take_dirty();
	expect_named(carry, true);
	memset(carry, 0, sizeof(carry));
	take_dirty();
	expect_named(carry, false);
}

/* ---- a pause that slipped ---- */

static void after_a_pause_that_slipped_all_pages_are_named(void **state)
{
	open_vm(false);
	track();
	pause_and_go_on(0);
	pause_and_go_on(0);
	expect_named(carry, false);
	qemu.before_save = "{\"event\": \"STOP\"}\r\n{\"event\": \"RESUME\"}\r\n";
	pause_and_go_on(RENIC_E_STATE);
	expect_named(carry, false);
	qemu.before_save = NULL;
	pause_and_go_on(0);
	expect_named(carry, true);
	memset(carry, 0, sizeof(carry));
	pause_and_go_on(0);
	expect_named(carry, false);
}

/* ---- RAM ---- */

static void the_size_of_pages_is_known(void **state)
{
	open_vm(false);
	assert_int_equal(target_page_bytes, DIRTY_BYTES);
}

static void huge_pages_are_known_for_such(void **state)
{
	bool has = make_ram(MFD_HUGETLB | MFD_HUGE_2MB);

	if (!has) {
		print_message("skipped: no huge pages: %s\n", strerror(errno));
		close(ram_fd);
	}
	open_vm(false);
	assert_int_equal(target_page_bytes, has ? HUGE_BYTES : DIRTY_BYTES);
}

/* As renic-qemu starts QEMU, which this process is for the driver. */
static void be_started_as_qemu_is(char *const argv[])
{
	char *const with[] = {argv[0], "-global", "migration.send-configuration=off", "-machine",
		"suppress-vmdesc=on", NULL};

	if (!argv[1])
		execv("/proc/self/exe", with);
}

int main(int argc, char **argv)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		RULE(a_read_under_way_when_tracking_begins_is_not_missed),
		RULE(a_read_under_way_when_a_round_begins_is_not_missed),
		RULE(a_vm_without_disks_is_not_stopped_for_it),
		RULE(one_that_somebody_paused_stays_paused),
		RULE(one_whose_engine_fails_goes_on),
		RULE(a_pause_that_was_prepared_may_be_tracked_anew),
		RULE(one_that_somebody_resumed_meanwhile_names_all_pages),
		RULE(after_a_pause_that_slipped_all_pages_are_named),
		RULE(the_size_of_pages_is_known),
		RULE(huge_pages_are_known_for_such),
	};

	be_started_as_qemu_is(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
