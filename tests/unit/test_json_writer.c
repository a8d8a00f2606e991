/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/control/json_writer.c: what is written is always valid JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json_writer.h"

static void assert_text(struct json_writer *w, const char *expected)
{
	assert_false(w->failed);
	jw_bytes(w, "", 1);
	assert_string_equal(w->buf, expected);
	jw_free(w);
}

static void commas_go_between_members_and_elements_only(void **state)
{
	struct json_writer w = {0};

	jw_open(&w, NULL, '{');
	jw_u64(&w, "a", 1);
	jw_open(&w, "b", '[');
	jw_close(&w, ']');
	jw_open(&w, "c", '[');
	jw_open(&w, NULL, '{');
	jw_close(&w, '}');
	jw_open(&w, NULL, '{');
	jw_bool(&w, "d", false);
	jw_close(&w, '}');
	jw_str(&w, NULL, "x");
	jw_bool(&w, NULL, true);
	jw_close(&w, ']');
	jw_key(&w, "e");
	jw_u64(&w, NULL, 2);
	jw_close(&w, '}');
	assert_text(&w, "{\"a\":1,\"b\":[],\"c\":[{},{\"d\":false},\"x\",true],\"e\":2}");
}

static void string_that_ends_like_structure_still_gets_its_comma(void **state)
{
	struct json_writer w = {0};

	jw_open(&w, NULL, '[');
	jw_str(&w, NULL, "[");
	jw_str(&w, NULL, "{");
	jw_str(&w, NULL, ":");
	jw_close(&w, ']');
	assert_text(&w, "[\"[\",\"{\",\":\"]");
}

static void each_line_starts_without_a_comma(void **state)
{
	struct json_writer w = {0};

	jw_u64(&w, NULL, 1);
	jw_bytes(&w, "\n", 1);
	jw_u64(&w, NULL, 2);
	jw_bytes(&w, "\n", 1);
	assert_text(&w, "1\n2\n");
}

static void numbers_keep_all_their_digits(void **state)
{
	struct json_writer w = {0};

	jw_open(&w, NULL, '[');
	jw_u64(&w, NULL, 0);
	jw_u64(&w, NULL, UINT64_MAX);
	jw_i64(&w, NULL, INT64_MIN);
	jw_i64(&w, NULL, -32601);
	jw_close(&w, ']');
	assert_text(&w, "[0,18446744073709551615,-9223372036854775808,-32601]");
}

static void mac_is_written_in_lower_case(void **state)
{
	const uint8_t mac[6] = {0x52, 0x54, 0x00, 0xAB, 0xcd, 0x0f};
	struct json_writer w = {0};

	jw_mac(&w, NULL, mac);
	assert_text(&w, "\"52:54:00:ab:cd:0f\"");
}

static void empty_string_is_null_where_asked(void **state)
{
	struct json_writer w = {0};

	jw_open(&w, NULL, '[');
	jw_str_or_null(&w, NULL, "");
	jw_str_or_null(&w, NULL, "g");
	jw_close(&w, ']');
	assert_text(&w, "[null,\"g\"]");
}

static void control_characters_quotes_and_backslashes_are_escaped(void **state)
{
	struct json_writer w = {0};

	jw_strn(&w, NULL, "a\"\\\n\0\x7f", 6);
	assert_text(&w, "\"a\\\"\\\\\\u000a\\u0000\\u007f\"");
}

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"\xc3\xa9", "\"\xc3\xa9\""},		      /* e acute: as it is */
		{"\xf0\x9f\x90\x8c", "\"\xf0\x9f\x90\x8c\""}, /* beyond the BMP */
		{"a\xff", "\"a\xef\xbf\xbd\""},
		{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},		      /* cut short */
		{"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},		      /* overlong */
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
		{"\xf4\x90\x80\x80",
			"\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* > 10FFFF */
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json_writer w = {0};

		jw_str(&w, NULL, rows[i].in);
		assert_text(&w, rows[i].out);
	}
}

static void every_byte_pair_is_valid_json(void **state)
{
	unsigned pair;

	for (pair = 0; pair < 65536; pair++) {
		const char s[2] = {(char)(pair >> 8), (char)pair};
		struct json_writer w = {0};
		json_error_t why;
		json_t *root;

		jw_strn(&w, NULL, s, 2);
		root = json_loadb(w.buf, w.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
		if (!root)
			fail_msg("%04x: %s", pair, why.text);
		json_decref(root);
		jw_free(&w);
	}
}

static void truncated_writer_goes_on_where_it_was_cut(void **state)
{
	struct json_writer w = {0};
	size_t mark;

	jw_open(&w, NULL, '[');
	jw_u64(&w, NULL, 1);
	mark = w.len;
	jw_str(&w, NULL, "never mind");
	jw_truncate(&w, mark);
	jw_u64(&w, NULL, 2);
	jw_close(&w, ']');
	assert_text(&w, "[1,2]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_go_between_members_and_elements_only),
		cmocka_unit_test(string_that_ends_like_structure_still_gets_its_comma),
		cmocka_unit_test(each_line_starts_without_a_comma),
		cmocka_unit_test(numbers_keep_all_their_digits),
		cmocka_unit_test(mac_is_written_in_lower_case),
		cmocka_unit_test(empty_string_is_null_where_asked),
		cmocka_unit_test(control_characters_quotes_and_backslashes_are_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
		cmocka_unit_test(every_byte_pair_is_valid_json),
		cmocka_unit_test(truncated_writer_goes_on_where_it_was_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
