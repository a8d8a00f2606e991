/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be told of a list of configuration calls before any is carried out: do they agree
 * with each other, and with what is there? The device has the last word. Control thread only.
 */
#ifndef RENICD_CONTROL_CONFIG_CHECK_H
#define RENICD_CONTROL_CONFIG_CHECK_H

#include "nic/error.h"
#include "schema.h"

enum config_call_kind { CALL_VF, CALL_GROUP, CALL_LOG, CALL_KINDS };

struct config_call {
	enum config_call_kind kind;
	bool skip; /* it is as it says already */
	bool done;
	union {
		void *params; /* allocated */
		struct vf_config *vf;
		struct group_config *group;
		struct log_level_params *log;
	};
};

/* Marks those to skip. *at is the call at fault when there is an error. */
int config_calls_check(struct config_call *calls, unsigned n, unsigned *at, struct nic_error *err);

#endif
