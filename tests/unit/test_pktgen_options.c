/* SPDX-License-Identifier: BSD-3-Clause */
/* renic-pktgen's command line: bench/pktgen/options.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"

static struct options o;
static char error[256];

/* The words of a line, after the program's name. */
static bool parse(const char *line)
{
	static char copy[512];
	char *argv[32] = {"renic-pktgen"}, *save;
	int argc = 1;

	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	error[0] = '\0';
	return options_parse(&o, argc, argv, error, sizeof(error));
}

static void expect_refused(const char *line, const char *wanted)
{
	assert_false(parse(line));
	assert_string_equal(error, wanted);
}

static void defaults_are_one_guest_flat_out_with_64_bytes(void **state)
{
	assert_true(parse("--control c"));
	assert_int_equal(o.vfs, 1);
	assert_int_equal(o.n_sizes, 1);
	assert_int_equal(o.sizes[0], 64);
	assert_true(o.rate_pps == 0);
	assert_int_equal(o.duration_us, 2000000);
	assert_int_equal(o.epoch_us, 0);
	assert_int_equal(o.flow, FLOW_OUT);
	assert_int_equal(o.driver, DRIVER_DIRECT);
}

static void values_come_after_equals_or_as_the_next_word(void **state)
{
	assert_true(parse("--control=c --vfs 64 --size=64,1518,9000 --rate 1.5M --epoch 2ms"));
	assert_int_equal(o.vfs, 64);
	assert_int_equal(o.n_sizes, 3);
	assert_int_equal(o.sizes[2], 9000);
	assert_true(o.rate_pps == 1.5e6);
	assert_int_equal(o.epoch_us, 2000);
}

static void imix_is_seven_four_and_one(void **state)
{
	unsigned n[3] = {0};

	assert_true(parse("--control c --size imix"));
	for (unsigned i = 0; i < o.n_sizes; i++)
		n[o.sizes[i] == 64 ? 0 : o.sizes[i] == 594 ? 1 : 2]++;
	assert_int_equal(n[0], 7);
	assert_int_equal(n[1], 4);
	assert_int_equal(n[2], 1);
}

static void an_error_names_the_option_and_its_range(void **state)
{
	const char *refused[][2] = {
		{"--vfs 0", "--vfs=0: expected a whole number from 1 to 256"},
		{"--vfs 257", "--vfs=257: expected a whole number from 1 to 256"},
		{"--vfs 1.5", "--vfs=1.5: expected a whole number from 1 to 256"},
		{"--vfs many", "--vfs=many: expected a whole number from 1 to 256"},
		{"--vfs=", "--vfs=: expected a whole number from 1 to 256"},
		{"--vfs nan", "--vfs=nan: expected a whole number from 1 to 256"},
		{"--vfs", "--vfs: expected N after it"},
		{"--rate -1", "--rate=-1: expected a number from 1 to 1000000000"},
		{"--epoch 25", "--epoch=25: expected a time from 0.5ms to 60s"},
		{"--epoch 100us", "--epoch=100us: expected a time from 0.5ms to 60s"},
		{"--size 63", "--size=63: expected imix, or 1 to 16 sizes from 64 to 9000 with "
			      "commas"},
		{"--size 64,", "--size=64,: expected imix, or 1 to 16 sizes from 64 to 9000 with "
			       "commas"},
		{"--size 9001", "--size=9001: expected imix, or 1 to 16 sizes from 64 to 9000 "
				"with commas"},
		{"--flow up", "--flow=up: expected one of out in both pair"},
		{"--listen=1", "--listen takes no value"},
		{"--speed 3", "--speed: no such option; see --help"},
		{"speed", "speed: not an option; see --help"},
		{"--", "--: not an option; see --help"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect_refused(refused[i][0], refused[i][1]);
}

static void options_that_do_not_go_together_are_refused(void **state)
{
	const char *refused[][2] = {
		{"", "expected --control, or --sockets with a %d"},
		{"--sockets /tmp/x", "--sockets=/tmp/x: expected a path with one %d"},
		{"--sockets /tmp/%d%s", "--sockets=/tmp/%d%s: expected a path with one %d"},
		{"--sockets /tmp/%s%d", "--sockets=/tmp/%s%d: expected a path with one %d"},
		{"--control c --flow in", "--flow=in: expected --far-end too"},
		{"--control c --flow pair", "--vfs=1: expected an even number with --flow pair"},
		{"--sockets s%d --epoch 5ms", "--epoch: expected --control too"},
		{"--control c --ring-size 1000",
			"--ring-size=1000: expected a power of two from 64 to 4096"},
		{"--control c --driver virtio-user --vfs 32",
			"--vfs=32: expected 1 to 31 with --driver virtio-user"},
		{"--control c --warm-up 3s", "--warm-up: expected less than --time"},
		{"--control c --search --rate 5",
			"--search: expected neither --rate nor --count beside it"},
		{"--control c --last-commit 3", "--last-commit: expected --epoch too"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect_refused(refused[i][0], refused[i][1]);
}

static void help_needs_nothing_else_and_names_every_option(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_true(parse("--help"));
	assert_true(o.help);
	options_help(out);
	fclose(out);
	assert_non_null(strstr(text, "--vfs N   (a whole number from 1 to 256, default 1)"));
	assert_non_null(strstr(text, "--search"));
	assert_non_null(strstr(text, "Exit status"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_one_guest_flat_out_with_64_bytes),
		cmocka_unit_test(values_come_after_equals_or_as_the_next_word),
		cmocka_unit_test(imix_is_seven_four_and_one),
		cmocka_unit_test(an_error_names_the_option_and_its_range),
		cmocka_unit_test(options_that_do_not_go_together_are_refused),
		cmocka_unit_test(help_needs_nothing_else_and_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
