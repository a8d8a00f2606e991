/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/control/params.c and param_types.c: what a decoder table lets through, and what
 * an error says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "params.h"

struct inner {
	uint8_t level;
	char key[8];
};

struct sample {
	char name[8];
	char pattern[8];
	char text[6];
	char path[8];
	bool flag;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	bool pass;
	uint32_t color;
	uint8_t mac[6];
	mode_t mode;
	uid_t user;
	gid_t group;
	struct inner inner;
	uint16_t n_names;
	char names[3][8];
	uint16_t n_things;
	struct inner *things;
	uint16_t n_map;
	struct inner map[2];
};

static const char *const pass_names[] = {"hold", "pass"};
static const char *const colors[] = {"red", "green", "blue"};

static void inner_defaults(void *object)
{
	struct inner *inner = object;

	inner->level = 2;
}

#define FIELD(f) .name = #f, PARAM_FIELD(struct sample, f)

static const struct param name_element = {.name = "n", .type = PARAM_NAME, .size = 8};

static const struct param inner_fields[] = {
	{
		.name = "key",
		.type = PARAM_NAME,
		.required = true,
		PARAM_FIELD(struct inner, key),
	},
	{
		.name = "level",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct inner, level),
		.choices = colors,
		.n_choices = 3,
	},
};

static const struct param thing_element = {
	.name = "thing",
	.type = PARAM_OBJECT,
	.size = sizeof(struct inner),
	.fields = inner_fields,
	.n_fields = 2,
	.defaults = inner_defaults,
};

static const struct param table[] = {
	{FIELD(name), .type = PARAM_NAME, .bit = 1},
	{FIELD(pattern), .type = PARAM_PATTERN},
	{FIELD(text), .type = PARAM_STRING, .bit = 2},
	{FIELD(path), .type = PARAM_PATH},
	{FIELD(flag), .type = PARAM_BOOL},
	{FIELD(u8), .type = PARAM_UINT, .max = 255},
	{FIELD(u16), .type = PARAM_UINT, .min = 68, .max = 9000, .bit = 4},
	{FIELD(u32), .type = PARAM_UINT, .max = UINT32_MAX},
	{FIELD(u64), .type = PARAM_BYTES, .min = 1, .max = INT64_MAX},
	{FIELD(pass), .type = PARAM_ENUM, .choices = pass_names, .n_choices = 2},
	{FIELD(color), .type = PARAM_ENUM, .choices = colors, .n_choices = 3},
	{FIELD(mac), .type = PARAM_MAC},
	{FIELD(mode), .type = PARAM_MODE},
	{FIELD(user), .type = PARAM_USER},
	{FIELD(group), .type = PARAM_GROUP},
	{FIELD(inner), .type = PARAM_OBJECT, .fields = inner_fields, .n_fields = 2},
	{
		.name = "names",
		.type = PARAM_LIST,
		.offset = offsetof(struct sample, names),
		.size = 8,
		.min = 1,
		.max = 3,
		.element = &name_element,
		.count_offset = offsetof(struct sample, n_names),
	},
	{
		.name = "things",
		.type = PARAM_LIST,
		.offset = offsetof(struct sample, things),
		.size = sizeof(struct inner),
		.max = 2,
		.element = &thing_element,
		.count_offset = offsetof(struct sample, n_things),
		.allocated = true,
	},
	{
		.name = "map",
		.type = PARAM_MAP,
		.offset = offsetof(struct sample, map),
		.size = sizeof(struct inner),
		.max = 2,
		.fields = inner_fields,
		.n_fields = 2,
		.count_offset = offsetof(struct sample, n_map),
	},
};

enum { N = sizeof(table) / sizeof(table[0]) };

static int decode(const char *text, struct sample *out, unsigned *given, struct nic_error *err)
{
	json_error_t why;
	json_t *root = json_loads(text, 0, &why);
	int rc;

	if (!root)
		fail_msg("the test's own JSON: %s: %s", why.text, text);
	memset(out, 0, sizeof(*out));
	memset(err, 0, sizeof(*err));
	rc = params_decode(table, N, root, out, given, err);
	json_decref(root);
	return rc;
}

