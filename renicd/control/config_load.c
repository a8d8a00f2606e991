/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carrying out a list of configuration calls; see config_calls.h. Three passes: decode every call
 * by its method's own table, check them all (config_check.c), run them. What the device refuses
 * in the third pass ends it, and what was created is deleted again, in reverse order. Log levels
 * come last: nothing can fail after them that would have to take them back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_calls.h"
#include "config_check.h"
#include "log.h"
#include "rpc.h"

struct load {
	struct config_call *calls;
	unsigned n;		   /* decoded */
	unsigned at;		   /* the call at work: at fault when there is an error */
	struct group_config *lone; /* groups of one VF as they were, of which some give way */
	unsigned n_lone;
	bool no_memory;
};

static int run_vf(const struct config_call *call, struct nic_error *err)
{
	return nic_vf_create(call->vf, err);
}

static int undo_vf(const struct config_call *call, struct nic_error *err)
{
	return nic_vf_delete(call->vf->name, true, err);
}

static int run_group(const struct config_call *call, struct nic_error *err)
{
	return nic_group_create(call->group, err);
}

static int undo_group(const struct config_call *call, struct nic_error *err)
{
	return nic_group_delete(call->group->name, err);
}

static int run_log(const struct config_call *call, struct nic_error *err)
{
	return log_level_apply(call->log, err);
}

/* The methods that config_save emits: no others are taken. */
static const struct kind {
	const char *method;
	int (*run)(const struct config_call *call, struct nic_error *err);
	int (*undo)(const struct config_call *call, struct nic_error *err); /* NULL: comes last */
} kinds[CALL_KINDS] = {
	[CALL_VF] = {"vf_create", run_vf, undo_vf},
	[CALL_GROUP] = {"group_create", run_group, undo_group},
	[CALL_LOG] = {"log_set_level", run_log, NULL},
};

/* ---- decode ---- */

static int find_kind(const char *method)
{
	for (int kind = 0; kind < CALL_KINDS; kind++)
		if (method && !strcmp(method, kinds[kind].method))
			return kind;
	return -1;
}

static int fail_member(
	struct nic_error *err, const char *field, const json_t *value, const char *expected)
{
	char given[sizeof(err->given)];

	return nic_fail_value(err, field, param_given(value, given, sizeof(given)), expected);
}

/* Put the call before what is wrong with it: `mac` becomes `calls[3].params.mac`. */
static int blame(struct nic_error *err, unsigned at, bool in_params)
{
	const struct nic_error inner = *err;
	size_t len = strlen(inner.field);
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "calls[%u]%s%s", at, in_params && len ? ".params" : "",
		len ? "." : "");
	snprintf(err->field, sizeof(err->field), "%s%.*s", prefix,
		(int)(sizeof(err->field) - sizeof(prefix)), inner.field);
	if (len && !strncmp(inner.message, inner.field, len))
		snprintf(err->message, sizeof(err->message), "%s%.220s", prefix, inner.message);
	else
		snprintf(
			err->message, sizeof(err->message), "calls[%u]: %.220s", at, inner.message);
	return err->code;
}

/* Its shape, all but the members of params. */
static int check_shape(const json_t *object, enum config_call_kind *kind, struct nic_error *err)
{
	const json_t *method = json_object_get(object, "method");
	const json_t *params = json_object_get(object, "params");
	int found = find_kind(json_string_value(method));

	if (!json_is_object(object))
		return nic_fail(
			err, RENIC_E_PARAMS, "", "expected an object with method and params");
	if (found < 0)
		return fail_member(
			err, "method", method, "one of vf_create group_create log_set_level");
	if (!json_is_object(params))
		return fail_member(err, "params", params, "an object");
	if (json_object_size(object) != 2)
		return nic_fail(err, RENIC_E_PARAMS, "",
			"a call has the members method and params, no others");
	*kind = (enum config_call_kind)found;
	return 0;
}

