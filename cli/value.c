/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Typing what was typed; see value.h. Each type has a parser and says what it expects. Nothing is
 * guessed: trailing characters, overflow and empty numbers are refused.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "value.h"

static json_t *parse_text(const char *text)
{
	return json_string(text); /* NULL when it is not UTF-8 */
}

/* Decimal, or hexadecimal after 0x; a leading zero does not make it octal. */
static int base_of(const char *text)
{
	return !strncasecmp(text, "0x", 2) ? 16 : 10;
}

static json_t *parse_number(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, base_of(text));
	if (errno || end == text || *end || isspace((unsigned char)text[0]))
		return NULL;
	return json_integer(n);
}

static json_t *parse_bytes(const char *text)
{
	static const char suffixes[] = "KMG";
	char *end;
	unsigned long long n;
	unsigned shift = 0;

	errno = 0;
	n = strtoull(text, &end, base_of(text));
	if (errno || !isdigit((unsigned char)text[0]))
		return NULL;
	if (*end) {
		const char *s = strchr(suffixes, toupper((unsigned char)*end));

		if (!s || end[1])
			return NULL;
		shift = 10 * (unsigned)(s - suffixes + 1);
	}
	if (n > (unsigned long long)INT64_MAX >> shift)
		return NULL;
	return json_integer((json_int_t)(n << shift));
}

static json_t *parse_switch(const char *text)
{
	static const struct {
		const char *word;
		bool on;
	} words[] = {{"on", true}, {"off", false}, {"true", true}, {"false", false}, {"yes", true},
		{"no", false}, {"1", true}, {"0", false}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i].word))
			return json_boolean(words[i].on);
	return NULL;
}

static json_t *parse_names(const char *text)
{
	json_t *names = json_array();

	for (;;) {
		size_t len = strcspn(text, ",");

		if (len == 0 || json_array_append_new(names, json_stringn(text, len)))
			break;
		if (!text[len])
			return names;
		text += len + 1;
	}
	json_decref(names);
	return NULL;
}

/* Digits, at most one point, then a unit, or none: default_us. */
static json_t *parse_time(const char *text, double default_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}};
	size_t len = strspn(text, "0123456789.");
	double us = 0;
	char *end;

	if (len == 0 || len > 15)
		return NULL;
	if (!text[len])
		us = default_us;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(text + len, units[i].unit))
			us = units[i].us;
	us *= strtod(text, &end);
	if (end != text + len || (us == 0 && strspn(text, "0.") != len))
		return NULL;
	return us > 1e15 ? NULL : json_integer((json_int_t)(us + 0.5));
}

static json_t *parse_ms(const char *text)
{
	return parse_time(text, 1e3);
}

static json_t *parse_seconds(const char *text)
{
	return parse_time(text, 1e6);
}

static json_t *parse_object(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

static const struct {
	json_t *(*parse)(const char *text);
	const char *expected;
} types[] = {
	[VALUE_TEXT] = {parse_text, "text in UTF-8"},
	[VALUE_NUMBER] = {parse_number, "a whole number"},
	[VALUE_BYTES] = {parse_bytes, "bytes, as 4194304, 4096K, 4M or 1G"},
	[VALUE_SWITCH] = {parse_switch, "on or off"},
	[VALUE_NAMES] = {parse_names, "names with commas between them"},
	[VALUE_MS] = {parse_ms, "a time, as 25ms, 500us or 1s"},
	[VALUE_SECONDS] = {parse_seconds, "a time, as 1s or 500ms"},
	[VALUE_OBJECT] = {parse_object, "a JSON object, as '{\"name\": \"vf0\"}'"},
};

static void format_time(char *buf, size_t size, int64_t us)
{
	if (us % 1000000 == 0)
		snprintf(buf, size, "%" PRId64 "s", us / 1000000);
	else if (us % 1000 == 0)
		snprintf(buf, size, "%" PRId64 "ms", us / 1000);
	else
		snprintf(buf, size, "%" PRId64 "us", us);
}

static void format_bound(const struct param *param, int64_t bound, char *buf, size_t size)
{
	if (param->type == VALUE_MS || param->type == VALUE_SECONDS)
		format_time(buf, size, bound);
	else
		snprintf(buf, size, "%" PRId64, bound);
}

json_t *value_parse(const struct param *param, const char *text, char *expected, size_t size)
{
	json_t *value = types[param->type].parse(text);
	char min[32], max[32];
	int64_t n;

	snprintf(expected, size, "%s", types[param->type].expected);
	if (param->max == 0)
		return value;
	format_bound(param, param->min, min, sizeof(min));
	format_bound(param, param->max, max, sizeof(max));
	snprintf(expected, size, "%s, from %s to %s", types[param->type].expected, min, max);
	n = json_integer_value(value);
	if (value && n >= param->min && n <= param->max)
		return value;
	json_decref(value);
	return NULL;
}
