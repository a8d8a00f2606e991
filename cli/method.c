/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that call one method: the table's (run_method) and any (`renicctl call`). */
#include "run.h"

int show_result(struct ctl *ctl, const struct command *command, json_t *result)
{
	if (ctl->json)
		ctl_dump(ctl, result, false);
	else
		command->show(ctl->out, result);
	json_decref(result);
	return EXIT_OK;
}

int run_method(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *result;
	int status = ctl_call(ctl, command->method, json_copy((json_t *)args), &result);

	return status ? status : show_result(ctl, command, result);
}

int run_call(struct ctl *ctl, const struct command *command, const json_t *args)
{
	const char *method = json_string_value(json_object_get(args, "method"));
	json_t *result;
	int status = ctl_call(ctl, method, json_incref(json_object_get(args, "params")), &result);

	if (status)
		return status;
	command->show(ctl->out, result);
	json_decref(result);
	return EXIT_OK;
}
