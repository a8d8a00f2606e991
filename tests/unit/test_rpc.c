/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/control/rpc_*.c: each method asks the device for what docs/protocol.md says and
 * answers with the members that it lists. Over the real socket, against a recording device. */
#include "fakes/control_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "renic_snapshot.h"
#include "schema.h"

/* The object has exactly the members of a blank-separated list. */
static void assert_members(const json_t *object, const char *list)
{
	char *names = strdup(list);
	char *name, *rest = names;
	size_t n = 0;

	while ((name = strsep(&rest, " ")) != NULL) {
		if (!json_object_get(object, name))
			fail_msg("no %s in %s", name, json_dumps(object, 0));
		n++;
	}
	if (json_object_size(object) != n)
		fail_msg("more than %s in %s", list, json_dumps(object, 0));
	free(names);
}

static json_int_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no integer %s in %s", key, json_dumps(object, 0));
	return json_integer_value(value);
}

static void version_tells_daemon_protocol_and_dpdk(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result = fixture_call(fd, "version", NULL);

	assert_members(result, "renicd protocol dpdk pid");
	assert_string_equal(fixture_string(result, "dpdk"), "DPDK 0.0.0");
	assert_int_equal(number(result, "pid"), getpid());
	assert_int_equal(number(result, "protocol"), 1);
	json_decref(result);
	close(fd);
}

static void method_list_has_every_method_with_its_parameters(void **state)
{
	static const char *const names[] = {"version", "rpc_get_methods", "log_set_level",
		"config_save", "config_load", "uplink_get", "vf_create", "vf_delete", "vf_set",
		"vf_get", "vf_list", "vf_stats", "vf_reset", "group_create", "group_delete",
		"group_set", "group_get", "group_list", "protection_start", "protection_stop",
		"checkpoint_prepare", "checkpoint_begin", "checkpoint_resume", "checkpoint_abort",
		"checkpoint_commit", "standby_start", "standby_stop", "standby_restore",
		"egress_load", "activate", "vf_announce", "ingress_take", "ingress_give",
		"egress_log_get", "snapshot_get", "capture_start", "capture_stop", "capture_list",
		"events_subscribe", "events_unsubscribe"};
	int fd = fixture_connect(*state);
	json_t *result = fixture_call(fd, "rpc_get_methods", NULL);
	json_t *method, *param;
	size_t i, j, k;

	assert_int_equal(json_array_size(result), sizeof(names) / sizeof(names[0]));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool found = false;

		json_array_foreach (result, j, method)
			found = found || strcmp(fixture_string(method, "name"), names[i]) == 0;
		if (!found)
			fail_msg("%s is not listed", names[i]);
	}
	json_array_foreach (result, j, method) {
		assert_members(method, "name help read params");
		json_array_foreach (json_object_get(method, "params"), k, param) {
			assert_true(strlen(fixture_string(param, "name")) > 0);
			assert_true(strlen(fixture_string(param, "type")) > 0);
			assert_true(strlen(fixture_string(param, "help")) > 0);
			assert_true(json_is_boolean(json_object_get(param, "required")));
		}
	}
	json_decref(result);
	close(fd);
}

static void log_level_is_set_for_the_daemon_or_a_module(void **state)
{
	int fd = fixture_connect(*state);
	json_t *data;

	json_decref(fixture_call(fd, "log_set_level", "{\"level\":\"debug\"}"));
	assert_string_equal(fake_nic.log_level, "debug");
	assert_string_equal(fake_nic.log_module, "");
	json_decref(fixture_call(
		fd, "log_set_level", "{\"level\":\"error\",\"module\":\"lib.vhost.*\"}"));
	assert_string_equal(fake_nic.log_level, "error");
	assert_string_equal(fake_nic.log_module, "lib.vhost.*");
	data = fixture_call_fails(fd, "log_set_level", "{\"level\":\"loud\"}", RENIC_E_PARAMS);
	assert_string_equal(
		fixture_string(data, "expected"), "one of debug info notice warning error");
	json_decref(data);
	data = fixture_call_fails(
		fd, "log_set_level", "{\"level\":\"debug\",\"module\":\"none\"}", RENIC_E_PARAMS);
	assert_string_equal(fixture_string(data, "field"), "module");
	json_decref(data);
	assert_string_equal(fake_nic.log_module, "lib.vhost.*"); /* nothing was set */
	close(fd);
}

