/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/config.c: what a config file gives, and what each wrong one is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

static char path[] = "/tmp/renicd-config-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	return unlink(path);
}

static int load(const char *text, size_t len, struct renicd_config *config, struct nic_error *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
	memset(err, 0, sizeof(*err));
	return config_load_file(path, config, err);
}

static void empty_object_gives_the_defaults(void **state)
{
	struct renicd_config config;
	struct nic_error err;

	assert_int_equal(load("{}", 2, &config, &err), 0);
	assert_string_equal(config.run_dir, "/run/renicd");
	assert_string_equal(config.control.socket, "/run/renicd/control.sock");
	assert_int_equal(config.control.mode, 0660);
	assert_true(config.control.owner == CONTROL_NO_ID);
	assert_true(config.control.group == CONTROL_NO_ID);
	assert_string_equal(log_level_names[config.log.level], "notice");
	assert_int_equal(config.n_data_cpus, 1);
	assert_int_equal(config.data_cpus[0], 1);
	assert_false(config.busy_poll);
	assert_true(config.drop_privileges);
	assert_int_equal(config.memory_mb, 256);
	assert_int_equal(config.mbufs, 32768);
	assert_int_equal(config.egress_log.size_mb, 256);
	assert_true(config.egress_log.hugepages);
	assert_string_equal(config.egress_log.dir, "");
	assert_string_equal(config.uplink.devargs, "");
	assert_int_equal(config.n_vfs, 0);
	assert_int_equal(config.n_groups, 0);
	config_free(&config);
}

static void every_key_is_taken(void **state)
{
	static const char text[] =
		"{\"run_dir\": \"/tmp/r\","
		" \"control\": {\"socket\": \"/tmp/c.sock\", \"owner\": \"root\","
		"   \"group\": \"0\", \"mode\": \"0600\"},"
		" \"log\": {\"level\": \"debug\", \"modules\": {\"lib.vhost.*\": \"error\"}},"
		" \"eal_args\": [\"--no-huge\", \"-m\", \"64\"],"
		" \"data_cpus\": [1, 1, 0], \"poll\": \"busy\", \"drop_privileges\": false, "
		"\"memory_mb\": 64, \"mbufs\": 4096,"
		" \"egress_log\": {\"size_mb\": 8, \"hugepages\": false, \"dir\": \"/dev/shm\"},"
		" \"uplink\": {\"devargs\": \"net_null0\"},"
		" \"vfs\": [{\"name\": \"a\", \"queues\": 4, \"role\": \"server\"},"
		"   {\"name\": \"b\"}],"
		" \"groups\": [{\"name\": \"g\", \"vfs\": [\"b\", \"a\"], \"internal\": \"pass\","
		"   \"replicator_timeout_ms\": 500, \"on_replicator_lost\": \"release\"}]}";
	struct renicd_config config;
	struct nic_error err;

	if (load(text, strlen(text), &config, &err) != 0)
		fail_msg("%s", err.message);
	assert_string_equal(config.run_dir, "/tmp/r");
	assert_string_equal(config.control.socket, "/tmp/c.sock");
	assert_int_equal(config.control.owner, 0);
	assert_int_equal(config.control.group, 0);
	assert_int_equal(config.control.mode, 0600);
	assert_string_equal(log_level_names[config.log.level], "debug");
	assert_int_equal(config.log.n_modules, 1);
	assert_string_equal(config.log.modules[0].module, "lib.vhost.*");
	assert_string_equal(log_level_names[config.log.modules[0].level], "error");
	assert_int_equal(config.n_eal_args, 3);
	assert_string_equal(config.eal_args[2], "64");
	assert_int_equal(config.n_data_cpus, 3);
	assert_int_equal(config.data_cpus[2], 0);
	assert_true(config.busy_poll);
	assert_false(config.drop_privileges);
	assert_int_equal(config.memory_mb, 64);
	assert_int_equal(config.mbufs, 4096);
	assert_int_equal(config.egress_log.size_mb, 8);
	assert_false(config.egress_log.hugepages);
	assert_string_equal(config.egress_log.dir, "/dev/shm");
	assert_string_equal(config.uplink.devargs, "net_null0");
	assert_int_equal(config.n_vfs, 2);
	assert_int_equal(config.vfs[0].queues, 4);
	assert_true(config.vfs[0].server);
	assert_int_equal(config.vfs[1].mtu, 9000); /* vf_config_defaults() */
	assert_int_equal(config.n_groups, 1);
	assert_int_equal(config.groups[0].n_vfs, 2);
	assert_string_equal(config.groups[0].vfs[0], "b");
	assert_true(config.groups[0].internal_pass);
	assert_int_equal(config.groups[0].replicator_timeout_ms, 500);
	assert_int_equal(config.groups[0].on_replicator_lost, REPLICATOR_RELEASE);
	config_free(&config);
}

