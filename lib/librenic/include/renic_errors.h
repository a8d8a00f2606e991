/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error codes of renicd's control socket. They are part of the protocol: a code, once
 * released, keeps its meaning. -32xxx are JSON-RPC 2.0's own (section 5.1); the small
 * negative ones are renicd's.
 */
#ifndef RENIC_ERRORS_H
#define RENIC_ERRORS_H

enum renic_error_code {
	RENIC_E_STATE = -1,	  /* not legal in the present state; data.state names it */
	RENIC_E_NOT_FOUND = -2,	  /* no VF, group or uplink of that name */
	RENIC_E_EXISTS = -3,	  /* the name, socket path or MAC is taken */
	RENIC_E_BUSY = -4,	  /* in use: held frames, members, a running operation */
	RENIC_E_RESOURCES = -5,	  /* memory, descriptors, or a limit of this daemon */
	RENIC_E_PERMISSION = -6,  /* the peer may read but not change */
	RENIC_E_UNSUPPORTED = -7, /* understood, but this build or device cannot do it */
	RENIC_E_IO = -8,	  /* the operating system or the device refused */
	RENIC_E_TIMEOUT = -9,	  /* a data lcore or peer did not answer in time */
	RENIC_E_TERM = -10,	  /* the command's term is not the group's: another one has taken over */
	RENIC_E_PARSE = -32700,
	RENIC_E_REQUEST = -32600,
	RENIC_E_METHOD = -32601,
	RENIC_E_PARAMS = -32602,
	RENIC_E_INTERNAL = -32603,
};

#endif
