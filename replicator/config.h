/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The config file of renic-remus: one JSON object, decoded by the daemon's decoder tables. A wrong
 * key, type or value is an error that names file, path, value and what was expected.
 * docs/replication.md lists the members. Any thread; no state.
 */
#ifndef REPLICATOR_CONFIG_H
#define REPLICATOR_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nic/types.h"
#include "driver.h"
#include "stream.h"

enum {
	CONFIG_PATH_SIZE = 256,
	CONFIG_ADDRESS_SIZE = 128,
	CONFIG_FENCE_ARGS_MAX = 16,
	CONFIG_DRIVERS_MAX = 4,
};

enum backup_lost_policy { BACKUP_LOST_HOLD, BACKUP_LOST_RELEASE };

struct config_vf {
	char name[NIC_NAME_SIZE];
};

struct config_vm {
	char name[REMUS_NAME_SIZE];
	char driver[REMUS_NAME_SIZE];
	uint32_t timeout_ms; /* default 2000 */
	uint16_t n_vfs;
	struct config_vf vfs[STREAM_VFS_MAX];
	const json_t *driver_options[CONFIG_DRIVERS_MAX]; /* in the order of the table */
	const json_t *options;				  /* the driver's */
};

struct config_fence {
	uint16_t n_args; /* 0: nobody fences */
	char args[CONFIG_FENCE_ARGS_MAX][CONFIG_PATH_SIZE];
	uint32_t timeout_ms; /* default 10000 */
};

struct config_tls {
	char cert[CONFIG_PATH_SIZE], key[CONFIG_PATH_SIZE], ca[CONFIG_PATH_SIZE];
	char peer_name[CONFIG_ADDRESS_SIZE]; /* in the peer's certificate; empty: any of the CA's */
};

struct config_metrics {
	char socket[NIC_PATH_SIZE]; /* empty: none */
	uint16_t port;		    /* on 127.0.0.1; 0: none */
};

struct remus_config {
	json_t *root; /* what the options point into */
	char group[NIC_NAME_SIZE];
	char renicd[NIC_PATH_SIZE];	  /* default /run/renicd/control.sock */
	char control[NIC_PATH_SIZE];	  /* default /run/renic-remus/GROUP.sock */
	char listen[CONFIG_ADDRESS_SIZE]; /* standby: HOST:PORT */
	char peer[CONFIG_ADDRESS_SIZE];	  /* primary: HOST:PORT of the standby */
	bool plain, has_tls;
	struct config_tls tls;
	uint32_t interval_us;	    /* default 25000 */
	uint32_t in_flight;	    /* checkpoints not acknowledged; default 4 */
	uint32_t staging_mb;	    /* default 64 */
	uint32_t delta_cache_mb;    /* default 64 */
	bool compress;		    /* default true */
	uint32_t heartbeat_ms;	    /* default 50 */
	uint32_t timeout_ms;	    /* silence after which the other side is lost; default 300 */
	uint32_t renicd_timeout_ms; /* default 5000 */
	uint32_t on_backup_lost;    /* enum backup_lost_policy */
	bool replicate_egress;
	struct config_fence fence;
	struct config_metrics metrics;
	uint16_t n_vms;
	struct config_vm vms[STREAM_VMS_MAX];
};

/* Read and check the file. Returns 0 or a negative enum renic_error_code with err->message as one
 * line that begins with the file's name. Call remus_config_free() after either. */
int remus_config_load(const char *path, struct remus_config *config, struct nic_error *err);

/* What the role needs and the file need not have: `peer` or `listen`, TLS or plain. After flags. */
int remus_config_check(
	const struct remus_config *config, enum remus_side side, struct nic_error *err);

void remus_config_free(struct remus_config *config);

#endif