/* As vf_create and group_create take it. */
static void one_mac_may_be_in_two_vlans_and_a_standbys(void **state)
{
	static const char text[] =
		"{\"vfs\": [{\"name\": \"a\", \"mac\": \"52:54:00:00:00:01\"},"
		"{\"name\": \"b\", \"mac\": \"52:54:00:00:00:01\", \"vlan\": 5, \"qos\": 1},"
		"{\"name\": \"c\", \"mac\": \"52:54:00:00:00:01\", \"vlan\": 5,"
		"\"proto\": \"802.1ad\"},"
		"{\"name\": \"s\", \"mac\": \"52:54:00:00:00:01\", \"standby\": true}],"
		"\"groups\": [{\"name\": \"s\", \"vfs\": [\"s\"], \"standby\": true},"
		"{\"name\": \"g\", \"vfs\": [\"a\", \"b\"]}]}";
	struct renicd_config config;
	struct nic_error err;

	if (load(text, strlen(text), &config, &err) != 0)
		fail_msg("%s", err.message);
	assert_string_equal(config.vfs[0].socket, ""); /* what is open stays so: it is hashed */
	config_free(&config);
}

static void control_socket_follows_the_run_dir(void **state)
{
	static const char text[] = "{\"run_dir\": \"/tmp/elsewhere\"}";
	struct renicd_config config;
	struct nic_error err;

	assert_int_equal(load(text, strlen(text), &config, &err), 0);
	assert_string_equal(config.control.socket, "/tmp/elsewhere/control.sock");
	config_free(&config);
}

