/* SPDX-License-Identifier: BSD-3-Clause */
/* Help, made from the command table: all commands, a noun's, or one with its parameters. */
#include <string.h>

#include "command.h"

/* "NAME", "[NAME...]", "mac=MAC", "--interval TIME". */
static void spell(const struct param *param, char *buf, size_t size)
{
	switch (param->kind) {
	case PARAM_KEY:
		snprintf(buf, size, "%s=%s", param->name, param->shown);
		break;
	case PARAM_FLAG:
		snprintf(buf, size, "--%s", param->option);
		break;
	case PARAM_OPTION:
		snprintf(buf, size, "--%s %s", param->option, param->shown);
		break;
	default:
		snprintf(buf, size, "%s%s", param->shown, param->kind == PARAM_REST ? "..." : "");
	}
}

static void print_synopsis(FILE *out, const struct command *command)
{
	char name[64], word[96];
	bool keys = false;

	fprintf(out, "%s", command_name(command, name, sizeof(name)));
	for (const struct param *p = command->params; p && p->name; p++) {
		if (p->kind == PARAM_KEY) {
			if (!keys)
				fprintf(out, " [KEY=VALUE...]");
			keys = true;
			continue;
		}
		spell(p, word, sizeof(word));
		fprintf(out, p->kind == PARAM_ARG ? " %s" : " [%s]", word);
	}
}

static void print_params(FILE *out, const struct param *params)
{
	for (const struct param *p = params; p && p->name; p++) {
		char word[96], letter[8] = "";

		spell(p, word, sizeof(word));
		if (p->letter)
			snprintf(letter, sizeof(letter), "-%c, ", p->letter);
		fprintf(out, "  %s%-*s %s\n", letter, (int)(34 - strlen(letter)), word, p->help);
	}
}

static void print_command(FILE *out, const struct command *command)
{
	fprintf(out, "usage: renicctl ");
	print_synopsis(out, command);
	fprintf(out, "\n\n%s.\n", command->help);
	if (command->method)
		fprintf(out, "Calls %s (docs/protocol.md).\n", command->method);
	if (command->params && command->params[0].name) {
		fputc('\n', out);
		print_params(out, command->params);
	}
	if (command->note)
		fprintf(out, "\n%s\n", command->note);
	fprintf(out, "\nOptions of every command:\n");
	print_params(out, global_params);
}

static void print_overview(FILE *out, const char *noun)
{
	fprintf(out, "usage: renicctl [OPTION...] %s ...\n\n", noun ? noun : "COMMAND");
	for (const struct command *c = commands; c->noun; c++) {
		if (noun && strcmp(c->noun, noun))
			continue;
		fprintf(out, "  ");
		print_synopsis(out, c);
		fprintf(out, "\n        %s\n", c->help);
	}
	fprintf(out, "\nOptions of every command:\n");
	print_params(out, global_params);
	fprintf(out, "\nExit status: 0 done, 1 renicd said no, 2 wrong command line, 3 no renicd.\n"
		     "More on a command: renicctl COMMAND --help\n");
}

void help_print(FILE *out, const char *noun, const char *verb)
{
	for (const struct command *c = commands; noun && c->noun; c++) {
		if (strcmp(c->noun, noun) || (c->verb && (!verb || strcmp(c->verb, verb))))
			continue;
		print_command(out, c);
		return;
	}
	print_overview(out, noun);
}
