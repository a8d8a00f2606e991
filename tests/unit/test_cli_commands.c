/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command table against docs/protocol.md: every method has a command, and every parameter of
 * the method can be given on the command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

static const struct command *command_of(const char *method)
{
	for (const struct command *c = commands; c->noun; c++)
		if (c->method && !strcmp(c->method, method))
			return c;
	return NULL;
}

static bool has_param(const struct command *command, const char *name)
{
	for (const struct param *p = command->params; p->name; p++)
		if (!strcmp(p->name, name))
			return true;
	return false;
}

/* Every word in backquotes must be a parameter, but for values, which stand in parentheses. */
static unsigned check_params(const struct command *command, const char *cell)
{
	bool values = false, quoted = false;
	unsigned n = 0;

	for (const char *c = cell; *c; c++) {
		size_t len = strspn(c, "abcdefghijklmnopqrstuvwxyz_");
		char name[64];

		values = *c == '(' || (values && *c != ')');
		quoted ^= *c == '`';
		if (len == 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len, c);
		c += len - 1;
		if (values || !quoted)
			continue;
		if (!has_param(command, name))
			fail_msg("%s: there is no way to give %s", command->method, name);
		n++;
	}
	return n;
}

static void every_method_and_parameter_of_the_protocol_has_its_place(void **state)
{
	FILE *file = fopen(getenv("PROTOCOL_MD"), "re");
	unsigned methods = 0, params = 0;
	bool in_table = false;
	char line[1024];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *method, *cell, *end;

		if (!strncmp(line, "## ", 3))
			in_table = !strcmp(line, "## Methods\n");
		if (!in_table || strncmp(line, "| `", 3))
			continue;
		method = line + 3;
		cell = strchr(method, '|') + 1;
		end = strchr(cell, '|');
		*strchr(method, '`') = '\0';
		*end = '\0';
		methods++;
		/* What `events` does at its end; what has frames from a replicator alone. */
		if (!strcmp(method, "events_unsubscribe") || !strcmp(method, "egress_load"))
			continue;
		if (!command_of(method))
			fail_msg("%s has no command", method);
		params += check_params(command_of(method), cell);
	}
	fclose(file);
	assert_true(methods >= 25);
	assert_true(params >= 45);
}

static void each_row_is_complete(void **state)
{
	for (const struct command *c = commands; c->noun; c++) {
		char name[64];

		command_name(c, name, sizeof(name));
		if (!c->help || !c->params || (!c->run && (!c->method || !c->show)))
			fail_msg("%s: help, params, or what it does is missing", name);
		for (const struct param *p = c->params; p->name; p++) {
			bool option = p->kind == PARAM_FLAG || p->kind == PARAM_OPTION;

			if (!p->help || (p->kind != PARAM_FLAG && !p->shown) ||
				option != !!p->option)
				fail_msg("%s: parameter %s is not complete", name, p->name);
			if (p->kind == PARAM_REST)
				assert_int_equal(p->type, VALUE_NAMES);
		}
	}
}

static char *help_of(const char *noun, const char *verb)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	help_print(out, noun, verb);
	fclose(out);
	return text;
}

static void help_comes_from_the_table(void **state)
{
	char *all = help_of(NULL, NULL), *vf = help_of("vf", NULL), *set = help_of("vf", "set");
	char *protect = help_of("protect", NULL);

	for (const struct command *c = commands; c->noun; c++) {
		char name[64];

		assert_non_null(strstr(all, command_name(c, name, sizeof(name))));
		assert_non_null(strstr(all, c->help));
	}
	assert_non_null(strstr(vf, "vf create"));
	assert_null(strstr(vf, "group create"));
	assert_non_null(strstr(set, "usage: renicctl vf set NAME [KEY=VALUE...]"));
	assert_non_null(strstr(set, "spoofchk=on|off"));
	assert_non_null(strstr(protect, "SIGUSR1 pauses"));
	assert_non_null(strstr(protect, "-i, --interval TIME"));
	free(all);
	free(vf);
	free(set);
	free(protect);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_and_parameter_of_the_protocol_has_its_place),
		cmocka_unit_test(each_row_is_complete),
		cmocka_unit_test(help_comes_from_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
