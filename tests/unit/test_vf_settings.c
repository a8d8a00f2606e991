/* SPDX-License-Identifier: BSD-3-Clause */
/* A VF's settings against each other, and lists of VLANs: renicd/nic/vf_settings.c, vlan.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nic.h"
#include "vf_settings.h"
#include "vlan.h"

static struct vf_config config_of(struct vf_config values, unsigned mask)
{
	struct vf_config config;

	vf_config_defaults(&config);
	vf_settings_overlay(&config, &values, mask);
	return config;
}

static void the_defaults_go_together(void **state)
{
	struct vf_config config = config_of((struct vf_config){0}, 0);

	assert_int_equal(vf_settings_check(&config, NULL), 0);
	assert_true(config.spoofchk);
	assert_false(config.trust);
}

static void lists_of_vlans_are_ids_and_ranges(void **state)
{
	static const struct {
		const char *list;
		uint16_t in, out;
	} rows[] = {
		{"0", 0, 1},
		{"4094", 4094, 4093},
		{"10", 10, 11},
		{"0,10,20-29", 20, 19},
		{"0,10,20-29", 29, 30},
		{"0,10,20-29", 0, 1},
		{"5-5", 5, 6},
		{"63-64", 64, 65},
		{"7,1-3", 1, 0},
		{"0-4094", 4094, 4095},
		{"0007", 7, 8},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vlan_set set;

		assert_true(vlan_set_parse(rows[i].list, &set));
		assert_true(vlan_set_has(&set, rows[i].in));
		assert_true(vlan_set_has(&set, rows[i].in | VLAN_AD));
		assert_false(vlan_set_has(&set, rows[i].out));
	}
}

static void other_lists_are_none(void **state)
{
	static const char *const bad[] = {"4095", "-1", "1-", "-", ",", "1,", ",1", "1,,2", "2-1",
		"1-2-3", "a", "1 2", "1, 2", "99999", "00000", "1;2", "10-4095", "0x10"};
	struct vlan_set set;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (vlan_set_parse(bad[i], &set))
			fail_msg("%s was taken", bad[i]);
	assert_true(vlan_set_parse("", &set));
}

static void a_port_vlan_of_802_1ad_is_another_than_802_1q(void **state)
{
	struct vf_config config = {.vlan = 5};

	assert_int_equal(vlan_of_port(&config), 5);
	config.proto = VLAN_PROTO_8021AD;
	assert_int_equal(vlan_of_port(&config), 5 | VLAN_AD);
	config.vlan = VLAN_ALL;
	assert_int_equal(vlan_of_port(&config), VLAN_NONE);
	config.vlan = 0;
	assert_int_equal(vlan_of_port(&config), VLAN_NONE);
}

/* ---- combinations ---- */

static void what_does_not_go_together_names_the_setting(void **state)
{
	static const struct {
		struct vf_config config;
		const char *field; /* NULL: it does */
	} rows[] = {
		{{.vlan = 5, .qos = 7, .proto = VLAN_PROTO_8021AD}, NULL},
		{{.vlan = 4095}, NULL},
		{{.trust = true, .trunks = "1-3"}, NULL},
		{{.max_tx_rate = 5, .min_tx_rate = 5}, NULL},
		{{.min_tx_rate = 5}, NULL},
		{{.max_tx_rate = 5, .min_tx_rate = 6}, "min_tx_rate"},
		{{.qos = 1}, "qos"},
		{{.vlan = 4095, .qos = 1}, "qos"},
		{{.proto = VLAN_PROTO_8021AD}, "proto"},
		{{.vlan = 4095, .proto = VLAN_PROTO_8021AD}, "proto"},
		{{.trunks = "1"}, "trunks"},
		{{.trust = true, .promisc = true, .allmulti = true}, NULL},
		{{.promisc = true}, "promisc"},
		{{.allmulti = true}, "allmulti"},
		{{.trust = true, .trunks = "1,"}, "trunks"},
		{{.trust = true, .trunks = "1", .vlan = 1}, "trunks"},
		{{.trust = true, .trunks = "1", .vlan = 4095}, "trunks"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nic_error err = {0};
		int rc = vf_settings_check(&rows[i].config, &err);

		if (rc != (rows[i].field ? RENIC_E_PARAMS : 0) ||
			strcmp(err.field, rows[i].field ? rows[i].field : ""))
			fail_msg("row %zu: %d, %s", i, rc, err.message);
		if (rc) {
			assert_string_not_equal(err.expected, "");
			assert_int_equal(vf_settings_check(&rows[i].config, NULL), RENIC_E_PARAMS);
		}
	}
}

static void vlan_0_ends_priority_and_protocol_too(void **state)
{
	struct vf_config config = {.vlan = 5, .qos = 3, .proto = VLAN_PROTO_8021AD}, values = {0};

	values.vlan = 6;
	vf_settings_set(&config, &values, VF_SET_VLAN);
	assert_int_equal(config.qos, 3);
	values.vlan = 0;
	vf_settings_set(&config, &values, VF_SET_VLAN);
	assert_int_equal(config.qos, 0);
	assert_int_equal(config.proto, VLAN_PROTO_8021Q);
	values.qos = 2; /* given, so not ignored: refused */
	vf_settings_set(&config, &values, VF_SET_VLAN | VF_SET_QOS);
	assert_int_equal(vf_settings_check(&config, NULL), RENIC_E_PARAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_go_together),
		cmocka_unit_test(lists_of_vlans_are_ids_and_ranges),
		cmocka_unit_test(other_lists_are_none),
		cmocka_unit_test(a_port_vlan_of_802_1ad_is_another_than_802_1q),
		cmocka_unit_test(what_does_not_go_together_names_the_setting),
		cmocka_unit_test(vlan_0_ends_priority_and_protocol_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
