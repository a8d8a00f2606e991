/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output for people: aligned tables of JSON objects, and single objects as "name : value".
 * Text from the daemon is shown without control characters, which could drive a terminal.
 */
#ifndef CLI_OUT_TABLE_H
#define CLI_OUT_TABLE_H

#include <stdio.h>

#include <jansson.h>

enum cell_format {
	CELL_TEXT,   /* as it is; booleans on and off, null and absent "-", arrays with commas */
	CELL_COUNT,  /* a whole number */
	CELL_BYTES,  /* 1.5K, 12.0M: powers of 1,024 */
	CELL_RATE,   /* 950, 12.5k, 1.25M: powers of 1,000 */
	CELL_MBIT,   /* one decimal */
	CELL_AGE_US, /* 850us, 12.3ms, 4.2s */
};

struct column {
	const char *title;
	const char *path; /* member, or member.member */
	enum cell_format format;
};

enum { CELL_SIZE = 256 };

/* The text of a value; returns buf. */
const char *cell_format(enum cell_format format, const json_t *value, char buf[CELL_SIZE]);

/* A heading and a line for each object in the array; columns end with a NULL title. Numbers are
 * aligned right. */
void table_print(FILE *out, const struct column *columns, const json_t *rows);

/* The object's members, a line each; those of objects within as "outer.inner". Arrays of objects
 * are left out: they are tables. */
void record_print(FILE *out, const json_t *object);

#endif
