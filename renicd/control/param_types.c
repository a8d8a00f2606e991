/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing one JSON scalar into one field of a struct, type by type; see param_types.h. */
#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "param_types.h"

/* An unsigned (or bool) field of `size` bytes. */
static void store(void *field, size_t size, uint64_t value)
{
	uint8_t v8 = (uint8_t)value;
	uint16_t v16 = (uint16_t)value;
	uint32_t v32 = (uint32_t)value;

	if (size == 1)
		memcpy(field, &v8, size);
	else if (size == 2)
		memcpy(field, &v16, size);
	else if (size == 4)
		memcpy(field, &v32, size);
	else
		memcpy(field, &value, sizeof(value));
}

/* Copies a string that fits, is long enough, and whose bytes all pass `allowed`. */
static bool copy_string(
	const struct param *row, const json_t *value, char *field, bool (*allowed)(unsigned char c))
{
	const char *s = json_string_value(value);
	size_t len = json_string_length(value);
	size_t i;

	if (!s || len >= row->size || len < row->min)
		return false;
	for (i = 0; i < len; i++)
		if (!allowed((unsigned char)s[i]))
			return false;
	memcpy(field, s, len + 1);
	return true;
}

/* isalnum() depends on the locale; names do not. */
static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_char(unsigned char c)
{
	return is_alnum(c) || c == '_' || c == '.' || c == '-';
}

static bool is_pattern_char(unsigned char c)
{
	return is_name_char(c) || c == '*' || c == '?';
}

static bool is_printable(unsigned char c)
{
	return c >= 0x20 && c != 0x7f;
}

static bool parse_name(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);

	return s && is_alnum((unsigned char)s[0]) && copy_string(row, value, field, is_name_char);
}

static bool parse_pattern(const struct param *row, const json_t *value, void *field)
{
	return json_string_length(value) > 0 && copy_string(row, value, field, is_pattern_char);
}

static bool parse_string(const struct param *row, const json_t *value, void *field)
{
	return copy_string(row, value, field, is_printable);
}

static bool parse_path(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);

	return s && s[0] == '/' && s[1] && copy_string(row, value, field, is_printable);
}

static bool parse_bool(const struct param *row, const json_t *value, void *field)
{
	if (!json_is_boolean(value))
		return false;
	*(bool *)field = json_is_true(value);
	return true;
}

static bool parse_uint(const struct param *row, const json_t *value, void *field)
{
	json_int_t v = json_integer_value(value);

	if (!json_is_integer(value) || v < 0 || (uint64_t)v < row->min || (uint64_t)v > row->max)
		return false;
	store(field, row->size, (uint64_t)v);
	return true;
}

static bool parse_enum(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);
	unsigned i;

	for (i = 0; s && i < row->n_choices; i++) {
		if (strcmp(s, row->choices[i]) == 0) {
			store(field, row->size, i);
			return true;
		}
	}
	return false;
}

static bool parse_mac(const struct param *row, const json_t *value, void *field)
{
	static const uint8_t zero[6];
	const char *s = json_string_value(value);
	uint8_t mac[6];
	int i;

	if (!s || strlen(s) != 17)
		return false;
	for (i = 0; i < 6; i++) {
		const char byte[3] = {s[3 * i], s[3 * i + 1]};

		if (!isxdigit((unsigned char)byte[0]) || !isxdigit((unsigned char)byte[1]) ||
			(i < 5 && s[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	if ((mac[0] & 1) || memcmp(mac, zero, sizeof(mac)) == 0)
		return false;
	memcpy(field, mac, sizeof(mac));
	return true;
}

/* What is in it is for the reader to judge; a NUL inside is not base64. */
static bool parse_base64(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);
	size_t len = json_string_length(value);

	if (!s || !len || len > row->max || strlen(s) != len)
		return false;
	*(const char **)field = s;
	return true;
}

static bool parse_mode(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);
	size_t len = json_string_length(value);

	if (!s || len < 3 || len > 4 || strspn(s, "01234567") != len || (len == 4 && s[0] != '0'))
		return false;
	store(field, row->size, strtoul(s, NULL, 8));
	return true;
}

/* The elements are judged by whoever carries them out. */
static bool parse_calls(const struct param *row, const json_t *value, void *field)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n < row->min || n > row->max)
		return false;
	memcpy(field, &value, sizeof(value));
	return true;
}

