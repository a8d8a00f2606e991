/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of qemu-integration/dirty*.c and wp_shim.c, on the real memory of a child process that
 * preloads librenic-wp.so, as QEMU does. The child writes pages and notes which; an engine must
 * say the same. Engines that this kernel lacks are skipped, with the reason.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dirty.h"

enum {
	PAGES = 4096 + 3, /* 16 MiB, and no multiple of anything */
	RAM_BYTES = PAGES * DIRTY_BYTES,
	HUGE_BYTES = 2 << 20, /* a huge page */
	WORDS = (PAGES + 63) / 64,
	ROUNDS = 60,
	RUNNING_ROUNDS = 40,
	STORMS = 5000, /* writes to running memory, at least */
};

/* ---- the child ---- */

/* Shared with the child, in a file that is no guest RAM. */
struct notes {
	uint64_t base;		  /* where the child has the RAM */
	bool advised;		  /* it asked for huge pages there, and was not refused */
	uint64_t written[WORDS];  /* pages that the child wrote since the parent cleared this */
	volatile uint32_t storm;  /* while not 0: write all the time */
	volatile uint32_t storms; /* pages written so */
};

static uint32_t random_32(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

/* Every write changes the page, so that comparing finds it too. */
static void write_pages(uint8_t *ram, struct notes *notes, uint32_t n, uint32_t *seed)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t page = random_32(seed) % PAGES, at = random_32(seed) % DIRTY_BYTES;

		if (notes->written[page / 64] >> (page % 64) & 1)
			continue;
		ram[(size_t)page * DIRTY_BYTES + at]++;
		dirty_mark(notes->written, page);
	}
}

/* Change pages and change them back, as long as the parent wants. */
static void storm(uint8_t *ram, struct notes *notes, uint32_t *seed)
{
	while (notes->storm) {
		size_t page = random_32(seed) % PAGES;

		ram[page * DIRTY_BYTES + 7] ^= 1 + random_32(seed) % 2;
		notes->storms++;
	}
}

/* Child: commands on `in`, a number each: pages to write, 0: a storm; a byte on `out` when done. */
static int child(int ram_fd, int notes_fd, int in, int out)
{
	struct notes *notes =
		mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, notes_fd, 0);
	uint32_t n, seed = 0x9e3779b9;
	struct stat file;
	uint8_t *ram;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fstat(ram_fd, &file) < 0)
		return 1;
	ram = mmap(NULL, file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	if (ram == MAP_FAILED || notes == MAP_FAILED)
		return 1;
	notes->base = (uintptr_t)ram;
	notes->advised = madvise(ram, file.st_size, MADV_HUGEPAGE) == 0;
	if (write(out, "", 1) != 1)
		return 1;
	while (read(in, &n, sizeof(n)) == sizeof(n)) {
		if (n > 0)
			write_pages(ram, notes, n, &seed);
		if (write(out, "", 1) != 1)
			return 1;
		if (n == 0)
			storm(ram, notes, &seed);
		if (n == 0 && write(out, "", 1) != 1)
			return 1;
	}
	return 0;
}

/* ---- the parent ---- */

static const char *program;

struct vm {
	pid_t pid;
	int to, from;
	size_t bytes; /* of its RAM */
	uint8_t *ram;
	struct notes *notes;
	struct dirty_target target;
	struct dirty_tracker tracker;
	uint64_t found[WORDS];
};

static void hear(struct vm *vm)
{
	char byte;

	assert_int_equal(read(vm->from, &byte, 1), 1);
}

static void tell(struct vm *vm, uint32_t n)
{
	assert_int_equal(write(vm->to, &n, sizeof(n)), sizeof(n));
	hear(vm);
}

