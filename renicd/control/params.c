/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks a JSON object by a decoder table; see params.h. Where the walk stands is kept as a
 * chain of frames on the stack and made into text only when there is an error to report.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "param_types.h"
#include "params.h"

/* One step of the way from the top: a member, or (name NULL) an element. */
struct step {
	const struct step *up;
	const char *name;
	size_t index;
};

static size_t path_text(const struct step *step, char *buf, size_t size)
{
	size_t len;

	if (!step)
		return 0;
	len = path_text(step->up, buf, size);
	if (len >= size)
		return len;
	if (!step->name)
		return len + (size_t)snprintf(buf + len, size - len, "[%zu]", step->index);
	return len + (size_t)snprintf(buf + len, size - len, "%s%s", len ? "." : "", step->name);
}

/* The end of param_given()'s buffer, filled by jansson piece by piece. */
struct cut_text {
	char *buf;
	size_t len, size;
};

/* Stops the dump (returns -1) as soon as the buffer is full: a value may be a MiB long. */
static int take_text(const char *piece, size_t n, void *arg)
{
	struct cut_text *t = arg;
	size_t room = t->size - 1 - t->len;
	size_t taken = n < room ? n : room;

	memcpy(t->buf + t->len, piece, taken);
	t->len += taken;
	return taken < n ? -1 : 0;
}

const char *param_given(const json_t *value, char *buf, size_t size)
{
	struct cut_text text = {.buf = buf, .size = size};
	int rc;

	if (!value) {
		snprintf(buf, size, "nothing");
		return buf;
	}
	rc = json_dump_callback(
		value, take_text, &text, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (rc != 0 && text.len >= 3)
		memcpy(buf + text.len - 3, "...", 3);
	buf[text.len] = '\0';
	return buf;
}

const char *param_expected(const struct param *row, char *buf, size_t size)
{
	param_types[row->type].expected(row, buf, size);
	return buf;
}

const char *param_type_text(const struct param *row, char *buf, size_t size)
{
	if (row->type == PARAM_LIST)
		snprintf(buf, size, "array of %s", param_types[row->element->type].name);
	else
		snprintf(buf, size, "%s", param_types[row->type].name);
	return buf;
}

static int fail_value(
	const struct step *at, const json_t *value, const char *expected, struct nic_error *err)
{
	char path[sizeof(err->field)], given[sizeof(err->given)];

	path_text(at, path, sizeof(path));
	return nic_fail_value(err, path, param_given(value, given, sizeof(given)), expected);
}

static int fail_row(
	const struct step *at, const struct param *row, const json_t *value, struct nic_error *err)
{
	char expected[sizeof(err->expected)];

	return fail_value(at, value, param_expected(row, expected, sizeof(expected)), err);
}

static int fail_missing(const struct step *at, const struct param *row, struct nic_error *err)
{
	char path[sizeof(err->field)], expected[sizeof(err->expected)];
	int rc;

	path_text(at, path, sizeof(path));
	param_expected(row, expected, sizeof(expected));
	rc = nic_fail(err, RENIC_E_PARAMS, path, "%s is missing, expected %s", path, expected);
	if (err)
		snprintf(err->expected, sizeof(err->expected), "%s", expected);
	return rc;
}

static int fail_unknown(const struct step *at, const struct param *table, unsigned n,
	const json_t *value, struct nic_error *err)
{
	char path[sizeof(err->field)], known[sizeof(err->expected)];
	size_t len;
	unsigned i;
	int rc;

	path_text(at, path, sizeof(path));
	len = (size_t)snprintf(known, sizeof(known), n ? "one of" : "no parameters");
	for (i = 0; i < n && len < sizeof(known); i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, " %s", table[i].name);
	rc = nic_fail(err, RENIC_E_PARAMS, path, "%s is not known here, expected %s", path, known);
	if (err) {
		param_given(value, err->given, sizeof(err->given));
		snprintf(err->expected, sizeof(err->expected), "%s", known);
	}
	return rc;
}

static int decode_value(const struct step *at, const struct param *row, const json_t *value,
	void *base, struct nic_error *err);

static const struct param *find_row(const struct param *table, unsigned n, const char *name)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static int decode_members(const struct step *up, const struct param *table, unsigned n,
	const json_t *object, void *base, unsigned *given, struct nic_error *err)
{
	const char *key;
	json_t *value;
	unsigned i;
	int rc;

	/* jansson's iterators take no const; they change nothing. */
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		const struct step at = {.up = up, .name = key};
		const struct param *row = find_row(table, n, key);

		if (!row)
			return fail_unknown(&at, table, n, value, err);
		rc = decode_value(&at, row, value, base, err);
		if (rc)
			return rc;
		if (given)
			*given |= row->bit;
	}
	for (i = 0; i < n; i++) {
		const struct step at = {.up = up, .name = table[i].name};

		if (table[i].required && !json_object_get(object, table[i].name))
			return fail_missing(&at, &table[i], err);
	}
	return 0;
}

