/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling struct nic_error; see error.h. No state, any thread. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

int nic_fail(struct nic_error *err, int code, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	memset(err, 0, sizeof(*err));
	err->code = code;
	snprintf(err->field, sizeof(err->field), "%s", field ? field : "");
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return code;
}

int nic_fail_value(
	struct nic_error *err, const char *field, const char *given, const char *expected)
{
	nic_fail(err, RENIC_E_PARAMS, field, "%s: got %s, expected %s", field, given, expected);
	if (err) {
		snprintf(err->given, sizeof(err->given), "%s", given);
		snprintf(err->expected, sizeof(err->expected), "%s", expected);
	}
	return RENIC_E_PARAMS;
}
