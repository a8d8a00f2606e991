/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a method of the control protocol is made of: a row {name, handler, parameter table, flags,
 * help} beside the handler, in rpc_<topic>.c. The rows are all there is: dispatch, decoding,
 * permission and rpc_get_methods are made from them (docs/protocol.md is the contract).
 *
 * A handler gets its parameters decoded and checked, writes its result as one JSON value with
 * call->out, and returns 0; or returns a negative enum renic_error_code with *err filled, having
 * changed nothing. What it wrote before it failed is thrown away. Control thread only.
 */
#ifndef RENICD_CONTROL_RPC_H
#define RENICD_CONTROL_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json_writer.h"
#include "nic/error.h"
#include "nic/nic.h"
#include "params.h"

enum {
	RPC_REPLY_FDS_MAX = 16,	  /* descriptors with one answer (a batch may ask for several) */
	RPC_PARAMS_BYTES = 10496, /* largest decoded parameters: standby_restore's */
};

/* The peer of one connection, as handlers may know it. */
struct rpc_peer {
	uint64_t client; /* token for nic_*: unique, not 0 */
	bool may_change; /* root, the socket's owner, or the daemon's own user */
	uint32_t events; /* subscribed: bit 1 << enum nic_event_type */
};

/* An answer under construction. */
struct rpc_reply {
	struct json_writer json; /* with its newline; nothing: no answer is due */
	int fds[RPC_REPLY_FDS_MAX];
	unsigned n_fds;
	bool groups_changed; /* an RPC_CHANGES_GROUPS method succeeded */
	uint64_t end_us;     /* CLOCK_MONOTONIC: from when on no more is carried out; 0: never */
};

struct rpc_call {
	const void *params; /* the struct that the method's table describes */
	unsigned given;	    /* bits of the parameters that are there */
	struct rpc_peer *peer;
	struct json_writer *out;
	struct rpc_reply *reply;
};

enum rpc_flags {
	RPC_READ = 1 << 0,	     /* changes nothing: for every peer */
	RPC_CHANGES_GROUPS = 1 << 1, /* groups' timeouts may be different afterwards */
};

struct rpc_method {
	const char *name;
	int (*handler)(struct rpc_call *call, struct nic_error *err);
	unsigned flags;
	const struct param *params;
	unsigned n_params;
	size_t params_size;		/* of the struct decoded into, at most RPC_PARAMS_BYTES */
	void (*defaults)(void *params); /* NULL: all zero */
	const char *help;
};

/* A method's table, in its row. */
#define RPC_PARAMS(table) .params = (table), .n_params = sizeof(table) / sizeof((table)[0])

/* One file's methods. */
struct rpc_topic {
	const struct rpc_method *methods;
	size_t n;
};

#define RPC_METHODS(table)                                                                         \
	{                                                                                          \
		(table), sizeof(table) / sizeof((table)[0])                                        \
	}

extern const struct rpc_topic rpc_meta, rpc_uplink, rpc_vf, rpc_group, rpc_checkpoint, rpc_standby,
	rpc_ingress, rpc_snapshot, rpc_config, rpc_events, rpc_capture;

/* The parameters of the many methods that take just a name, under whatever member name. */
struct rpc_name {
	char name[NIC_NAME_SIZE];
};

/* The row of a parameter table by which a method is told its VF: params.field. */
#define VF_NAME_ROW(params, field)                                                                 \
	{                                                                                          \
		.name = "name", .type = PARAM_NAME, .required = true, PARAM_FIELD(params, field),  \
		.help = "name of the VF",                                                          \
	}

/* log_set_level, without its answer; in rpc_meta.c. RENIC_E_PARAMS, RENIC_E_RESOURCES. */
struct log_level_params;
int log_level_apply(const struct log_level_params *p, struct nic_error *err);

/* NULL: no such method. */
const struct rpc_method *rpc_find(const char *name);

/* All methods, in the order of the documentation. */
void rpc_foreach(void (*visit)(const struct rpc_method *method, void *arg), void *arg);

/* Send a descriptor along with the answer; it is closed once sent, or with the answer. false:
 * too many already; the caller still owns it. */
bool rpc_reply_add_fd(struct rpc_reply *reply, int fd);

/* Closes the descriptors from number `keep` on. */
void rpc_reply_drop_fds(struct rpc_reply *reply, unsigned keep);

#endif
