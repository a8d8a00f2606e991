/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's tables as JSON: methods, config keys, events, drop reasons. The man pages are made
 * from this when renicd is built (docs/man), so that they cannot say other than what is decoded.
 * Needs no DPDK to be started.
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "control/json_writer.h"
#include "control/rpc.h"
#include "nic/drop.h"
#include "tables.h"

struct path {
	const struct path *up;
	const char *name;
};

static void write_name(char *buf, size_t size, const struct path *path)
{
	size_t len;

	if (path->up) {
		write_name(buf, size, path->up);
		len = strlen(buf);
		snprintf(buf + len, size - len, ".%s", path->name);
	} else {
		snprintf(buf, size, "%s", path->name);
	}
}

/* A key, and those of the object that it is. */
static void write_key(const struct param *row, const struct path *up, struct json_writer *w)
{
	const struct path path = {.up = up, .name = row->name};
	char text[128];

	jw_open(w, NULL, '{');
	write_name(text, sizeof(text), &path);
	jw_str(w, "name", text);
	jw_str(w, "type", param_type_text(row, text, sizeof(text)));
	jw_str(w, "expected", param_expected(row, text, sizeof(text)));
	jw_str(w, "help", row->help ? row->help : "");
	jw_close(w, '}');
	if (row->type == PARAM_OBJECT)
		for (unsigned i = 0; i < row->n_fields; i++)
			write_key(&row->fields[i], &path, w);
}

static void write_top_key(const struct param *row, void *w)
{
	write_key(row, NULL, w);
}

static int write_methods(struct json_writer *w)
{
	const struct rpc_method *method = rpc_find("rpc_get_methods");
	struct rpc_call call = {.out = w};

	jw_key(w, "methods");
	return method->handler(&call, NULL);
}

int tables_print(FILE *out)
{
	struct json_writer w = {0};
	int rc;

	jw_open(&w, NULL, '{');
	rc = write_methods(&w);
	jw_open(&w, "config", '[');
	config_foreach(write_top_key, &w);
	jw_close(&w, ']');
	jw_open(&w, "events", '[');
	for (int i = 0; i < EVENT_TYPES; i++)
		jw_str(&w, NULL, nic_event_names[i]);
	jw_close(&w, ']');
	jw_open(&w, "drops", '[');
	for (int i = 0; i < DROP_REASONS; i++) {
		jw_open(&w, NULL, '{');
		jw_str(&w, "name", drop_descs[i].name);
		jw_str(&w, "help", drop_descs[i].help);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	if (rc || w.failed)
		rc = -ENOMEM;
	else if (fwrite(w.buf, 1, w.len, out) != w.len || fflush(out))
		rc = -EIO;
	jw_free(&w);
	return rc;
}