static void values_land_in_fields_of_every_width(void **state)
{
	const uint8_t mac[6] = {0x52, 0x54, 0, 0xab, 0xcd, 1};
	struct nic_error err;
	struct sample s;

	assert_int_equal(decode("{\"name\": \"vm-1.a_\", \"pattern\": \"lib.*\", \"text\": \"arp\","
				"\"path\": \"/a b\", \"flag\": true, \"u8\": 255, \"u16\": 9000,"
				"\"u32\": 4294967295, \"u64\": 9223372036854775807,"
				"\"pass\": \"pass\", \"color\": \"blue\","
				"\"mac\": \"52:54:00:AB:cd:01\", \"mode\": \"0640\"}",
				 &s, NULL, &err),
		0);
	assert_string_equal(s.name, "vm-1.a_");
	assert_string_equal(s.pattern, "lib.*");
	assert_string_equal(s.text, "arp");
	assert_string_equal(s.path, "/a b");
	assert_true(s.flag);
	assert_int_equal(s.u8, 255);
	assert_int_equal(s.u16, 9000);
	assert_int_equal(s.u32, UINT32_MAX);
	assert_int_equal(s.u64, INT64_MAX);
	assert_true(s.pass);
	assert_int_equal(s.color, 2);
	assert_memory_equal(s.mac, mac, 6);
	assert_int_equal(s.mode, 0640);
}

static void mask_tells_which_members_were_given(void **state)
{
	struct nic_error err;
	struct sample s;
	unsigned given = 99;

	assert_int_equal(decode("{\"text\": \"\", \"u16\": 100, \"u8\": 1}", &s, &given, &err), 0);
	assert_int_equal(given, 2 | 4);
	assert_int_equal(decode("{}", &s, &given, &err), 0);
	assert_int_equal(given, 0);
}

