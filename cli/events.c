/* SPDX-License-Identifier: BSD-3-Clause */
/* `renicctl events`: follow events until interrupted, or until so many have come. */
#include <stdlib.h>
#include <time.h>

#include "out_table.h"
#include "run.h"

static int subscribe(struct ctl *ctl, const json_t *types)
{
	json_t *params = types ? json_pack("{s:O}", "types", types) : NULL;

	return ctl_call(ctl, "events_subscribe", params, NULL);
}

/* 2024-11-23 02:59:01.123456, local time. */
static void format_when(uint64_t time_us, char *buf, size_t size)
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	size_t n;

	localtime_r(&seconds, &tm);
	n = strftime(buf, size, "%F %T", &tm);
	snprintf(buf + n, size - n, ".%06u", (unsigned)(time_us % 1000000));
}

static void print_event(struct ctl *ctl, const struct renic_event *event)
{
	char when[64], name[CELL_SIZE], detail[CELL_SIZE];
	json_t *object = json_pack("{s:s, s:s, s:s, s:I}", "type", event->type, "name", event->name,
		"detail", event->detail, "time_us", (json_int_t)event->time_us);

	if (ctl->json) {
		ctl_dump(ctl, object, true);
	} else {
		format_when(event->time_us, when, sizeof(when));
		fprintf(ctl->out, "%s  %-21s  %-12s  %s\n", when, event->type,
			cell_format(CELL_TEXT, json_object_get(object, "name"), name),
			cell_format(CELL_TEXT, json_object_get(object, "detail"), detail));
	}
	json_decref(object);
}

int run_events(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_int_t count = json_integer_value(json_object_get(args, "count"));
	struct renic_event event;
	struct renic_error err;
	int ret, status = subscribe(ctl, json_object_get(args, "types"));

	if (status)
		return status;
	for (json_int_t n = 0; !count || n < count;) {
		ret = renic_event_wait(ctl->client, -1, &event, &err);
		if (ret < 0)
			return ctl_fail("events", &err);
		if (ret == 0)
			continue;
		if (event.lost)
			fprintf(stderr, "renicctl: %llu events were lost here\n",
				(unsigned long long)event.lost);
		print_event(ctl, &event);
		status = ctl_flush(ctl); /* whoever follows wants each line at once */
		if (status)
			return status;
		n++;
	}
	return ctl_call(ctl, "events_unsubscribe", NULL, NULL);
}
