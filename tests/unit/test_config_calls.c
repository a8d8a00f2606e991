/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/control/config_*.c: a saved configuration comes back whole; what cannot be
 * carried out whole changes nothing. Over the real socket, against a recording device. */
#include "fakes/control_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_calls.h"

static char *text_of(json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	return text;
}

static char *save(int fd)
{
	return text_of(fixture_call(fd, "config_save", NULL));
}

static json_int_t number(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static void assert_loaded(int fd, const char *params, unsigned applied, unsigned skipped)
{
	json_t *result = fixture_call(fd, "config_load", params);

	assert_int_equal(number(result, "applied"), applied);
	assert_int_equal(number(result, "skipped"), skipped);
	json_decref(result);
}

/* Refused with this code for this field, and nothing is changed. */
static void assert_refused(int fd, const char *params, int code, const char *field)
{
	char *before = save(fd), *after;
	json_t *data = fixture_call_fails(fd, "config_load", params, code);

	if (strcmp(fixture_string(data, "field"), field))
		fail_msg("field %s, expected %s, of %.200s", fixture_string(data, "field"), field,
			params);
	json_decref(data);
	after = save(fd);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

#define CALL(method, params) "{\"method\":\"" method "\",\"params\":{" params "}}"
#define VF(name, rest) CALL("vf_create", "\"name\":\"" name "\"" rest)
#define GROUP(name, vfs, rest) CALL("group_create", "\"name\":\"" name "\",\"vfs\":[" vfs "]" rest)
#define LOG(level, rest) CALL("log_set_level", "\"level\":\"" level "\"" rest)
#define CALLS(list) "{\"calls\":[" list "]}"
#define MAC(last) ",\"mac\":\"52:54:00:00:00:" last "\""

static void set_up_something(int fd)
{
	json_decref(fixture_call(fd, "vf_create",
		"{\"name\":\"web\",\"mac\":\"52:54:00:00:00:01\",\"vlan\":7,\"queues\":2,"
		"\"role\":\"server\",\"packed\":false,\"spoofchk\":false,\"mtu\":1500,"
		"\"ingress_hold_pkts\":17,\"egress_log_bytes\":4194304,\"socket\":\"/s/web\","
		"\"hold_exempt\":\"ether proto \\\\arp\"}"));
	json_decref(fixture_call(fd, "vf_create",
		"{\"name\":\"db\",\"mac\":\"52:54:00:00:00:02\",\"egress_log_bytes\":4194304}"));
	json_decref(fixture_call(fd, "vf_create",
		"{\"name\":\"lone\",\"mac\":\"52:54:00:00:00:03\",\"egress_log_bytes\":4194304}"));
	json_decref(fixture_call(fd, "vf_set", "{\"name\":\"db\",\"mtu\":1400}"));
	json_decref(fixture_call(fd, "group_create",
		"{\"name\":\"shop\",\"vfs\":[\"db\",\"web\"],\"internal\":\"pass\","
		"\"replicator_timeout_ms\":250,\"on_replicator_lost\":\"release\"}"));
	json_decref(fixture_call(fd, "log_set_level", "{\"level\":\"info\"}"));
	json_decref(fixture_call(
		fd, "log_set_level", "{\"level\":\"debug\",\"module\":\"lib.vhost.*\"}"));
}

/* Another daemon, with nothing in it. */
static void forget(struct control_fixture *f, int *fd)
{
	close(*fd);
	fixture_stop(f);
	fake_nic_reset();
	fixture_start(f);
	*fd = fixture_connect(f);
}

static void what_is_saved_comes_back_the_same(void **state)
{
	int fd = fixture_connect(*state);
	char *saved, *again;

	set_up_something(fd);
	saved = save(fd);
	forget(*state, &fd);
	assert_loaded(fd, saved, 6, 0);
	assert_int_equal(fake_nic.n_vfs, 3);
	assert_int_equal(fake_nic.vfs[0].config.ingress_hold_pkts, 17);
	assert_string_equal(fake_nic.vfs[0].config.hold_exempt, "ether proto \\arp");
	assert_int_equal(fake_nic.vfs[1].config.mtu, 1400);
	assert_int_equal(fake_nic.n_groups, 1);
	assert_string_equal(fake_nic.log_module, "lib.vhost.*");
	again = save(fd);
	assert_string_equal(again, saved);
	free(saved);
	free(again);
	close(fd);
}

static void what_is_there_already_is_skipped(void **state)
{
	int fd = fixture_connect(*state);
	char *saved, *again;

	set_up_something(fd);
	saved = save(fd);
	assert_loaded(fd, saved, 2, 4); /* levels are set again */
	again = save(fd);
	assert_string_equal(again, saved);
	/* What a call leaves open may be anything; members in any order. */
	assert_loaded(fd, CALLS(VF("db", ",\"mtu\":1400")), 0, 1);
	assert_loaded(fd,
		CALLS(GROUP("shop", "\"web\",\"db\"",
			",\"internal\":\"pass\",\"replicator_timeout_ms\":250,"
			"\"on_replicator_lost\":\"release\"")),
		0, 1);
	free(saved);
	free(again);
	close(fd);
}

static void what_differs_from_what_is_there_is_refused(void **state)
{
	int fd = fixture_connect(*state);

	set_up_something(fd);
	assert_refused(
		fd, CALLS(VF("new", "") "," VF("db", "")), RENIC_E_EXISTS, "calls[1].params.mtu");
	assert_refused(fd, CALLS(VF("db", MAC("09") ",\"mtu\":1400")), RENIC_E_EXISTS,
		"calls[0].params.mac");
	assert_refused(fd, CALLS(VF("db", ",\"mtu\":1400,\"socket\":\"/other\"")), RENIC_E_EXISTS,
		"calls[0].params.socket");
	assert_refused(fd, CALLS(VF("new", MAC("02"))), RENIC_E_EXISTS, "calls[0].params.mac");
	assert_refused(fd, CALLS(VF("new", ",\"socket\":\"/s/web\"")), RENIC_E_EXISTS,
		"calls[0].params.socket");
	assert_refused(fd, CALLS(VF("shop", "")), RENIC_E_EXISTS, "calls[0].params.name");
	assert_refused(
		fd, CALLS(GROUP("shop", "\"db\"", "")), RENIC_E_EXISTS, "calls[0].params.vfs");
	assert_refused(fd, CALLS(GROUP("shop", "\"db\",\"web\"", "")), RENIC_E_EXISTS,
		"calls[0].params.internal");
	assert_refused(
		fd, CALLS(GROUP("other", "\"db\"", "")), RENIC_E_EXISTS, "calls[0].params.vfs");
	assert_refused(
		fd, CALLS(GROUP("db", "\"lone\"", "")), RENIC_E_EXISTS, "calls[0].params.name");
	assert_loaded(fd, CALLS(VF("new", MAC("02") ",\"vlan\":3")), 1, 0); /* another VLAN */
	close(fd);
}

#define STANDBY ",\"standby\":true"
#define SAME MAC("01") ",\"egress_log_bytes\":4194304"

/* A standby may have the MAC of a VF of the same daemon, which config_save then lists. */
static void a_standby_of_an_own_vf_comes_back(void **state)
{
	int fd = fixture_connect(*state);
	char *saved;

	assert_loaded(
		fd, CALLS(VF("a", SAME) "," VF("s", SAME STANDBY) "," VF("t", SAME STANDBY)), 3, 0);
	saved = save(fd);
	forget(*state, &fd);
	assert_loaded(fd, saved, 3, 0);
	assert_loaded(fd, CALLS(VF("u", SAME STANDBY)), 1, 0);
	assert_refused(fd, CALLS(VF("b", SAME)), RENIC_E_EXISTS, "calls[0].params.mac");
	free(saved);
	close(fd);
}

static void a_group_is_of_standbys_or_of_others(void **state)
{
	int fd = fixture_connect(*state);

	assert_refused(fd, CALLS(VF("s", STANDBY) "," GROUP("g", "\"s\"", "")), RENIC_E_BUSY,
		"calls[1].params.vfs[0]");
	assert_refused(fd, CALLS(VF("a", "") "," GROUP("g", "\"a\"", STANDBY)), RENIC_E_BUSY,
		"calls[1].params.vfs[0]");
	assert_loaded(fd, CALLS(VF("s", STANDBY) "," GROUP("g", "\"s\"", STANDBY)), 2, 0);
	/* One that was activated since is what its call says, as far as a list can tell. */
	fake_nic.vfs[0].config.standby = false;
	assert_loaded(fd, CALLS(VF("s", STANDBY) "," GROUP("g", "\"s\"", STANDBY)), 0, 2);
	close(fd);
}

/* A standby is in a group of one from the beginning. */
static void a_standbys_own_group_gives_way(void **state)
{
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"s\",\"standby\":true}"));
	json_decref(fixture_call(
		fd, "group_create", "{\"name\":\"s\",\"vfs\":[\"s\"],\"standby\":true}"));
	fake_nic.groups[0].lone = true;
	fake_nic.groups[0].state = "standby";
	assert_loaded(fd, CALLS(GROUP("g", "\"s\"", STANDBY)), 1, 0);
	close(fd);
}