static void exec_child(int ram_fd, int notes_fd, int in, int out, bool preload)
{
	char fds[4][12];

	snprintf(fds[0], sizeof(fds[0]), "%d", ram_fd);
	snprintf(fds[1], sizeof(fds[1]), "%d", notes_fd);
	snprintf(fds[2], sizeof(fds[2]), "%d", in);
	snprintf(fds[3], sizeof(fds[3]), "%d", out);
	if (preload)
		setenv("LD_PRELOAD", getenv("WP_SHIM"), 1);
	/* A sanitized build: the preloaded library may come before the sanitizer's own. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
	execl(program, program, "child", fds[0], fds[1], fds[2], fds[3], NULL);
	_exit(127);
}

/* A child with the RAM of that file, which this closes. */
static void start_child_on(struct vm *vm, int ram_fd, bool preload)
{
	int notes_fd = memfd_create("notes", 0), down[2], up[2];

	assert_int_equal(ftruncate(notes_fd, sizeof(*vm->notes)), 0);
	assert_int_equal(pipe(down) | pipe(up), 0);
	vm->notes = mmap(NULL, sizeof(*vm->notes), PROT_READ | PROT_WRITE, MAP_SHARED, notes_fd, 0);
	vm->pid = fork();
	if (vm->pid == 0)
		exec_child(ram_fd, notes_fd, down[0], up[1], preload);
	close(down[0]);
	close(up[1]);
	close(ram_fd);
	close(notes_fd);
	vm->to = down[1];
	vm->from = up[0];
	hear(vm);
	/* Two areas that meet, as after a split of a mapping. */
	vm->target = (struct dirty_target){.pid = vm->pid, .n_areas = 2};
	vm->target.areas[0] = (struct dirty_area){.start = vm->notes->base,
		.end = vm->notes->base + 1000 * DIRTY_BYTES,
		.base = vm->ram};
	vm->target.areas[1] = (struct dirty_area){
		.start = vm->target.areas[0].end,
		.end = vm->notes->base + vm->bytes,
		.page = 1000,
		.base = vm->ram + (size_t)1000 * DIRTY_BYTES,
	};
}

static void start_child(struct vm *vm, const char *ram_name, bool preload)
{
	int ram_fd = memfd_create(ram_name, 0);

	vm->bytes = RAM_BYTES;
	assert_int_equal(ftruncate(ram_fd, vm->bytes), 0);
	vm->ram = mmap(NULL, vm->bytes, PROT_READ, MAP_SHARED, ram_fd, 0);
	start_child_on(vm, ram_fd, preload);
}

/* The area is the first one of them; skips the test where there are no huge pages. */
static void start_child_on_huge_pages(struct vm *vm)
{
	int ram_fd = memfd_create("memory-backend-memfd", MFD_HUGETLB | MFD_HUGE_2MB);

	vm->bytes = (size_t)(RAM_BYTES / HUGE_BYTES + 1) * HUGE_BYTES;
	vm->ram = MAP_FAILED;
	if (ram_fd >= 0 && ftruncate(ram_fd, vm->bytes) == 0)
		vm->ram = mmap(NULL, vm->bytes, PROT_READ, MAP_SHARED, ram_fd, 0);
	if (vm->ram == MAP_FAILED) {
		close(ram_fd);
		print_message("skipped: no huge pages: %s\n", strerror(errno));
		skip();
	}
	start_child_on(vm, ram_fd, true);
	vm->target.n_areas = 1; /* the first one */
	vm->target.areas[0].end = vm->target.areas[0].start + HUGE_BYTES;
	vm->target.page_bytes = HUGE_BYTES;
}

static void end_child(struct vm *vm)
{
	dirty_tracker_close(&vm->tracker);
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	close(vm->to);
	close(vm->from);
	munmap(vm->ram, vm->bytes);
	munmap(vm->notes, sizeof(*vm->notes));
}

/* A child whose memory the engine watches; skips the test when this kernel has no such engine. */
static void begin(struct vm *vm, const char *engine)
{
	struct nic_error err;

	memset(vm, 0, sizeof(*vm));
	start_child(vm, "memory-backend-memfd", true);
	if (dirty_tracker_open(&vm->tracker, &vm->target, engine, &err) < 0) {
		end_child(vm);
		assert_int_equal(err.code, RENIC_E_UNSUPPORTED);
		print_message("skipped: %s: %s\n", engine, err.message);
		skip();
	}
	assert_int_equal(vm->tracker.engine->start(vm->tracker.state, &err), 0);
}

static void collect(struct vm *vm, bool paused)
{
	struct nic_error err;

	memset(vm->found, 0, sizeof(vm->found));
	assert_int_equal(
		vm->tracker.engine->collect(vm->tracker.state, vm->found, paused, &err), 0);
	assert_int_equal(vm->found[WORDS - 1] >> (PAGES % 64), 0);
}

static bool bit(const uint64_t *bitmap, size_t page)
{
	return bitmap[page / 64] >> (page % 64) & 1;
}

static void assert_no_write_is_missed(const struct vm *vm)
{
	for (size_t page = 0; page < PAGES; page++)
		if (bit(vm->notes->written, page) && !bit(vm->found, page))
			fail_msg("page %zu was written and not found", page);
}

/* ---- rules ---- */

/* Random writes, and a collection after each lot: what was written is found, and nothing else
 * but what is found too often by an engine that says so. */
static void finds_exactly_what_was_written(const char *engine)
{
	uint32_t seed = 12345;
	struct vm vm;

	begin(&vm, engine);
	tell(&vm, 2000);
	collect(&vm, true);
	assert_no_write_is_missed(&vm);
	for (int round = 0; round < ROUNDS; round++) {
		memset(vm.notes->written, 0, sizeof(vm.notes->written));
		if (round % 5)
			tell(&vm, 1 + random_32(&seed) % 500);
		collect(&vm, true);
		assert_no_write_is_missed(&vm);
		for (size_t page = 0; page < PAGES; page++)
			if (bit(vm.found, page) && !bit(vm.notes->written, page))
				fail_msg("round %d: page %zu was not written", round, page);
	}
	end_child(&vm);
}

/* As a replicator does it: copy what a collection names, while the child goes on writing; after
 * the first collection with the child at rest the copy is the memory. */
static void copy_found(struct vm *vm, uint8_t *copy)
{
	for (size_t page = 0; page < PAGES; page++)
		if (bit(vm->found, page))
			memcpy(copy + page * DIRTY_BYTES, vm->ram + page * DIRTY_BYTES,
				DIRTY_BYTES);
}

static void a_copy_of_running_memory_ends_up_equal(const char *engine)
{
	uint8_t *copy;
	struct vm vm;

	begin(&vm, engine);
	copy = malloc(RAM_BYTES);
	assert_non_null(copy);
	memcpy(copy, vm.ram, RAM_BYTES);
	for (int again = 0; again < 5; again++) {
		uint32_t storms = vm.notes->storms + STORMS;

		vm.notes->storm = 1;
		tell(&vm, 0);
		for (int round = 0; round < RUNNING_ROUNDS || vm.notes->storms < storms; round++) {
			collect(&vm, false);
			copy_found(&vm, copy);
		}
		vm.notes->storm = 0;
		hear(&vm);
		collect(&vm, true);
		copy_found(&vm, copy);
		for (size_t page = 0; page < PAGES; page++)
			if (memcmp(copy + page * DIRTY_BYTES, vm.ram + page * DIRTY_BYTES,
				    DIRTY_BYTES))
				fail_msg("page %zu of the copy is another", page);
	}
	end_child(&vm);
	free(copy);
}

static void start_forgets_what_was_written_before(const char *engine)
{
	struct nic_error err;
	struct vm vm;

	begin(&vm, engine);
	collect(&vm, true);
	tell(&vm, 300);
	assert_int_equal(vm.tracker.engine->start(vm.tracker.state, &err), 0);
	if (strcmp(engine, "compare")) { /* whose first collection names every page */
		collect(&vm, true);
		for (size_t word = 0; word < WORDS; word++)
			assert_int_equal(vm.found[word], 0);
	}
	end_child(&vm);
}

#define FOR_ENGINE(suffix, engine)                                                                 \
	static void finds_exactly_what_was_written_##suffix(void **state)                          \
	{                                                                                          \
		finds_exactly_what_was_written(engine);                                            \
	}                                                                                          \
	static void a_copy_of_running_memory_ends_up_equal_##suffix(void **state)                  \
	{                                                                                          \
		a_copy_of_running_memory_ends_up_equal(engine);                                    \
	}                                                                                          \
	static void start_forgets_what_was_written_before_##suffix(void **state)                   \
	{                                                                                          \
		start_forgets_what_was_written_before(engine);                                     \
	}

FOR_ENGINE(userfaultfd, "userfaultfd")
FOR_ENGINE(soft_dirty, "soft-dirty")
FOR_ENGINE(compare, "compare")

/* Whoever copied pages of the running process may have copied what was never seen at rest. */
static void compare_does_not_trust_its_copy_after_a_running_collection(void **state)
{
	struct vm vm;

	begin(&vm, "compare");
	collect(&vm, true);
	collect(&vm, true);
	assert_false(bit(vm.found, 0));
	collect(&vm, false);
	collect(&vm, true);
	for (size_t page = 0; page < PAGES; page++)
		assert_true(bit(vm.found, page));
	end_child(&vm);
}

static void without_the_preload_library_userfaultfd_says_so(void **state)
{
	struct nic_error err;
	struct vm vm = {0};

	start_child(&vm, "memory-backend-memfd", false);
	assert_int_equal(dirty_tracker_open(&vm.tracker, &vm.target, "userfaultfd", &err),
		RENIC_E_UNSUPPORTED);
	assert_int_equal(dirty_tracker_open(&vm.tracker, &vm.target, NULL, &err), 0);
	assert_string_not_equal(vm.tracker.engine->name, "userfaultfd");
	assert_non_null(strstr(vm.tracker.name, "(no userfaultfd: "));
	end_child(&vm);
}

static void the_preload_library_leaves_other_shared_memory_alone(void **state)
{
	struct nic_error err;
	struct vm vm = {0};

	start_child(&vm, "vhost-log", true);
	assert_int_equal(dirty_tracker_open(&vm.tracker, &vm.target, "userfaultfd", &err),
		RENIC_E_UNSUPPORTED);
	end_child(&vm);
}

/* Where the kernel would say that no huge page was ever written. */
static void soft_dirty_does_not_take_huge_pages(void **state)
{
	struct nic_error err;
	struct vm vm = {0};

	start_child(&vm, "memory-backend-memfd", false);
	vm.target.page_bytes = HUGE_BYTES;
	assert_int_equal(dirty_tracker_open(&vm.tracker, &vm.target, "soft-dirty", &err),
		RENIC_E_UNSUPPORTED);
	assert_non_null(strstr(err.message, "huge pages"));
	assert_int_equal(dirty_tracker_open(&vm.tracker, &vm.target, NULL, &err), 0);
	assert_string_equal(vm.tracker.engine->name, "compare");
	end_child(&vm);
}

/* Huge pages are found and protected whole; a part of one is found, but cannot be protected, as
 * one of 1 GiB cannot on some kernels. */
static void userfaultfd_is_taken_only_where_it_can_protect(void **state)
{
	struct dirty_tracker probe;
	struct nic_error err;
	struct vm vm = {0};

	start_child_on_huge_pages(&vm);
	tell(&vm, 2000); /* all are there */
	if (dirty_tracker_open(&vm.tracker, &vm.target, "userfaultfd", &err) < 0) {
		print_message("skipped: %s\n", err.message);
		end_child(&vm);
		skip();
	}
	dirty_tracker_close(&vm.tracker);
	vm.target.areas[0].end += HUGE_BYTES; /* the second one, which no open has protected */
	vm.target.areas[0].start += HUGE_BYTES;
	vm.target.page_bytes = DIRTY_BYTES;
	assert_int_equal(
		dirty_tracker_open(&probe, &vm.target, "userfaultfd", &err), RENIC_E_UNSUPPORTED);
	assert_int_equal(dirty_tracker_open(&probe, &vm.target, NULL, &err), 0);
	assert_string_not_equal(probe.engine->name, "userfaultfd");
	dirty_tracker_close(&probe);
	end_child(&vm);
}

/* Does the mapping at that address have this flag, see proc(5)? */
static bool has_vm_flag(const struct vm *vm, const char *flag)
{
	unsigned long long start, end;
	char path[64], line[512];
	bool here = false, has = false;
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)vm->pid);
	smaps = fopen(path, "re");
	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			here = start == vm->notes->base;
		has |= here && !strncmp(line, "VmFlags:", 8) && strstr(line, flag);
	}
	fclose(smaps);
	return has;
}

