/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl top`: a live table of VFs. A look is vf_list, vf_stats of each VF, and uplink_get;
 * rates come from two looks and the time between them (top_rates.c). On a terminal the table is
 * redrawn in place, elsewhere and with --batch it is appended; with --json a line a look.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "out_table.h"
#include "run.h"
#include "top_rates.h"

static const struct column top_columns[] = {
	{"VF", "name", CELL_TEXT},
	{"ROLE", "role", CELL_TEXT},
	{"EPOCH", "epoch", CELL_COUNT},
	{"TX-PPS", "tx_pps", CELL_RATE},
	{"TX-MBIT/S", "tx_mbps", CELL_MBIT},
	{"RX-PPS", "rx_pps", CELL_RATE},
	{"RX-MBIT/S", "rx_mbps", CELL_MBIT},
	{"HELD", "held_pkts", CELL_COUNT},
	{"BYTES", "held_bytes", CELL_BYTES},
	{"OLDEST", "held_age_us", CELL_AGE_US},
	{"DROPS/S", "drops_ps", CELL_RATE},
	{0},
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* vf_stats of one VF into the look; one that was deleted meanwhile is left out. */
static int look_at_vf(struct ctl *ctl, const json_t *vf, json_t *vfs)
{
	const json_t *name = json_object_get(vf, "name");
	struct renic_error err;
	json_t *stats;
	int ret =
		renic_call(ctl->client, "vf_stats", json_pack("{s:O}", "name", name), &stats, &err);

	if (ret == RENIC_E_NOT_FOUND)
		return EXIT_OK;
	if (ret)
		return ctl_fail("vf_stats", &err);
	json_array_append_new(vfs, json_pack("{s:O, s:o}", "vf", vf, "stats", stats));
	return EXIT_OK;
}

/* {"vfs": [{"vf", "stats"}], "uplink"}, or NULL with *status set. */
static json_t *look(struct ctl *ctl, int *status)
{
	json_t *list = NULL, *uplink = NULL, *vfs = json_array();

	*status = ctl_call(ctl, "vf_list", NULL, &list);
	for (size_t i = 0; i < json_array_size(list) && !*status; i++)
		*status = look_at_vf(ctl, json_array_get(list, i), vfs);
	if (!*status)
		*status = ctl_call(ctl, "uplink_get", NULL, &uplink);
	json_decref(list);
	if (!*status)
		return json_pack("{s:o, s:o}", "vfs", vfs, "uplink", uplink);
	json_decref(vfs);
	return NULL;
}

static void print_head(FILE *out, const json_t *top)
{
	const json_t *totals = json_object_get(top, "totals");
	const json_t *uplink = json_object_get(top, "uplink");
	char link[CELL_SIZE], bytes[CELL_SIZE], tx[CELL_SIZE], rx[CELL_SIZE], when[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%T", localtime_r(&now, &tm));
	fprintf(out,
		"%s  VFs %" JSON_INTEGER_FORMAT ", protected %" JSON_INTEGER_FORMAT
		", held %" JSON_INTEGER_FORMAT " frames (%s)  uplink %s, tx %s pps, rx %s pps\n",
		when, json_integer_value(json_object_get(totals, "vfs")),
		json_integer_value(json_object_get(totals, "protected")),
		json_integer_value(json_object_get(totals, "held_pkts")),
		cell_format(CELL_BYTES, json_object_get(totals, "held_bytes"), bytes),
		cell_format(CELL_TEXT, json_object_get(uplink, "link"), link),
		cell_format(CELL_RATE, json_object_get(uplink, "tx_pps"), tx),
		cell_format(CELL_RATE, json_object_get(uplink, "rx_pps"), rx));
}

/* redraw: from the top left corner, and clear what the look before left below. */
static void print_top(struct ctl *ctl, const json_t *top, bool redraw)
{
	if (ctl->json) {
		ctl_dump(ctl, top, true);
		return;
	}
	fputs(redraw ? "\033[H\033[2J" : "", ctl->out);
	print_head(ctl->out, top);
	table_print(ctl->out, top_columns, json_object_get(top, "vfs"));
	fputs(redraw ? "" : "\n", ctl->out);
}

/* Looks are taken by the clock: what a look costs does not shift the next. */
static void sleep_until(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

int run_top(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_int_t count = json_integer_value(json_object_get(args, "count"));
	const json_t *delay = json_object_get(args, "delay");
	int64_t delay_ns = (delay ? json_integer_value(delay) : 1000000) * 1000;
	bool redraw = !json_object_get(args, "batch") && isatty(fileno(ctl->out));
	json_t *before = NULL;
	int64_t then = 0, next = now_ns();
	int status = EXIT_OK;

	for (json_int_t n = 0; (!count || n < count) && !status; n++) {
		json_t *now, *top;
		int64_t at;

		sleep_until(next);
		at = now_ns();
		now = look(ctl, &status);
		if (status)
			break;
		top = top_rates(before, now, (double)(at - then) / 1e9);
		print_top(ctl, top, redraw);
		status = ctl_flush(ctl);
		json_decref(top);
		json_decref(before);
		before = now;
		then = at;
		next = next + delay_ns > at ? next + delay_ns : at;
	}
	json_decref(before);
	return status;
}
