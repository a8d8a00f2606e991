/* SPDX-License-Identifier: BSD-3-Clause */
/* How results look to a person: which members, in which columns. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdio.h>

#include <jansson.h>

void show_nothing(FILE *out, const json_t *result); /* done: the exit status says it */
void show_record(FILE *out, const json_t *result);
void show_json(FILE *out, const json_t *result);
void show_methods(FILE *out, const json_t *result);
void show_vf(FILE *out, const json_t *result);	   /* everything about one */
void show_stats(FILE *out, const json_t *result);
void show_group(FILE *out, const json_t *result);
void show_vf_row(FILE *out, const json_t *result); /* one as in the list */
void show_vf_list(FILE *out, const json_t *result);
void show_group_row(FILE *out, const json_t *result);
void show_group_list(FILE *out, const json_t *result);
void show_checkpoint(FILE *out, const json_t *result);
void show_capture_list(FILE *out, const json_t *result);
void show_extents(FILE *out, const json_t *result);

#endif
