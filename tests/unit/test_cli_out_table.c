/* SPDX-License-Identifier: BSD-3-Clause */
/* What people read: alignment, units, and that a daemon's text cannot drive the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out_table.h"
#include "show.h"

static const struct column columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"HELD", "held", CELL_COUNT},
	{"TAIL", "log.tail", CELL_COUNT},
	{"LIST", "list", CELL_TEXT},
	{0},
};

static char *text_of(void (*print)(FILE *out, const json_t *value), const char *json)
{
	json_t *value = json_loads(json, 0, NULL);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(value);
	print(out, value);
	fclose(out);
	json_decref(value);
	return text;
}

static void assert_prints(
	void (*print)(FILE *out, const json_t *value), const char *json, const char *expected)
{
	char *text = text_of(print, json);

	assert_string_equal(text, expected);
	free(text);
}

static void print_table(FILE *out, const json_t *rows)
{
	table_print(out, columns, rows);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	assert_prints(print_table,
		"[{\"name\":\"a\",\"held\":12345,\"log\":{\"tail\":7},\"list\":[\"x\",\"y\"]},"
		"{\"name\":\"longer\",\"held\":1,\"log\":{},\"list\":[]},"
		"{\"name\":null,\"list\":true}]",
		"NAME     HELD  TAIL  LIST\n"
		"a       12345     7  x,y\n"
		"longer      1     -  -\n"
		"-           -     -  on\n");
	assert_prints(print_table, "[]", "NAME  HELD  TAIL  LIST\n");
}

static void record_is_a_line_a_member(void **state)
{
	assert_prints(record_print,
		"{\"name\":\"vf0\",\"packed\":false,\"group\":null,\"drops\":{\"runt\":3},"
		"\"rings\":"
		"[{\"queue\":0}],\"vfs\":[\"a\",\"b\"],\"mac\":\"\"}",
		"name       : vf0\n"
		"packed     : off\n"
		"group      : -\n"
		"drops.runt : 3\n"
		"vfs        : a,b\n"
		"mac        : -\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	assert_prints(record_print, "{\"a\\u001b\":\"x\\u001b[2J\\ny\"}", "a? : x?[2J?y\n");
	assert_prints(print_table, "[{\"name\":\"\\u001b[31m\"}]",
		"NAME   HELD  TAIL  LIST\n?[31m     -     -  -\n");
}

static void list_that_is_too_long_says_so(void **state)
{
	json_t *names = json_array();
	char cell[CELL_SIZE];

	for (int i = 0; i < 100; i++)
		json_array_append_new(names, json_sprintf("vf%03d", i));
	cell_format(CELL_TEXT, names, cell);
	assert_memory_equal(cell, "vf000,vf001,", 12);
	assert_string_equal(cell + strlen(cell) - 10, ",vf041,...");
	json_decref(names);
}

static void numbers_are_scaled_with_their_units(void **state)
{
	static const struct {
		enum cell_format format;
		double value;
		const char *text;
	} cases[] = {
		{CELL_BYTES, 0, "0"},
		{CELL_BYTES, 1023, "1023"},
		{CELL_BYTES, 1536, "1.50K"},
		{CELL_BYTES, 12582912, "12.0M"},
		{CELL_BYTES, 5e15, "4547.5T"},
		{CELL_RATE, 950.4, "950"},
		{CELL_RATE, 12500, "12.5k"},
		{CELL_RATE, 14880952, "14.9M"},
		{CELL_MBIT, 0, "0.0"},
		{CELL_MBIT, 9876.54, "9876.5"},
		{CELL_AGE_US, 850, "850us"},
		{CELL_AGE_US, 12345, "12.3ms"},
		{CELL_AGE_US, 4200000, "4.2s"},
	};
	char cell[CELL_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = json_real(cases[i].value);

		assert_string_equal(cell_format(cases[i].format, value, cell), cases[i].text);
		json_decref(value);
	}
}

static void methods_show_who_may_and_what_is_required(void **state)
{
	assert_prints(show_methods,
		"[{\"name\":\"vf_get\",\"help\":\"One VF\",\"read\":true,\"params\":"
		"[{\"name\":\"name\",\"required\":true},{\"name\":\"x\",\"required\":false}]}]",
		"METHOD  FOR  WHAT IT DOES  PARAMETERS\nvf_get  all  One VF        name,x?\n");
}

static void results_of_any_shape_are_survived(void **state)
{
	static void (*const shows[])(FILE *, const json_t *) = {show_nothing, show_record,
		show_methods, show_vf, show_vf_row, show_vf_list, show_group_row, show_group_list,
		show_checkpoint, show_extents};
	static const char *const results[] = {"{}", "[]", "[1,null,[]]", "{\"rings\":7,\"vfs\":{}}",
		"{\"rings\":[{},1],\"vfs\":[[]],\"extents\":true}", "[{\"params\":[1]}]"};

	for (size_t s = 0; s < sizeof(shows) / sizeof(shows[0]); s++)
		for (size_t r = 0; r < sizeof(results) / sizeof(results[0]); r++)
			free(text_of(shows[s], results[r]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(record_is_a_line_a_member),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(list_that_is_too_long_says_so),
		cmocka_unit_test(numbers_are_scaled_with_their_units),
		cmocka_unit_test(methods_show_who_may_and_what_is_required),
		cmocka_unit_test(results_of_any_shape_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