static void uplink_is_shown_with_all_members(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;

	fake_nic.uplink = (struct uplink_info){.present = true,
		.devargs = "net_tap0,iface=\"x\"",
		.driver = "net_tap",
		.mac = {2, 0, 0, 0, 0, 1},
		.up = true,
		.offloads = UPLINK_TCP_CHECKSUM | UPLINK_TCP_SEGMENTS,
		.tx_pkts = 9,
		.drops = {[DROP_RUNT] = 4}};
	result = fixture_call(fd, "uplink_get", NULL);
	assert_members(result,
		"present devargs driver port_id mac link speed_mbps mtu rx_queues "
		"tx_queues offloads rx_pkts rx_bytes tx_pkts tx_bytes refused drops");
	assert_string_equal(fixture_string(result, "devargs"), "net_tap0,iface=\"x\"");
	assert_string_equal(fixture_string(result, "mac"), "02:00:00:00:00:01");
	assert_string_equal(fixture_string(result, "link"), "up");
	assert_int_equal(number(result, "tx_pkts"), 9);
	assert_int_equal(json_array_size(json_object_get(result, "offloads")), 2);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(result, "offloads"), 1)),
		"tcp_segments");
	assert_int_equal(number(json_object_get(result, "drops"), "runt"), 4);
	assert_int_equal(json_object_size(json_object_get(result, "drops")), DROP_REASONS);
	json_decref(result);
	close(fd);
}

static void vf_is_created_from_all_its_parameters(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result = fixture_call(fd, "vf_create",
		"{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"vlan\":7,\"qos\":3,"
		"\"proto\":\"802.1ad\",\"trust\":true,\"queues\":2,"
		"\"role\":\"server\",\"packed\":false,\"spoofchk\":false,\"mtu\":1500,"
		"\"ingress_hold_pkts\":0,\"egress_log_bytes\":4194304,\"socket\":\"/tmp/a.sock\","
		"\"hold_exempt\":\"arp or \\\"x\\\"\"}");
	const struct vf_config *config = &fake_nic.vfs[0].config;
	const json_t *ring;

	assert_members(result,
		"name id mac vlan qos proto trust trunks promisc allmulti own_macs queues "
		"transport socket_role socket packed offloads spoofchk "
		"state max_tx_rate min_tx_rate "
		"mtu "
		"ingress_hold_pkts egress_log_bytes hold_exempt group frontend frontend_errors "
		"features feature_names role suspended term epoch restored held_pkts held_bytes "
		"held_age_us "
		"ingress_held_pkts "
		"rings");
	assert_string_equal(fixture_string(result, "socket_role"), "server");
	assert_string_equal(fixture_string(result, "role"), "unprotected");
	assert_string_equal(fixture_string(result, "frontend"), "none");
	assert_string_equal(fixture_string(result, "features"), "0x0");
	assert_string_equal(fixture_string(result, "hold_exempt"), "arp or \"x\"");
	assert_true(json_is_null(json_object_get(result, "group")));
	assert_int_equal(json_array_size(json_object_get(result, "rings")), 2);
	ring = json_array_get(json_object_get(result, "rings"), 1);
	assert_members(ring, "queue enabled lcore rx_size rx_avail_idx rx_used_idx tx_size "
			     "tx_avail_idx tx_used_idx held_pkts held_bytes log ingress_held_pkts");
	assert_members(json_object_get(ring, "log"), "released committed sealed tail");
	assert_int_equal(number(ring, "queue"), 1);
	assert_int_equal(config->vlan, 7);
	assert_int_equal(config->qos, 3);
	assert_int_equal(config->proto, VLAN_PROTO_8021AD);
	assert_true(config->trust);
	assert_true(config->server);
	assert_false(config->packed);
	assert_false(config->spoofchk);
	assert_int_equal(config->mtu, 1500);
	assert_int_equal(config->ingress_hold_pkts, 0);
	assert_int_equal(config->egress_log_bytes, 4194304);
	assert_string_equal(config->socket, "/tmp/a.sock");
	json_decref(result);
	close(fd);
}

static void vf_that_only_has_a_name_gets_defaults(void **state)
{
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	assert_int_equal(fake_nic.vfs[0].config.queues, 1);
	assert_true(fake_nic.vfs[0].config.packed);
	assert_int_equal(fake_nic.vfs[0].config.mtu, 9000);
	close(fd);
}

