/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl snapshot save | show | diff`: VF snapshots as files (renic_snapshot.h). Show and diff
 * need no daemon; what they cannot read is told as what it is, and never printed in part.
 */
#include <errno.h>
#include <string.h>

#include <renic_snapshot.h>

#include "file.h"
#include "run.h"

enum { DIFF_SAME = 0, DIFF_DIFFERENT = 1, DIFF_TROUBLE = 2, PATH_SIZE = 128 };

static int file_failed(const char *path, const char *why)
{
	fprintf(stderr, "renicctl: snapshot: %s: %s\n", path, why);
	return EXIT_REFUSED;
}

/* ---- save ---- */

int run_snapshot_save(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *name = json_object_get(args, "name"), *result;
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot_error err = {.message = "it is not base64"};
	struct renic_snapshot snapshot;
	const char *path = json_string_value(json_object_get(args, "file")), *text;
	size_t n = 0;
	int status = ctl_call(ctl, command->method, json_pack("{s:O}", "name", name), &result);

	if (status)
		return status;
	text = json_string_value(json_object_get(result, "snapshot"));
	if (!text || renic_base64_decode(text, bytes, sizeof(bytes), &n) ||
		renic_snapshot_decode(bytes, n, &snapshot, &err))
		status = file_failed("renicd's answer", err.message);
	else if (file_replace(path, bytes, n))
		status = file_failed(path, strerror(errno));
	json_decref(result);
	return status;
}

/* ---- show ---- */

/* The snapshot in the file of args[key] as JSON, or NULL after a message. */
static json_t *load(const json_t *args, const char *key)
{
	const char *path = json_string_value(json_object_get(args, key));
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES + 1]; /* one more: too long is seen */
	struct renic_snapshot_error err;
	struct renic_snapshot snapshot;
	FILE *file = fopen(path, "rbe");
	json_t *json;
	size_t n;

	if (!file) {
		file_failed(path, strerror(errno));
		return NULL;
	}
	n = fread(bytes, 1, sizeof(bytes), file);
	if (ferror(file)) {
		file_failed(path, strerror(errno));
		fclose(file);
		return NULL;
	}
	fclose(file);
	if (renic_snapshot_decode(bytes, n, &snapshot, &err)) {
		file_failed(path, err.message);
		return NULL;
	}
	json = renic_snapshot_json(&snapshot);
	if (!json)
		file_failed(path, "out of memory");
	return json;
}

int run_snapshot_show(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *snapshot = load(args, "file");

	if (!snapshot)
		return EXIT_REFUSED;
	ctl_dump(ctl, snapshot, false);
	json_decref(snapshot);
	return EXIT_OK;
}

/* ---- diff ---- */

/* Appends {"member", "a", "b"}; a member that is not there is null. */
static void add_difference(json_t *list, const char *path, const json_t *a, const json_t *b)
{
	json_t *line = json_pack("{s:s}", "member", path);

	json_object_set_new(line, "a", a ? json_incref((json_t *)(uintptr_t)a) : json_null());
	json_object_set_new(line, "b", b ? json_incref((json_t *)(uintptr_t)b) : json_null());
	json_array_append_new(list, line);
}

static void compare(json_t *list, const char *path, const json_t *a, const json_t *b);

static void compare_arrays(json_t *list, const char *path, const json_t *a, const json_t *b)
{
	size_t n =
		json_array_size(a) > json_array_size(b) ? json_array_size(a) : json_array_size(b);
	char at[PATH_SIZE];

	for (size_t i = 0; i < n; i++) {
		snprintf(at, sizeof(at), "%.100s[%zu]", path, i);
		compare(list, at, json_array_get(a, i), json_array_get(b, i));
	}
}

/* The members of a, or, with other_only, those of b that a has not. */
static void compare_members(
	json_t *list, const char *path, const json_t *a, const json_t *b, bool other_only)
{
	const json_t *of = other_only ? b : a;
	char at[PATH_SIZE];
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)of, key, value) {
		if (other_only && json_object_get(a, key))
			continue;
		snprintf(at, sizeof(at), "%.80s%s%.40s", path, path[0] ? "." : "", key);
		compare(list, at, json_object_get(a, key), json_object_get(b, key));
	}
}

static void compare(json_t *list, const char *path, const json_t *a, const json_t *b)
{
	if (json_is_array(a) && json_is_array(b)) {
		compare_arrays(list, path, a, b);
	} else if (json_is_object(a) && json_is_object(b)) {
		compare_members(list, path, a, b, false);
		compare_members(list, path, a, b, true);
	} else if (!json_equal(a, b)) {
		add_difference(list, path, a, b);
	}
}

static void print_differences(FILE *out, const json_t *list)
{
	const json_t *line;
	size_t i;

	json_array_foreach (list, i, line) {
		fprintf(out, "%s: ", json_string_value(json_object_get(line, "member")));
		json_dumpf(json_object_get(line, "a"), out, JSON_ENCODE_ANY | JSON_COMPACT);
		fputs(" -> ", out);
		json_dumpf(json_object_get(line, "b"), out, JSON_ENCODE_ANY | JSON_COMPACT);
		fputc('\n', out);
	}
}

int run_snapshot_diff(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *a = load(args, "a"), *b = load(args, "b"), *list = json_array();
	int status = DIFF_TROUBLE;

	if (a && b) {
		compare(list, "", a, b);
		status = json_array_size(list) ? DIFF_DIFFERENT : DIFF_SAME;
		if (ctl->json)
			ctl_dump(ctl, list, false);
		else
			print_differences(ctl->out, list);
		if (ctl_flush(ctl))
			status = DIFF_TROUBLE;
	}
	json_decref(a);
	json_decref(b);
	json_decref(list);
	return status;
}
