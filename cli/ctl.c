/* SPDX-License-Identifier: BSD-3-Clause */
/* Connection, errors and JSON output of a command; see ctl.h. */
#include <errno.h>
#include <string.h>

#include "ctl.h"

static int connect_failed(const struct renic_error *err)
{
	fprintf(stderr, "renicctl: %s\n", err->message);
	if (err->sys_errno == EACCES || err->sys_errno == EPERM)
		fprintf(stderr, "The socket's owner and mode say who may use renicd: "
				"become root, or join its group.\n");
	else
		fprintf(stderr, "Is renicd running? Start it as root: renicd -c FILE (see renicd "
				"--help).\nFor a socket elsewhere: renicctl --socket PATH, or set "
				"RENIC_SOCKET.\n");
	return EXIT_NO_DAEMON;
}

int ctl_connect(struct ctl *ctl)
{
	struct renic_error err;

	if (ctl->client)
		return EXIT_OK;
	ctl->client = renic_connect(ctl->socket, &err);
	if (!ctl->client)
		return connect_failed(&err);
	if (ctl->timeout_ms)
		renic_set_timeout_ms(ctl->client, ctl->timeout_ms);
	return EXIT_OK;
}

int ctl_fail(const char *what, const struct renic_error *err)
{
	const struct {
		const char *name, *value;
	} parts[] = {{"field", err->field}, {"given", err->given}, {"expected", err->expected},
		{"state", err->state}};
	const char *separator = "  ";

	fprintf(stderr, "renicctl: %s: %s (%s)\n", what, err->message, renic_error_name(err->code));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i].value[0])
			continue;
		fprintf(stderr, "%s%s: %s", separator, parts[i].name, parts[i].value);
		separator = ", ";
	}
	if (separator[0] == ',')
		fputc('\n', stderr);
	if (err->code == RENIC_E_ARGUMENT)
		return EXIT_USAGE;
	return renic_error_is_remote(err->code) ? EXIT_REFUSED : EXIT_NO_DAEMON;
}

int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result)
{
	struct renic_error err;
	int status = ctl_connect(ctl);

	if (status) {
		json_decref(params);
		return status;
	}
	if (renic_call(ctl->client, method, params, result, &err))
		return ctl_fail(method, &err);
	return EXIT_OK;
}

void ctl_dump(struct ctl *ctl, const json_t *value, bool line)
{
	json_dumpf(value, ctl->out, JSON_ENCODE_ANY | (line ? JSON_COMPACT : JSON_INDENT(2)));
	fputc('\n', ctl->out);
}

int ctl_flush(struct ctl *ctl)
{
	if (!fflush(ctl->out) && !ferror(ctl->out))
		return EXIT_OK;
	fprintf(stderr, "renicctl: cannot write the output: %s\n", strerror(errno));
	return EXIT_REFUSED;
}