static void no_object_is_an_empty_one(void **state)
{
	struct sample s;
	struct nic_error err;

	assert_int_equal(params_decode(table, N, NULL, &s, NULL, &err), 0);
	assert_int_equal(params_decode(inner_fields, 2, NULL, &s, NULL, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "key");
}

static void members_not_given_are_left_alone(void **state)
{
	json_t *root = json_object();
	struct sample s = {.u16 = 77, .name = "old"};
	struct nic_error err;

	assert_int_equal(params_decode(table, N, root, &s, NULL, &err), 0);
	json_decref(root);
	assert_int_equal(s.u16, 77);
	assert_string_equal(s.name, "old");
}

static void lists_and_maps_count_their_elements(void **state)
{
	struct nic_error err;
	struct sample s;

	assert_int_equal(decode("{\"names\": [\"a\", \"b\"],"
				"\"things\": [{\"key\": \"x\"},"
				"{\"key\": \"y\", \"level\": \"red\"}],"
				"\"map\": {\"vhost\": \"green\"}}",
				 &s, NULL, &err),
		0);
	assert_int_equal(s.n_names, 2);
	assert_string_equal(s.names[1], "b");
	assert_int_equal(s.n_things, 2);
	assert_string_equal(s.things[0].key, "x");
	assert_int_equal(s.things[0].level, 2); /* its default */
	assert_int_equal(s.things[1].level, 0);
	assert_int_equal(s.n_map, 1);
	assert_string_equal(s.map[0].key, "vhost");
	assert_int_equal(s.map[0].level, 1);
	free(s.things);
}

static void users_and_groups_go_by_name_or_number(void **state)
{
	struct nic_error err;
	struct sample s;

	assert_int_equal(decode("{\"user\": \"root\", \"group\": \"root\"}", &s, NULL, &err), 0);
	assert_int_equal(s.user, 0);
	assert_int_equal(s.group, 0);
	assert_int_equal(decode("{\"user\": \"65533\", \"group\": \"1\"}", &s, NULL, &err), 0);
	assert_int_equal(s.user, 65533);
	assert_int_equal(s.group, 1);
}

static void errors_name_path_value_and_expectation(void **state)
{
	static const struct {
		const char *in, *field, *given, *expected;
	} rows[] = {
		{"{\"flag\": 1}", "flag", "1", "true or false"},
		{"{\"flag\": \"true\"}", "flag", "\"true\"", "true or false"},
		{"{\"flag\": null}", "flag", "null", "true or false"},
		{"{\"u8\": 256}", "u8", "256", "an integer from 0 to 255"},
		{"{\"u8\": -1}", "u8", "-1", "an integer from 0 to 255"},
		{"{\"u8\": 1.0}", "u8", "1.0", "an integer from 0 to 255"},
		{"{\"u8\": \"1\"}", "u8", "\"1\"", "an integer from 0 to 255"},
		{"{\"u8\": true}", "u8", "true", "an integer from 0 to 255"},
		{"{\"u16\": 67}", "u16", "67", "an integer from 68 to 9000"},
		{"{\"u16\": 9001}", "u16", "9001", "an integer from 68 to 9000"},
		{"{\"u64\": 0}", "u64", "0", "a number of bytes from 1 to 9223372036854775807"},
		{"{\"color\": \"pink\"}", "color", "\"pink\"", "one of red green blue"},
		{"{\"color\": 1}", "color", "1", "one of red green blue"},
		{"{\"pass\": \"\"}", "pass", "\"\"", "one of hold pass"},
		{"{\"name\": \"\"}", "name", "\"\"",
			"1 to 7 of A-Z a-z 0-9 _ . -, the first a letter or digit"},
		{"{\"name\": \".x\"}", "name", "\".x\"", NULL},
		{"{\"name\": \"-x\"}", "name", "\"-x\"", NULL},
		{"{\"name\": \"a/b\"}", "name", "\"a/b\"", NULL},
		{"{\"name\": \"a b\"}", "name", "\"a b\"", NULL},
		{"{\"name\": \"\\u00e9t\"}", "name", "\"\\u00E9t\"", NULL},
		{"{\"name\": \"12345678\"}", "name", "\"12345678\"", NULL},
		{"{\"name\": [\"a\"]}", "name", "[\"a\"]", NULL},
		{"{\"pattern\": \"a b\"}", "pattern", "\"a b\"", "1 to 7 of A-Z a-z 0-9 _ . - * ?"},
		{"{\"pattern\": \"\"}", "pattern", "\"\"", NULL},
		{"{\"text\": \"123456\"}", "text", "\"123456\"",
			"a string of 0 to 5 bytes without control characters"},
		{"{\"text\": \"a\\n\"}", "text", "\"a\\n\"", NULL},
		{"{\"text\": 5}", "text", "5", NULL},
		{"{\"path\": \"rel\"}", "path", "\"rel\"", "an absolute path of at most 7 bytes"},
		{"{\"path\": \"/\"}", "path", "\"/\"", NULL},
		{"{\"path\": \"/2345678\"}", "path", "\"/2345678\"", NULL},
		{"{\"path\": \"/a\\u0001\"}", "path", "\"/a\\u0001\"", NULL},
		{"{\"mac\": \"52:54:00:00:00\"}", "mac", "\"52:54:00:00:00\"",
			"a unicast MAC address such as 52:54:00:12:34:56"},
		{"{\"mac\": \"52:54:00:00:00:0g\"}", "mac", "\"52:54:00:00:00:0g\"", NULL},
		{"{\"mac\": \"52-54-00-00-00-01\"}", "mac", "\"52-54-00-00-00-01\"", NULL},
		{"{\"mac\": \"52:54:00:00:00:011\"}", "mac", "\"52:54:00:00:00:011\"", NULL},
		{"{\"mac\": \"01:00:5e:00:00:01\"}", "mac", "\"01:00:5e:00:00:01\"", NULL},
		{"{\"mac\": \"ff:ff:ff:ff:ff:ff\"}", "mac", "\"ff:ff:ff:ff:ff:ff\"", NULL},
		{"{\"mac\": \"00:00:00:00:00:00\"}", "mac", "\"00:00:00:00:00:00\"", NULL},
		{"{\"mode\": 432}", "mode", "432", "an octal file mode such as \"0660\""},
		{"{\"mode\": \"0668\"}", "mode", "\"0668\"", NULL},
		{"{\"mode\": \"4755\"}", "mode", "\"4755\"", NULL},
		{"{\"mode\": \"\"}", "mode", "\"\"", NULL},
		{"{\"user\": \"no-such-user-here\"}", "user", "\"no-such-user-here\"",
			"the name or number of a user of this system, as a string"},
		{"{\"user\": \"4294967295\"}", "user", "\"4294967295\"", NULL},
		{"{\"group\": 5}", "group", "5",
			"the name or number of a group of this system, as a string"},
		{"{\"inner\": []}", "inner", "[]", "an object"},
		{"{\"inner\": {}}", "inner.key", "",
			"1 to 7 of A-Z a-z 0-9 _ . -, the first a letter or digit"},
		{"{\"inner\": {\"key\": \"a\", \"lvl\": 3}}", "inner.lvl", "3", "one of key level"},
		{"{\"names\": []}", "names", "[]", "an array of 1 to 3 elements"},
		{"{\"names\": [\"a\",\"b\",\"c\",\"d\"]}", "names", "[\"a\",\"b\",\"c\",\"d\"]",
			NULL},
		{"{\"names\": {\"a\": 1}}", "names", "{\"a\":1}", NULL},
		{"{\"names\": [\"a\", 7]}", "names[1]", "7", NULL},
		{"{\"map\": []}", "map", "[]", "an object of at most 2 members"},
		{"{\"map\": {\"a\": \"red\", \"b\": \"red\", \"c\": \"red\"}}", "map",
			"{\"a\":\"red\",\"b\":\"red\",\"c\":\"red\"}", NULL},
		{"{\"map\": {\"a\": \"pink\"}}", "map.a", "\"pink\"", "one of red green blue"},
		{"{\"map\": {\"a b\": \"red\"}}", "map.a b", "\"a b\"", NULL},
		{"{\"colour\": \"red\"}", "colour", "\"red\"", NULL},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nic_error err;
		struct sample s;
		int rc = decode(rows[i].in, &s, NULL, &err);

		if (rc != RENIC_E_PARAMS || err.code != rc)
			fail_msg("%s: accepted (%d)", rows[i].in, rc);
		assert_string_equal(err.field, rows[i].field);
		assert_string_equal(err.given, rows[i].given);
		if (rows[i].expected)
			assert_string_equal(err.expected, rows[i].expected);
		assert_non_null(strstr(err.message, rows[i].field));
	}
}

static void element_of_an_allocated_list_is_named_by_its_index(void **state)
{
	struct nic_error err;
	struct sample s;

	assert_int_equal(
		decode("{\"things\": [{\"key\": \"a\"}, {\"key\": \"!\"}]}", &s, NULL, &err),
		RENIC_E_PARAMS);
	assert_string_equal(err.field, "things[1].key");
	free(s.things);
}

static void unknown_member_is_named_with_what_is_known(void **state)
{
	json_t *root = json_pack("{s:i}", "epcoh", 4);
	struct nic_error err;
	struct inner inner;

	assert_int_equal(params_decode(inner_fields, 2, root, &inner, NULL, &err), RENIC_E_PARAMS);
	assert_string_equal(err.expected, "one of key level");
	assert_string_equal(err.message, "epcoh is not known here, expected one of key level");
	assert_int_equal(params_decode(NULL, 0, root, &inner, NULL, &err), RENIC_E_PARAMS);
	assert_string_equal(err.expected, "no parameters");
	json_decref(root);
}

static void long_values_and_names_are_cut(void **state)
{
	enum { LONG = 1 << 20 };
	char *text = malloc(LONG + 1);
	struct nic_error err;
	struct sample s;
	json_t *root;

	memset(text, 'x', LONG);
	text[LONG] = '\0';
	root = json_object();
	json_object_set_new(root, "name", json_string(text));
	assert_int_equal(params_decode(table, N, root, &s, NULL, &err), RENIC_E_PARAMS);
	assert_int_equal(strlen(err.given), sizeof(err.given) - 1);
	assert_string_equal(err.given + sizeof(err.given) - 4, "...");
	json_object_clear(root);
	json_object_set_new(root, text, json_null());
	assert_int_equal(params_decode(table, N, root, &s, NULL, &err), RENIC_E_PARAMS);
	assert_int_equal(strlen(err.field), sizeof(err.field) - 1);
	json_decref(root);
	free(text);
}

static void types_are_shown_by_name(void **state)
{
	char buf[32];

	assert_string_equal(param_type_text(&table[0], buf, sizeof(buf)), "name");
	assert_string_equal(param_type_text(&table[16], buf, sizeof(buf)), "array of name");
	assert_string_equal(param_type_text(&table[17], buf, sizeof(buf)), "array of object");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_land_in_fields_of_every_width),
		cmocka_unit_test(mask_tells_which_members_were_given),
		cmocka_unit_test(no_object_is_an_empty_one),
		cmocka_unit_test(members_not_given_are_left_alone),
		cmocka_unit_test(lists_and_maps_count_their_elements),
		cmocka_unit_test(users_and_groups_go_by_name_or_number),
		cmocka_unit_test(errors_name_path_value_and_expectation),
		cmocka_unit_test(element_of_an_allocated_list_is_named_by_its_index),
		cmocka_unit_test(unknown_member_is_named_with_what_is_known),
		cmocka_unit_test(long_values_and_names_are_cut),
		cmocka_unit_test(types_are_shown_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
