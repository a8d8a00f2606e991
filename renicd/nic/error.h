/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the control plane says no: a stable code, the field at fault, what was given, what was
 * expected. Filled by whoever decides, carried up unchanged to the client or to stderr.
 */
#ifndef RENICD_NIC_ERROR_H
#define RENICD_NIC_ERROR_H

#include <renic_errors.h>

struct nic_error {
	int code;	    /* enum renic_error_code */
	char field[64];	    /* parameter at fault, e.g. "mac"; empty where none is */
	char given[96];	    /* what the caller gave, as text; may be empty */
	char expected[256]; /* what would have been right; may be empty */
	char state[32];	    /* with RENIC_E_STATE: the state that forbids it */
	char message[512];  /* one sentence for a person */
};

/*
 * Fill err (may be NULL) and return code, so that a caller can write
 * `return nic_fail(err, RENIC_E_EXISTS, "name", "...", name);`.
 */
int nic_fail(struct nic_error *err, int code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* As nic_fail(), naming what was given and what was expected; the message is made of both. */
int nic_fail_value(
	struct nic_error *err, const char *field, const char *given, const char *expected);

#endif
