/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines of the daemon, through rte_log: type "renicd", stderr. One line at the place that
 * decides; never one per packet.
 */
#ifndef RENICD_LOG_H
#define RENICD_LOG_H

#include <stdbool.h>

#include <rte_log.h>

#include "log_settings.h"

extern int renicd_logtype;

#define RENIC_LOG(level, fmt, ...)                                                                 \
	rte_log(RTE_LOG_##level, (uint32_t)renicd_logtype, "renicd: " fmt "\n", ##__VA_ARGS__)

#define LOG_ERR(fmt, ...) RENIC_LOG(ERR, fmt, ##__VA_ARGS__)
#define LOG_WARN(fmt, ...) RENIC_LOG(WARNING, fmt, ##__VA_ARGS__)
#define LOG_NOTICE(fmt, ...) RENIC_LOG(NOTICE, fmt, ##__VA_ARGS__)
#define LOG_INFO(fmt, ...) RENIC_LOG(INFO, fmt, ##__VA_ARGS__)
#define LOG_DEBUG(fmt, ...) RENIC_LOG(DEBUG, fmt, ##__VA_ARGS__)

/*
 * Set the level ("error", "warning", "notice", "info", "debug") of the daemon's own lines
 * (module NULL), or of DPDK's log types that match a pattern ("lib.vhost.*", "pmd.net.tap"), and
 * remember that (log_settings.h). Its thread is theirs. 0; -EINVAL; -ENOSPC: too many patterns.
 */
int log_level_set(const char *module, const char *level);

/* Is there a log type that the pattern matches? Once EAL has loaded the drivers, whose types are
 * theirs. */
bool log_type_exists(const char *pattern);

#endif