static void wrong_entries_are_named_by_path_value_and_expectation(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *field, *given, *expected;
	} rows[] = {
		{"[]", RENIC_E_PARAMS, "", "", ""},
		{"{\"run_dri\": \"/tmp\"}", RENIC_E_PARAMS, "run_dri", "\"/tmp\"", NULL},
		{"{\"run_dir\": \"tmp\"}", RENIC_E_PARAMS, "run_dir", "\"tmp\"",
			"an absolute path of at most 64 bytes"},
		{"{\"control\": \"/x\"}", RENIC_E_PARAMS, "control", "\"/x\"", "an object"},
		{"{\"control\": {\"path\": \"/x\"}}", RENIC_E_PARAMS, "control.path", "\"/x\"",
			"one of socket owner group mode"},
		{"{\"control\": {\"mode\": 660}}", RENIC_E_PARAMS, "control.mode", "660",
			"an octal file mode such as \"0660\""},
		{"{\"control\": {\"owner\": \"no-such-user-here\"}}", RENIC_E_PARAMS,
			"control.owner", "\"no-such-user-here\"",
			"the name or number of a user of this system, as a string"},
		{"{\"log\": {\"level\": \"loud\"}}", RENIC_E_PARAMS, "log.level", "\"loud\"",
			"one of debug info notice warning error"},
		{"{\"log\": {\"modules\": {\"vhost\": 7}}}", RENIC_E_PARAMS, "log.modules.vhost",
			"7", "one of debug info notice warning error"},
		{"{\"eal_args\": [\"--no-pci\", 7]}", RENIC_E_PARAMS, "eal_args[1]", "7",
			"a string of 1 to 255 bytes without control characters"},
		{"{\"data_cpus\": []}", RENIC_E_PARAMS, "data_cpus", "[]",
			"an array of 1 to 32 elements"},
		{"{\"data_cpus\": [0, -1]}", RENIC_E_PARAMS, "data_cpus[1]", "-1",
			"an integer from 0 to 1023"},
		{"{\"poll\": true}", RENIC_E_PARAMS, "poll", "true", "one of adaptive busy"},
		{"{\"memory_mb\": 1}", RENIC_E_PARAMS, "memory_mb", "1",
			"an integer from 64 to 1048576"},
		{"{\"mbufs\": \"many\"}", RENIC_E_PARAMS, "mbufs", "\"many\"",
			"an integer from 1024 to 16777216"},
		{"{\"egress_log\": {\"size_mb\": 0}}", RENIC_E_PARAMS, "egress_log.size_mb", "0",
			"an integer from 4 to 1048576"},
		{"{\"egress_log\": {\"hugepages\": \"yes\"}}", RENIC_E_PARAMS,
			"egress_log.hugepages", "\"yes\"", "true or false"},
		{"{\"uplink\": {}}", RENIC_E_PARAMS, "uplink.devargs", "",
			"a string of 1 to 255 bytes without control characters"},
		{"{\"vfs\": [{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"c\","
		 "\"mac\": \"52:54:zz:00:00:01\"}]}",
			RENIC_E_PARAMS, "vfs[2].mac", "\"52:54:zz:00:00:01\"",
			"a unicast MAC address such as 52:54:00:12:34:56"},
		{"{\"vfs\": [{\"mac\": \"52:54:00:00:00:01\"}]}", RENIC_E_PARAMS, "vfs[0].name", "",
			"1 to 31 of A-Z a-z 0-9 _ . -, the first a letter or digit"},
		{"{\"vfs\": [{\"name\": \"a\", \"queues\": 17}]}", RENIC_E_PARAMS, "vfs[0].queues",
			"17", "an integer from 1 to 16"},
		{"{\"vfs\": [{\"name\": \"a\", \"vlan\": 4096}]}", RENIC_E_PARAMS, "vfs[0].vlan",
			"4096", "an integer from 0 to 4095"},
		{"{\"vfs\": [{\"name\": \"a\", \"colour\": 1}]}", RENIC_E_PARAMS, "vfs[0].colour",
			"1",
			"one of name mac vlan qos proto trust trunks promisc allmulti queues role "
			"packed "
			"offloads spoofchk state max_tx_rate min_tx_rate mtu ingress_hold_pkts "
			"egress_log_bytes socket hold_exempt standby transport xen_domain "
			"xen_handle"},
		{"{\"vfs\": {\"name\": \"a\"}}", RENIC_E_PARAMS, "vfs", "{\"name\":\"a\"}",
			"an array of 0 to 256 elements"},
		{"{\"vfs\": [7]}", RENIC_E_PARAMS, "vfs[0]", "7", "an object"},
		{"{\"vfs\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", RENIC_E_EXISTS, "vfs[1].name",
			"a", ""},
		{"{\"vfs\": [{\"name\": \"a\", \"mac\": \"52:54:00:00:00:01\"}, {\"name\": \"b\"},"
		 "{\"name\": \"c\", \"mac\": \"52:54:00:00:00:01\"}]}",
			RENIC_E_EXISTS, "vfs[2].mac", "52:54:00:00:00:01", ""},
		{"{\"vfs\": [{\"name\": \"a\", \"socket\": \"/tmp/s\"},"
		 "{\"name\": \"b\", \"socket\": \"/tmp/s\"}]}",
			RENIC_E_EXISTS, "vfs[1].socket", "/tmp/s", ""},
		{"{\"groups\": [{\"name\": \"g\"}, {\"name\": \"g\"}]}", RENIC_E_EXISTS,
			"groups[1].name", "g", ""},
		{"{\"vfs\": [{\"name\": \"a\"}], \"groups\": [{\"name\": \"g\","
		 "\"vfs\": [\"a\", \"b\"]}]}",
			RENIC_E_NOT_FOUND, "groups[0].vfs[1]", "b",
			"the name of a VF under \"vfs\""},
		{"{\"vfs\": [{\"name\": \"a\"}], \"groups\": [{\"name\": \"g\", \"vfs\": [\"a\"]},"
		 "{\"name\": \"h\", \"vfs\": [\"a\"]}]}",
			RENIC_E_EXISTS, "groups[1].vfs[0]", "a",
			"a VF that is in no other group, and here once"},
		{"{\"vfs\": [{\"name\": \"a\"}], \"groups\": [{\"name\": \"g\","
		 "\"vfs\": [\"a\", \"a\"]}]}",
			RENIC_E_EXISTS, "groups[0].vfs[1]", "a",
			"a VF that is in no other group, and here once"},
		/* What nic_start() would refuse. */
		{"{\"vfs\": [{\"name\": \"a\", \"qos\": 3}]}", RENIC_E_PARAMS, "vfs[0].qos", "3",
			"0, unless vlan is 1 to 4094"},
		{"{\"vfs\": [{\"name\": \"a\"}, {\"name\": \"b\", \"promisc\": true}]}",
			RENIC_E_PARAMS, "vfs[1].promisc", "true", "false, unless trust is on"},
		{"{\"vfs\": [{\"name\": \"a\", \"hold_exempt\": \"((\"}]}", RENIC_E_PARAMS,
			"vfs[0].hold_exempt", "((", "a pcap-filter expression"},
		{"{\"vfs\": [{\"name\": \"a\", \"xen_handle\": 1}]}", RENIC_E_PARAMS,
			"vfs[0].xen_handle", "", ""},
		{"{\"vfs\": [{\"name\": \"a\", \"transport\": \"xen\"}]}", RENIC_E_PARAMS,
			"vfs[0].xen_domain", "", ""},
		{"{\"vfs\": [{\"name\": \"a\", \"transport\": \"xen\", \"xen_domain\": 2},"
		 "{\"name\": \"b\", \"transport\": \"xen\", \"xen_domain\": 2}]}",
			RENIC_E_EXISTS, "vfs[1].socket", "xen:2/0", ""},
		{"{\"run_dir\": \"/r\", \"vfs\": [{\"name\": \"a\"},"
		 "{\"name\": \"b\", \"socket\": \"/r/a.sock\"}]}",
			RENIC_E_EXISTS, "vfs[1].socket", "/r/a.sock", ""},
		{"{\"vfs\": [{\"name\": \"a\"}, {\"name\": \"b\"}],"
		 "\"groups\": [{\"name\": \"b\", \"vfs\": [\"a\"]}]}",
			RENIC_E_EXISTS, "groups[0].name", "b", ""},
		{"{\"vfs\": [{\"name\": \"a\", \"standby\": true}],"
		 "\"groups\": [{\"name\": \"g\", \"vfs\": [\"a\"]}]}",
			RENIC_E_PARAMS, "groups[0].vfs[0]", "a", "a VF that is no standby"},
		{"{\"vfs\": [{\"name\": \"a\"}],"
		 "\"groups\": [{\"name\": \"g\", \"standby\": true, \"vfs\": [\"a\"]}]}",
			RENIC_E_PARAMS, "groups[0].vfs[0]", "a", "a standby, as the group is"},
		{"{\"groups\": [{\"name\": \"g\", \"internal\": \"maybe\"}]}", RENIC_E_PARAMS,
			"groups[0].internal", "\"maybe\"", "one of hold pass"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct renicd_config config;
		struct nic_error err;
		int rc = load(rows[i].text, strlen(rows[i].text), &config, &err);

		if (rc != rows[i].code || err.code != rc)
			fail_msg("%s: %d %s", rows[i].text, rc, err.message);
		assert_string_equal(err.field, rows[i].field);
		assert_string_equal(err.given, rows[i].given);
		if (rows[i].expected)
			assert_string_equal(err.expected, rows[i].expected);
		assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
		assert_non_null(strstr(err.message, rows[i].field));
		config_free(&config);
	}
}

