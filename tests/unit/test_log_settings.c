/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/log_settings.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log_settings.h"

static char listed[8192];

static void list(const char *module, const char *level, void *arg)
{
	size_t len = strlen(listed);

	snprintf(listed + len, sizeof(listed) - len, "%s=%s ", module ? module : "-", level);
}

static const char *all(void)
{
	listed[0] = '\0';
	log_level_foreach(list, NULL);
	return listed;
}

static int clear(void **state)
{
	log_settings_clear();
	return 0;
}

static void levels_are_kept_in_the_order_of_setting(void **state)
{
	log_settings_record(NULL, "notice");
	log_settings_record("lib.vhost.*", "warning");
	log_settings_record("*", "debug");
	assert_string_equal(all(), "-=notice lib.vhost.*=warning *=debug ");
}

/* The order counts: a later pattern overrides an earlier one that it covers. */
static void setting_again_makes_it_the_latest(void **state)
{
	log_settings_record(NULL, "notice");
	log_settings_record("*", "debug");
	log_settings_record(NULL, "error");
	assert_string_equal(all(), "*=debug -=error ");
	log_settings_record("renicd", "info"); /* the name of the daemon's own */
	assert_string_equal(all(), "*=debug -=info ");
}

static void there_is_room_for_so_many_and_for_those_again(void **state)
{
	char module[16];

	for (unsigned i = 0; i < LOG_SETTINGS_MAX; i++) {
		snprintf(module, sizeof(module), "m%u", i);
		assert_true(log_settings_has_room(module));
		log_settings_record(module, "info");
	}
	assert_false(log_settings_has_room("one.more"));
	assert_false(log_settings_has_room(NULL));
	assert_true(log_settings_has_room("m0"));
	log_settings_record("m0", "debug");
	log_settings_record("one.more", "debug"); /* changes nothing */
	assert_null(strstr(all(), "one.more"));
	assert_non_null(strstr(all(), "m63=info m0=debug "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(levels_are_kept_in_the_order_of_setting, clear),
		cmocka_unit_test_setup(setting_again_makes_it_the_latest, clear),
		cmocka_unit_test_setup(there_is_room_for_so_many_and_for_those_again, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
