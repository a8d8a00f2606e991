/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes JSON text straight into a growing buffer, without building a tree first: a
 * checkpoint_begin of 64 VFs has about 700 values, and its whole answer is budgeted at 500 us.
 * Commas are put where they belong; strings are escaped, and bytes that are not UTF-8 become
 * U+FFFD, so that what is written is always valid JSON.
 *
 * Out of memory sets `failed` and drops what follows: check it once, at the end.
 * One writer, one thread; here always the control thread.
 */
#ifndef RENICD_CONTROL_JSON_WRITER_H
#define RENICD_CONTROL_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
	char *buf; /* not NUL-terminated */
	size_t len, cap;
	bool failed;
};

/* Gives the buffer back; the writer is empty and usable again. */
void jw_free(struct json_writer *w);

/*
 * Every function below writes one member of an object, or with key NULL one element of an array
 * (or the top value). Keys are the program's own: plain ASCII, not escaped.
 */
void jw_open(struct json_writer *w, const char *key, char bracket); /* '{' or '[' */
void jw_close(struct json_writer *w, char bracket);		    /* '}' or ']' */
void jw_str(struct json_writer *w, const char *key, const char *s);
void jw_strn(struct json_writer *w, const char *key, const char *s, size_t len);
void jw_str_or_null(struct json_writer *w, const char *key, const char *s); /* "": null */
void jw_u64(struct json_writer *w, const char *key, uint64_t value);
void jw_i64(struct json_writer *w, const char *key, int64_t value);
void jw_bool(struct json_writer *w, const char *key, bool value);
void jw_mac(struct json_writer *w, const char *key, const uint8_t mac[6]);

/* A key alone: the next value written with key NULL is its value. */
void jw_key(struct json_writer *w, const char *key);

/* JSON text made elsewhere, as it is. */
void jw_raw(struct json_writer *w, const char *key, const char *text, size_t len);

/* Bytes as they are, without comma or key: the newline after a message. */
void jw_bytes(struct json_writer *w, const char *bytes, size_t len);

/* Forget what was written after the buffer held `len` bytes: an answer that became an error. */
void jw_truncate(struct json_writer *w, size_t len);

#endif
