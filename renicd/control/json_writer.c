/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON text into a growing buffer; see json_writer.h. Whether a comma is due is read off the
 * last byte written: none after an opening bracket, a colon, or at a message's start.
 * Source: RFC 8259.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_writer.h"

enum { CAPACITY_MIN = 1024 };

void jw_free(struct json_writer *w)
{
	free(w->buf);
	memset(w, 0, sizeof(*w));
}

/* Room for n more bytes, or NULL with `failed` set. */
static char *reserve(struct json_writer *w, size_t n)
{
	size_t cap = w->cap ? w->cap : CAPACITY_MIN;
	char *buf;

	if (w->failed)
		return NULL;
	if (w->len + n <= w->cap)
		return w->buf + w->len;
	while (cap < w->len + n)
		cap *= 2;
	buf = realloc(w->buf, cap);
	if (!buf) {
		w->failed = true;
		return NULL;
	}
	w->buf = buf;
	w->cap = cap;
	return w->buf + w->len;
}

void jw_bytes(struct json_writer *w, const char *bytes, size_t len)
{
	char *at = reserve(w, len);

	if (!at)
		return;
	memcpy(at, bytes, len);
	w->len += len;
}

/* Comma and key, and room for `room` bytes of value; returns where the value goes. */
static char *begin(struct json_writer *w, const char *key, size_t room)
{
	size_t key_len = key ? strlen(key) : 0;
	char *start = reserve(w, key_len + 4 + room);
	char *at = start;
	char last;

	if (!at)
		return NULL;
	last = w->len ? at[-1] : '\n';
	if (last != '{' && last != '[' && last != ':' && last != '\n')
		*at++ = ',';
	if (key) {
		*at++ = '"';
		memcpy(at, key, key_len);
		at += key_len;
		*at++ = '"';
		*at++ = ':';
	}
	w->len += (size_t)(at - start);
	return at;
}

void jw_raw(struct json_writer *w, const char *key, const char *text, size_t len)
{
	char *at = begin(w, key, len);

	if (!at)
		return;
	memcpy(at, text, len);
	w->len += len;
}

void jw_key(struct json_writer *w, const char *key)
{
	begin(w, key, 0);
}

void jw_open(struct json_writer *w, const char *key, char bracket)
{
	jw_raw(w, key, &bracket, 1);
}

void jw_close(struct json_writer *w, char bracket)
{
	jw_bytes(w, &bracket, 1);
}

void jw_bool(struct json_writer *w, const char *key, bool value)
{
	jw_raw(w, key, value ? "true" : "false", value ? 4 : 5);
}

void jw_u64(struct json_writer *w, const char *key, uint64_t value)
{
	char digits[20];
	size_t n = 0;
	char *at = begin(w, key, sizeof(digits));

	if (!at)
		return;
	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	w->len += n;
	while (n)
		*at++ = digits[--n];
}

void jw_i64(struct json_writer *w, const char *key, int64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lld", (long long)value);

	jw_raw(w, key, text, (size_t)len);
}

void jw_mac(struct json_writer *w, const char *key, const uint8_t mac[6])
{
	static const char hex[] = "0123456789abcdef";
	char text[19] = "\"";
	int i;

	for (i = 0; i < 6; i++) {
		text[1 + 3 * i] = hex[mac[i] >> 4];
		text[2 + 3 * i] = hex[mac[i] & 15];
		text[3 + 3 * i] = i < 5 ? ':' : '"';
	}
	jw_raw(w, key, text, sizeof(text));
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates), or
 * 0. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n > left)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Writes the character at s as JSON has it; returns how many bytes of s that was. */
static size_t put_escaped(char **at, const unsigned char *s, size_t left)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = utf8_length(s, left);

	if (n == 0) {
		memcpy(*at, "\xef\xbf\xbd", 3);
		*at += 3;
		return 1;
	}
	if (*s == '"' || *s == '\\') {
		*(*at)++ = '\\';
	} else if (*s < 0x20 || *s == 0x7f) {
		memcpy(*at, "\\u00", 4);
		(*at)[4] = hex[*s >> 4];
		(*at)[5] = hex[*s & 15];
		*at += 6;
		return 1;
	}
	memcpy(*at, s, n);
	*at += n;
	return n;
}

void jw_strn(struct json_writer *w, const char *key, const char *s, size_t len)
{
	enum { ESCAPED_MAX = 6 };
	char *start = begin(w, key, len * ESCAPED_MAX + 2);
	char *at = start;
	size_t i = 0;

	if (!at)
		return;
	*at++ = '"';
	while (i < len)
		i += put_escaped(&at, (const unsigned char *)s + i, len - i);
	*at++ = '"';
	w->len += (size_t)(at - start);
}

void jw_str(struct json_writer *w, const char *key, const char *s)
{
	jw_strn(w, key, s, strlen(s));
}

void jw_str_or_null(struct json_writer *w, const char *key, const char *s)
{
	if (*s)
		jw_str(w, key, s);
	else
		jw_raw(w, key, "null", 4);
}

void jw_truncate(struct json_writer *w, size_t len)
{
	if (len < w->len)
		w->len = len;
}
