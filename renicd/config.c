/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and checking the config file; see config.h. Tables first, then what no table of single
 * values can say: names that must differ, names that must exist. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "nic/config_rules.h"
#include "nic/filter_parse.h"
#include "nic/vf_settings.h"

enum { CONFIG_FILE_MAX = 4 << 20, CPU_MAX = 1023 };

static const char *const poll_names[2] = {"adaptive", "busy"};
static const char *const log_to_names[LOG_TO_CHOICES] = {
	[LOG_TO_STDERR] = "stderr",
	[LOG_TO_SYSLOG] = "syslog",
};

static const struct param control_fields[] = {
	{.name = "socket",
		.help = "path of the control socket (default RUN_DIR/control.sock)",
		.type = PARAM_PATH,
		PARAM_FIELD(struct control_config, socket)},
	{.name = "owner",
		.help = "who may change, a user's name or number (default the daemon's)",
		.type = PARAM_USER,
		PARAM_FIELD(struct control_config, owner)},
	{.name = "group",
		.help = "who may read, if the mode says so (default the daemon's)",
		.type = PARAM_GROUP,
		PARAM_FIELD(struct control_config, group)},
	{.name = "mode",
		.help = "of the socket, octal in a string (default \"0660\")",
		.type = PARAM_MODE,
		PARAM_FIELD(struct control_config, mode)},
};

static const struct param log_module_fields[] = {
	{.name = "module", .type = PARAM_PATTERN, PARAM_FIELD(struct config_log_module, module)},
	{
		.name = "level",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct config_log_module, level),
		.choices = log_level_names,
		.n_choices = LOG_LEVELS,
	},
};

static const struct param log_fields[] = {
	{
		.name = "level",
		.help = "least important lines that are written (default notice)",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct config_log, level),
		.choices = log_level_names,
		.n_choices = LOG_LEVELS,
	},
	{
		.name = "modules",
		.help = "levels of DPDK's log types: {PATTERN: LEVEL}",
		.type = PARAM_MAP,
		.max = CONFIG_LOG_MODULES_MAX,
		.offset = offsetof(struct config_log, modules),
		.size = sizeof(struct config_log_module),
		.count_offset = offsetof(struct config_log, n_modules),
		.fields = log_module_fields,
		.n_fields = 2,
	},
	{
		.name = "to",
		.help = "where lines go (default stderr)",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct config_log, to),
		.choices = log_to_names,
		.n_choices = LOG_TO_CHOICES,
	},
};

static const struct param egress_log_fields[] = {
	{
		.name = "size_mb",
		.help = "of all that is held by all VFs (default 256)",
		.type = PARAM_UINT,
		PARAM_FIELD(struct config_egress_log, size_mb),
		.min = 4,
		.max = 1 << 20,
	},
	{.name = "hugepages",
		.help = "keep it on hugetlbfs (default true)",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct config_egress_log, hugepages)},
	{.name = "dir",
		.help = "folder of its file (default: a hugetlbfs of 2 MiB pages)",
		.type = PARAM_PATH,
		PARAM_FIELD(struct config_egress_log, dir)},
};

static const char *const offloads_names[OFFLOADS_CHOICES] = {
	[OFFLOADS_AUTO] = "auto",
	[OFFLOADS_ON] = "on",
	[OFFLOADS_OFF] = "off",
};

static const struct param uplink_fields[] = {
	{
		.name = "devargs",
		.help = "the DPDK device that is the wire, such as net_tap0,iface=wire0",
		.type = PARAM_STRING,
		.required = true,
		.min = 1,
		PARAM_FIELD(struct config_uplink, devargs),
	},
	{
		.name = "offloads",
		.help = "checksums and TCP segments by the device: auto (default, where it pays), "
			"on (all that it can), off (by renicd)",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct config_uplink, offloads),
		.choices = offloads_names,
		.n_choices = OFFLOADS_CHOICES,
	},
};

static const struct param metrics_fields[] = {
	{.name = "socket",
		.help = "a Unix socket, with the control socket's group and mode",
		.type = PARAM_PATH,
		PARAM_FIELD(struct metrics_config, socket)},
	{
		.name = "port",
		.help = "a TCP port on 127.0.0.1",
		.type = PARAM_UINT,
		PARAM_FIELD(struct metrics_config, port),
		.min = 1,
		.max = UINT16_MAX,
	},
};

static const struct param eal_arg_element = {
	.name = "argument",
	.type = PARAM_STRING,
	.size = CONFIG_EAL_ARG_SIZE,
	.min = 1,
};

static const struct param cpu_element = {
	.name = "cpu",
	.type = PARAM_UINT,
	.size = sizeof(uint16_t),
	.max = CPU_MAX,
};

