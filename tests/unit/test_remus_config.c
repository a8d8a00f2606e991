/* SPDX-License-Identifier: BSD-3-Clause */
/* renic-remus' config file: defaults, and errors that name the member and what was expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

#define VM "{\"name\":\"m\",\"driver\":\"qemu\",\"vfs\":[\"v\"]}"
#define FILE_OF(more) "{\"group\":\"g\"," more "\"vms\":[" VM "]}"

static struct remus_config config;
static struct nic_error err;

static int load(const char *text)
{
	char path[] = "/tmp/remus-config-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	memset(&err, 0, sizeof(err));
	rc = remus_config_load(path, &config, &err);
	if (rc)
		assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
	unlink(path);
	return rc;
}

static void least_file_has_the_defaults(void **state)
{
	assert_int_equal(load(FILE_OF("")), 0);
	assert_string_equal(config.control, "/run/renic-remus/g.sock");
	assert_string_equal(config.renicd, "/run/renicd/control.sock");
	assert_int_equal(config.interval_us, 25000);
	assert_int_equal(config.in_flight, 4);
	assert_int_equal(config.heartbeat_ms, 50);
	assert_int_equal(config.timeout_ms, 300);
	assert_int_equal(config.on_backup_lost, BACKUP_LOST_HOLD);
	assert_int_equal(config.fence.n_args, 0); /* nobody says yes by himself */
	assert_false(config.plain);
	assert_true(config.compress);
	remus_config_free(&config);
}

static void plain_text_must_be_asked_for_by_name(void **state)
{
	assert_int_equal(load(FILE_OF("\"peer\":\"h:1\",\"listen\":\":7400\",")), 0);
	assert_int_equal(remus_config_check(&config, REMUS_PRIMARY, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "tls");
	remus_config_free(&config);
	assert_int_equal(load(FILE_OF("\"peer\":\"h:1\",\"plain\":true,")), 0);
	assert_int_equal(remus_config_check(&config, REMUS_PRIMARY, &err), 0);
	assert_int_equal(remus_config_check(&config, REMUS_STANDBY, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "listen");
	remus_config_free(&config);
}

static void wrong_member_is_named(void **state)
{
	static const struct {
		const char *text, *field;
	} rows[] = {
		{"{\"group\":\"g\"}", "vms"},
		{"{\"group\":\"g\",\"vms\":[]}", "vms"},
		{FILE_OF("\"interval_us\":10,"), "interval_us"},
		{FILE_OF("\"in_flight\":33,"), "in_flight"},
		{FILE_OF("\"nonsense\":1,"), "nonsense"},
		{FILE_OF("\"on_backup_lost\":\"hope\","), "on_backup_lost"},
		{FILE_OF("\"heartbeat_ms\":200,"), "timeout_ms"},
		{FILE_OF("\"metrics\":{\"socket\":\"/s\",\"port\":9},"), "metrics.port"},
		{FILE_OF("\"fence\":{\"command\":[]},"), "fence.command"},
		{FILE_OF("\"fence\":{},"), "fence.command"},
		{FILE_OF("\"tls\":{\"cert\":\"/c\",\"key\":\"/k\"},"), "tls.ca"},
		{FILE_OF("\"plain\":true,\"tls\":{\"cert\":\"/c\",\"key\":\"/k\",\"ca\":\"/a\"},"),
			"plain"},
		{"{\"group\":\"g\",\"vms\":[" VM "," VM "]}", "vms[1].name"},
		{"{\"group\":\"g\",\"vms\":[" VM
		 ",{\"name\":\"n\",\"driver\":\"qemu\",\"vfs\":[\"w\",\"v\"]}]}",
			"vms[1].vfs[1]"},
		{"{\"group\":\"g\",\"vms\":[{\"name\":\"n\",\"driver\":\"qemu\",\"vfs\":[\"w\","
		 "\"w\"]}]}",
			"vms[0].vfs[1]"},
		{"{\"group\":\"g\",\"vms\":[{\"name\":\"n\",\"driver\":\"magic\",\"vfs\":[\"w\"]}]"
		 "}",
			"vms[0].driver"},
		{"{\"group\":\"g\",\"vms\":[{\"name\":\"n\",\"driver\":\"qemu\",\"vfs\":[\"w\"],"
		 "\"xen\":{}}]}",
			"vms[0].xen"},
		{"{\"group\":\"g\",\"vms\":[{\"name\":\"n\",\"driver\":\"qemu\",\"vfs\":[\"w\"],"
		 "\"qemu\":3}]}",
			"vms[0].qemu"},
		{"[]", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = load(rows[i].text);

		if (rc >= 0 || strcmp(err.field, rows[i].field))
			fail_msg("%s: %d, field \"%s\", expected \"%s\" (%s)", rows[i].text, rc,
				err.field, rows[i].field, err.message);
		remus_config_free(&config);
	}
	assert_int_equal(load("{\"group\":"), RENIC_E_PARSE);
	assert_int_equal(remus_config_load("/nonexistent", &config, &err), RENIC_E_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_file_has_the_defaults),
		cmocka_unit_test(plain_text_must_be_asked_for_by_name),
		cmocka_unit_test(wrong_member_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
