/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decoder tables: what a JSON object may hold, member by member, and where it goes in a C struct.
 * One table serves a method's parameters, an entry of the config file, and the list that
 * rpc_get_methods prints. Nothing is parsed by hand anywhere else.
 *
 * Hostile input: an unknown member, a missing one, a wrong type, a value out of range is an error
 * that names the member by its path (`vfs[2].mac`), shows what was given (truncated) and says
 * what is expected. What was decoded before the error is of no use to the caller.
 * No state; any thread.
 */
#ifndef RENICD_CONTROL_PARAMS_H
#define RENICD_CONTROL_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nic/error.h"

enum param_type {
	PARAM_NAME,    /* char[size]: letter or digit, then letters, digits, '_', '.', '-' */
	PARAM_PATTERN, /* char[size]: letters, digits, "_.-*?": what names log types */
	PARAM_STRING,  /* char[size]: min bytes at least, no control characters */
	PARAM_PATH,    /* char[size]: absolute, no control characters */
	PARAM_BOOL,    /* bool */
	PARAM_UINT,    /* unsigned of `size` bytes, min..max */
	PARAM_BYTES,   /* the same, a size in bytes */
	PARAM_ENUM,    /* unsigned or bool of `size` bytes: index into choices */
	PARAM_MAC,     /* uint8_t[6]: unicast */
	PARAM_MODE,    /* unsigned of `size` bytes: octal file mode in a string */
	PARAM_USER,    /* uid_t: a user's name or number */
	PARAM_GROUP,   /* gid_t: a group's name or number */
	PARAM_BASE64,  /* const char *: into the JSON value, at most max characters */
	PARAM_OBJECT,  /* struct at offset; its members by fields */
	PARAM_LIST,    /* array of min..max elements, each decoded by `element` */
	PARAM_MAP,     /* as a list, of an object: fields[0] takes a member's key, [1] its value */
	PARAM_CALLS, /* const json_t *: array of min..max objects, the caller's as long as the call
		      */
	PARAM_JSON, /* const json_t *: an object, the caller's as long as the document */
	PARAM_TYPES,
};

struct param {
	const char *name;
	enum param_type type;
	bool required;
	size_t offset; /* in the struct decoded into */
	size_t size;   /* of the field; of one element for lists and maps */
	uint64_t min, max;
	const char *const *choices;
	unsigned n_choices;
	const struct param *fields; /* objects: their members; maps: key and value */
	unsigned n_fields;
	const struct param *element;	/* lists; its own offset is 0 */
	size_t count_offset;		/* lists and maps: a uint16_t for the number of elements */
	bool allocated;			/* lists: the field is a pointer to calloc'ed memory */
	void (*defaults)(void *object); /* objects: called before their members are decoded */
	unsigned bit;			/* ORed into *given when the member is there */
	const char *help;
};

/* Where and how large a field is, for a row of a table. */
#define PARAM_FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

/*
 * Decode `object` into *out by a table of n rows.
 * @object  a JSON object, or NULL: as an empty one
 * @out     the struct; members that are not given are left as they are
 * @given   the bits of the members that are there; may be NULL
 * Returns 0 or RENIC_E_PARAMS (RENIC_E_RESOURCES: no memory) with err filled.
 */
int params_decode(const struct param *table, unsigned n, const json_t *object, void *out,
	unsigned *given, struct nic_error *err);

/* The type as a reader is shown it: "uint", "array of name". buf is returned. */
const char *param_type_text(const struct param *row, char *buf, size_t size);

/* What a value of this row must look like, as a phrase after "expected". buf is returned. */
const char *param_expected(const struct param *row, char *buf, size_t size);

/* A JSON value as text of at most size-1 bytes, "..." at the end where it was cut. */
const char *param_given(const json_t *value, char *buf, size_t size);

#endif