/* The child asks for them, as QEMU does. */
static void tracked_ram_gets_no_transparent_huge_pages(void **state)
{
	struct vm vm;

	begin(&vm, "userfaultfd");
	assert_true(has_vm_flag(&vm, " sh "));
	assert_false(has_vm_flag(&vm, " hg "));
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
		assert_true(has_vm_flag(&vm, " nh "));
	end_child(&vm);
}

static void other_ram_may_have_transparent_huge_pages(void **state)
{
	struct vm vm = {0};

	start_child(&vm, "vhost-log", true);
	if (vm.notes->advised)
		assert_true(has_vm_flag(&vm, " hg "));
	end_child(&vm);
}

static void an_unknown_engine_is_refused(void **state)
{
	struct dirty_target target = {.pid = getpid()};
	struct dirty_tracker tracker;
	struct nic_error err;

	assert_int_equal(dirty_tracker_open(&tracker, &target, "magic", &err), RENIC_E_PARAMS);
	assert_string_equal(err.expected, DIRTY_ENGINE_NAMES);
}

static void the_end_of_the_process_is_an_error(void **state)
{
	struct nic_error err;
	struct vm vm;

	begin(&vm, "userfaultfd");
	kill(vm.pid, SIGKILL);
	waitpid(vm.pid, NULL, 0);
	assert_int_equal(
		vm.tracker.engine->collect(vm.tracker.state, vm.found, true, &err), RENIC_E_IO);
	end_child(&vm);
}

