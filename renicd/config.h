/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The config file: one JSON object, decoded by the tables that the control socket uses, so that
 * an entry of "vfs" takes what vf_create takes and one of "groups" what group_create takes.
 * A wrong key, type or value is an error that names file, path (`vfs[2].mac`), value and what was
 * expected; nothing of such a file is used. Everything has a default: `{}` is a valid file.
 * Any thread; no state.
 */
#ifndef RENICD_CONFIG_H
#define RENICD_CONFIG_H

#include "control/listener.h"
#include "control/schema.h"
#include "log_stream.h"
#include "observe/metrics.h"

enum {
	CONFIG_RUN_DIR_SIZE = 65, /* RUN_DIR/NAME.sock must fit into NIC_PATH_SIZE */
	CONFIG_EAL_ARGS_MAX = 64,
	CONFIG_EAL_ARG_SIZE = 256,
	CONFIG_CPUS_MAX = 32, /* as LCORES_MAX */
	CONFIG_LOG_MODULES_MAX = 32,
	CONFIG_DEVARGS_SIZE = 256,
};

struct config_log_module {
	char module[LOG_MODULE_SIZE]; /* pattern of DPDK log types */
	uint8_t level;		      /* index into log_level_names */
};

struct config_log {
	uint8_t level; /* of renicd's own lines; index into log_level_names */
	uint8_t to;    /* enum log_to; default stderr */
	uint16_t n_modules;
	struct config_log_module modules[CONFIG_LOG_MODULES_MAX];
};

struct config_egress_log {
	uint32_t size_mb;	 /* of all held frames together; default 256 */
	bool hugepages;		 /* on hugetlbfs; default true */
	char dir[NIC_PATH_SIZE]; /* directory of the file; empty: the daemon chooses */
};

struct config_uplink {
	char devargs[CONFIG_DEVARGS_SIZE]; /* empty: no uplink */
	uint8_t offloads;		   /* enum uplink_offloads_choice */
};

struct renicd_config {
	char run_dir[CONFIG_RUN_DIR_SIZE];
	struct control_config control;
	struct config_log log;
	uint16_t n_eal_args;
	char eal_args[CONFIG_EAL_ARGS_MAX][CONFIG_EAL_ARG_SIZE];
	uint16_t n_data_cpus;
	uint16_t data_cpus[CONFIG_CPUS_MAX]; /* one data lcore each; default {1} */
	bool busy_poll;			     /* "poll": "busy" */
	bool drop_privileges;		     /* once started; default true */
	uint32_t memory_mb;		     /* of packet buffers and tables; default 256 */
	uint32_t mbufs;			     /* default 32768 */
	struct config_egress_log egress_log;
	struct config_uplink uplink;
	char capture_dir[NIC_PATH_SIZE]; /* empty: RUN_DIR/captures */
	struct metrics_config metrics;
	bool telemetry; /* DPDK's; default true */
	bool pdump;	/* dpdk-dumpcap may attach; default false */
	uint16_t n_vfs;
	struct vf_config *vfs; /* allocated */
	uint16_t n_groups;
	struct group_config *groups; /* allocated */
};

/* The keys of the file, those of objects in their rows' fields. */
void config_foreach(void (*visit)(const struct param *row, void *arg), void *arg);

/* What a daemon without a config file runs with. */
void config_defaults(struct renicd_config *config);

/*
 * Read and check the file. Returns 0; or RENIC_E_IO (cannot be read), RENIC_E_PARSE (not JSON),
 * RENIC_E_PARAMS (a wrong key, type or value), RENIC_E_EXISTS (a name, MAC or socket twice),
 * RENIC_E_NOT_FOUND (a group's VF), RENIC_E_RESOURCES. err->message then is one line for stderr
 * that begins with the file's name; err->field is the path. Call config_free() after either.
 */
int config_load_file(const char *path, struct renicd_config *config, struct nic_error *err);

void config_free(struct renicd_config *config);

#endif