static void what_the_device_would_refuse_is_refused_before(void **state)
{
	int fd = fixture_connect(*state);

	assert_refused(fd, CALLS(VF("a", ",\"hold_exempt\":\"((\"")), RENIC_E_PARAMS,
		"calls[0].params.hold_exempt");
	assert_refused(fd, CALLS(VF("a", ",\"xen_domain\":3")), RENIC_E_PARAMS,
		"calls[0].params.xen_domain");
	assert_refused(fd, CALLS(VF("a", ",\"transport\":\"xen\"")), RENIC_E_PARAMS,
		"calls[0].params.xen_domain");
	assert_refused(fd,
		CALLS(VF("a", ",\"transport\":\"xen\",\"xen_domain\":3") "," VF(
			"b", ",\"transport\":\"xen\",\"xen_domain\":3")),
		RENIC_E_EXISTS, "calls[1].params.socket");
	close(fd);
}

static void calls_that_clash_are_refused(void **state)
{
	int fd = fixture_connect(*state);

	assert_refused(fd, CALLS(VF("a", MAC("01")) "," VF("a", MAC("02"))), RENIC_E_EXISTS,
		"calls[1].params.name");
	assert_refused(fd, CALLS(VF("a", MAC("01")) "," VF("b", MAC("01"))), RENIC_E_EXISTS,
		"calls[1].params.mac");
	assert_refused(fd, CALLS(VF("a", ",\"socket\":\"/s\"") "," VF("b", ",\"socket\":\"/s\"")),
		RENIC_E_EXISTS, "calls[1].params.socket");
	assert_refused(fd, CALLS(VF("a", "") "," GROUP("g", "\"a\"", "") "," GROUP("g", "", "")),
		RENIC_E_EXISTS, "calls[2].params.name");
	assert_refused(fd,
		CALLS(VF("a", "") "," GROUP("g", "\"a\"", "") "," GROUP("h", "\"a\"", "")),
		RENIC_E_EXISTS, "calls[2].params.vfs");
	assert_refused(fd, CALLS(VF("a", "") "," GROUP("a", "", "")), RENIC_E_EXISTS,
		"calls[1].params.name");
	assert_refused(fd, CALLS(GROUP("a", "", "") "," VF("a", "")), RENIC_E_EXISTS,
		"calls[1].params.name");
	assert_refused(fd, CALLS(VF("a", "") "," GROUP("g", "\"a\",\"a\"", "")), RENIC_E_PARAMS,
		"calls[1].params.vfs[1]");
	assert_refused(fd, CALLS(GROUP("g", "\"a\"", "") "," VF("a", "")), RENIC_E_NOT_FOUND,
		"calls[0].params.vfs[0]");
	/* A lone VF's group has its name. */
	assert_loaded(fd, CALLS(VF("a", "") "," GROUP("a", "\"a\"", "")), 2, 0);
	close(fd);
}

