/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking over a JSON object's members; see skim.h. Iterative: depth costs no stack. */
#include <string.h>

#include "skim.h"

static void skip_space(struct skim *skim)
{
	while (skim->p < skim->end &&
		(*skim->p == ' ' || *skim->p == '\t' || *skim->p == '\r' || *skim->p == '\n'))
		skim->p++;
}

static bool take(struct skim *skim, char c)
{
	skip_space(skim);
	if (skim->p == skim->end || *skim->p != c)
		return false;
	skim->p++;
	return true;
}

/* At an opening quote: go past the closing one. */
static bool skip_string(struct skim *skim)
{
	for (skim->p++; skim->p < skim->end; skim->p++) {
		if (*skim->p == '"') {
			skim->p++;
			return true;
		}
		if (*skim->p == '\\')
			skim->p++;
	}
	skim->p = skim->end;
	return false;
}

/* At an opening brace or bracket: go past its closing one. That the kinds match is left to the
 * parser of whoever uses the value. */
static bool skip_nested(struct skim *skim)
{
	size_t depth = 0;

	while (skim->p < skim->end) {
		switch (*skim->p) {
		case '"':
			if (!skip_string(skim))
				return false;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			depth--;
			break;
		}
		skim->p++;
		if (depth == 0)
			return true;
	}
	return false;
}

/* A number, true, false or null: a run of the characters that these are made of. */
static bool skip_scalar(struct skim *skim)
{
	const char *start = skim->p;

	while (skim->p < skim->end &&
		((*skim->p >= '0' && *skim->p <= '9') || (*skim->p >= 'a' && *skim->p <= 'z') ||
			*skim->p == 'E' || *skim->p == '+' || *skim->p == '-' || *skim->p == '.'))
		skim->p++;
	return skim->p > start;
}

static bool skip_value(struct skim *skim, struct span *value)
{
	bool ok;

	skip_space(skim);
	if (skim->p == skim->end)
		return false;
	value->text = skim->p;
	if (*skim->p == '"')
		ok = skip_string(skim);
	else if (*skim->p == '{' || *skim->p == '[')
		ok = skip_nested(skim);
	else
		ok = skip_scalar(skim);
	value->len = (size_t)(skim->p - value->text);
	return ok;
}

void skim_start(struct skim *skim, struct span text)
{
	skim->p = text.text;
	skim->end = text.text + text.len;
	skim->first = true;
	skim->failed = !take(skim, '{');
}

/* After the closing brace: nothing may follow. */
static bool finish(struct skim *skim)
{
	skip_space(skim);
	skim->failed = skim->p != skim->end;
	return false;
}

static bool fail(struct skim *skim)
{
	skim->failed = true;
	return false;
}

bool skim_member(struct skim *skim, struct span *name, struct span *value)
{
	if (skim->failed)
		return false;
	if (take(skim, '}'))
		return finish(skim);
	if (!skim->first && !take(skim, ','))
		return fail(skim);
	skim->first = false;
	skip_space(skim);
	if (skim->p == skim->end || *skim->p != '"')
		return fail(skim);
	name->text = skim->p + 1;
	if (!skip_string(skim))
		return fail(skim);
	name->len = (size_t)(skim->p - 1 - name->text);
	if (!take(skim, ':') || !skip_value(skim, value))
		return fail(skim);
	return true;
}

void skim_start_array(struct skim *skim, struct span text)
{
	skim->p = text.text;
	skim->end = text.text + text.len;
	skim->first = true;
	skim->failed = !take(skim, '[');
}

bool skim_element(struct skim *skim, struct span *value)
{
	if (skim->failed)
		return false;
	if (take(skim, ']'))
		return finish(skim);
	if (!skim->first && !take(skim, ','))
		return fail(skim);
	skim->first = false;
	return skip_value(skim, value) || fail(skim);
}

bool span_is(struct span span, const char *text)
{
	return span.text && span.len == strlen(text) && !memcmp(span.text, text, span.len);
}

bool span_uint(struct span span, uint64_t *value)
{
	uint64_t n = 0;

	if (!span.text || span.len == 0 || (span.len > 1 && span.text[0] == '0'))
		return false;
	for (size_t i = 0; i < span.len; i++) {
		unsigned digit = (unsigned)(unsigned char)span.text[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*value = n;
	return true;
}
