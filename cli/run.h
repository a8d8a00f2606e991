/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that do more than call one method: each in a file of its name. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "ctl.h"

/* Print a result as JSON or as the command shows it, and drop it; EXIT_OK. */
int show_result(struct ctl *ctl, const struct command *command, json_t *result);

int run_call(struct ctl *ctl, const struct command *command, const json_t *args);
int run_method(struct ctl *ctl, const struct command *command, const json_t *args);
int run_events(struct ctl *ctl, const struct command *command, const json_t *args);
int run_egress_log(struct ctl *ctl, const struct command *command, const json_t *args);
int run_protect(struct ctl *ctl, const struct command *command, const json_t *args);
int run_config_save(struct ctl *ctl, const struct command *command, const json_t *args);
int run_config_load(struct ctl *ctl, const struct command *command, const json_t *args);
int run_snapshot_save(struct ctl *ctl, const struct command *command, const json_t *args);
int run_snapshot_show(struct ctl *ctl, const struct command *command, const json_t *args);
int run_snapshot_diff(struct ctl *ctl, const struct command *command, const json_t *args);
int run_standby_restore(struct ctl *ctl, const struct command *command, const json_t *args);
int run_ingress_take(struct ctl *ctl, const struct command *command, const json_t *args);
int run_ingress_give(struct ctl *ctl, const struct command *command, const json_t *args);
int run_top(struct ctl *ctl, const struct command *command, const json_t *args);

#endif