static void when_the_device_refuses_one_all_is_undone(void **state)
{
	int fd = fixture_connect(*state);

	set_up_something(fd);
	strcpy(fake_nic.refused, "bad");
	assert_refused(fd,
		CALLS(LOG("error", "") "," VF("a", MAC("0a")) "," VF("lone", "") "," GROUP(
			"g", "\"a\"", "") "," VF("bad", MAC("0b")) "," VF("c", MAC("0c"))),
		RENIC_E_IO, "calls[4].params.socket");
	assert_int_equal(fake_nic.n_vfs, 3); /* lone was there, and is */
	assert_int_equal(fake_nic.n_groups, 1);
	assert_string_equal(fake_nic.log_level, "debug");
	assert_refused(
		fd, CALLS(VF("a", "") "," GROUP("bad", "\"a\"", "")), RENIC_E_IO, "calls[1]");
	strcpy(fake_nic.refused, "");
	assert_refused(fd, CALLS(LOG("error", ",\"module\":\"bad\"") "," VF("a", "")),
		RENIC_E_PARAMS, "calls[0].params.module");
	close(fd);
}

static void check_changes_nothing(void **state)
{
	int fd = fixture_connect(*state);
	char *before, *after;
	json_t *result;

	set_up_something(fd);
	before = save(fd);
	result = fixture_call(fd, "config_load",
		"{\"check\":true,\"calls\":[" VF("a", "") "," VF("db", ",\"mtu\":1400") "]}");
	assert_int_equal(number(result, "applied"), 0);
	assert_int_equal(number(result, "skipped"), 1);
	assert_int_equal(number(result, "checked"), 2);
	json_decref(result);
	after = save(fd);
	assert_string_equal(after, before);
	assert_refused(fd, "{\"check\":true,\"calls\":[" VF("db", "") "]}", RENIC_E_EXISTS,
		"calls[0].params.mtu");
	free(before);
	free(after);
	close(fd);
}

