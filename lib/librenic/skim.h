/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a JSON object's members in place: no allocation, no copy. A reply's envelope is taken
 * apart with this, and checkpoint_begin's few numbers; what is then used as a document is parsed
 * in full by jansson. Checks the structure it walks over, and bounds: nothing is read past `end`.
 * Pure functions, any thread. RFC 8259.
 */
#ifndef LIBRENIC_SKIM_H
#define LIBRENIC_SKIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const char *text; /* not NUL-terminated; NULL: absent */
	size_t len;
};

struct skim {
	const char *p, *end;
	bool first;
	bool failed; /* it is not an object, or not well-formed */
};

/* Start on the object in text. */
void skim_start(struct skim *skim, struct span text);

/* The next member: its name without quotes (escapes as they are) and its value's text. false at
 * the object's end, or with skim->failed when it is malformed or something follows it. */
bool skim_member(struct skim *skim, struct span *name, struct span *value);

/* The same for an array: start on it, and its next element. */
void skim_start_array(struct skim *skim, struct span text);
bool skim_element(struct skim *skim, struct span *value);

bool span_is(struct span span, const char *text);

/* A JSON integer from 0 to UINT64_MAX; false, and *value as it was, for anything else. */
bool span_uint(struct span span, uint64_t *value);

#endif
