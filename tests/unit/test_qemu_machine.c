/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of a QEMU's machine (qemu-integration/machine.c), against fakes/fake_qemu.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fakes/fake_qemu.h"
#include "machine.h"

enum { LONG_MS = 20000 };

static struct fake_qemu qemu;
static struct qmp *qmp;
static struct nic_error err;
static char text[REMUS_MACHINE_SIZE];

static int begin(void **state)
{
	fake_qemu_start(&qemu);
	return qmp_connect(qemu.path, LONG_MS, &qmp, &err);
}

static int end(void **state)
{
	qmp_close(qmp);
	fake_qemu_end(&qemu);
	return 0;
}

static void describe(void)
{
	memset(text, 'x', sizeof(text));
	assert_int_equal(machine_describe(qmp, LONG_MS, text, &err), 0);
}

static const struct fake_answer pc[] = {
	{"qom-get /machine type", "\"pc-i440fx-7.2-machine\""},
	{"query-cpus-fast", "[{\"qom-path\": \"/cpu0\"}, {\"qom-path\": \"/cpu1\"}]"},
	{"qom-get /cpu0 type", "\"qemu64-x86_64-cpu\""},
	{"query-pci", "[{\"bus\": 0, \"devices\": ["
		      "{\"bus\": 0, \"slot\": 0, \"function\": 0, \"id\": {\"vendor\": 32902, "
		      "\"device\": 4663, \"subsystem-vendor\": 6900, \"subsystem\": 4352}, "
		      "\"regions\": []},"
		      "{\"bus\": 0, \"slot\": 31, \"function\": 7, \"id\": {\"vendor\": 6900, "
		      "\"device\": 4096}, \"regions\": ["
		      "{\"bar\": 0, \"type\": \"io\", \"size\": 32, \"address\": 49152},"
		      "{\"bar\": 4, \"type\": \"memory\", \"size\": 16384, \"mem_type_64\": true, "
		      "\"address\": -1},"
		      "{\"bar\": 6, \"type\": \"memory\", \"size\": 262144}]}]}]"},
	{"qom-list /machine/peripheral",
		"[{\"name\": \"type\", \"type\": \"string\"}, "
		"{\"name\": \"net0\", \"type\": \"child<virtio-net-pci>\"}, "
		"{\"name\": \"disk\", \"type\": \"child<ide-hd>\"}, "
		"{\"name\": \"cpu1\", \"type\": \"child<qemu64-x86_64-cpu>\"}]"},
	{"qom-get /machine/peripheral/net0 disable-modern", "true"},
	{"qom-get /machine/peripheral/net0 disable-legacy", "\"off\""},
	{"qom-list /machine/peripheral-anon",
		"[{\"name\": \"device[0]\", \"type\": \"child<isa-serial>\"}]"},
	{NULL, NULL},
};

static void a_machine_is_told_line_by_line(void **state)
{
	qemu.answers = pc;
	describe();
	assert_string_equal(text, "format 1\n"
				  "machine pc-i440fx-7.2-machine\n"
				  "2 CPUs qemu64-x86_64-cpu\n"
				  "PCI 0:00.0 8086:1237 1af4:1100\n"
				  "PCI 0:1f.7 1af4:1000 0000:0000 0:io/32 4:memory,64/16384\n"
				  "device ide-hd\n"
				  "device isa-serial\n"
				  "device virtio-net-pci disable-modern=on disable-legacy=off\n");
}

/* One that has no PCI, say. */
static void what_qemu_refuses_is_left_out(void **state)
{
	static const struct fake_answer some[] = {
		{"qom-get /machine type", "\"microvm-machine\""}, {NULL, NULL}};

	qemu.answers = some;
	describe();
	assert_string_equal(text, "format 1\nmachine microvm-machine\n");
}

static void nonsense_is_no_machine(void **state)
{
	static const struct fake_answer nonsense[] = {
		{"qom-get /machine type", "{}"},
		{"query-cpus-fast", "[3]"},
		{"query-pci",
			"[{\"devices\": [7, {\"slot\": \"x\", \"id\": [], \"regions\": [1]}]}]"},
		{"qom-list /machine/peripheral", "[[], {\"name\": 1}, {\"type\": \"child<a\\nb>\", "
						 "\"name\": \"\\u00e9\"}]"},
		{"qom-list /machine/peripheral-anon", "\"\""},
		{NULL, NULL},
	};

	qemu.answers = nonsense;
	describe();
	assert_string_equal(text, "format 1\n"
				  "PCI 0:00.0 0000:0000 0000:0000\n"
				  "PCI 0:00.0 0000:0000 0000:0000 0:?/0\n"
				  "device a?b\n");
}

/* So many devices, of a type whose name is EACH bytes long. */
static void have_devices(int n)
{
	enum { EACH = 64 };
	static char list[200 * (EACH + 64)];
	static const struct fake_answer many[] = {
		{"qom-list /machine/peripheral", list}, {NULL, NULL}};
	size_t used = 0;

	for (int i = 0; i < n; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
			"%c{\"name\": \"n%d\", \"type\": \"child<%0*d>\"}", i ? ',' : '[', i, EACH,
			i);
	strcat(list, ", {\"name\": \"type\", \"type\": \"string\"}]");
	qemu.answers = many;
}

static void a_long_one_is_cut_between_lines(void **state)
{
	size_t form = strlen("format 1\n"), line = strlen("device \n") + 64;

	have_devices(100);
	describe();
	assert_in_range(strlen(text), REMUS_MACHINE_SIZE - line, REMUS_MACHINE_SIZE - 1);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_int_equal((strlen(text) - form) % line, 0);
}

/* Which ones were told would be chance. */
static void of_too_many_devices_none_is_told(void **state)
{
	have_devices(128);
	describe();
	assert_true(strlen(text) > strlen("format 1\n"));
	have_devices(129);
	describe();
	assert_string_equal(text, "format 1\n");
}

static void a_qemu_that_goes_away_is_an_error(void **state)
{
	qemu.answers = pc;
	qemu.ends_at = "query-pci";
	assert_int_not_equal(machine_describe(qmp, LONG_MS, text, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_machine_is_told_line_by_line, begin, end),
		cmocka_unit_test_setup_teardown(what_qemu_refuses_is_left_out, begin, end),
		cmocka_unit_test_setup_teardown(nonsense_is_no_machine, begin, end),
		cmocka_unit_test_setup_teardown(a_long_one_is_cut_between_lines, begin, end),
		cmocka_unit_test_setup_teardown(of_too_many_devices_none_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_qemu_that_goes_away_is_an_error, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
