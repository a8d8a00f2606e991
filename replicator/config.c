/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and checking renic-remus' config file; see config.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "control/params.h"

enum { CONFIG_FILE_MAX = 1 << 20 };

static const char *const policy_names[] = {"hold", "release"};

static const struct param vf_element = {
	.name = "vf", .type = PARAM_NAME, .size = sizeof(struct config_vf)};

static const struct param arg_element = {
	.name = "argument", .type = PARAM_STRING, .size = CONFIG_PATH_SIZE, .min = 1};

#define ROW(member, kind, type_, ...)                                                              \
	{                                                                                          \
		.name = #member, .type = kind, PARAM_FIELD(type_, member), __VA_ARGS__             \
	}

static const struct param vm_fields[] = {
	ROW(name, PARAM_NAME, struct config_vm, .required = true),
	ROW(driver, PARAM_NAME, struct config_vm, .required = true),
	ROW(timeout_ms, PARAM_UINT, struct config_vm, .min = 10, .max = 600000),
	{
		.name = "vfs",
		.type = PARAM_LIST,
		.required = true,
		.min = 1,
		.max = STREAM_VFS_MAX,
		.offset = offsetof(struct config_vm, vfs),
		.size = sizeof(struct config_vf),
		.count_offset = offsetof(struct config_vm, n_vfs),
		.element = &vf_element,
	},
	/* Each driver's own options; the driver checks them. */
	{.name = "qemu",
		.type = PARAM_JSON,
		.offset = offsetof(struct config_vm, driver_options[0])},
	{.name = "xen",
		.type = PARAM_JSON,
		.offset = offsetof(struct config_vm, driver_options[1])},
	{.name = "fake",
		.type = PARAM_JSON,
		.offset = offsetof(struct config_vm, driver_options[2])},
};

static const char *const option_names[CONFIG_DRIVERS_MAX] = {"qemu", "xen", "fake"};

static void vm_defaults(void *object)
{
	struct config_vm *vm = object;

	memset(vm, 0, sizeof(*vm));
	vm->timeout_ms = 2000;
}

static const struct param vm_element = {
	.name = "vm",
	.type = PARAM_OBJECT,
	.size = sizeof(struct config_vm),
	.fields = vm_fields,
	.n_fields = sizeof(vm_fields) / sizeof(vm_fields[0]),
	.defaults = vm_defaults,
};

static const struct param tls_fields[] = {
	ROW(cert, PARAM_PATH, struct config_tls, .required = true),
	ROW(key, PARAM_PATH, struct config_tls, .required = true),
	ROW(ca, PARAM_PATH, struct config_tls, .required = true),
	ROW(peer_name, PARAM_STRING, struct config_tls, .min = 1),
};

static const struct param fence_fields[] = {
	{
		.name = "command",
		.type = PARAM_LIST,
		.required = true,
		.min = 1,
		.max = CONFIG_FENCE_ARGS_MAX,
		.offset = offsetof(struct config_fence, args),
		.size = CONFIG_PATH_SIZE,
		.count_offset = offsetof(struct config_fence, n_args),
		.element = &arg_element,
	},
	ROW(timeout_ms, PARAM_UINT, struct config_fence, .min = 1, .max = 3600000),
};

static const struct param metrics_fields[] = {
	ROW(socket, PARAM_PATH, struct config_metrics, ),
	ROW(port, PARAM_UINT, struct config_metrics, .min = 1, .max = 65535),
};

#define C struct remus_config
#define OBJECT_ROW(member, table)                                                                  \
	{                                                                                          \
		.name = #member, .type = PARAM_OBJECT, PARAM_FIELD(C, member), .fields = (table),  \
		.n_fields = sizeof(table) / sizeof((table)[0])                                     \
	}

