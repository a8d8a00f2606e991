/* SPDX-License-Identifier: BSD-3-Clause */
/* Base64 (RFC 4648, section 4), strict: one text for each string of bytes. See renic_snapshot.h.
 * Any thread. */
#include <string.h>

#include <renic_snapshot.h>

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t renic_base64_encode(const void *bytes, size_t n, char *out, size_t size)
{
	const uint8_t *p = bytes;
	char *to = out;

	if (n > SIZE_MAX / 2 || size < RENIC_BASE64_SIZE(n))
		return 0;
	for (; n; n -= n < 3 ? n : 3, p += 3) {
		uint32_t bits = (uint32_t)p[0] << 16;

		if (n > 1)
			bits |= (uint32_t)p[1] << 8;
		if (n > 2)
			bits |= p[2];
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = n > 1 ? alphabet[bits >> 6 & 63] : '=';
		*to++ = n > 2 ? alphabet[bits & 63] : '=';
	}
	*to = '\0';
	return (size_t)(to - out);
}

/* The six bits that a character stands for, or -1. */
static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* Four characters, of which the last `pad` are '='. The bits that padding leaves over are zero. */
static int decode_four(const char *text, unsigned pad, uint8_t out[3])
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		int value = i < 4 - pad ? value_of(text[i]) : 0;

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
	}
	if (bits & ((1u << 8 * pad) - 1))
		return -1;
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	return 0;
}

int renic_base64_decode(const char *text, void *out, size_t size, size_t *n)
{
	size_t len = strlen(text), bytes;
	unsigned pad = 0;

	if (len % 4)
		return -1;
	while (len && pad < 2 && text[len - 1 - pad] == '=')
		pad++;
	bytes = len / 4 * 3 - pad;
	if (bytes > size)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		unsigned cut = i + 4 == len ? pad : 0;
		uint8_t three[3];

		if (decode_four(text + i, cut, three))
			return -1;
		memcpy((uint8_t *)out + i / 4 * 3, three, 3 - cut);
	}
	*n = bytes;
	return 0;
}
