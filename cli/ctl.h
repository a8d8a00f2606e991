/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a running command has at hand: the connection, the output, the way to say that something
 * failed. Functions that can fail have told the user why when they return.
 */
#ifndef CLI_CTL_H
#define CLI_CTL_H

#include "command.h"

struct ctl {
	const char *socket; /* NULL: librenic's choice */
	bool json;
	int timeout_ms; /* 0: librenic's choice */
	struct renic_client *client;
	FILE *out;
};

/* Connects, once. Returns an exit status. */
int ctl_connect(struct ctl *ctl);

/* Calls a method, connecting first if need be. params is stolen; *result (may be NULL) a new
 * reference. Returns an exit status. */
int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result);

/* Tell about err, which `what` (a method) met. Returns the exit status that fits. */
int ctl_fail(const char *what, const struct renic_error *err);

/* Print a value: one line (lines), or indented for a reader. */
void ctl_dump(struct ctl *ctl, const json_t *value, bool line);

/* Everything printed so far has really been written? Returns an exit status. */
int ctl_flush(struct ctl *ctl);

#endif
