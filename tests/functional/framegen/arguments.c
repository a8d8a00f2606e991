/* SPDX-License-Identifier: BSD-3-Clause */
/* Decoding of a command's words; see arguments.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>

#include "arguments.h"

__attribute__((format(printf, 2, 3))) static void complain(
	struct arguments *args, const char *fmt, ...)
{
	va_list ap;

	if (args->error[0])
		return;
	va_start(ap, fmt);
	vsnprintf(args->error, sizeof(args->error), fmt, ap);
	va_end(ap);
}

char *arguments_split(char *line, struct arguments *args)
{
	char *save, *name = strtok_r(line, " \t\r\n", &save), *word;

	memset(args, 0, sizeof(*args));
	while (name && (word = strtok_r(NULL, " \t\r\n", &save))) {
		char *equals = strchr(word, '=');

		if (!equals || args->n == ARGUMENTS_MAX) {
			complain(args, "%s: expected key=value", word);
			break;
		}
		*equals = '\0';
		args->keys[args->n] = word;
		args->values[args->n++] = equals + 1;
	}
	return name;
}

static const char *find(struct arguments *args, const char *key)
{
	for (int i = 0; i < args->n; i++) {
		if (strcmp(args->keys[i], key))
			continue;
		args->asked[i] = true;
		return args->values[i];
	}
	return NULL;
}

const char *argument_text(struct arguments *args, const char *key, const char *otherwise)
{
	const char *value = find(args, key);

	if (value)
		return value;
	if (!otherwise)
		complain(args, "%s= is missing", key);
	return otherwise ? otherwise : "";
}

static bool to_number(const char *text, int64_t min, int64_t max, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 0);
	return !errno && end != text && !*end && *number >= min && *number <= max;
}

int64_t argument_number(
	struct arguments *args, const char *key, int64_t min, int64_t max, int64_t otherwise)
{
	const char *value = find(args, key);
	int64_t number;

	if (!value)
		return otherwise;
	if (to_number(value, min, max, &number))
		return number;
	complain(args, "%s=%s: expected %" PRId64 "..%" PRId64, key, value, min, max);
	return otherwise;
}

int64_t argument_need(struct arguments *args, const char *key, int64_t min, int64_t max)
{
	argument_text(args, key, NULL);
	return argument_number(args, key, min, max, min);
}

void argument_range(struct arguments *args, const char *key, uint16_t limits_min,
	uint16_t limits_max, uint16_t *min, uint16_t *max)
{
	const char *value = find(args, key);
	unsigned low, high;
	char rest;
	int n;

	if (!value)
		return;
	n = sscanf(value, "%u-%u%c", &low, &high, &rest);
	if (n == 1 && !strchr(value, '-'))
		high = low;
	if (n < 1 || n > 2 || low < limits_min || high > limits_max || low > high) {
		complain(args, "%s=%s: expected N or N-M within %u..%u", key, value, limits_min,
			limits_max);
		return;
	}
	*min = (uint16_t)low;
	*max = (uint16_t)high;
}

void argument_mac(struct arguments *args, const char *key, uint8_t mac[6])
{
	const char *value = find(args, key);
	struct rte_ether_addr address;

	if (!value)
		return;
	if (rte_ether_unformat_addr(value, &address)) {
		complain(args, "%s=%s: expected a MAC address", key, value);
		return;
	}
	memcpy(mac, address.addr_bytes, 6);
}

bool arguments_good(struct arguments *args)
{
	for (int i = 0; i < args->n; i++)
		if (!args->asked[i])
			complain(args, "%s= is not known here", args->keys[i]);
	return !args->error[0];
}
