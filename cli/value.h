/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of the command line as typed JSON values; see enum value_type. No state. */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include "command.h"

/* A new reference, or NULL with what was expected in `expected`. */
json_t *value_parse(const struct param *param, const char *text, char *expected, size_t size);

#endif
