/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decoder tables that the control socket and the config file share: what an operator may say
 * about a VF and a group. Offsets are in struct vf_config and struct group_config.
 */
#ifndef RENICD_CONTROL_SCHEMA_H
#define RENICD_CONTROL_SCHEMA_H

#include "nic/types.h"
#include "params.h"

enum { VF_CREATE_PARAMS = 26, VF_SET_PARAMS = 16, GROUP_CREATE_PARAMS = 6, GROUP_SET_PARAMS = 4 };

extern const struct param vf_create_params[VF_CREATE_PARAMS];
extern const struct param vf_set_params[VF_SET_PARAMS]; /* bit: enum vf_set_mask */
extern const struct param group_create_params[GROUP_CREATE_PARAMS];
extern const struct param group_set_params[GROUP_SET_PARAMS]; /* bit: enum group_set_mask */

/* vf_config_defaults() and all zeroes, as a table's `defaults` wants them. */
void schema_vf_defaults(void *vf_config);
void schema_group_defaults(void *group_config);

enum { LOG_LEVELS = 5, LOG_MODULE_SIZE = 64 };
extern const char *const log_level_names[LOG_LEVELS]; /* as log_level_set() takes them */

/* Parameters of log_set_level. */
struct log_level_params {
	uint8_t level;		      /* index into log_level_names */
	char module[LOG_MODULE_SIZE]; /* empty: renicd's own */
};

/* Words for struct fields, indexed by them. */
extern const char *const socket_role_names[2]; /* vf_config.server */
extern const char *const link_state_names[LINK_STATES];
extern const char *const vlan_proto_names[VLAN_PROTOS];
extern const char *const transport_names[TRANSPORTS]; /* vf_config.transport */
extern const char *const internal_names[2];	     /* group_config.internal_pass */
extern const char *const replicator_policy_names[2]; /* enum replicator_policy */

#endif
