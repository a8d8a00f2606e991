/* SPDX-License-Identifier: BSD-3-Clause */
/* See tables.c. */
#ifndef CLI_TABLES_H
#define CLI_TABLES_H

#include <stdio.h>

/* Returns 0 or -1. */
int tables_print(FILE *out);

#endif
