/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run or a search found, for a person and as JSON. */
#ifndef PKTGEN_REPORT_H
#define PKTGEN_REPORT_H

#include <stdbool.h>

#include <jansson.h>

#include "search.h"
#include "traffic.h"

/* Which rules were broken, in words with their counts ("lost 3, early 1"); empty: none. */
void report_broken(
	const struct options *options, const struct run_result *result, char *text, size_t size);

/* search: NULL, or what it found (best_pps: its answer); result is then its last passed trial. */
json_t *report_json(const struct field *field, const struct daemon *daemon,
	const struct options *options, const struct run_result *result, const struct search *search,
	double best_pps);

/* The same as text, from the JSON of report_json(). */
void report_text(const json_t *report);

/* Arrivals by time; false: the file cannot be written, errno says why. */
bool report_arrivals(const char *path);

#endif
