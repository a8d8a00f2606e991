/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl standby restore`: snapshots out of files into a standby group. A file goes to the VF
 * that is named before it, VF=FILE, or else to the one that the snapshot names.
 */
#include <errno.h>
#include <string.h>

#include <renic_snapshot.h>

#include "run.h"

static int file_failed(const char *path, const char *why)
{
	fprintf(stderr, "renicctl: standby restore: %s: %s\n", path, why);
	return EXIT_REFUSED;
}

/* Returns how many bytes there are, one more than `size` at most; 0 after a message. */
static size_t read_file(const char *path, uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "rbe");
	size_t n;

	if (!file) {
		file_failed(path, strerror(errno));
		return 0;
	}
	n = fread(bytes, 1, size, file);
	if (ferror(file) || n == 0) {
		file_failed(path, ferror(file) ? strerror(errno) : "it is empty");
		n = 0;
	}
	fclose(file);
	return n;
}

/* "[VF=]FILE" as {"name", "snapshot"}, or NULL after a message. */
static json_t *entry_of(const char *word)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES + 1]; /* one more: too long is seen */
	char text[RENIC_BASE64_SIZE(sizeof(bytes))], vf[RENIC_SNAPSHOT_NAME_SIZE] = "";
	const char *equals = strchr(word, '='), *path = equals ? equals + 1 : word;
	struct renic_snapshot_error err;
	struct renic_snapshot snapshot;
	size_t n = read_file(path, bytes, sizeof(bytes));

	if (n == 0)
		return NULL;
	if (renic_snapshot_decode(bytes, n, &snapshot, &err)) {
		file_failed(path, err.message);
		return NULL;
	}
	if (equals)
		snprintf(vf, sizeof(vf), "%.*s", (int)(equals - word), word);
	renic_base64_encode(bytes, n, text, sizeof(text));
	return json_pack("{s:s, s:s}", "name", equals ? vf : snapshot.name, "snapshot", text);
}

int run_standby_restore(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *params = json_copy((json_t *)args), *entries = json_array(), *result;
	const json_t *words = json_object_get(args, "snapshots");
	int status = EXIT_OK;

	for (size_t i = 0; i < json_array_size(words) && !status; i++) {
		json_t *entry = entry_of(json_string_value(json_array_get(words, i)));

		if (entry)
			json_array_append_new(entries, entry);
		else
			status = EXIT_REFUSED;
	}
	json_object_set_new(params, "snapshots", entries);
	if (status) {
		json_decref(params);
		return status;
	}
	status = ctl_call(ctl, command->method, params, &result);
	if (status)
		return status;
	if (ctl->json)
		ctl_dump(ctl, result, false);
	else
		command->show(ctl->out, result);
	json_decref(result);
	return EXIT_OK;
}
