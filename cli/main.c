/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renicctl: renicd's command line. Finds the command in the table, types its arguments, runs it.
 * Exit statuses: enum exit_status. Results go to stdout, everything else to stderr.
 */
#include <string.h>

#include "args.h"
#include "run.h"
#include "tables.h"

static int usage_error(const char *name, const char *why)
{
	fprintf(stderr, "renicctl: %s%s%s\nSee: renicctl %s%s--help\n", name, name[0] ? ": " : "",
		why, name, name[0] ? " " : "");
	return EXIT_USAGE;
}

/* No such command: is at least the noun known? */
static int unknown_command(int argc, char **argv)
{
	char why[160];

	for (const struct command *c = commands; argc > 0 && c->noun; c++) {
		if (strcmp(c->noun, argv[0]))
			continue;
		if (argc == 1)
			return usage_error(c->noun, "what about it? A verb is missing");
		snprintf(why, sizeof(why), "no such verb: '%.100s'", argv[1]);
		return usage_error(c->noun, why);
	}
	if (argc == 0)
		return usage_error("", "no command given");
	snprintf(why, sizeof(why), "no such command: '%.100s'", argv[0]);
	return usage_error("", why);
}

static int run_command(struct ctl *ctl, const struct command *command, int argc, char **argv)
{
	char name[64], why[ARGS_WHY_SIZE];
	json_t *args = args_parse(command->params, argc, argv, why);
	int status;

	if (!args)
		return usage_error(command_name(command, name, sizeof(name)), why);
	status = command->run ? command->run(ctl, command, args) : run_method(ctl, command, args);
	json_decref(args);
	renic_close(ctl->client);
	return status ? status : ctl_flush(ctl);
}

static void set_globals(struct ctl *ctl, const json_t *globals)
{
	json_int_t timeout_us = json_integer_value(json_object_get(globals, "timeout"));

	ctl->socket = json_string_value(json_object_get(globals, "socket"));
	ctl->json = json_is_true(json_object_get(globals, "json"));
	ctl->timeout_ms = (int)(timeout_us / 1000);
	ctl->out = stdout;
}

static int dispatch(const json_t *globals, int argc, char **argv)
{
	const struct command *command;
	struct ctl ctl = {0};
	int used;

	set_globals(&ctl, globals);
	if (json_object_get(globals, "version")) {
		printf("renicctl %s\n", RENICD_VERSION);
		return ctl_flush(&ctl);
	}
	if (json_object_get(globals, "help")) {
		help_print(stdout, argc > 0 ? argv[0] : NULL, argc > 1 ? argv[1] : NULL);
		return ctl_flush(&ctl);
	}
	command = command_find(argc, argv, &used);
	if (!command)
		return unknown_command(argc, argv);
	return run_command(&ctl, command, argc - used, argv + used);
}

int main(int argc, char **argv)
{
	char why[ARGS_WHY_SIZE];
	json_t *globals;
	int status;

	argc--;
	argv++;
	if (argc == 1 && !strcmp(argv[0], "--tables")) /* for docs/man; not in the help */
		return tables_print(stdout) ? EXIT_REFUSED : EXIT_OK;
	globals = args_extract(global_params, &argc, argv, why);
	if (!globals)
		return usage_error("", why);
	if (argc > 0 && !strcmp(argv[0], "help")) {
		json_object_set_new(globals, "help", json_true());
		argc--;
		argv++;
	}
	status = dispatch(globals, argc, argv);
	json_decref(globals);
	return status;
}