static void wrong_parameters_name_the_call(void **state)
{
	int fd = fixture_connect(*state);

	assert_refused(fd, CALLS(VF("a", "") "," VF("b", ",\"mac\":\"x\"")), RENIC_E_PARAMS,
		"calls[1].params.mac");
	assert_refused(
		fd, CALLS(VF("a", ",\"colour\":1")), RENIC_E_PARAMS, "calls[0].params.colour");
	assert_refused(fd, CALLS(CALL("vf_create", "")), RENIC_E_PARAMS, "calls[0].params.name");
	assert_refused(fd, CALLS(GROUP("g", "1", "")), RENIC_E_PARAMS, "calls[0].params.vfs[0]");
	assert_refused(fd, CALLS(LOG("loud", "")), RENIC_E_PARAMS, "calls[0].params.level");
	assert_refused(fd, CALLS(VF("a", "") ",{\"method\":\"vf_create\"}"), RENIC_E_PARAMS,
		"calls[1].params");
	assert_refused(fd, CALLS("{\"method\":\"vf_create\",\"params\":[]}"), RENIC_E_PARAMS,
		"calls[0].params");
	assert_refused(fd, CALLS("{\"params\":{}}"), RENIC_E_PARAMS, "calls[0].method");
	assert_refused(
		fd, CALLS("{\"method\":7,\"params\":{}}"), RENIC_E_PARAMS, "calls[0].method");
	assert_refused(fd, CALLS("{\"method\":\"vf_create\",\"params\":{\"name\":\"a\"},\"id\":1}"),
		RENIC_E_PARAMS, "calls[0]");
	assert_refused(fd, CALLS(VF("a", "") ",7"), RENIC_E_PARAMS, "calls[1]");
	assert_refused(fd, CALLS("null"), RENIC_E_PARAMS, "calls[0]");
	assert_refused(fd, CALLS("[]"), RENIC_E_PARAMS, "calls[0]");
	close(fd);
}

static void only_methods_that_config_save_emits_are_taken(void **state)
{
	static const char *const others[] = {"config_load", "config_save", "vf_delete", "vf_set",
		"protection_start", "version", "group_delete", "nothing", ""};
	int fd = fixture_connect(*state);
	char params[256];

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(params, sizeof(params),
			"{\"calls\":[{\"method\":\"%s\",\"params\":{\"name\":\"a\"}}]}", others[i]);
		assert_refused(fd, params, RENIC_E_PARAMS, "calls[0].method");
	}
	assert_refused(fd,
		CALLS(CALL("config_load", "\"calls\":[" CALL("config_load", "\"calls\":[]") "]")),
		RENIC_E_PARAMS, "calls[0].method");
	close(fd);
}