static void device_error_reaches_the_client_unchanged(void **state)
{
	int fd = fixture_connect(*state);
	json_t *data;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	data = fixture_call_fails(fd, "vf_create", "{\"name\":\"a\"}", RENIC_E_EXISTS);
	assert_string_equal(fixture_string(data, "field"), "name");
	json_decref(data);
	data = fixture_call_fails(fd, "vf_get", "{\"name\":\"b\"}", RENIC_E_NOT_FOUND);
	json_decref(data);
	json_decref(fixture_call(fd, "group_create", "{\"name\":\"g\",\"vfs\":[\"a\"]}"));
	data = fixture_call_fails(fd, "checkpoint_begin", "{\"group\":\"g\"}", RENIC_E_STATE);
	assert_string_equal(fixture_string(data, "state"), "unprotected");
	json_decref(data);
	close(fd);
}

static void vf_set_passes_exactly_what_was_given(void **state)
{
	static const struct {
		const char *member;
		unsigned bit;
	} rows[] = {
		{"\"mac\":\"52:54:00:00:00:09\"", VF_SET_MAC},
		{"\"vlan\":0", VF_SET_VLAN},
		{"\"qos\":7", VF_SET_QOS},
		{"\"proto\":\"802.1ad\"", VF_SET_PROTO},
		{"\"trust\":true", VF_SET_TRUST},
		{"\"trunks\":\"1-5\"", VF_SET_TRUNKS},
		{"\"promisc\":true", VF_SET_PROMISC},
		{"\"allmulti\":true", VF_SET_ALLMULTI},
		{"\"spoofchk\":false", VF_SET_SPOOFCHK},
		{"\"state\":\"auto\"", VF_SET_STATE},
		{"\"max_tx_rate\":1000000", VF_SET_MAX_TX_RATE},
		{"\"min_tx_rate\":1", VF_SET_MIN_TX_RATE},
		{"\"mtu\":100", VF_SET_MTU},
		{"\"ingress_hold_pkts\":1", VF_SET_INGRESS_HOLD},
		{"\"hold_exempt\":\"\"", VF_SET_HOLD_EXEMPT},
		{"\"mtu\":1400,\"vlan\":4", VF_SET_MTU | VF_SET_VLAN},
	};
	int fd = fixture_connect(*state);
	json_t *data;
	size_t i;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char params[128];

		snprintf(params, sizeof(params), "{\"name\":\"a\",%s}", rows[i].member);
		json_decref(fixture_call(fd, "vf_set", params));
		assert_int_equal(fake_nic.last_mask, rows[i].bit);
	}
	assert_int_equal(fake_nic.vfs[0].config.mtu, 1400);
	json_decref(fixture_call_fails(fd, "vf_set", "{\"name\":\"a\"}", RENIC_E_PARAMS));
	data = fixture_call_fails(fd, "vf_set", "{\"name\":\"a\",\"queues\":2}", RENIC_E_PARAMS);
	assert_string_equal(fixture_string(data, "field"), "queues");
	json_decref(data);
	close(fd);
}

static void vfs_are_listed_reset_and_deleted(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"b\"}"));
	result = fixture_call(fd, "vf_list", NULL);
	assert_int_equal(json_array_size(result), 2);
	assert_string_equal(fixture_string(json_array_get(result, 1), "name"), "b");
	json_decref(result);
	fake_nic.vfs[0].counters.tx_pkts = 5;
	json_decref(fixture_call(fd, "vf_reset", "{\"name\":\"a\"}"));
	assert_int_equal(fake_nic.vfs[0].counters.tx_pkts, 0);
	result = fixture_call(fd, "vf_delete", "{\"name\":\"a\",\"force\":true}");
	assert_true(json_is_true(result));
	assert_true(fake_nic.last_flag);
	assert_int_equal(fake_nic.n_vfs, 1);
	json_decref(result);
	close(fd);
}

static void stats_have_every_counter_and_drop_reason(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;
	int i;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	fake_nic.vfs[0].counters = (struct vf_counters){1, 2, 3, 4, 5, 6, 7, 8, {0}};
	for (i = 0; i < DROP_REASONS; i++)
		fake_nic.vfs[0].counters.drops[i] = 100 + (uint64_t)i;
	result = fixture_call(fd, "vf_stats", "{\"name\":\"a\"}");
	assert_members(result, "name tx_pkts tx_bytes rx_pkts rx_bytes released_pkts exempt_pkts "
			       "backpressure stuck_rings drops queues");
	assert_int_equal(number(result, "tx_pkts"), 1);
	assert_int_equal(number(result, "backpressure"), 7);
	assert_int_equal(number(result, "stuck_rings"), 8);
	for (i = 0; i < DROP_REASONS; i++)
		assert_int_equal(
			number(json_object_get(result, "drops"), drop_descs[i].name), 100 + i);
	json_decref(result);
	close(fd);
}