static const struct param vf_element = {
	.name = "vf",
	.type = PARAM_OBJECT,
	.size = sizeof(struct vf_config),
	.fields = vf_create_params,
	.n_fields = VF_CREATE_PARAMS,
	.defaults = schema_vf_defaults,
};

static const struct param group_element = {
	.name = "group",
	.type = PARAM_OBJECT,
	.size = sizeof(struct group_config),
	.fields = group_create_params,
	.n_fields = GROUP_CREATE_PARAMS,
	.defaults = schema_group_defaults,
};

#define CONFIG_OBJECT(field, table)                                                                \
	.type = PARAM_OBJECT, PARAM_FIELD(struct renicd_config, field), .fields = (table),         \
	.n_fields = sizeof(table) / sizeof((table)[0])

#define CONFIG_LIST(field, stride, most, row)                                                      \
	.type = PARAM_LIST, .offset = offsetof(struct renicd_config, field), .size = (stride),     \
	.max = (most), .count_offset = offsetof(struct renicd_config, n_##field), .element = (row)

static const struct param config_fields[] = {
	{.name = "run_dir",
		.help = "sockets, journal, captures (default /run/renicd); one daemon each",
		.type = PARAM_PATH,
		PARAM_FIELD(struct renicd_config, run_dir)},
	{.name = "control", .help = "the control socket", CONFIG_OBJECT(control, control_fields)},
	{.name = "log", .help = "log lines", CONFIG_OBJECT(log, log_fields)},
	{
		.name = "eal_args",
		.help = "further arguments for DPDK",
		CONFIG_LIST(eal_args, CONFIG_EAL_ARG_SIZE, CONFIG_EAL_ARGS_MAX, &eal_arg_element),
	},
	{
		.name = "data_cpus",
		.help = "one data thread on each (default [1])",
		.min = 1,
		CONFIG_LIST(data_cpus, sizeof(uint16_t), CONFIG_CPUS_MAX, &cpu_element),
	},
	{
		.name = "poll",
		.help = "adaptive sleeps without work, busy never (default adaptive)",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct renicd_config, busy_poll),
		.choices = poll_names,
		.n_choices = 2,
	},
	{
		.name = "drop_privileges",
		.help = "once started, keep only the capabilities needed later (default true)",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct renicd_config, drop_privileges),
	},
	{
		.name = "memory_mb",
		.help = "of packet buffers and tables, in huge pages (default 256)",
		.type = PARAM_UINT,
		PARAM_FIELD(struct renicd_config, memory_mb),
		.min = 64,
		.max = 1 << 20,
	},
	{
		.name = "mbufs",
		.help = "packet buffers (default 32768)",
		.type = PARAM_UINT,
		PARAM_FIELD(struct renicd_config, mbufs),
		.min = 1024,
		.max = 1 << 24,
	},
	{.name = "egress_log",
		.help = "where held frames wait",
		CONFIG_OBJECT(egress_log, egress_log_fields)},
	{.name = "uplink", .help = "the wire (default none)", CONFIG_OBJECT(uplink, uplink_fields)},
	{.name = "capture_dir",
		.help = "where capture_start makes its files (default RUN_DIR/captures)",
		.type = PARAM_PATH,
		PARAM_FIELD(struct renicd_config, capture_dir)},
	{.name = "metrics",
		.help = "OpenMetrics over HTTP at /metrics (default nowhere)",
		CONFIG_OBJECT(metrics, metrics_fields)},
	{
		.name = "telemetry",
		.help = "DPDK's telemetry socket (default true)",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct renicd_config, telemetry),
	},
	{
		.name = "pdump",
		.help = "let dpdk-dumpcap capture the wire: DPDK's memory is then in files that "
			"other processes of root can map (default false)",
		.type = PARAM_BOOL,
		PARAM_FIELD(struct renicd_config, pdump),
	},
	{
		.name = "vfs",
		.help = "VFs, each as vf_create takes it",
		.allocated = true,
		CONFIG_LIST(vfs, sizeof(struct vf_config), VF_MAX, &vf_element),
	},
	{
		.name = "groups",
		.help = "protection groups, each as group_create takes it",
		.allocated = true,
		CONFIG_LIST(groups, sizeof(struct group_config), GROUP_MAX, &group_element),
	},
};

void config_foreach(void (*visit)(const struct param *row, void *arg), void *arg)
{
	for (size_t i = 0; i < sizeof(config_fields) / sizeof(config_fields[0]); i++)
		visit(&config_fields[i], arg);
}

