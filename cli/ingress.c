/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl ingress take | give`: the frames that wait for a guest that moves, as a file
 * (docs/protocol.md, "Moving a guest"). The file is a JSON array of chunks as ingress_take
 * answered them, the oldest frames first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "run.h"

static int file_failed(const char *path, const char *why)
{
	fprintf(stderr, "renicctl: ingress: %s: %s\n", path, why);
	return EXIT_REFUSED;
}

static int save_to(const char *path, const json_t *chunks)
{
	char *text = json_dumps(chunks, JSON_COMPACT);
	int status = EXIT_OK;

	if (!text)
		return file_failed(path, "out of memory");
	if (file_replace(path, text, strlen(text)))
		status = file_failed(path, strerror(errno));
	free(text);
	return status;
}

static int tell(struct ctl *ctl, const struct command *command, const json_t *name, json_int_t pkts)
{
	return show_result(ctl, command, json_pack("{s:O, s:I}", "name", name, "pkts", pkts));
}

int run_ingress_take(struct ctl *ctl, const struct command *command, const json_t *args)
{
	const char *path = json_string_value(json_object_get(args, "frames"));
	json_t *name = json_object_get(args, "name"), *chunks = json_array(), *chunk;
	json_int_t pkts = 0, got = 0;
	int status;

	do {
		status = ctl_call(ctl, command->method, json_pack("{s:O}", "name", name), &chunk);
		if (status)
			break;
		got = json_integer_value(json_object_get(chunk, "pkts"));
		pkts += got;
		if (got)
			json_array_append(chunks, json_object_get(chunk, "frames"));
		json_decref(chunk);
	} while (got);
	/* What was taken is nowhere else: it is kept, whatever came then. */
	if (!status || pkts)
		status = save_to(path, chunks) ? EXIT_REFUSED : status;
	json_decref(chunks);
	return status ? status : tell(ctl, command, name, pkts);
}

/* The chunks of a file, or NULL after a message. */
static json_t *read_chunks(const char *path)
{
	json_error_t why;
	json_t *chunks = json_load_file(path, 0, &why);

	if (json_is_array(chunks))
		return chunks;
	file_failed(path, chunks ? "not an array, as ingress take writes it" : why.text);
	json_decref(chunks);
	return NULL;
}

int run_ingress_give(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *name = json_object_get(args, "name"), *result;
	json_t *chunks = read_chunks(json_string_value(json_object_get(args, "frames")));
	json_int_t pkts = 0;
	int status = EXIT_OK;

	if (!chunks)
		return EXIT_REFUSED;
	/* Each goes before all that wait: the newest first. */
	for (size_t i = json_array_size(chunks); i-- && !status;) {
		json_t *params =
			json_pack("{s:O, s:O}", "name", name, "frames", json_array_get(chunks, i));

		status = ctl_call(ctl, command->method, params, &result);
		if (status)
			break;
		pkts += json_integer_value(json_object_get(result, "pkts"));
		json_decref(result);
	}
	json_decref(chunks);
	return status ? status : tell(ctl, command, name, pkts);
}
