/* SPDX-License-Identifier: BSD-3-Clause */
/* What the man pages are made from; see tables.c. */
#ifndef RENICD_TABLES_H
#define RENICD_TABLES_H

#include <stdio.h>

/* Returns 0 or -ENOMEM or -EIO. */
int tables_print(FILE *out);

#endif
