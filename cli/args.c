/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command lines to JSON, by table; see args.h. getopt(3) would serve the options, but not the
 * key=value words and positions that the same tables describe.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "value.h"

struct args {
	const struct param *params;
	json_t *object;
	char *why;
	unsigned position; /* of the next word without a key */
};

static bool is_option(const struct param *param)
{
	return param->kind == PARAM_FLAG || param->kind == PARAM_OPTION;
}

/* The option that this word spells ("--name", "--name=value", "-n", "-nvalue"), and the value in
 * it, if any. */
static const struct param *find_option(
	const struct param *params, const char *word, const char **value)
{
	for (const struct param *p = params; p->name; p++) {
		size_t len = p->option ? strlen(p->option) : 0;

		if (!is_option(p))
			continue;
		*value = NULL;
		if (!strncmp(word, "--", 2) && !strncmp(word + 2, p->option, len)) {
			if (!word[2 + len])
				return p;
			*value = word + 2 + len + 1;
			if (word[2 + len] == '=')
				return p;
		}
		if (word[0] == '-' && p->letter && word[1] == p->letter) {
			*value = word[2] ? word + 2 : NULL;
			return p;
		}
	}
	return NULL;
}

static bool refuse_value(
	struct args *args, const char *what, const char *given, const char *expected)
{
	snprintf(args->why, ARGS_WHY_SIZE, "%s: got '%.100s', expected %s", what, given, expected);
	return false;
}

static bool set(struct args *args, const struct param *param, const char *what, const char *text)
{
	char expected[160];
	json_t *value;

	if (json_object_get(args->object, param->name) && param->kind != PARAM_REST) {
		snprintf(args->why, ARGS_WHY_SIZE, "%s is given twice", what);
		return false;
	}
	value = value_parse(param, text, expected, sizeof(expected));
	if (!value)
		return refuse_value(args, what, text, expected);
	if (param->kind == PARAM_REST && json_object_get(args->object, param->name)) {
		json_array_extend(json_object_get(args->object, param->name), value);
		json_decref(value);
		return true;
	}
	json_object_set_new(args->object, param->name, value);
	return true;
}

/* argv[*i] is an option; may take the next word as its value. */
static bool take_option(struct args *args, const struct param *param, const char *value, int argc,
	char **argv, int *i)
{
	char what[64];

	snprintf(what, sizeof(what), "--%s", param->option);
	if (param->kind == PARAM_FLAG) {
		if (value) {
			snprintf(args->why, ARGS_WHY_SIZE, "%s takes no value", what);
			return false;
		}
		json_object_set_new(args->object, param->name,
			param->set ? json_string(param->set) : json_true());
		return true;
	}
	if (!value && *i + 1 >= argc) {
		snprintf(args->why, ARGS_WHY_SIZE, "%s needs a value: %s", what, param->shown);
		return false;
	}
	return set(args, param, what, value ? value : argv[++*i]);
}

static bool unknown_key(struct args *args, const char *key, size_t len)
{
	size_t used = (size_t)snprintf(args->why, ARGS_WHY_SIZE,
		"unknown key '%.*s'; known are:", (int)(len > 64 ? 64 : len), key);

	for (const struct param *p = args->params; p->name; p++)
		if (p->kind == PARAM_KEY && used < ARGS_WHY_SIZE)
			used += (size_t)snprintf(
				args->why + used, ARGS_WHY_SIZE - used, " %s", p->name);
	return false;
}

static bool take_key(struct args *args, const char *word, size_t len)
{
	for (const struct param *p = args->params; p->name; p++)
		if (p->kind == PARAM_KEY && strlen(p->name) == len && !strncmp(word, p->name, len))
			return set(args, p, p->name, word + len + 1);
	return unknown_key(args, word, len);
}

static const struct param *positional(const struct param *params, unsigned position)
{
	for (const struct param *p = params; p->name; p++) {
		if (p->kind != PARAM_ARG && p->kind != PARAM_OPT_ARG && p->kind != PARAM_REST)
			continue;
		if (position == 0 || p->kind == PARAM_REST)
			return p;
		position--;
	}
	return NULL;
}

static bool has_keys(const struct param *params)
{
	for (const struct param *p = params; p->name; p++)
		if (p->kind == PARAM_KEY)
			return true;
	return false;
}

static bool take_word(struct args *args, const char *word)
{
	const char *equals = strchr(word, '=');
	const struct param *param = positional(args->params, args->position);

	if (equals && has_keys(args->params) && (!param || param->kind != PARAM_ARG))
		return take_key(args, word, (size_t)(equals - word));
	if (!param) {
		snprintf(args->why, ARGS_WHY_SIZE, "unexpected '%.100s'%s", word,
			has_keys(args->params) ? "; settings are KEY=VALUE" : "");
		return false;
	}
	args->position++;
	return set(args, param, param->shown, word);
}

static bool take_all(struct args *args, int argc, char **argv)
{
	bool options = true;

	for (int i = 0; i < argc; i++) {
		const struct param *param;
		const char *value;

		if (options && !strcmp(argv[i], "--")) {
			options = false;
			continue;
		}
		if (!options || argv[i][0] != '-' || !argv[i][1]) {
			if (!take_word(args, argv[i]))
				return false;
			continue;
		}
		param = find_option(args->params, argv[i], &value);
		if (!param) {
			snprintf(args->why, ARGS_WHY_SIZE, "unknown option '%.100s'", argv[i]);
			return false;
		}
		if (!take_option(args, param, value, argc, argv, &i))
			return false;
	}
	return true;
}

static bool check_required(struct args *args)
{
	for (const struct param *p = args->params; p->name; p++) {
		if (p->kind != PARAM_ARG || json_object_get(args->object, p->name))
			continue;
		snprintf(args->why, ARGS_WHY_SIZE, "%s is missing", p->shown);
		return false;
	}
	return true;
}

json_t *args_parse(const struct param *params, int argc, char **argv, char *why)
{
	struct args args = {.params = params, .object = json_object(), .why = why};

	if (take_all(&args, argc, argv) && check_required(&args))
		return args.object;
	json_decref(args.object);
	return NULL;
}

json_t *args_extract(const struct param *params, int *argc, char **argv, char *why)
{
	struct args args = {.params = params, .object = json_object(), .why = why};
	bool options = true;
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		const struct param *param = NULL;
		const char *value;

		options = options && strcmp(argv[i], "--");
		if (options)
			param = find_option(params, argv[i], &value);
		if (!param) {
			argv[kept++] = argv[i];
			continue;
		}
		if (!take_option(&args, param, value, *argc, argv, &i)) {
			json_decref(args.object);
			return NULL;
		}
	}
	*argc = kept;
	return args.object;
}
