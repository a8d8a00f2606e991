/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renicd: start-up and shutdown order.
 *
 * The control socket's lock comes first: it says that no other daemon works in this run
 * directory. Then DPDK, the lcores, the device, the uplink, what the config file lists; then the
 * socket is served. The end is the same in reverse. Frames that are held when the daemon ends
 * stay in the egress log's file, for the next one.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_eal.h>
#include <rte_version.h>

#include "config.h"
#include "control/server.h"
#include "control/version.h"
#include "eal.h"
#include "guest_signal.h"
#include "lcore.h"
#include "metrics.h"
#include "telemetry.h"
#include "log.h"
#include "log_file.h"
#include "log_stream.h"
#include "privileges.h"
#include "recover.h"
#include "renicd_version.h"
#include "service.h"
#include "tables.h"
#include "transports.h"
#include "uplink.h"
#include "vf.h"
#include "vhost_packed.h"

enum {
	EXIT_USAGE = 2,
	OPTION_SET_ASIDE = 256,
	OPTION_TABLES,
	LOG_PATH_SIZE = 512,
	SEGMENT_MB = LOG_SEGMENT_BYTES >> 20
};

static const char help[] =
	"Usage: renicd [-c FILE] [-t] [--set-aside]\n"
	"A software NIC for fault-tolerant virtual machines: virtual functions over vhost-user,\n"
	"whose egress is held until the checkpoint that contains its cause is committed.\n"
	"\n"
	"  -c, --config FILE   config file (JSON); without one: defaults, no uplink, no VFs\n"
	"  -t, --test          check the config file and exit\n"
	"      --set-aside     if the files that an earlier daemon left in the run directory "
	"cannot\n"
	"                      be used, rename them and go on without what they hold\n"
	"  -h, --help          this text\n"
	"  -V, --version       version of renicd and of DPDK\n"
	"\n"
	"It runs in the foreground and logs to stderr (config: log.to); SIGTERM or SIGINT ends "
	"it.\n"
	"renicctl talks to it.\n";

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"test", no_argument, NULL, 't'},
	{"set-aside", no_argument, NULL, OPTION_SET_ASIDE},
	{"tables", no_argument, NULL, OPTION_TABLES}, /* for docs/man; not in the help */
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

const char *renicd_dpdk_version(void)
{
	return rte_version();
}

/* mkdir -p */
static int make_run_dir(const char *path, struct nic_error *err)
{
	char part[CONFIG_RUN_DIR_SIZE];

	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return nic_fail(err, RENIC_E_IO, "run_dir", "run_dir: %s: %s", part,
				strerror(errno));
	}
	return 0;
}

static void set_log_levels(const struct config_log *log)
{
	log_level_set(NULL, log_level_names[log->level]);
	log_level_set("lib.vhost.*", "warning");
	for (uint16_t i = 0; i < log->n_modules; i++) {
		log_level_set(log->modules[i].module, log_level_names[log->modules[i].level]);
		if (!log_type_exists(log->modules[i].module))
			LOG_WARN("log.modules[%u].module: \"%s\" matches no log type", i,
				log->modules[i].module);
	}
}

static int start_eal(const struct renicd_config *config, struct nic_error *err)
{
	const char *extra[CONFIG_EAL_ARGS_MAX];
	struct eal_params params = {
		.data_cpus = config->data_cpus,
		.n_data_cpus = config->n_data_cpus,
		.memory_mb = config->memory_mb,
		.run_dir = config->run_dir,
		.telemetry = config->telemetry,
		.pdump = config->pdump,
		.uplink = config->uplink.devargs,
		.extra = extra,
		.n_extra = config->n_eal_args,
	};

	telemetry_register();
	for (uint16_t i = 0; i < config->n_eal_args; i++)
		extra[i] = config->eal_args[i];
	return eal_start(&params, err);
}

/* What the command line says. */
struct run_options {
	const char *config_path;
	bool test, set_aside;
};

/* Without them guests with packed rings have to load their driver again after a restart. */
static void open_ring_notes(const char *run_dir)
{
	char path[LOG_PATH_SIZE];
	int rc;

	snprintf(path, sizeof(path), "%s/rings", run_dir);
	rc = packed_notes_open(path);
	if (rc)
		LOG_WARN("%s: %s: packed rings will not outlive this daemon", path, strerror(-rc));
}

static int start_device(const struct renicd_config *config, const struct run_options *run_options,
	struct nic_error *err)
{
	const struct config_egress_log *log = &config->egress_log;
	char path[LOG_PATH_SIZE];
	struct nic_params params = {
		.run_dir = config->run_dir,
		.capture_dir = config->capture_dir,
		.log_path = path,
		.set_aside = run_options->set_aside,
		.log_segments = RTE_MAX(log->size_mb / SEGMENT_MB, 2u),
		.mbufs = config->mbufs,
		.register_dma = eal_is_pci(config->uplink.devargs),
		.port_ops = transport_ops,
	};
	int rc = log_file_path(config->run_dir, log->dir, log->hugepages, path, sizeof(path), err);

	if (!rc)
		rc = nic_init(&params, err);
	if (!rc)
		open_ring_notes(config->run_dir);
	return rc;
}