void config_defaults(struct renicd_config *config)
{
	unsigned i;

	memset(config, 0, sizeof(*config));
	strcpy(config->run_dir, "/run/renicd");
	config->control.owner = config->control.group = CONTROL_NO_ID;
	config->control.mode = 0660;
	for (i = 0; i < LOG_LEVELS; i++)
		if (strcmp(log_level_names[i], "notice") == 0)
			config->log.level = (uint8_t)i;
	config->n_data_cpus = 1;
	config->data_cpus[0] = 1;
	config->drop_privileges = true;
	config->telemetry = true;
	config->memory_mb = 256;
	config->mbufs = 32768;
	config->egress_log.size_mb = 256;
	config->egress_log.hugepages = true;
	snprintf(config->control.socket, sizeof(config->control.socket), "%s/control.sock",
		config->run_dir);
}

/* "vfs[2].mac: 52:54:... is taken already, by vfs[0].mac". */
static int fail_taken(const char *list, unsigned i, unsigned first, const char *member,
	const char *given, struct nic_error *err)
{
	char path[sizeof(err->field)];

	snprintf(path, sizeof(path), "%s[%u].%s", list, i, member);
	nic_fail(err, RENIC_E_EXISTS, path, "%s: %s is taken already, by %s[%u].%s", path, given,
		list, first, member);
	snprintf(err->given, sizeof(err->given), "%.95s", given);
	return err->code;
}

/* As nic_fail*() left it, of one entry: put its place before. */
static int fail_in_vf(unsigned i, struct nic_error *err)
{
	const struct nic_error inner = *err;
	size_t len = strlen(inner.field);
	char place[16];

	snprintf(place, sizeof(place), "vfs[%u]%s", i, len ? "." : "");
	snprintf(err->field, sizeof(err->field), "%s%.*s", place,
		(int)(sizeof(err->field) - sizeof(place)), inner.field);
	if (len && !strncmp(inner.message, inner.field, len))
		snprintf(err->message, sizeof(err->message), "%s%.230s", place, inner.message);
	else
		snprintf(err->message, sizeof(err->message), "%s: %.200s", err->field,
			inner.message);
	return err->code;
}

/* What vfs[i] has of vfs[first], both complete. */
static int check_vf_pair(
	const struct vf_config *vfs, unsigned i, unsigned first, struct nic_error *err)
{
	const char *taken = vf_clash(&vfs[i], &vfs[first]);
	char mac[18];

	if (!taken)
		return 0;
	vf_mac_text(&vfs[i], mac);
	return fail_taken("vfs", i, first, taken,
		!strcmp(taken, "name")	   ? vfs[i].name
		: !strcmp(taken, "socket") ? vfs[i].socket
					   : mac,
		err);
}

/* Each by itself and with those before it. vfs: a copy, which is completed. */
static int check_vfs(
	const struct renicd_config *config, struct vf_config *vfs, struct nic_error *err)
{
	unsigned i, first;
	int rc = 0;

	for (i = 0; i < config->n_vfs && rc == 0; i++) {
		vfs[i] = config->vfs[i];
		if (vf_transport_complete(&vfs[i], config->run_dir, err) ||
			vf_settings_check(&vfs[i], err) ||
			filter_check(vfs[i].hold_exempt, "hold_exempt", err))
			return fail_in_vf(i, err);
		for (first = 0; first < i && rc == 0; first++)
			rc = check_vf_pair(vfs, i, first, err);
	}
	return rc;
}

static int check_vf_list(const struct renicd_config *config, struct nic_error *err)
{
	struct vf_config *vfs = calloc(config->n_vfs + 1u, sizeof(*vfs));
	int rc = vfs ? check_vfs(config, vfs, err)
		     : nic_fail(err, RENIC_E_RESOURCES, "vfs", "out of memory");

	free(vfs);
	return rc;
}