static void a_capture_is_started_listed_and_stopped(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	result = fixture_call(fd, "capture_start",
		"{\"name\":\"a\",\"file\":\"f\",\"direction\":\"ingress\",\"hold\":\"after\","
		"\"filter\":\"arp\",\"snaplen\":100,\"max_bytes\":4096}");
	assert_members(result, "name path state direction hold filter snaplen max_bytes pkts bytes "
			       "dropped");
	assert_string_equal(fixture_string(result, "path"), "/run/x/f");
	assert_string_equal(fixture_string(result, "direction"), "ingress");
	assert_string_equal(fixture_string(result, "hold"), "after");
	json_decref(result);
	result = fixture_call(fd, "capture_list", NULL);
	assert_int_equal(json_array_size(result), 1);
	json_decref(result);
	json_decref(fixture_call(fd, "capture_stop", "{\"name\":\"a\"}"));
	json_decref(fixture_call_fails(fd, "capture_stop", "{\"name\":\"a\"}", RENIC_E_NOT_FOUND));
	result = fixture_call(fd, "capture_start", "{\"name\":\"a\"}"); /* nothing of the first */
	assert_string_equal(fixture_string(result, "filter"), "");
	assert_string_equal(fixture_string(result, "direction"), "both");
	assert_int_equal(number(result, "max_bytes"), 64 << 20);
	json_decref(result);
	json_decref(fixture_call_fails(
		fd, "capture_start", "{\"name\":\"a\",\"file\":\"/x\"}", RENIC_E_PARAMS));
	close(fd);
}

static void groups_are_created_changed_and_deleted(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result, *data;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	result = fixture_call(fd, "group_create",
		"{\"name\":\"g\",\"vfs\":[\"a\"],\"internal\":\"pass\","
		"\"replicator_timeout_ms\":50,\"on_replicator_lost\":\"release\"}");
	assert_members(result,
		"name vfs internal replicator_timeout_ms on_replicator_lost lone "
		"state term epoch committed_epoch sealed_epochs replicator held_pkts held_bytes "
		"held_age_us held_time");
	assert_string_equal(fixture_string(result, "internal"), "pass");
	assert_string_equal(fixture_string(result, "on_replicator_lost"), "release");
	assert_int_equal(number(result, "replicator_timeout_ms"), 50);
	assert_int_equal(json_array_size(json_object_get(result, "vfs")), 1);
	json_decref(result);
	result = fixture_call(fd, "group_set", "{\"name\":\"g\",\"internal\":\"hold\"}");
	assert_int_equal(fake_nic.last_mask, GROUP_SET_INTERNAL);
	assert_string_equal(fixture_string(result, "internal"), "hold");
	json_decref(result);
	json_decref(fixture_call_fails(fd, "group_set", "{\"name\":\"g\"}", RENIC_E_PARAMS));
	result = fixture_call(fd, "group_list", NULL);
	assert_int_equal(json_array_size(result), 1);
	json_decref(result);
	data = fixture_call_fails(
		fd, "group_create", "{\"name\":\"h\",\"vfs\":[\"a\",\"?\"]}", RENIC_E_PARAMS);
	assert_string_equal(fixture_string(data, "field"), "vfs[1]");
	json_decref(data);
	result = fixture_call(fd, "group_delete", "{\"name\":\"g\"}");
	assert_true(json_is_true(result));
	json_decref(result);
	assert_int_equal(fake_nic.n_groups, 0);
	close(fd);
}

