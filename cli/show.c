/* SPDX-License-Identifier: BSD-3-Clause */
/* Columns of each kind of result (docs/protocol.md); see show.h. */
#include "out_table.h"
#include "show.h"

static const struct column vf_columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"MAC", "mac", CELL_TEXT},
	{"VLAN", "vlan", CELL_COUNT},
	{"QUEUES", "queues", CELL_COUNT},
	{"FRONTEND", "frontend", CELL_TEXT},
	{"GROUP", "group", CELL_TEXT},
	{"ROLE", "role", CELL_TEXT},
	{"EPOCH", "epoch", CELL_COUNT},
	{"HELD", "held_pkts", CELL_COUNT},
	{"BYTES", "held_bytes", CELL_BYTES},
	{"AGE", "held_age_us", CELL_AGE_US},
	{"SOCKET", "socket", CELL_TEXT},
	{0},
};

static const struct column ring_columns[] = {
	{"QUEUE", "queue", CELL_COUNT},
	{"ENABLED", "enabled", CELL_TEXT},
	{"LCORE", "lcore", CELL_COUNT},
	{"RX-SIZE", "rx_size", CELL_COUNT},
	{"RX-AVAIL", "rx_avail_idx", CELL_COUNT},
	{"RX-USED", "rx_used_idx", CELL_COUNT},
	{"TX-SIZE", "tx_size", CELL_COUNT},
	{"TX-AVAIL", "tx_avail_idx", CELL_COUNT},
	{"TX-USED", "tx_used_idx", CELL_COUNT},
	{"HELD", "held_pkts", CELL_COUNT},
	{"BYTES", "held_bytes", CELL_COUNT},
	{"RELEASED", "log.released", CELL_COUNT},
	{"COMMITTED", "log.committed", CELL_COUNT},
	{"SEALED", "log.sealed", CELL_COUNT},
	{"TAIL", "log.tail", CELL_COUNT},
	{"RX-HELD", "ingress_held_pkts", CELL_COUNT},
	{0},
};

static const struct column queue_columns[] = {
	{"QUEUE", "queue", CELL_COUNT},
	{"TX", "tx_pkts", CELL_COUNT},
	{"TX-BYTES", "tx_bytes", CELL_COUNT},
	{"RX", "rx_pkts", CELL_COUNT},
	{"RX-BYTES", "rx_bytes", CELL_COUNT},
	{"RELEASED", "released_pkts", CELL_COUNT},
	{"EXEMPT", "exempt_pkts", CELL_COUNT},
	{"BACKPRESSURE", "backpressure", CELL_COUNT},
	{"STUCK", "stuck_rings", CELL_COUNT},
	{"DROPS", "dropped", CELL_COUNT},
	{0},
};

static const struct column held_time_columns[] = {
	{"HELD-BELOW", "below_us", CELL_AGE_US},
	{"FRAMES", "pkts", CELL_COUNT},
	{0},
};

/* A VF in short, as checkpoint_begin tells of it. */
static const struct column sealed_columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"HELD", "held_pkts", CELL_COUNT},
	{"BYTES", "held_bytes", CELL_COUNT},
	{0},
};

static const struct column group_columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"STATE", "state", CELL_TEXT},
	{"TERM", "term", CELL_COUNT},
	{"EPOCH", "epoch", CELL_COUNT},
	{"COMMITTED", "committed_epoch", CELL_COUNT},
	{"SEALED", "sealed_epochs", CELL_COUNT},
	{"HELD", "held_pkts", CELL_COUNT},
	{"BYTES", "held_bytes", CELL_BYTES},
	{"AGE", "held_age_us", CELL_AGE_US},
	{"REPLICATOR", "replicator", CELL_TEXT},
	{"INTERNAL", "internal", CELL_TEXT},
	{"VFS", "vfs", CELL_TEXT},
	{0},
};

static const struct column capture_columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"STATE", "state", CELL_TEXT},
	{"DIRECTION", "direction", CELL_TEXT},
	{"HOLD", "hold", CELL_TEXT},
	{"FRAMES", "pkts", CELL_COUNT},
	{"BYTES", "bytes", CELL_BYTES},
	{"DROPPED", "dropped", CELL_COUNT},
	{"PATH", "path", CELL_TEXT},
	{0},
};

