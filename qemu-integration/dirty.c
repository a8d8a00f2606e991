/* SPDX-License-Identifier: BSD-3-Clause */
/* The choice of a dirty-page engine; see dirty.h. */
#include <stdio.h>
#include <string.h>

#include "dirty.h"

static const struct dirty_engine *const engines[] = {
	&dirty_userfaultfd,
	&dirty_soft_dirty,
	&dirty_compare,
};

enum { ENGINES = sizeof(engines) / sizeof(engines[0]) };

static void note(struct dirty_tracker *tracker, const char *text)
{
	size_t used = strlen(tracker->name);

	snprintf(tracker->name + used, sizeof(tracker->name) - used, "%s", text);
}

/* The name it is known by: with why the better ones were not taken. */
static void name_it(struct dirty_tracker *tracker, const char *why)
{
	note(tracker, tracker->engine->name);
	if (!why[0])
		return;
	note(tracker, " (no ");
	note(tracker, why);
	note(tracker, ")");
}

static int take(struct dirty_tracker *tracker, const struct dirty_engine *engine,
	const struct dirty_target *target, struct nic_error *err)
{
	tracker->engine = engine;
	return engine->open(target, &tracker->state, err);
}

static int take_wanted(struct dirty_tracker *tracker, const struct dirty_target *target,
	const char *wanted, struct nic_error *err)
{
	int rc;

	for (unsigned i = 0; i < ENGINES; i++) {
		if (strcmp(engines[i]->name, wanted))
			continue;
		rc = take(tracker, engines[i], target, err);
		if (rc == 0)
			name_it(tracker, "");
		return rc;
	}
	return nic_fail_value(err, "dirty", wanted, DIRTY_ENGINE_NAMES);
}

int dirty_tracker_open(struct dirty_tracker *tracker, const struct dirty_target *target,
	const char *wanted, struct nic_error *err)
{
	char why[96] = "";
	int rc = RENIC_E_UNSUPPORTED;

	memset(tracker, 0, sizeof(*tracker));
	if (wanted)
		return take_wanted(tracker, target, wanted, err);
	for (unsigned i = 0; i < ENGINES && rc == RENIC_E_UNSUPPORTED; i++) {
		rc = take(tracker, engines[i], target, err);
		if (rc == 0)
			name_it(tracker, why);
		else if (!why[0])
			snprintf(why, sizeof(why), "%s: %.60s", engines[i]->name, err->message);
	}
	return rc;
}

void dirty_tracker_close(struct dirty_tracker *tracker)
{
	if (tracker->state)
		tracker->engine->close(tracker->state);
	memset(tracker, 0, sizeof(*tracker));
}

void dirty_mark_run(uint64_t *bitmap, uint64_t first, uint64_t n)
{
	for (; n > 0 && (first & 63); n--)
		dirty_mark(bitmap, first++);
	for (; n >= 64; n -= 64, first += 64)
		bitmap[first >> 6] = ~UINT64_C(0);
	for (; n > 0; n--)
		dirty_mark(bitmap, first++);
}
