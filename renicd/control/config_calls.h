/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A list of calls that brings a configuration back, as config_save writes it and config_load
 * takes it: all of it, or nothing. Control thread only.
 */
#ifndef RENICD_CONTROL_CONFIG_CALLS_H
#define RENICD_CONTROL_CONFIG_CALLS_H

#include "json_writer.h"
#include "log_settings.h"
#include "params.h"
#include "schema.h"

enum {
	CONFIG_CALLS_VERSION = 1,
	CONFIG_CALLS_MAX = VF_MAX + GROUP_MAX + LOG_SETTINGS_MAX,
};

struct config_calls_result {
	unsigned applied, skipped; /* calls that did something; that found it done already */
};

/* What is set now, as an array: VFs, then the groups of them, then log levels. */
void config_calls_write(struct json_writer *w, const char *key);

/*
 * Check all calls, and, unless check_only, carry them out in their order, log levels last.
 * @calls  a JSON array of {"method", "params"}
 * Returns 0; or an error of the checks or of the call that the device refused, whose field begins
 * with the call at fault (`calls[3].params.mac`): what was done by then is undone.
 */
int config_calls_load(const json_t *calls, bool check_only, struct config_calls_result *result,
	struct nic_error *err);

#endif