static void begin_answers_epoch_and_each_vf_in_short(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;
	const json_t *vf;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\",\"queues\":2}"));
	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"b\"}"));
	json_decref(fixture_call(fd, "group_create", "{\"name\":\"g\",\"vfs\":[\"b\",\"a\"]}"));
	json_decref(fixture_call(fd, "protection_start", "{\"group\":\"g\"}"));
	fake_nic.vfs[0].queues[1].tx_avail_idx = 65535;
	result = fixture_call(fd, "checkpoint_begin", "{\"group\":\"g\"}");
	assert_members(result, "group term epoch held_pkts held_bytes duration_us vfs");
	assert_int_equal(number(result, "epoch"), 1);
	assert_int_equal(number(result, "held_bytes"), 1100);
	assert_int_equal(json_array_size(json_object_get(result, "vfs")), 2);
	vf = json_array_get(json_object_get(result, "vfs"), 1);
	assert_members(vf, "name held_pkts held_bytes rings snapshot dirty");
	assert_int_equal(number(json_object_get(vf, "snapshot"), "offset"), 65536);
	assert_int_equal(number(json_object_get(vf, "snapshot"), "bytes"), 701);
	assert_string_equal(fixture_string(vf, "name"), "a");
	vf = json_array_get(json_object_get(vf, "rings"), 1);
	assert_members(vf, "queue rx_avail_idx rx_used_idx tx_avail_idx tx_used_idx");
	assert_int_equal(number(vf, "tx_avail_idx"), 65535);
	json_decref(result);
	close(fd);
}

static void checkpoint_goes_by_its_calls(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	json_decref(fixture_call(fd, "group_create", "{\"name\":\"g\",\"vfs\":[\"a\"]}"));
	result = fixture_call(fd, "protection_start", "{\"group\":\"g\"}");
	assert_string_equal(fixture_string(result, "state"), "protected");
	json_decref(result);
	result = fixture_call(fd, "checkpoint_prepare", "{\"group\":\"g\"}");
	assert_members(result, "group term epoch held_pkts held_bytes");
	json_decref(result);
	json_decref(fixture_call(fd, "checkpoint_begin", "{\"group\":\"g\"}"));
	result = fixture_call(fd, "checkpoint_resume", "{\"group\":\"g\"}");
	assert_true(json_is_true(result));
	json_decref(result);
	result = fixture_call(fd, "checkpoint_commit", "{\"group\":\"g\",\"epoch\":1}");
	assert_members(result, "group committed_epoch");
	assert_int_equal(number(result, "committed_epoch"), 1);
	json_decref(result);
	json_decref(fixture_call_fails(
		fd, "checkpoint_commit", "{\"group\":\"g\",\"epoch\":0}", RENIC_E_PARAMS));
	json_decref(fixture_call(fd, "checkpoint_begin", "{\"group\":\"g\"}"));
	json_decref(fixture_call(fd, "checkpoint_abort", "{\"group\":\"g\"}"));
	result = fixture_call(fd, "protection_stop", "{\"group\":\"g\",\"held\":\"discard\"}");
	assert_true(fake_nic.last_flag);
	assert_string_equal(fixture_string(result, "state"), "unprotected");
	json_decref(result);
	json_decref(fixture_call(fd, "protection_start", "{\"group\":\"g\"}"));
	json_decref(fixture_call(fd, "protection_stop", "{\"group\":\"g\"}"));
	assert_false(fake_nic.last_flag); /* released by default */
	close(fd);
}

static void only_begin_knows_the_area_and_two_words_for_it(void **state)
{
	static const char *const refused[][2] = {
		{"checkpoint_begin", "{\"group\":\"g\",\"area\":\"map\"}"},
		{"checkpoint_begin", "{\"group\":\"g\",\"area\":true}"},
		{"checkpoint_prepare", "{\"group\":\"g\",\"area\":\"keep\"}"},
	};
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "group_create", "{\"name\":\"g\"}"));
	json_decref(fixture_call(fd, "protection_start", "{\"group\":\"g\"}"));
	for (unsigned i = 0; i < 3; i++) {
		json_t *data = fixture_call_fails(fd, refused[i][0], refused[i][1], RENIC_E_PARAMS);

		assert_string_equal(fixture_string(data, "field"), "area");
		json_decref(data);
	}
	json_decref(fixture_call(fd, "checkpoint_begin", "{\"group\":\"g\",\"area\":\"keep\"}"));
	json_decref(fixture_call(fd, "checkpoint_resume", "{\"group\":\"g\"}"));
	json_decref(fixture_call(fd, "checkpoint_begin", "{\"group\":\"g\",\"area\":\"send\"}"));
	close(fd);
}