static void message_for_the_operator_says_it_all(void **state)
{
	static const char text[] = "{\"vfs\": [{\"name\": \"a\", \"mac\": \"zz\"}]}";
	struct renicd_config config;
	struct nic_error err;
	char expected[256];

	assert_int_equal(load(text, strlen(text), &config, &err), RENIC_E_PARAMS);
	snprintf(expected, sizeof(expected),
		"%s: vfs[0].mac: got \"zz\", expected a unicast MAC "
		"address such as 52:54:00:12:34:56",
		path);
	assert_string_equal(err.message, expected);
	config_free(&config);
}

static void syntax_errors_are_named_by_line_and_column(void **state)
{
	static const struct {
		const char *text, *where;
	} rows[] = {
		{"", ":1:0: not JSON"},
		{"{\n\t\"vfs\": [}\n", ":2:"},
		{"{\"run_dir\": \"/a\",\n\"run_dir\": \"/b\"}", ":2:9: not JSON: duplicate"},
		{"{} {}", ":1:4: not JSON"},
		{"{\"run_dir\": \"\xff\"}", ":1:"},
		{"true", ":1:"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct renicd_config config;
		struct nic_error err;

		assert_int_equal(
			load(rows[i].text, strlen(rows[i].text), &config, &err), RENIC_E_PARSE);
		assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
		if (strncmp(err.message + strlen(path), rows[i].where, strlen(rows[i].where)) != 0)
			fail_msg("%s, expected %s", err.message, rows[i].where);
		config_free(&config);
	}
}

static void file_that_cannot_be_read_is_named(void **state)
{
	struct renicd_config config;
	struct nic_error err;

	assert_int_equal(config_load_file("/nonexistent/renicd.json", &config, &err), RENIC_E_IO);
	assert_string_equal(
		err.message, "/nonexistent/renicd.json: cannot be read: No such file or directory");
	config_free(&config);
	assert_int_equal(config_load_file("/tmp", &config, &err), RENIC_E_IO);
	config_free(&config);
}

static void files_in_configs_are_valid(void **state)
{
	static const char *const names[] = {"example.json", "minimal.json"};
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct renicd_config config;
		struct nic_error err;
		char file[512];

		snprintf(file, sizeof(file), "%s/%s", CONFIGS_DIR, names[i]);
		if (config_load_file(file, &config, &err) != 0)
			fail_msg("%s", err.message);
		assert_true(config.n_vfs > 0);
		config_free(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_object_gives_the_defaults),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(one_mac_may_be_in_two_vlans_and_a_standbys),
		cmocka_unit_test(control_socket_follows_the_run_dir),
		cmocka_unit_test(wrong_entries_are_named_by_path_value_and_expectation),
		cmocka_unit_test(message_for_the_operator_says_it_all),
		cmocka_unit_test(syntax_errors_are_named_by_line_and_column),
		cmocka_unit_test(file_that_cannot_be_read_is_named),
		cmocka_unit_test(files_in_configs_are_valid),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