static const struct param config_fields[] = {
	ROW(group, PARAM_NAME, C, .required = true),
	ROW(renicd, PARAM_PATH, C, ),
	ROW(control, PARAM_PATH, C, ),
	ROW(listen, PARAM_STRING, C, .min = 3),
	ROW(peer, PARAM_STRING, C, .min = 3),
	ROW(plain, PARAM_BOOL, C, ),
	{.name = "tls",
		.type = PARAM_OBJECT,
		PARAM_FIELD(C, tls),
		.fields = tls_fields,
		.n_fields = 4,
		.bit = 1},
	ROW(interval_us, PARAM_UINT, C, .min = 1000, .max = 10000000),
	ROW(in_flight, PARAM_UINT, C, .min = 1, .max = 32),
	ROW(staging_mb, PARAM_UINT, C, .min = 1, .max = 65536),
	ROW(delta_cache_mb, PARAM_UINT, C, .max = 65536),
	ROW(compress, PARAM_BOOL, C, ),
	ROW(heartbeat_ms, PARAM_UINT, C, .min = 1, .max = 60000),
	ROW(timeout_ms, PARAM_UINT, C, .min = 10, .max = 600000),
	ROW(renicd_timeout_ms, PARAM_UINT, C, .min = 100, .max = 3600000),
	{
		.name = "on_backup_lost",
		.type = PARAM_ENUM,
		PARAM_FIELD(C, on_backup_lost),
		.choices = policy_names,
		.n_choices = 2,
	},
	ROW(replicate_egress, PARAM_BOOL, C, ),
	OBJECT_ROW(fence, fence_fields),
	OBJECT_ROW(metrics, metrics_fields),
	{
		.name = "vms",
		.type = PARAM_LIST,
		.required = true,
		.min = 1,
		.max = STREAM_VMS_MAX,
		.offset = offsetof(C, vms),
		.size = sizeof(struct config_vm),
		.count_offset = offsetof(C, n_vms),
		.element = &vm_element,
	},
};

static void defaults(struct remus_config *config)
{
	memset(config, 0, sizeof(*config));
	strcpy(config->renicd, "/run/renicd/control.sock");
	config->interval_us = 25000;
	config->in_flight = 4;
	config->staging_mb = 64;
	config->delta_cache_mb = 64;
	config->compress = true;
	config->heartbeat_ms = 50;
	config->timeout_ms = 300;
	config->renicd_timeout_ms = 5000;
	config->fence.timeout_ms = 10000;
}

static int fail_at(struct nic_error *err, const char *path, const char *given, const char *expected)
{
	nic_fail_value(err, path, given, expected);
	return err->code;
}

/* The options of the VM's driver, and of no other. */
static int check_options(struct config_vm *vm, unsigned i, struct nic_error *err)
{
	char path[64];

	for (unsigned k = 0; k < CONFIG_DRIVERS_MAX; k++) {
		if (!vm->driver_options[k])
			continue;
		if (!strcmp(option_names[k], vm->driver)) {
			vm->options = vm->driver_options[k];
			continue;
		}
		snprintf(path, sizeof(path), "vms[%u].%s", i, option_names[k]);
		return fail_at(err, path, "options", "options of the VM's own driver");
	}
	if (remus_driver_find(vm->driver))
		return 0;
	snprintf(path, sizeof(path), "vms[%u].driver", i);
#ifndef REMUS_XEN
	if (!strcmp(vm->driver, "xen"))
		return nic_fail(err, RENIC_E_UNSUPPORTED, path,
			"%s: renic-remus is built without Xen (libxen-dev was not there)", path);
#endif
	return fail_at(err, path, vm->driver, remus_driver_names());
}

