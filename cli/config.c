/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl config save | load`: all that an operator set, as a file (docs/protocol.md, "A saved
 * configuration"). The file is config_save's answer, and config_load's parameters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "run.h"

static int file_failed(const char *path, const char *why)
{
	fprintf(stderr, "renicctl: config: %s: %s\n", path, why);
	return EXIT_REFUSED;
}

static int save_to(const char *path, const json_t *config)
{
	char *text = json_dumps(config, JSON_INDENT(2));
	size_t len = text ? strlen(text) : 0;
	int status = EXIT_OK;

	if (!text)
		return file_failed(path, "out of memory");
	text[len++] = '\n'; /* in the place of its NUL */
	if (file_replace(path, text, len))
		status = file_failed(path, strerror(errno));
	free(text);
	return status;
}

int run_config_save(struct ctl *ctl, const struct command *command, const json_t *args)
{
	const char *path = json_string_value(json_object_get(args, "file"));
	json_t *config;
	int status = ctl_call(ctl, command->method, NULL, &config);

	if (status)
		return status;
	if (path)
		status = save_to(path, config);
	else
		ctl_dump(ctl, config, false);
	json_decref(config);
	return status;
}

/* "-" is stdin. NULL after a message. */
static json_t *read_config(const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	json_error_t why;
	json_t *config;
	char text[sizeof(why.text) + 64];

	if (!file) {
		file_failed(path, strerror(errno));
		return NULL;
	}
	config = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
	if (file != stdin)
		fclose(file);
	if (json_is_object(config))
		return config;
	snprintf(text, sizeof(text), "line %d, column %d: %s", why.line, why.column, why.text);
	file_failed(path, config ? "not an object, as config save writes it" : text);
	json_decref(config);
	return NULL;
}

int run_config_load(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *config = read_config(json_string_value(json_object_get(args, "calls")));
	json_t *result;
	int status;

	if (!config)
		return EXIT_REFUSED;
	if (json_object_get(args, "check"))
		json_object_set_new(config, "check", json_true());
	status = ctl_call(ctl, command->method, config, &result);
	if (status)
		return status;
	if (ctl->json)
		ctl_dump(ctl, result, false);
	else
		command->show(ctl->out, result);
	json_decref(result);
	return EXIT_OK;
}