static void device_is_told_the_term_that_a_command_carries(void **state)
{
	static const char *const methods[] = {"protection_start", "checkpoint_prepare",
		"checkpoint_begin", "checkpoint_resume", "checkpoint_begin", "checkpoint_abort",
		"protection_stop"};
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "group_create", "{\"name\":\"g\"}"));
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char params[64];

		snprintf(params, sizeof(params), "{\"group\":\"g\",\"term\":%u}", i + 1);
		json_decref(fixture_call(fd, methods[i], params));
		assert_int_equal(fake_nic.last_term, i + 1);
	}
	json_decref(fixture_call_fails(fd, "checkpoint_commit",
		"{\"group\":\"g\",\"epoch\":99,\"term\":9223372036854775807}", RENIC_E_PARAMS));
	assert_true(fake_nic.last_term == INT64_MAX);
	json_decref(fixture_call_fails(
		fd, "protection_start", "{\"group\":\"g\",\"term\":0}", RENIC_E_PARAMS));
	close(fd);
}

static void standby_group(int fd)
{
	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	json_decref(fixture_call(fd, "group_create", "{\"name\":\"g\",\"vfs\":[\"a\"]}"));
}

static void a_standby_goes_by_its_calls(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;

	standby_group(fd);
	result = fixture_call(fd, "standby_start", "{\"group\":\"g\",\"term\":3}");
	assert_string_equal(fixture_string(result, "state"), "standby");
	assert_int_equal(fake_nic.last_term, 3);
	json_decref(result);
	json_decref(fixture_call_fails(fd, "protection_start", "{\"group\":\"g\"}", RENIC_E_STATE));
	json_decref(fixture_call(fd, "standby_stop", "{\"group\":\"g\"}"));
	json_decref(fixture_call(fd, "standby_start", "{\"group\":\"g\"}"));
	result = fixture_call(fd, "activate", "{\"group\":\"g\",\"term\":7}");
	assert_string_equal(fixture_string(result, "state"), "unprotected");
	assert_int_equal(fake_nic.last_term, 7);
	json_decref(result);
	json_decref(fixture_call_fails(fd, "activate", "{\"group\":\"g\"}", RENIC_E_STATE));
	json_decref(fixture_call(fd, "vf_announce", "{\"name\":\"a\"}"));
	assert_int_equal(fake_nic.rounds, 5);
	json_decref(fixture_call(fd, "vf_announce", "{\"name\":\"a\",\"rounds\":9}"));
	assert_int_equal(fake_nic.rounds, 9);
	json_decref(fixture_call_fails(
		fd, "vf_announce", "{\"name\":\"a\",\"rounds\":101}", RENIC_E_PARAMS));
	close(fd);
}

static void frames_for_a_guest_that_moves_are_base64(void **state)
{
	int fd = fixture_connect(*state);
	json_t *result;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	result = fixture_call(fd, "ingress_give", "{\"name\":\"a\",\"frames\":\"AgBhYg==\"}");
	assert_int_equal(json_integer_value(json_object_get(result, "pkts")), 1);
	json_decref(result);
	assert_int_equal(fake_nic.ingress_bytes, 4);
	assert_memory_equal(fake_nic.ingress, "\2\0ab", 4);
	result = fixture_call(fd, "ingress_take", "{\"name\":\"a\"}");
	assert_string_equal(fixture_string(result, "frames"), "AgBhYg==");
	assert_int_equal(json_integer_value(json_object_get(result, "pkts")), 1);
	json_decref(result);
	result = fixture_call(fd, "ingress_take", "{\"name\":\"a\"}");
	assert_string_equal(fixture_string(result, "frames"), "");
	json_decref(result);
	json_decref(fixture_call_fails(
		fd, "ingress_give", "{\"name\":\"a\",\"frames\":\"AgB\"}", RENIC_E_PARAMS));
	json_decref(fixture_call_fails(
		fd, "ingress_give", "{\"name\":\"b\",\"frames\":\"AgBh\"}", RENIC_E_NOT_FOUND));
	close(fd);
}

/* A standby_restore of VF "a" by the given base64 text. */
static char *restore_of(const char *snapshot)
{
	static char params[2 * RENIC_SNAPSHOT_MAX_BYTES];

	snprintf(params, sizeof(params),
		"{\"group\":\"g\",\"snapshots\":[{\"name\":\"a\",\"snapshot\":\"%s\"}]}", snapshot);
	return params;
}