static void the_list_itself_is_checked(void **state)
{
	int fd = fixture_connect(*state);

	assert_loaded(fd, "{\"calls\":[]}", 0, 0);
	assert_refused(fd, "{}", RENIC_E_PARAMS, "calls");
	assert_refused(fd, "{\"calls\":{}}", RENIC_E_PARAMS, "calls");
	assert_refused(fd, "{\"calls\":7}", RENIC_E_PARAMS, "calls");
	assert_refused(fd, "{\"calls\":[],\"check\":1}", RENIC_E_PARAMS, "check");
	assert_refused(fd, "{\"calls\":[],\"version\":2}", RENIC_E_PARAMS, "version");
	assert_refused(fd, "{\"calls\":[],\"version\":0}", RENIC_E_PARAMS, "version");
	assert_refused(fd, "{\"calls\":[],\"more\":0}", RENIC_E_PARAMS, "more");
	close(fd);
}

/* n calls that differ in their number alone. */
static char *many(unsigned n, const char *format)
{
	size_t size = n * 128 + 64;
	char *text = malloc(size);
	size_t len = (size_t)snprintf(text, size, "{\"calls\":[");

	for (unsigned i = 0; i < n; i++) {
		len += (size_t)snprintf(text + len, size - len, "%s", i ? "," : "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		len += (size_t)snprintf(text + len, size - len, format, i);
#pragma GCC diagnostic pop
	}
	snprintf(text + len, size - len, "]}");
	return text;
}

static void many_calls_are_taken_or_refused_whole(void **state)
{
	const char *vf = "{\"method\":\"vf_create\",\"params\":{\"name\":\"v%u\"}}";
	const char *log = "{\"method\":\"log_set_level\",\"params\":{\"level\":\"info\","
			  "\"module\":\"m%u\"}}";
	int fd = fixture_connect(*state);
	char *calls = many(10000, vf);
	json_t *data = fixture_call_fails(fd, "config_load", calls, RENIC_E_PARSE);

	json_decref(data); /* more values than a message may have */
	free(calls);
	calls = many(CONFIG_CALLS_MAX + 1, vf);
	assert_refused(fd, calls, RENIC_E_PARAMS, "calls");
	free(calls);
	calls = many(3000, "%u");
	assert_refused(fd, calls, RENIC_E_PARAMS, "calls");
	free(calls);
	calls = many(LOG_SETTINGS_MAX + 1, log);
	assert_refused(fd, calls, RENIC_E_RESOURCES, "calls[64].params.module");
	free(calls);
	calls = many(VF_MAX + 1, vf); /* the device has no room for the last */
	assert_refused(fd, calls, RENIC_E_RESOURCES, "calls[256]");
	free(calls);
	calls = many(VF_MAX, vf);
	assert_loaded(fd, calls, VF_MAX, 0);
	assert_loaded(fd, calls, 0, VF_MAX);
	free(calls);
	calls = many(LOG_SETTINGS_MAX, log);
	assert_loaded(fd, calls, LOG_SETTINGS_MAX, 0);
	assert_loaded(fd, calls, LOG_SETTINGS_MAX, 0);
	free(calls);
	assert_refused(fd, CALLS(LOG("info", "")), RENIC_E_RESOURCES, "calls[0].params.module");
	close(fd);
}

/* As many VFs, groups of one and log levels as there can be, with the longest words. */
static void fill_up(int fd)
{
	struct group_config group = {.n_vfs = 1};
	struct vf_config vf;
	char params[96];

	vf_config_defaults(&vf);
	snprintf(vf.hold_exempt, sizeof(vf.hold_exempt), "%-*s", (int)sizeof(vf.hold_exempt) - 1,
		"arp");
	vf.egress_log_bytes = 4 << 20;
	for (unsigned i = 0; i < VF_MAX; i++) {
		snprintf(vf.name, sizeof(vf.name), "a-name-of-some-length-indeed-%02x", i);
		snprintf(vf.socket, sizeof(vf.socket), "/%0*u", (int)sizeof(vf.socket) - 2, i);
		memcpy(vf.mac, (uint8_t[6]){0x52, 0x54, 0, 0, 0, (uint8_t)i}, sizeof(vf.mac));
		assert_int_equal(nic_vf_create(&vf, NULL), 0);
		snprintf(group.name, sizeof(group.name), "g-name-of-some-length-indeed-%02x", i);
		memcpy(group.vfs[0], vf.name, sizeof(vf.name));
		assert_int_equal(nic_group_create(&group, NULL), 0);
	}
	for (unsigned i = 0; i < LOG_SETTINGS_MAX; i++) {
		snprintf(params, sizeof(params), "{\"level\":\"info\",\"module\":\"m%u\"}", i);
		json_decref(fixture_call(fd, "log_set_level", params));
	}
}

static void a_full_daemons_configuration_comes_back(void **state)
{
	int fd = fixture_connect(*state);
	char *saved, *again;

	fill_up(fd);
	saved = save(fd);
	forget(*state, &fd);
	assert_loaded(fd, saved, CONFIG_CALLS_MAX, 0);
	again = save(fd);
	assert_string_equal(again, saved);
	free(saved);
	free(again);
	close(fd);
}

static void only_the_owner_loads_and_everybody_saves(void **state)
{
	int fd;

	fixture_peer_uid = FIXTURE_STRANGER;
	fd = fixture_connect(*state);
	json_decref(fixture_call(fd, "config_save", NULL));
	json_decref(fixture_call_fails(fd, "config_load", "{\"calls\":[]}", RENIC_E_PERMISSION));
	close(fd);
}

/* A group that came with a VF's use, as the device has it; its settings are kept, its use is not.
 */
static void a_lone_vfs_settings_are_saved_as_a_groups(void **state)
{
	int fd = fixture_connect(*state);
	char *saved;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	json_decref(fixture_call(fd, "group_create", "{\"name\":\"a\",\"vfs\":[\"a\"]}"));
	fake_nic.groups[0].lone = true;
	saved = save(fd);
	assert_null(strstr(saved, "group_create"));
	free(saved);
	json_decref(fixture_call(fd, "group_set", "{\"name\":\"a\",\"replicator_timeout_ms\":9}"));
	saved = save(fd);
	assert_non_null(strstr(saved, "group_create"));
	free(saved);
	/* One that is not in use gives way to a group, as the device has it. */
	assert_loaded(fd, CALLS(GROUP("g", "\"a\"", "")), 1, 0);
	close(fd);
}

/* Its group of one gave way to a call that is taken back. */
static void what_a_lone_vf_was_set_to_is_there_again_when_all_is_undone(void **state)
{
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	json_decref(fixture_call(fd, "group_create",
		"{\"name\":\"a\",\"vfs\":[\"a\"],\"replicator_timeout_ms\":9,"
		"\"on_replicator_lost\":\"release\",\"internal\":\"pass\"}"));
	fake_nic.groups[0].lone = true;
	strcpy(fake_nic.refused, "bad");
	assert_refused(fd, CALLS(GROUP("g", "\"a\"", "") "," VF("bad", "")), RENIC_E_IO,
		"calls[1].params.socket");
	assert_int_equal(fake_nic.n_groups, 1);
	assert_true(fake_nic.groups[0].lone);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_comes_back_the_same),
		TEST(what_is_there_already_is_skipped),
		TEST(what_differs_from_what_is_there_is_refused),
		TEST(a_standby_of_an_own_vf_comes_back),
		TEST(a_group_is_of_standbys_or_of_others),
		TEST(a_standbys_own_group_gives_way),
		TEST(what_the_device_would_refuse_is_refused_before),
		TEST(calls_that_clash_are_refused),
		TEST(when_the_device_refuses_one_all_is_undone),
		TEST(check_changes_nothing),
		TEST(wrong_parameters_name_the_call),
		TEST(only_methods_that_config_save_emits_are_taken),
		TEST(the_list_itself_is_checked),
		TEST(many_calls_are_taken_or_refused_whole),
		TEST(a_full_daemons_configuration_comes_back),
		TEST(only_the_owner_loads_and_everybody_saves),
		TEST(a_lone_vfs_settings_are_saved_as_a_groups),
		TEST(what_a_lone_vf_was_set_to_is_there_again_when_all_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
