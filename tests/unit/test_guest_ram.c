/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of qemu-integration/guest_ram.c: where a machine's RAM is, from what QEMU prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guest_ram.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct guest_ram ram;
static struct nic_error err;

static int layout(const char *backend, uint64_t bytes, const char *mtree)
{
	memset(&ram, 0, sizeof(ram));
	strcpy(ram.backend, backend);
	ram.bytes = bytes;
	return guest_ram_layout(&ram, mtree, &err);
}

static const char pc_before_the_firmware_ran[] =
	"FlatView #0\n"
	" AS \"memory\", root: system\n"
	" Root memory region: system\n"
	"  0000000000000000-00000000000bffff (prio 0, ram): mem\n"
	"  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\n"
	"  00000000000e0000-00000000000fffff (prio 0, rom): pc.bios @0000000000020000\n"
	"  0000000000100000-000000000bffffff (prio 0, ram): mem @0000000000100000\n"
	"  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic\n"
	"\n";

static void a_small_machine_has_one_part(void **state)
{
	assert_int_equal(layout("mem", 192 * MIB, pc_before_the_firmware_ran), 0);
	assert_int_equal(ram.n_parts, 1);
	assert_int_equal(ram.parts[0].gpa, 0);
	assert_int_equal(ram.parts[0].offset, 0);
	assert_int_equal(ram.parts[0].bytes, 192 * MIB);
}

static void shadowed_firmware_changes_nothing(void **state)
{
	assert_int_equal(
		layout("mem", 192 * MIB,
			"  0000000000000000-000000000009ffff (prio 0, ram): mem KVM\n"
			"  00000000000a0000-00000000000bffff (prio 1, ram): vga.vram\n"
			"  00000000000c0000-00000000000cffff (prio 1, rom): mem @00000000000c0000\n"
			"  00000000000e0000-000000000bffffff (prio 0, ram): mem @00000000000e0000 "
			"KVM\n"),
		0);
	assert_int_equal(ram.n_parts, 1);
	assert_int_equal(ram.parts[0].bytes, 192 * MIB);
}

static void ram_above_4_gib_is_a_second_part(void **state)
{
	assert_int_equal(
		layout("pc.ram", 6 * GIB,
			"  0000000000000000-00000000bfffffff (prio 0, ram): /objects/pc.ram KVM\n"
			"  0000000100000000-00000001bfffffff (prio 0, ram): /objects/pc.ram"
			" @00000000c0000000 KVM\n"),
		0);
	assert_int_equal(ram.n_parts, 2);
	assert_int_equal(ram.parts[0].bytes, 3 * GIB);
	assert_int_equal(ram.parts[1].gpa, 4 * GIB);
	assert_int_equal(ram.parts[1].offset, 3 * GIB);
	assert_int_equal(ram.parts[1].bytes, 3 * GIB);
}

static void another_backend_or_none_is_refused(void **state)
{
	assert_int_equal(
		layout("other", 192 * MIB, pc_before_the_firmware_ran), RENIC_E_UNSUPPORTED);
	assert_int_equal(layout("mem", 192 * MIB, ""), RENIC_E_UNSUPPORTED);
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = {
		"  0000000000000000-0000000000000fff (prio 0, ram): mem @ffffffffffffffff\n",
		"  0000000000001000-0000000000001fff (prio 0, ram): mem @0000000000001000\n",
		"  0000000000000000-0000000000000fff (prio 0, ram): mem\n"
		"  0000000000002801-0000000000003fff (prio 0, ram): mem @0000000000002000\n",
		"  0000000000000000-0000000000000fff (prio 0, ram): mem\n"
		"  0000000000002000-0000000000002fff (prio 0, ram): mem @0000000000001000\n"
		"  0000000000004000-0000000000004fff (prio 0, ram): mem @0000000000002000\n"
		"  0000000000006000-0000000000006fff (prio 0, ram): mem @0000000000003000\n"
		"  0000000000008000-0000000000008fff (prio 0, ram): mem @0000000000004000\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(layout("mem", 192 * MIB, texts[i]), RENIC_E_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_machine_has_one_part),
		cmocka_unit_test(shadowed_firmware_changes_nothing),
		cmocka_unit_test(ram_above_4_gib_is_a_second_part),
		cmocka_unit_test(another_backend_or_none_is_refused),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