static void a_snapshot_reaches_the_device_decoded(void **state)
{
	struct renic_snapshot s = {.name = "prim",
		.mac = {2, 0, 0, 0, 0, 1},
		.mtu = 1500,
		.term = 4,
		.epoch = 9,
		.n_queues = 1,
		.tx_pkts = 77};
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	char text[RENIC_BASE64_SIZE(sizeof(bytes))];
	size_t n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
	int fd = fixture_connect(*state);

	assert_true(n > 0);
	standby_group(fd);
	json_decref(fixture_call(fd, "standby_start", "{\"group\":\"g\"}"));
	renic_base64_encode(bytes, n, text, sizeof(text));
	json_decref(fixture_call(fd, "standby_restore", restore_of(text)));
	assert_int_equal(fake_nic.n_restored, 1);
	assert_string_equal(fake_nic.restored_vf, "a");
	assert_string_equal(fake_nic.restored.name, "prim");
	assert_int_equal(fake_nic.restored.epoch, 9);
	assert_int_equal(fake_nic.restored.tx_pkts, 77);
	close(fd);
}

static void a_snapshot_that_is_none_is_refused_by_its_place(void **state)
{
	static const char *const texts[] = {"", "?", "AAAA", "UkVOSUNTTlA="};
	int fd = fixture_connect(*state);

	standby_group(fd);
	json_decref(fixture_call(fd, "standby_start", "{\"group\":\"g\"}"));
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *data = fixture_call_fails(
			fd, "standby_restore", restore_of(texts[i]), RENIC_E_PARAMS);

		if (strncmp(fixture_string(data, "field"), "snapshots[0].snapshot", 21))
			fail_msg("field: %s", fixture_string(data, "field"));
		json_decref(data);
	}
	assert_int_equal(fake_nic.n_restored, 0);
	json_decref(fixture_call_fails(
		fd, "standby_restore", "{\"group\":\"g\",\"snapshots\":[]}", RENIC_E_PARAMS));
	close(fd);
}

static void device_is_told_which_connection_asks(void **state)
{
	int first = fixture_connect(*state), second = fixture_connect(*state);
	uint64_t token;

	json_decref(fixture_call(first, "group_create", "{\"name\":\"g\"}"));
	json_decref(fixture_call(first, "protection_start", "{\"group\":\"g\"}"));
	token = fake_nic.last_client;
	assert_true(token != 0);
	json_decref(fixture_call(second, "checkpoint_begin", "{\"group\":\"g\"}"));
	assert_true(fake_nic.last_client != 0);
	assert_true(fake_nic.last_client != token);
	json_decref(fixture_call(first, "checkpoint_resume", "{\"group\":\"g\"}"));
	assert_true(fake_nic.last_client == token);
	close(first);
	fixture_wait(&fake_nic.gone_calls, 1);
	assert_true(fake_nic.last_gone == token);
	close(second);
}

static void egress_log_comes_with_its_descriptor(void **state)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"egress_log_get\","
				      "\"params\":{\"name\":\"a\"}}\n";
	union {
		char buf[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	char text[4096], content[8] = "";
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fd = fixture_connect(*state);
	struct cmsghdr *cmsg;
	json_t *root, *extents;
	ssize_t n;
	int log;

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	fixture_send(fd, request, strlen(request));
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	assert_true(n > 0);
	cmsg = CMSG_FIRSTHDR(&msg);
	assert_non_null(cmsg);
	assert_int_equal(cmsg->cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&log, CMSG_DATA(cmsg), sizeof(log));
	assert_int_equal(pread(log, content, sizeof(content), 0), 1);
	assert_string_equal(content, "a");
	close(log);
	root = json_loadb(text, (size_t)n, 0, NULL);
	extents = json_object_get(json_object_get(root, "result"), "extents");
	assert_int_equal(json_array_size(extents), 2);
	assert_members(json_array_get(extents, 0), "queue log_offset file_offset bytes");
	assert_int_equal(number(json_array_get(extents, 0), "file_offset"), 2097152);
	json_decref(root);
	close(fd);
}

static void snapshot_comes_as_base64(void **state)
{
	int fd = fixture_connect(*state);
	struct renic_snapshot snapshot;
	struct renic_snapshot_error err;
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	json_t *result;
	size_t n;

	json_decref(fixture_call(fd, "vf_create",
		"{\"name\":\"a\",\"mac\":\"52:54:00:00:00:07\",\"vlan\":9,\"queues\":3}"));
	result = fixture_call(fd, "snapshot_get", "{\"name\":\"a\"}");
	assert_members(result, "name snapshot");
	assert_string_equal(fixture_string(result, "name"), "a");
	assert_int_equal(
		renic_base64_decode(fixture_string(result, "snapshot"), bytes, sizeof(bytes), &n),
		0);
	if (renic_snapshot_decode(bytes, n, &snapshot, &err))
		fail_msg("%s", err.message);
	assert_string_equal(snapshot.name, "a");
	assert_int_equal(snapshot.vlan, 9);
	assert_int_equal(snapshot.n_queues, 3);
	json_decref(result);
	json_decref(
		fixture_call_fails(fd, "snapshot_get", "{\"name\":\"nobody\"}", RENIC_E_NOT_FOUND));
	json_decref(fixture_call_fails(fd, "snapshot_get", NULL, RENIC_E_PARAMS));
	close(fd);
}

/* The real device always gives a VF a MAC; a snapshot without one is an error, not an answer. */
static void snapshot_that_cannot_be_made_is_said(void **state)
{
	int fd = fixture_connect(*state);

	json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\"}"));
	memset(fake_nic.vfs[0].config.mac, 0, 6);
	json_decref(fixture_call_fails(fd, "snapshot_get", "{\"name\":\"a\"}", RENIC_E_INTERNAL));
	json_decref(fixture_call(fd, "version", NULL));
	close(fd);
}

