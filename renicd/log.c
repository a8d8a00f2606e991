/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's log type and its levels; see log.h. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
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

/* As rte_log_set_level_pattern() matches, of the log types that are registered: all of them, once
 * EAL has loaded the drivers. */
bool log_type_exists(const char *pattern)
{
	char *names = NULL, *save, *name;
	size_t size;
	FILE *out = open_memstream(&names, &size);

	if (!out)
		return true; /* nobody can tell */
	rte_log_list_types(out, "");
	fclose(out);
	name = strtok_r(names, "\n", &save);
	while (name && fnmatch(pattern, name, 0))
		name = strtok_r(NULL, "\n", &save);
	free(names);
	return name;
}

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