static void a_run_of_pages_marks_each_and_no_other(void **state)
{
	for (uint64_t first = 0; first < 130; first++)
		for (uint64_t n = 0; n < 200; n += 7) {
			uint64_t bitmap[8] = {0};

			dirty_mark_run(bitmap, first, n);
			for (uint64_t page = 0; page < 512; page++)
				assert_int_equal(
					bit(bitmap, page), page >= first && page < first + n);
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_exactly_what_was_written_userfaultfd),
		cmocka_unit_test(finds_exactly_what_was_written_soft_dirty),
		cmocka_unit_test(finds_exactly_what_was_written_compare),
		cmocka_unit_test(a_copy_of_running_memory_ends_up_equal_userfaultfd),
		cmocka_unit_test(a_copy_of_running_memory_ends_up_equal_soft_dirty),
		cmocka_unit_test(a_copy_of_running_memory_ends_up_equal_compare),
		cmocka_unit_test(start_forgets_what_was_written_before_userfaultfd),
		cmocka_unit_test(start_forgets_what_was_written_before_soft_dirty),
		cmocka_unit_test(start_forgets_what_was_written_before_compare),
		cmocka_unit_test(compare_does_not_trust_its_copy_after_a_running_collection),
		cmocka_unit_test(without_the_preload_library_userfaultfd_says_so),
		cmocka_unit_test(the_preload_library_leaves_other_shared_memory_alone),
		cmocka_unit_test(soft_dirty_does_not_take_huge_pages),
		cmocka_unit_test(userfaultfd_is_taken_only_where_it_can_protect),
		cmocka_unit_test(tracked_ram_gets_no_transparent_huge_pages),
		cmocka_unit_test(other_ram_may_have_transparent_huge_pages),
		cmocka_unit_test(an_unknown_engine_is_refused),
		cmocka_unit_test(the_end_of_the_process_is_an_error),
		cmocka_unit_test(a_run_of_pages_marks_each_and_no_other),
	};

	if (argc == 6 && !strcmp(argv[1], "child"))
		return child(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	program = argv[0];
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