static void subscriber_gets_the_types_it_asked_for(void **state)
{
	int all = fixture_connect(*state), some = fixture_connect(*state);
	int none = fixture_connect(*state);
	json_t *message, *event;

	json_decref(fixture_call(all, "events_subscribe", NULL));
	json_decref(fixture_call(some, "events_subscribe", "{\"types\":[\"uplink_down\"]}"));
	fake_nic_post(EVENT_FRONTEND_RUNNING, "a", "2 queues");
	fake_nic_post(EVENT_UPLINK_DOWN, "", "carrier");
	message = fixture_read(some);
	assert_string_equal(fixture_string(message, "method"), "event");
	event = json_object_get(message, "params");
	assert_members(event, "type name detail time_us");
	assert_string_equal(fixture_string(event, "type"), "uplink_down");
	assert_string_equal(fixture_string(event, "detail"), "carrier");
	json_decref(message);
	json_decref(fixture_read(all));
	json_decref(fixture_read(all));
	/* The one that asked for none gets its answer next, not an event. */
	json_decref(fixture_call(none, "version", NULL));
	json_decref(fixture_call(all, "events_unsubscribe", NULL));
	fake_nic_post(EVENT_UPLINK_UP, "", "");
	fixture_wait(&fake_nic.ticks, fake_nic.ticks + 2);
	json_decref(fixture_call(all, "version", NULL));
	close(all);
	close(some);
	close(none);
}

static void unknown_event_types_are_refused(void **state)
{
	int fd = fixture_connect(*state);
	json_t *data = fixture_call_fails(
		fd, "events_subscribe", "{\"types\":[\"uplink_up\",\"nope\"]}", RENIC_E_PARAMS);

	assert_string_equal(fixture_string(data, "field"), "types[1]");
	json_decref(data);
	json_decref(fixture_call_fails(fd, "events_subscribe", "{\"types\":[]}", RENIC_E_PARAMS));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version_tells_daemon_protocol_and_dpdk),
		TEST(method_list_has_every_method_with_its_parameters),
		TEST(log_level_is_set_for_the_daemon_or_a_module),
		TEST(uplink_is_shown_with_all_members),
		TEST(vf_is_created_from_all_its_parameters),
		TEST(vf_that_only_has_a_name_gets_defaults),
		TEST(device_error_reaches_the_client_unchanged),
		TEST(vf_set_passes_exactly_what_was_given),
		TEST(vfs_are_listed_reset_and_deleted),
		TEST(stats_have_every_counter_and_drop_reason),
		TEST(a_capture_is_started_listed_and_stopped),
		TEST(groups_are_created_changed_and_deleted),
		TEST(begin_answers_epoch_and_each_vf_in_short),
		TEST(checkpoint_goes_by_its_calls),
		TEST(only_begin_knows_the_area_and_two_words_for_it),
		TEST(device_is_told_the_term_that_a_command_carries),
		TEST(a_standby_goes_by_its_calls),
		TEST(frames_for_a_guest_that_moves_are_base64),
		TEST(a_snapshot_reaches_the_device_decoded),
		TEST(a_snapshot_that_is_none_is_refused_by_its_place),
		TEST(device_is_told_which_connection_asks),
		TEST(egress_log_comes_with_its_descriptor),
		TEST(snapshot_comes_as_base64),
		TEST(snapshot_that_cannot_be_made_is_said),
		TEST(subscriber_gets_the_types_it_asked_for),
		TEST(unknown_event_types_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