/* Index in config->vfs, or -1. */
static int find_vf(const struct renicd_config *config, const char *name)
{
	unsigned i;

	for (i = 0; i < config->n_vfs; i++)
		if (strcmp(config->vfs[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int fail_member(unsigned group, unsigned member, const char *name, int code,
	const char *expected, struct nic_error *err)
{
	char path[sizeof(err->field)];

	snprintf(path, sizeof(path), "groups[%u].vfs[%u]", group, member);
	nic_fail_value(err, path, name, expected);
	return err->code = code;
}

/* Every member is a VF of this file, in one group only, and a standby if the group is. */
static int check_members(
	const struct renicd_config *config, unsigned g, bool taken[VF_MAX], struct nic_error *err)
{
	const struct group_config *group = &config->groups[g];
	unsigned i;

	for (i = 0; i < group->n_vfs; i++) {
		int vf = find_vf(config, group->vfs[i]);

		if (vf < 0)
			return fail_member(g, i, group->vfs[i], RENIC_E_NOT_FOUND,
				"the name of a VF under \"vfs\"", err);
		if (taken[vf])
			return fail_member(g, i, group->vfs[i], RENIC_E_EXISTS,
				"a VF that is in no other group, and here once", err);
		if (group_refuses(group, &config->vfs[vf]))
			return fail_member(g, i, group->vfs[i], RENIC_E_PARAMS,
				group_refuses(group, &config->vfs[vf]), err);
		taken[vf] = true;
	}
	return 0;
}

/* "groups[0].name: a is taken already, by vfs[2].name". */
static int check_group_name(const struct renicd_config *config, unsigned g, struct nic_error *err)
{
	const char *name = config->groups[g].name;
	int vf = find_vf(config, name);
	char path[sizeof(err->field)];

	if (vf < 0 || !group_name_clash(&config->groups[g], name))
		return 0;
	snprintf(path, sizeof(path), "groups[%u].name", g);
	nic_fail(err, RENIC_E_EXISTS, path, "%s: %s is taken already, by vfs[%d].name", path, name,
		vf);
	snprintf(err->given, sizeof(err->given), "%.95s", name);
	return err->code;
}

static int check_groups(const struct renicd_config *config, struct nic_error *err)
{
	bool taken[VF_MAX] = {false};
	unsigned i, first;
	int rc = 0;

	for (i = 0; i < config->n_groups && rc == 0; i++) {
		for (first = 0; first < i; first++)
			if (strcmp(config->groups[first].name, config->groups[i].name) == 0)
				return fail_taken(
					"groups", i, first, "name", config->groups[i].name, err);
		rc = check_group_name(config, i, err);
		if (rc == 0)
			rc = check_members(config, i, taken, err);
	}
	return rc;
}

/* jansson's message with line and column: what an editor can jump to. */
static int fail_parse(const char *path, const json_error_t *why, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_PARSE, "", "%.120s:%d:%d: not JSON: %s", path, why->line,
		why->column, why->text);
}

/* Whole file into memory, bounded; NULL with errno set. */
static char *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(CONFIG_FILE_MAX) : NULL;

	*len = text ? fread(text, 1, CONFIG_FILE_MAX, file) : 0;
	if (text && (ferror(file) || *len == CONFIG_FILE_MAX)) {
		errno = ferror(file) ? errno : EFBIG;
		free(text);
		text = NULL;
	}
	if (file)
		fclose(file);
	return text;
}

static json_t *parse_file(const char *path, struct nic_error *err)
{
	json_error_t why;
	json_t *root;
	size_t len;
	char *text = read_file(path, &len);

	if (!text) {
		nic_fail(err, RENIC_E_IO, "", "%.120s: cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	free(text);
	if (!root)
		fail_parse(path, &why, err);
	return root;
}

/* The message so far, behind the file's name. */
static int name_file(const char *path, struct nic_error *err)
{
	char inner[sizeof(err->message)];
	int len;

	memcpy(inner, err->message, sizeof(inner));
	len = snprintf(err->message, sizeof(err->message), "%.120s: ", path);
	snprintf(err->message + len, sizeof(err->message) - (size_t)len, "%.*s",
		(int)sizeof(err->message) - 1 - len, inner);
	return err->code;
}

static int decode(const json_t *root, struct renicd_config *config, struct nic_error *err)
{
	int rc;

	if (!json_is_object(root))
		return nic_fail(err, RENIC_E_PARAMS, "", "got an array, expected an object");
	config->control.socket[0] = '\0';
	rc = params_decode(config_fields, sizeof(config_fields) / sizeof(config_fields[0]), root,
		config, NULL, err);
	if (rc == 0)
		rc = check_vf_list(config, err);
	if (rc == 0)
		rc = check_groups(config, err);
	if (!config->control.socket[0])
		snprintf(config->control.socket, sizeof(config->control.socket), "%s/control.sock",
			config->run_dir);
	return rc;
}

int config_load_file(const char *path, struct renicd_config *config, struct nic_error *err)
{
	struct nic_error ignored;
	json_t *root;
	int rc;

	if (!err)
		err = &ignored;
	config_defaults(config);
	root = parse_file(path, err);
	if (!root)
		return err->code;
	rc = decode(root, config, err);
	json_decref(root);
	return rc ? name_file(path, err) : 0;
}

void config_free(struct renicd_config *config)
{
	free(config->vfs);
	free(config->groups);
	config->vfs = NULL;
	config->groups = NULL;
	config->n_vfs = config->n_groups = 0;
}
