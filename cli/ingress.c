/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl ingress take | give`: the frames that wait for a guest that moves, as a file
 * (docs/protocol.md, "Moving a guest"). The file is a JSON array of chunks as ingress_take
 * answered them, the oldest frames first.
 *
 * Frames that were taken are nowhere else. So the file is opened before the first is taken, they go
 * back where it cannot be written, and a give that fails leaves those in it that were not given.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "run.h"

static int file_failed(const char *path, const char *why)
{
	fprintf(stderr, "renicctl: ingress: %s: %s\n", path, why);
	return EXIT_REFUSED;
}

static int tell(struct ctl *ctl, const struct command *command, const json_t *name, json_int_t pkts)
{
	return show_result(ctl, command, json_pack("{s:O, s:I}", "name", name, "pkts", pkts));
}

/*
 * Give chunks back or to another renicd. Each goes before all that wait: the newest first. What was
 * given leaves the array, and its frames are added to *pkts. Returns an exit status.
 */
static int give_all(struct ctl *ctl, json_t *name, json_t *chunks, json_int_t *pkts)
{
	json_t *result;

	for (size_t i = json_array_size(chunks); i--;) {
		int status = ctl_call(ctl, "ingress_give",
			json_pack("{s:O, s:O}", "name", name, "frames", json_array_get(chunks, i)),
			&result);

		if (status)
			return status;
		*pkts += json_integer_value(json_object_get(result, "pkts"));
		json_decref(result);
		json_array_remove(chunks, i);
	}
	return EXIT_OK;
}

/* ---- take ---- */

/* All that wait, oldest first, into chunks. Returns an exit status; what came before is there. */
static int take_all(struct ctl *ctl, json_t *name, json_t *chunks, json_int_t *pkts)
{
	json_int_t got;
	json_t *chunk;

	do {
		int status =
			ctl_call(ctl, "ingress_take", json_pack("{s:O}", "name", name), &chunk);

		if (status)
			return status;
		got = json_integer_value(json_object_get(chunk, "pkts"));
		*pkts += got;
		if (got)
			json_array_append(chunks, json_object_get(chunk, "frames"));
		json_decref(chunk);
	} while (got);
	return EXIT_OK;
}

/* They could not be kept, for a reason that was told. */
static int give_back(struct ctl *ctl, json_t *name, json_t *chunks, json_int_t taken)
{
	json_int_t back = 0;

	if (give_all(ctl, name, chunks, &back))
		fprintf(stderr,
			"renicctl: ingress: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
			" frames are lost\n",
			taken - back, taken);
	else
		fprintf(stderr,
			"renicctl: ingress: the %" JSON_INTEGER_FORMAT
			" frames were given back, and wait as before\n",
			taken);
	return EXIT_REFUSED;
}

static int save(struct file_new *file, const json_t *chunks)
{
	char *text = json_dumps(chunks, JSON_COMPACT);
	int status = EXIT_OK;

	if (!text) {
		file_new_drop(file);
		return file_failed(file->path, "out of memory");
	}
	if (file_new_put(file, text, strlen(text)))
		status = file_failed(file->path, strerror(errno));
	free(text);
	return status;
}

int run_ingress_take(struct ctl *ctl, const struct command *command, const json_t *args)
{
	const char *path = json_string_value(json_object_get(args, "frames"));
	json_t *name = json_object_get(args, "name"), *chunks;
	struct file_new file;
	json_int_t pkts = 0;
	int status;

	if (file_new_open(&file, path))
		return file_failed(path, strerror(errno));
	chunks = json_array();
	status = take_all(ctl, name, chunks, &pkts);
	/* What was taken is kept, whatever came then. */
	if (status && !pkts)
		file_new_drop(&file);
	else if (save(&file, chunks))
		status = give_back(ctl, name, chunks, pkts);
	json_decref(chunks);
	return status ? status : tell(ctl, command, name, pkts);
}

/* ---- give ---- */

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

/* The daemon took some chunks and not this one: the file is to have those that are not given. */
static void keep_rest(const char *path, const json_t *chunks, json_int_t pkts, bool answered)
{
	char *text = json_dumps(chunks, JSON_COMPACT);
	size_t left = json_array_size(chunks);
	struct stat st;

	fprintf(stderr,
		"renicctl: ingress: %" JSON_INTEGER_FORMAT " frames were given; the oldest %zu "
		"chunks of %s were not%s\n",
		pkts, left, path,
		answered ? "" : ", but for the last of these, of which nobody knows");
	if (!text || stat(path, &st) || !S_ISREG(st.st_mode) ||
		file_replace(path, text, strlen(text)))
		fprintf(stderr, "renicctl: ingress: %s still has all: do not give it again\n",
			path);
	else
		fprintf(stderr, "renicctl: ingress: %s has only these now\n", path);
	free(text);
}

int run_ingress_give(struct ctl *ctl, const struct command *command, const json_t *args)
{
	const char *path = json_string_value(json_object_get(args, "frames"));
	json_t *name = json_object_get(args, "name"), *chunks = read_chunks(path);
	json_int_t pkts = 0;
	int status;

	if (!chunks)
		return EXIT_REFUSED;
	status = give_all(ctl, name, chunks, &pkts);
	if (status && pkts)
		keep_rest(path, chunks, pkts, status == EXIT_REFUSED);
	json_decref(chunks);
	return status ? status : tell(ctl, command, name, pkts);
}
