/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line taken apart by a command's parameter table. No state. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "command.h"

enum { ARGS_WHY_SIZE = 512 };

/* argv: what follows the command's own words. Returns an object with a member for each parameter
 * that was given (a new reference), or NULL with the reason in `why` (ARGS_WHY_SIZE bytes), which
 * names the parameter at fault. */
json_t *args_parse(const struct param *params, int argc, char **argv, char *why);

/* Take the options of `params` out of argv, wherever they stand before "--", and leave the rest,
 * in order. Returns what was given, or NULL as args_parse(). */
json_t *args_extract(const struct param *params, int *argc, char **argv, char *why);

#endif
