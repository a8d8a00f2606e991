/* SPDX-License-Identifier: BSD-3-Clause */
/* A short list, kept in the order of setting; see log_settings.h. */
#include <stdio.h>
#include <string.h>

#include "log_settings.h"

static const char own_module[] = "renicd";

struct log_setting {
	char module[LOG_SETTING_SIZE];
	char level[LOG_SETTING_SIZE];
};

static struct log_setting settings[LOG_SETTINGS_MAX];
static unsigned n_settings;

/* Its index, or n_settings. */
static unsigned find(const char *module)
{
	unsigned i = 0;

	while (i < n_settings && strcmp(settings[i].module, module ? module : own_module))
		i++;
	return i;
}

bool log_settings_has_room(const char *module)
{
	return n_settings < LOG_SETTINGS_MAX || find(module) < n_settings;
}

void log_settings_record(const char *module, const char *level)
{
	unsigned i = find(module);
	struct log_setting *last;

	if (!log_settings_has_room(module))
		return;
	if (i < n_settings)
		memmove(&settings[i], &settings[i + 1], (--n_settings - i) * sizeof(settings[0]));
	last = &settings[n_settings++];
	snprintf(last->module, sizeof(last->module), "%s", module ? module : own_module);
	snprintf(last->level, sizeof(last->level), "%s", level);
}

void log_level_foreach(void (*visit)(const char *module, const char *level, void *arg), void *arg)
{
	for (unsigned i = 0; i < n_settings; i++) {
		bool own = !strcmp(settings[i].module, own_module);

		visit(own ? NULL : settings[i].module, settings[i].level, arg);
	}
}

void log_settings_clear(void)
{
	n_settings = 0;
}