static int decode_call(const json_t *object, struct load *load, struct nic_error *err)
{
	struct config_call *call = &load->calls[load->n];
	const struct rpc_method *m;
	int rc = check_shape(object, &call->kind, err);

	if (rc)
		return blame(err, load->n, false);
	m = rpc_find(kinds[call->kind].method);
	call->params = calloc(1, m->params_size);
	if (!call->params)
		return nic_fail(err, RENIC_E_RESOURCES, "", "out of memory");
	if (m->defaults)
		m->defaults(call->params);
	rc = params_decode(
		m->params, m->n_params, json_object_get(object, "params"), call->params, NULL, err);
	if (rc)
		blame(err, load->n, true);
	load->n++; /* also then: its memory is to be freed */
	return rc;
}

static int decode(const json_t *calls, struct load *load, struct nic_error *err)
{
	size_t n = json_array_size(calls);
	int rc = 0;

	load->calls = calloc(n ? n : 1, sizeof(load->calls[0]));
	if (!load->calls)
		return nic_fail(err, RENIC_E_RESOURCES, "", "out of memory");
	while (load->n < n && !rc)
		rc = decode_call(json_array_get(calls, load->n), load, err);
	return rc;
}

/* ---- run ---- */

static void keep_lone(const struct group_info *info, void *arg)
{
	struct load *load = arg;
	struct group_config *more;

	if (!info->lone || load->no_memory)
		return;
	more = realloc(load->lone, (load->n_lone + 1) * sizeof(*more));
	load->no_memory = !more;
	if (!more)
		return;
	load->lone = more;
	load->lone[load->n_lone++] = info->config;
}

/* Newest first. Nobody else can have come between: there is one control thread. */
static void undo(struct load *load)
{
	for (unsigned i = load->n; i-- > 0;) {
		const struct config_call *call = &load->calls[i];
		struct nic_error err = {0};

		if (!call->done || !kinds[call->kind].undo)
			continue;
		if (kinds[call->kind].undo(call, &err))
			LOG_ERR("config_load: calls[%u] cannot be undone: %s", i, err.message);
	}
	for (unsigned i = 0; i < load->n_lone; i++) {
		struct nic_error err = {0};

		if (nic_group_lone(&load->lone[i], &err))
			LOG_ERR("config_load: group %s does not come back: %s", load->lone[i].name,
				err.message);
	}
}

/* Those that can be undone, or, after them, those that cannot. */
static int run(struct load *load, bool undoable, struct nic_error *err)
{
	for (unsigned i = 0; i < load->n; i++) {
		struct config_call *call = &load->calls[i];
		const struct kind *kind = &kinds[call->kind];
		int rc = 0;

		if (call->skip || undoable != !!kind->undo)
			continue;
		load->at = i;
		rc = kind->run(call, err);
		if (rc)
			return rc;
		call->done = true;
	}
	return 0;
}

static int check_and_run(struct load *load, bool check_only, struct nic_error *err)
{
	int rc = config_calls_check(load->calls, load->n, &load->at, err);

	if (!rc && !check_only) {
		nic_group_foreach(keep_lone, load);
		if (load->no_memory)
			return nic_fail(err, RENIC_E_RESOURCES, "", "out of memory");
		rc = run(load, true, err);
		if (!rc)
			rc = run(load, false, err);
		if (rc)
			undo(load);
	}
	return rc ? blame(err, load->at, true) : 0;
}

int config_calls_load(const json_t *calls, bool check_only, struct config_calls_result *result,
	struct nic_error *err)
{
	struct load load = {0};
	int rc = decode(calls, &load, err);

	if (!rc)
		rc = check_and_run(&load, check_only, err);
	result->applied = result->skipped = 0;
	for (unsigned i = 0; i < load.n; i++) {
		result->skipped += load.calls[i].skip;
		free(load.calls[i].params);
	}
	result->applied = load.n - result->skipped;
	free(load.calls);
	free(load.lone);
	return rc;
}
