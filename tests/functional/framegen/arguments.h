/* SPDX-License-Identifier: BSD-3-Clause */
/* The key=value words of one command line, and their decoding with a reason on error. */
#ifndef FRAMEGEN_ARGUMENTS_H
#define FRAMEGEN_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

enum { ARGUMENTS_MAX = 24 };

struct arguments {
	char *keys[ARGUMENTS_MAX], *values[ARGUMENTS_MAX];
	bool asked[ARGUMENTS_MAX];
	int n;
	char error[160]; /* the first thing wrong; empty: none */
};

/* Cut up `line` (changed; the arguments point into it); returns its first word, or NULL. */
char *arguments_split(char *line, struct arguments *args);

/* The value of `key`, or `otherwise` (NULL: the key is required). */
const char *argument_text(struct arguments *args, const char *key, const char *otherwise);
int64_t argument_number(
	struct arguments *args, const char *key, int64_t min, int64_t max, int64_t otherwise);
/* Required number. */
int64_t argument_need(struct arguments *args, const char *key, int64_t min, int64_t max);
/* "60" or "60-1514". */
void argument_range(struct arguments *args, const char *key, uint16_t limits_min,
	uint16_t limits_max, uint16_t *min, uint16_t *max);
/* mac is left as it is where the key is absent. */
void argument_mac(struct arguments *args, const char *key, uint8_t mac[6]);

/* No error so far, and every word was asked for; else args->error says why not. */
bool arguments_good(struct arguments *args);

#endif