static int start_uplink(const struct renicd_config *config, struct nic_error *err)
{
	const struct uplink_ops *ops;

	if (!config->uplink.devargs[0])
		return 0;
	ops = uplink_open(config->uplink.devargs, config->uplink.offloads, nic.pool, err);
	if (!ops)
		return err->code;
	nic_set_uplink(ops);
	return 0;
}

/* Put the place in the file before what is wrong there. */
__attribute__((format(printf, 2, 3))) static int name_place(
	struct nic_error *err, const char *fmt, ...)
{
	char inner[sizeof(err->message)];
	size_t len;
	va_list ap;

	memcpy(inner, err->message, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, ": %.*s",
		(int)(sizeof(err->message) - len), inner);
	return err->code;
}

/* Say where in the file the entry is that the device refused. */
static int name_entry(const char *path, const char *list, uint16_t i, struct nic_error *err)
{
	return name_place(
		err, "%s: %s[%u]%s%s", path, list, i, err->field[0] ? "." : "", err->field);
}

static int load_config(const char *path, struct renicd_config *config, struct nic_error *err)
{
	int rc = config_load_file(path, config, err);

	if (!rc && metrics_check(&config->metrics, err))
		rc = name_place(err, "%s", path);
	return rc;
}

static int start_listed(const struct renicd_config *config, const char *path, struct nic_error *err)
{
	struct nic_listed listed = {
		.vfs = config->vfs,
		.n_vfs = config->n_vfs,
		.groups = config->groups,
		.n_groups = config->n_groups,
	};
	const char *list;
	uint16_t index;
	int rc = nic_start(&listed, &list, &index, err);

	return rc && list ? name_entry(path, list, index, err) : rc;
}

static int drop_privileges(const struct renicd_config *config, struct nic_error *err)
{
	const struct privileges privileges = {
		.uplink = config->uplink.devargs,
		.own_mount = log_file_owns_mount(),
	};

	return config->drop_privileges ? privileges_drop(&privileges, err) : 0;
}

static void answer_alive(void *arg)
{
}

static void ask_lcores(void)
{
	lcore_call_all(answer_alive, NULL);
}

static void tick(void)
{
	guest_signals_rescue();
	service_tick();
}

/* DPDK is there; run until told to end. */
static int run_device(const struct renicd_config *config, const struct run_options *run_options,
	struct control_server *server, struct nic_error *err)
{
	int rc = guest_signals_init();

	lcores_on_silence(guest_signals_rescue);
	if (!rc)
		rc = lcores_start(config->busy_poll);
	if (rc)
		return nic_fail(err, RENIC_E_RESOURCES, "data_cpus", "lcores: %s", strerror(-rc));
	rc = start_device(config, run_options, err);
	if (!rc)
		rc = start_uplink(config, err);
	if (!rc)
		transports_start();
	if (!rc)
		rc = start_listed(config, run_options->config_path, err);
	if (!rc)
		rc = metrics_start(
			&config->metrics, config->control.group, config->control.mode, err);
	eal_hurry_control();
	if (!rc)
		rc = drop_privileges(config, err);
	if (!rc)
		rc = transports_run(err);
	if (!rc) {
		LOG_NOTICE("ready: %u data lcores, control socket %s", lcores_count(),
			config->control.socket);
		service_ready();
		control_server_run(server, tick);
		service_stopping();
		LOG_NOTICE("ending");
	}
	metrics_stop();
	transports_ending();
	nic_clear(true);
	transports_stop();
	uplink_close();
	nic_fini();
	packed_notes_close();
	lcores_stop();
	log_file_cleanup();
	return rc;
}

static int run(const struct renicd_config *config, const struct run_options *run_options,
	struct nic_error *err)
{
	struct control_server *server = NULL;
	int rc = log_stream_open(config->log.to);

	if (rc)
		return nic_fail(err, RENIC_E_IO, "log.to", "log.to: %s", strerror(-rc));
	service_init(ask_lcores);
	rc = make_run_dir(config->run_dir, err);
	if (!rc)
		rc = control_server_start(&config->control, &server, err);
	if (rc)
		return rc;
	rc = start_eal(config, err);
	if (!rc) {
		set_log_levels(&config->log);
		rc = run_device(config, run_options, server, err);
		rte_eal_cleanup();
	}
	control_server_stop(server);
	return rc;
}

int main(int argc, char **argv)
{
	struct run_options run_options = {0};
	struct renicd_config config;
	struct nic_error err = {0};
	int opt, rc = 0;

	while ((opt = getopt_long(argc, argv, "c:thV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			run_options.config_path = optarg;
			break;
		case 't':
			run_options.test = true;
			break;
		case OPTION_SET_ASIDE:
			run_options.set_aside = true;
			break;
		case OPTION_TABLES:
			return tables_print(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			printf("renicd %s, %s\n", RENICD_VERSION, rte_version());
			return EXIT_SUCCESS;
		default:
			fputs("Try 'renicd --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "renicd: unexpected argument \"%s\"\n", argv[optind]);
		return EXIT_USAGE;
	}
	control_block_signals();
	config_defaults(&config);
	if (run_options.config_path)
		rc = load_config(run_options.config_path, &config, &err);
	if (!rc && !run_options.test)
		rc = run(&config, &run_options, &err);
	if (rc)
		fprintf(stderr, "renicd: %s\n", err.message);
	config_free(&config);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