static const struct column method_columns[] = {
	{"METHOD", "name", CELL_TEXT},
	{"FOR", "who", CELL_TEXT},
	{"WHAT IT DOES", "help", CELL_TEXT},
	{"PARAMETERS", "params", CELL_TEXT},
	{0},
};

static const struct column extent_columns[] = {
	{"QUEUE", "queue", CELL_COUNT},
	{"LOG-OFFSET", "log_offset", CELL_COUNT},
	{"FILE-OFFSET", "file_offset", CELL_COUNT},
	{"BYTES", "bytes", CELL_COUNT},
	{0},
};

/* One object as a table of one row. */
static void row(FILE *out, const struct column *columns, const json_t *object)
{
	json_t *rows = json_pack("[O]", object);

	table_print(out, columns, rows);
	json_decref(rows);
}

/* The table of a member, after an empty line; nothing where it has no rows. */
static void part(FILE *out, const struct column *columns, const json_t *rows)
{
	if (json_array_size(rows) == 0)
		return;
	fputc('\n', out);
	table_print(out, columns, rows);
}

void show_nothing(FILE *out, const json_t *result)
{
}

void show_record(FILE *out, const json_t *result)
{
	record_print(out, result);
}

void show_json(FILE *out, const json_t *result)
{
	json_dumpf(result, out, JSON_ENCODE_ANY | JSON_INDENT(2));
	fputc('\n', out);
}

/* rpc_get_methods' rows, with who may call and the parameters as a list of words. */
void show_methods(FILE *out, const json_t *result)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < json_array_size(result); i++) {
		const json_t *method = json_array_get(result, i);
		const json_t *params = json_object_get(method, "params");
		json_t *words = json_array(), *line = json_copy((json_t *)method);

		for (size_t p = 0; p < json_array_size(params); p++) {
			const json_t *param = json_array_get(params, p);
			const char *name = json_string_value(json_object_get(param, "name"));

			json_array_append_new(words,
				json_sprintf("%s%s", name ? name : "",
					json_is_true(json_object_get(param, "required")) ? ""
											 : "?"));
		}
		json_object_set_new(line, "params", words);
		json_object_set_new(line, "who",
			json_string(
				json_is_true(json_object_get(method, "read")) ? "all" : "owner"));
		json_array_append_new(rows, line);
	}
	table_print(out, method_columns, rows);
	json_decref(rows);
}

void show_vf(FILE *out, const json_t *result)
{
	record_print(out, result);
	part(out, ring_columns, json_object_get(result, "rings"));
}

/* Each queue's drops in one number: the reasons are in the record above. */
void show_stats(FILE *out, const json_t *result)
{
	json_t *queues = json_deep_copy(json_object_get(result, "queues"));

	for (size_t i = 0; i < json_array_size(queues); i++) {
		json_t *queue = json_array_get(queues, i);
		json_int_t dropped = 0;
		const char *reason;
		json_t *count;

		json_object_foreach (json_object_get(queue, "drops"), reason, count)
			dropped += json_integer_value(count);
		json_object_set_new(queue, "dropped", json_integer(dropped));
	}
	record_print(out, result);
	part(out, queue_columns, queues);
	json_decref(queues);
}

void show_group(FILE *out, const json_t *result)
{
	const json_t *held_time = json_object_get(result, "held_time");

	record_print(out, result);
	part(out, held_time_columns, json_object_get(held_time, "buckets"));
}

void show_vf_row(FILE *out, const json_t *result)
{
	row(out, vf_columns, result);
}

void show_vf_list(FILE *out, const json_t *result)
{
	table_print(out, vf_columns, result);
}

void show_group_row(FILE *out, const json_t *result)
{
	row(out, group_columns, result);
}

void show_group_list(FILE *out, const json_t *result)
{
	table_print(out, group_columns, result);
}

void show_checkpoint(FILE *out, const json_t *result)
{
	record_print(out, result);
	part(out, sealed_columns, json_object_get(result, "vfs"));
}

void show_capture_list(FILE *out, const json_t *result)
{
	table_print(out, capture_columns, result);
}

void show_extents(FILE *out, const json_t *result)
{
	table_print(out, extent_columns, json_object_get(result, "extents"));
}
