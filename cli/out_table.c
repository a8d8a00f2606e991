/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables and records; see out_table.h. Widths come from a first pass over the cells. */
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "out_table.h"

enum { COLUMNS_MAX = 24, RECORD_NAME_SIZE = 64 };

static void without_controls(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

static void append(char buf[CELL_SIZE], const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, CELL_SIZE - used, "%s", text);
}

static void scaled(char buf[CELL_SIZE], double value, double step, const char *units)
{
	int exponent = 0;

	while (value >= step && units[exponent + 1]) {
		value /= step;
		exponent++;
	}
	if (exponent == 0)
		snprintf(buf, CELL_SIZE, "%.0f", value);
	else
		snprintf(buf, CELL_SIZE, "%.*f%c", value < 10 ? 2 : 1, value, units[exponent]);
}

static void age(char buf[CELL_SIZE], double us)
{
	if (us < 1000)
		snprintf(buf, CELL_SIZE, "%.0fus", us);
	else if (us < 1e6)
		snprintf(buf, CELL_SIZE, "%.1fms", us / 1e3);
	else
		snprintf(buf, CELL_SIZE, "%.1fs", us / 1e6);
}

static void plain(const json_t *value, char buf[CELL_SIZE])
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		append(buf, json_string_value(value)[0] ? json_string_value(value) : "-");
		break;
	case JSON_INTEGER:
		snprintf(buf, CELL_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(buf, CELL_SIZE, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		append(buf, json_is_true(value) ? "on" : "off");
		break;
	default:
		append(buf, "-");
	}
}

static void list(const json_t *array, char buf[CELL_SIZE])
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		char item[CELL_SIZE];

		cell_format(CELL_TEXT, json_array_get(array, i), item);
		if (strlen(buf) + strlen(item) + sizeof(",,...") > CELL_SIZE) {
			append(buf, ",...");
			break;
		}
		append(buf, i ? "," : "");
		append(buf, item);
	}
	if (json_array_size(array) == 0)
		append(buf, "-");
}

const char *cell_format(enum cell_format format, const json_t *value, char buf[CELL_SIZE])
{
	double number = json_number_value(value);

	buf[0] = '\0';
	if (!value)
		append(buf, "-");
	else if (json_is_array(value))
		list(value, buf);
	else if (!json_is_number(value) || format == CELL_TEXT || format == CELL_COUNT)
		plain(value, buf);
	else if (format == CELL_BYTES)
		scaled(buf, number, 1024, " KMGT");
	else if (format == CELL_RATE)
		scaled(buf, number, 1000, " kMG");
	else if (format == CELL_MBIT)
		snprintf(buf, CELL_SIZE, "%.1f", number);
	else
		age(buf, number);
	without_controls(buf);
	return buf;
}

static const json_t *member(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	char outer[64];

	if (!dot)
		return json_object_get(object, path);
	snprintf(outer, sizeof(outer), "%.*s", (int)(dot - path), path);
	return json_object_get(json_object_get(object, outer), dot + 1);
}

static void print_cell(FILE *out, const struct column *column, const char *text, size_t width)
{
	const char *gap = column[1].title ? "  " : "\n";

	if (column->format != CELL_TEXT)
		fprintf(out, "%*s%s", (int)width, text, gap);
	else if (column[1].title)
		fprintf(out, "%-*s%s", (int)width, text, gap);
	else
		fprintf(out, "%s\n", text); /* no blanks at a line's end */
}

void table_print(FILE *out, const struct column *columns, const json_t *rows)
{
	size_t widths[COLUMNS_MAX] = {0}, n;
	char cell[CELL_SIZE];

	for (n = 0; columns[n].title && n < COLUMNS_MAX; n++) {
		widths[n] = strlen(columns[n].title);
		for (size_t r = 0; r < json_array_size(rows); r++) {
			const json_t *value = member(json_array_get(rows, r), columns[n].path);
			size_t len = strlen(cell_format(columns[n].format, value, cell));

			widths[n] = len > widths[n] ? len : widths[n];
		}
	}
	for (size_t i = 0; i < n; i++)
		print_cell(out, &columns[i], columns[i].title, widths[i]);
	for (size_t r = 0; r < json_array_size(rows); r++) {
		for (size_t i = 0; i < n; i++) {
			const json_t *value = member(json_array_get(rows, r), columns[i].path);

			print_cell(out, &columns[i], cell_format(columns[i].format, value, cell),
				widths[i]);
		}
	}
}

static bool is_table(const json_t *value)
{
	return json_is_object(json_array_get(value, 0));
}

/* Two passes over the same walk: with width NULL lines are printed, else the widest is found. */
static void walk_record(
	FILE *out, const char *prefix, const json_t *object, size_t *widest, size_t width)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		char name[RECORD_NAME_SIZE], cell[CELL_SIZE];
		size_t len;

		snprintf(name, sizeof(name), "%s%s", prefix, key);
		without_controls(name);
		len = strlen(name);
		if (json_is_object(value)) {
			append(strcpy(cell, name), ".");
			walk_record(out, cell, value, widest, width);
		} else if (is_table(value)) {
			continue;
		} else if (widest) {
			*widest = len > *widest ? len : *widest;
		} else {
			cell_format(CELL_TEXT, value, cell);
			fprintf(out, "%-*s : %s\n", (int)width, name, cell);
		}
	}
}

void record_print(FILE *out, const json_t *object)
{
	size_t width = 0;

	walk_record(out, "", object, &width, 0);
	walk_record(out, "", object, NULL, width);
}
