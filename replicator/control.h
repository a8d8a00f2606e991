/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket of renic-remus: JSON-RPC 2.0, one message a line, as renicd's, so that
 * librenic is its client too. Methods: version, status, events {after?}, failover {fenced?}, stop,
 * protect. What changes something is only taken from the socket's owner, root or our own user; it
 * is handed to the role's thread, and answered before it is carried out: status tells what became
 * of it. And the metrics socket or port, if configured: any HTTP GET is answered with OpenMetrics
 * text. A thread of its own.
 */
#ifndef REPLICATOR_CONTROL_H
#define REPLICATOR_CONTROL_H

#include "role.h"

struct control;

int control_start(const struct remus_config *config, struct role *role, struct control **control,
	struct nic_error *err);
void control_stop(struct control *control);

/* status.c */
json_t *status_json(const struct remus_config *config, const struct role_status *status);
/* OpenMetrics text (https://openmetrics.io), to be freed; NULL: no memory. */
char *status_metrics(const struct remus_config *config, const struct role_status *status);
/* For people, on stdout. */
void status_print(const json_t *status);

#endif