static int decode_object(const struct step *at, const struct param *row, const json_t *value,
	void *field, struct nic_error *err)
{
	if (!json_is_object(value))
		return fail_row(at, row, value, err);
	if (row->defaults)
		row->defaults(field);
	return decode_members(at, row->fields, row->n_fields, value, field, NULL, err);
}

static void set_count(const struct param *row, void *base, size_t n)
{
	uint16_t count = (uint16_t)n;

	memcpy((char *)base + row->count_offset, &count, sizeof(count));
}

static int decode_list(const struct step *at, const struct param *row, const json_t *value,
	void *base, struct nic_error *err)
{
	char *elements = (char *)base + row->offset;
	size_t n = json_array_size(value);
	size_t i;

	if (!json_is_array(value) || n < row->min || n > row->max)
		return fail_row(at, row, value, err);
	if (row->allocated) {
		char *fresh = calloc(n ? n : 1, row->size);

		if (!fresh)
			return nic_fail(err, RENIC_E_RESOURCES, row->name, "out of memory");
		memcpy(elements, &fresh, sizeof(fresh));
		elements = fresh;
	}
	set_count(row, base, n);
	for (i = 0; i < n; i++) {
		const struct step in = {.up = at, .index = i};
		int rc = decode_value(
			&in, row->element, json_array_get(value, i), elements + i * row->size, err);

		if (rc)
			return rc;
	}
	return 0;
}

static int decode_map(const struct step *at, const struct param *row, const json_t *value,
	void *base, struct nic_error *err)
{
	char *element = (char *)base + row->offset;
	const char *key;
	json_t *member;

	if (!json_is_object(value) || json_object_size(value) > row->max)
		return fail_row(at, row, value, err);
	set_count(row, base, json_object_size(value));
	json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
		const struct step in = {.up = at, .name = key};
		json_t *name = json_string(key);
		int rc = decode_value(&in, &row->fields[0], name, element, err);

		json_decref(name);
		if (rc == 0)
			rc = decode_value(&in, &row->fields[1], member, element, err);
		if (rc)
			return rc;
		element += row->size;
	}
	return 0;
}

static int decode_value(const struct step *at, const struct param *row, const json_t *value,
	void *base, struct nic_error *err)
{
	char *field = (char *)base + row->offset;

	if (row->type == PARAM_OBJECT)
		return decode_object(at, row, value, field, err);
	if (row->type == PARAM_LIST)
		return decode_list(at, row, value, base, err);
	if (row->type == PARAM_MAP)
		return decode_map(at, row, value, base, err);
	if (!value || !param_types[row->type].parse(row, value, field))
		return fail_row(at, row, value, err);
	return 0;
}

int params_decode(const struct param *table, unsigned n, const json_t *object, void *out,
	unsigned *given, struct nic_error *err)
{
	if (given)
		*given = 0;
	return decode_members(NULL, table, n, object, out, given, err);
}
