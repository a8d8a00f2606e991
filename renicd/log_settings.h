/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which log levels were set, in what order: what config_save writes. The levels themselves are
 * rte_log's, which does not tell by what pattern a log type got its level. No DPDK in here. The
 * control thread, and main() before there is one.
 */
#ifndef RENICD_LOG_SETTINGS_H
#define RENICD_LOG_SETTINGS_H

#include <stdbool.h>

enum { LOG_SETTINGS_MAX = 64, LOG_SETTING_SIZE = 64 /* module or level, NUL included */ };

/* Can this module's level be recorded? Module NULL: the daemon's own lines, log type "renicd". */
bool log_settings_has_room(const char *module);

/* Remember it, as the latest, in the place of what was set for the same module. There is room. */
void log_settings_record(const char *module, const char *level);

/* Each one, oldest first; module as for log_level_set(). */
void log_level_foreach(void (*visit)(const char *module, const char *level, void *arg), void *arg);

/* Forget all. */
void log_settings_clear(void);

#endif
