/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking over JSON members in place: what it finds, what it refuses, where it stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "skim.h"

/* Walks over all; returns how many members there were, -1 when it was refused. The text is in
 * memory of exactly its size, so that a sanitizer sees a read beyond it. */
static int walk(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	struct span name, value;
	struct skim skim;
	int n = 0;

	memcpy(copy, text, len);
	skim_start(&skim, (struct span){copy, len});
	while (skim_member(&skim, &name, &value))
		n++;
	free(copy);
	return skim.failed ? -1 : n;
}

static const char document[] = " { \"a\" : {\"b\":[1,{\"c\":\"]}\"}]} ,\t\"\\\"d\":\"x\\\\\","
			       "\"e\":-1.5e+3, \"f\":true ,\"\":null } ";

static void members_are_found_whatever_is_inside(void **state)
{
	static const char *const names[] = {"a", "\\\"d", "e", "f", ""};
	static const char *const values[] = {
		"{\"b\":[1,{\"c\":\"]}\"}]}", "\"x\\\\\"", "-1.5e+3", "true", "null"};
	struct span name, value;
	struct skim skim;

	skim_start(&skim, (struct span){document, strlen(document)});
	for (int i = 0; i < 5; i++) {
		assert_true(skim_member(&skim, &name, &value));
		assert_true(span_is(name, names[i]));
		assert_true(span_is(value, values[i]));
	}
	assert_false(skim_member(&skim, &name, &value));
	assert_false(skim.failed);
}

static void what_is_cut_short_is_refused(void **state)
{
	size_t len = strlen(document) - 1; /* the last blank may go */

	assert_int_equal(walk(document, len), 5);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(walk(document, cut), -1);
}

static void malformed_objects_are_refused(void **state)
{
	static const char *const texts[] = {"[]", "1", "\"a\"", "{,}", "{\"a\":1,}",
		"{\"a\":1 \"b\":2}", "{\"a\"}", "{\"a\":}", "{\"a\":1}}", "{\"a\":1}x", "{a:1}",
		"{\"a\":1,,\"b\":2}", "{\"a\":[1", "{\"a\":\"\\\"}"};

	assert_int_equal(walk("{}", 2), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(walk(texts[i], strlen(texts[i])), -1);
}

static void depth_costs_no_stack(void **state)
{
	size_t depth = 4 << 20;
	char *text = malloc(2 * depth + 8);

	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', depth);
	memset(text + 5 + depth, ']', depth);
	text[5 + 2 * depth] = '}';
	assert_int_equal(walk(text, 6 + 2 * depth), 1);
	assert_int_equal(walk(text, 5 + 2 * depth), -1);
	free(text);
}

static bool number(const char *text, uint64_t *value)
{
	return span_uint((struct span){text, strlen(text)}, value);
}

static void only_whole_numbers_that_fit_are_numbers(void **state)
{
	static const char *const others[] = {"", "-1", "+1", "1.0", "1e3", "01", "00", "0x1", " 1",
		"1 ", "18446744073709551616", "99999999999999999999", "\"1\"", "null"};
	uint64_t value = 77;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(number(others[i], &value));
	assert_false(span_uint((struct span){0}, &value));
	assert_int_equal(value, 77);
	assert_true(number("0", &value));
	assert_int_equal(value, 0);
	assert_true(number("18446744073709551615", &value));
	assert_true(value == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_whatever_is_inside),
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(malformed_objects_are_refused),
		cmocka_unit_test(depth_costs_no_stack),
		cmocka_unit_test(only_whole_numbers_that_fit_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
