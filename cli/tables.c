/* SPDX-License-Identifier: BSD-3-Clause */
/* The command table as JSON: what renicctl's man page and bash completion are made from when it
 * is built (docs/man). */
#include <jansson.h>

#include "command.h"
#include "tables.h"

static const char *const kind_names[] = {
	[PARAM_ARG] = "arg",
	[PARAM_OPT_ARG] = "opt_arg",
	[PARAM_REST] = "rest",
	[PARAM_KEY] = "key",
	[PARAM_FLAG] = "flag",
	[PARAM_OPTION] = "option",
};

static json_t *params_json(const struct param *params)
{
	json_t *list = json_array();

	for (const struct param *p = params; p && p->name; p++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s*, s:s, s:s*, s:s}", "name", p->name, "kind",
				      kind_names[p->kind], "shown", p->shown, "help", p->help,
				      "option", p->option, "letter", (char[]){p->letter, '\0'}));
	return list;
}

int tables_print(FILE *out)
{
	json_t *list = json_array(), *all;
	int rc;

	for (const struct command *c = commands; c->noun; c++)
		json_array_append_new(
			list, json_pack("{s:s, s:s*, s:s, s:s*, s:s*, s:o}", "noun", c->noun,
				      "verb", c->verb, "help", c->help, "note", c->note, "method",
				      c->method, "params", params_json(c->params)));
	all = json_pack("{s:o, s:o}", "commands", list, "globals", params_json(global_params));
	rc = all ? json_dumpf(all, out, 0) : -1;
	json_decref(all);
	return rc;
}
