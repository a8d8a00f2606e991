/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/log.c, with DPDK's own log types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "log.h"

static int clear(void **state)
{
	log_settings_clear();
	return 0;
}

static void count(const char *module, const char *level, void *arg)
{
	++*(unsigned *)arg;
}

static unsigned settings(void)
{
	unsigned n = 0;

	log_level_foreach(count, &n);
	return n;
}

static void without_a_pattern_it_is_the_daemons_own_level(void **state)
{
	int eal = rte_log_get_level(RTE_LOGTYPE_EAL);

	assert_int_equal(log_level_set(NULL, "error"), 0);
	assert_int_equal(rte_log_get_level((uint32_t)renicd_logtype), RTE_LOG_ERR);
	assert_int_equal(rte_log_get_level(RTE_LOGTYPE_EAL), eal);
}

static void a_pattern_sets_the_log_types_that_match(void **state)
{
	assert_int_equal(log_level_set("lib.ea[kl]", "debug"), 0);
	assert_int_equal(rte_log_get_level(RTE_LOGTYPE_EAL), RTE_LOG_DEBUG);
	assert_int_equal(log_level_set("*", "warning"), 0);
	assert_int_equal(rte_log_get_level(RTE_LOGTYPE_EAL), RTE_LOG_WARNING);
	assert_int_equal(rte_log_get_level((uint32_t)renicd_logtype), RTE_LOG_WARNING);
	assert_int_equal(settings(), 2);
}

static void a_pattern_matches_log_types_or_none(void **state)
{
	assert_true(log_type_exists("renicd"));
	assert_true(log_type_exists("lib.ea?"));
	assert_true(log_type_exists("*"));
	assert_false(log_type_exists("switch"));
	assert_false(log_type_exists("lib"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_pattern_it_is_the_daemons_own_level, clear),
		cmocka_unit_test_setup(a_pattern_sets_the_log_types_that_match, clear),
		cmocka_unit_test(a_pattern_matches_log_types_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