static int check_names(const struct remus_config *config, unsigned i, struct nic_error *err)
{
	const struct config_vm *a = &config->vms[i];
	char path[64];

	for (unsigned k = 0; k <= i; k++) {
		const struct config_vm *b = &config->vms[k];

		snprintf(path, sizeof(path), "vms[%u].name", i);
		if (k < i && !strcmp(a->name, b->name))
			return fail_at(err, path, a->name, "a name that no other VM has");
		for (unsigned v = 0; v < a->n_vfs; v++)
			for (unsigned w = 0; w < (k == i ? v : b->n_vfs); w++) {
				if (strcmp(a->vfs[v].name, b->vfs[w].name))
					continue;
				snprintf(path, sizeof(path), "vms[%u].vfs[%u]", i, v);
				return fail_at(
					err, path, a->vfs[v].name, "a VF that is named only once");
			}
	}
	return 0;
}

static int check(struct remus_config *config, unsigned given, struct nic_error *err)
{
	int rc = 0;

	config->has_tls = given & 1;
	if (config->has_tls && config->plain)
		return fail_at(err, "plain", "true", "false where there is \"tls\"");
	if (config->metrics.socket[0] && config->metrics.port)
		return fail_at(err, "metrics.port", "a port and a socket", "one of the two");
	if (config->timeout_ms < 2 * config->heartbeat_ms)
		return nic_fail(err, RENIC_E_PARAMS, "timeout_ms",
			"timeout_ms: got %u, expected at least twice heartbeat_ms (%u)",
			config->timeout_ms, config->heartbeat_ms);
	if (!config->control[0])
		snprintf(config->control, sizeof(config->control), "/run/renic-remus/%s.sock",
			config->group);
	for (unsigned i = 0; i < config->n_vms && !rc; i++) {
		rc = check_options(&config->vms[i], i, err);
		if (!rc)
			rc = check_names(config, i, err);
	}
	return rc;
}

int remus_config_check(
	const struct remus_config *config, enum remus_side side, struct nic_error *err)
{
	if (side == REMUS_PRIMARY && !config->peer[0])
		return fail_at(err, "peer", "nothing", "HOST:PORT of the standby");
	if (side == REMUS_STANDBY && !config->listen[0])
		return fail_at(err, "listen", "nothing", "HOST:PORT to listen on");
	if (!config->plain && !config->has_tls)
		return fail_at(err, "tls", "nothing",
			"certificate, key and CA; or \"plain\": true, which encrypts nothing");
	return 0;
}

static int decode(struct remus_config *config, struct nic_error *err)
{
	unsigned given = 0;
	int rc;

	if (!json_is_object(config->root))
		return nic_fail(err, RENIC_E_PARAMS, "", "not an object");
	rc = params_decode(config_fields, sizeof(config_fields) / sizeof(config_fields[0]),
		config->root, config, &given, err);
	return rc ? rc : check(config, given, err);
}

int remus_config_load(const char *path, struct remus_config *config, struct nic_error *err)
{
	char *text = malloc(CONFIG_FILE_MAX), inner[sizeof(err->message)];
	FILE *file = fopen(path, "re");
	json_error_t why;
	size_t n;
	int rc;

	defaults(config);
	n = file && text ? fread(text, 1, CONFIG_FILE_MAX, file) : 0;
	rc = !file || !text || ferror(file) ? RENIC_E_IO : 0;
	if (rc || n == CONFIG_FILE_MAX)
		rc = nic_fail(err, RENIC_E_IO, "", "%.120s: cannot be read: %s", path,
			rc ? strerror(errno) : "too long");
	if (file)
		fclose(file);
	if (!rc) {
		config->root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
		if (!config->root)
			rc = nic_fail(err, RENIC_E_PARSE, "", "%.120s:%d:%d: not JSON: %.80s", path,
				why.line, why.column, why.text);
	}
	free(text);
	if (rc)
		return rc;
	rc = decode(config, err);
	if (rc) {
		memcpy(inner, err->message, sizeof(inner));
		snprintf(err->message, sizeof(err->message), "%.100s: %.150s", path, inner);
	}
	return rc;
}

void remus_config_free(struct remus_config *config)
{
	json_decref(config->root);
	config->root = NULL;
}
