/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scalar types of a decoder table: one row each of {name, parse, expected}. Only params.c
 * uses it. No state; any thread.
 */
#ifndef RENICD_CONTROL_PARAM_TYPES_H
#define RENICD_CONTROL_PARAM_TYPES_H

#include "params.h"

struct param_type_desc {
	const char *name; /* in rpc_get_methods */
	/* false: not such a value. NULL for types made of others, which params.c walks. */
	bool (*parse)(const struct param *row, const json_t *value, void *field);
	void (*expected)(const struct param *row, char *buf, size_t size);
};

extern const struct param_type_desc param_types[PARAM_TYPES];

#endif
