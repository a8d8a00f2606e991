/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's log type and its levels; see log.h. */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "log.h"

RTE_LOG_REGISTER(renicd_logtype, renicd, INFO);

static const struct {
	const char *name;
	uint32_t level;
} levels[] = {
	{"error", RTE_LOG_ERR},
	{"warning", RTE_LOG_WARNING},
	{"notice", RTE_LOG_NOTICE},
	{"info", RTE_LOG_INFO},
	{"debug", RTE_LOG_DEBUG},
};

int log_level_set(const char *module, const char *level)
{
	for (size_t i = 0; i < RTE_DIM(levels); i++) {
		if (strcmp(level, levels[i].name))
			continue;
		if (!log_settings_has_room(module))
			return -ENOSPC;
		if (rte_log_set_level_pattern(module ? module : "renicd", levels[i].level) < 0)
			return -EINVAL;
		log_settings_record(module, level);
		return 0;
	}
	return -EINVAL;
}