/* The members are judged by whoever takes the object. */
static bool parse_json(const struct param *row, const json_t *value, void *field)
{
	if (!json_is_object(value))
		return false;
	memcpy(field, &value, sizeof(value));
	return true;
}

/* A number in decimal below 2^32 - 1, which means "none" to chown(2). */
static bool parse_id(const char *s, uint32_t *id)
{
	size_t len = strlen(s);

	if (len == 0 || len > 10 || strspn(s, "0123456789") != len ||
		strtoull(s, NULL, 10) >= UINT32_MAX)
		return false;
	*id = (uint32_t)strtoull(s, NULL, 10);
	return true;
}

static bool parse_user(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);
	const struct passwd *pw = s ? getpwnam(s) : NULL;
	uid_t *uid = field;

	if (pw)
		*uid = pw->pw_uid;
	return pw || (s && parse_id(s, uid));
}

static bool parse_group(const struct param *row, const json_t *value, void *field)
{
	const char *s = json_string_value(value);
	const struct group *gr = s ? getgrnam(s) : NULL;
	gid_t *gid = field;

	if (gr)
		*gid = gr->gr_gid;
	return gr || (s && parse_id(s, gid));
}

static void expect_name(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "1 to %zu of A-Z a-z 0-9 _ . -, the first a letter or digit",
		row->size - 1);
}

static void expect_pattern(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "1 to %zu of A-Z a-z 0-9 _ . - * ?", row->size - 1);
}

static void expect_string(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "a string of %llu to %zu bytes without control characters",
		(unsigned long long)row->min, row->size - 1);
}

static void expect_path(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "an absolute path of at most %zu bytes", row->size - 1);
}

static void expect_bool(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "true or false");
}

static void expect_uint(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "an integer from %llu to %llu", (unsigned long long)row->min,
		(unsigned long long)row->max);
}

static void expect_bytes(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "a number of bytes from %llu to %llu", (unsigned long long)row->min,
		(unsigned long long)row->max);
}

static void expect_enum(const struct param *row, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "one of");
	unsigned i;

	for (i = 0; i < row->n_choices && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, " %s", row->choices[i]);
}

static void expect_mac(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "a unicast MAC address such as 52:54:00:12:34:56");
}

static void expect_base64(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "base64 (RFC 4648) of at most %llu characters",
		(unsigned long long)row->max);
}

static void expect_mode(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "an octal file mode such as \"0660\"");
}

static void expect_user(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "the name or number of a user of this system, as a string");
}

static void expect_group(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "the name or number of a group of this system, as a string");
}

static void expect_object(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "an object");
}

static void expect_list(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "an array of %llu to %llu elements", (unsigned long long)row->min,
		(unsigned long long)row->max);
}

static void expect_map(const struct param *row, char *buf, size_t size)
{
	snprintf(buf, size, "an object of at most %llu members", (unsigned long long)row->max);
}

const struct param_type_desc param_types[PARAM_TYPES] = {
	[PARAM_NAME] = {"name", parse_name, expect_name},
	[PARAM_PATTERN] = {"pattern", parse_pattern, expect_pattern},
	[PARAM_STRING] = {"string", parse_string, expect_string},
	[PARAM_PATH] = {"path", parse_path, expect_path},
	[PARAM_BOOL] = {"bool", parse_bool, expect_bool},
	[PARAM_UINT] = {"uint", parse_uint, expect_uint},
	[PARAM_BYTES] = {"bytes", parse_uint, expect_bytes},
	[PARAM_ENUM] = {"enum", parse_enum, expect_enum},
	[PARAM_MAC] = {"mac", parse_mac, expect_mac},
	[PARAM_MODE] = {"mode", parse_mode, expect_mode},
	[PARAM_USER] = {"user", parse_user, expect_user},
	[PARAM_GROUP] = {"group", parse_group, expect_group},
	[PARAM_BASE64] = {"base64", parse_base64, expect_base64},
	[PARAM_OBJECT] = {"object", NULL, expect_object},
	[PARAM_LIST] = {"array", NULL, expect_list},
	[PARAM_MAP] = {"map", NULL, expect_map},
	[PARAM_CALLS] = {"array of object", parse_calls, expect_list},
	[PARAM_JSON] = {"object", parse_json, expect_object},
};
