/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/nic/snapshot.c: what the device says becomes a snapshot that can be encoded,
 * whatever a front-end did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_nic.h"
#include "nic/snapshot.h"

static void fill_info(struct vf_info *info)
{
	memset(info, 0, sizeof(*info));
	vf_config_defaults(&info->config);
	strcpy(info->config.name, "web");
	strcpy(info->group, "shop");
	memcpy(info->config.mac, (uint8_t[]){2, 0, 0, 0, 0, 9}, 6);
	strcpy(info->config.hold_exempt, "arp");
	info->config.vlan = 7;
	info->frontend = FRONTEND_RUNNING;
	info->role = "protected";
	info->epoch = 5;
	info->n_queues = 2;
	info->queues[1] = (struct vf_queue_info){.enabled = true, .rx_size = 256, .tx_size = 512};
	info->counters.tx_pkts = 11;
	info->counters.drops[DROP_DISCARDED] = 4;
}

static void settings_role_and_counters_are_taken(void **state)
{
	struct renic_snapshot s;
	struct vf_info info;

	fill_info(&info);
	nic_snapshot_fill(&info, 42, &s);
	assert_string_equal(s.name, "web");
	assert_string_equal(s.group, "shop");
	assert_memory_equal(s.mac, info.config.mac, 6);
	assert_string_equal(s.hold_exempt, "arp");
	assert_int_equal(s.vlan, 7);
	assert_int_equal(s.mtu, 9000);
	assert_true(s.spoofchk && s.packed);
	assert_int_equal(s.ingress_hold_pkts, 4096);
	assert_int_equal(s.role, RENIC_ROLE_PROTECTED);
	assert_int_equal(s.term, 42);
	assert_int_equal(s.epoch, 4); /* 5 is open */
	assert_int_equal(s.tx_pkts, 11);
	assert_int_equal(s.n_drops, DROP_REASONS);
	assert_int_equal(s.drops[DROP_DISCARDED], 4);
	assert_int_equal(renic_snapshot_check(&s, NULL), 0);
}

static void roles_have_their_names(void **state)
{
	static const char *const names[] = {"unprotected", "protected", "standby"};
	struct renic_snapshot s;
	struct vf_info info;

	fill_info(&info);
	for (int role = 0; role < RENIC_ROLES; role++) {
		info.role = names[role];
		nic_snapshot_fill(&info, 1, &s);
		assert_int_equal(s.role, role);
	}
}

static void split_indices_are_16_bits(void **state)
{
	struct renic_snapshot s;
	struct vf_info info;

	fill_info(&info);
	info.queues[1].rx_avail_idx = 0xffff;
	info.queues[1].tx_used_idx = 0x8001;
	nic_snapshot_fill(&info, 1, &s);
	assert_true(s.queues[1].enabled);
	assert_int_equal(s.queues[1].rx.avail_idx, 0xffff);
	assert_int_equal(s.queues[1].tx.used_idx, 0x8001);
	assert_false(s.queues[1].rx.avail_wrap || s.queues[1].tx.used_wrap);
	assert_int_equal(renic_snapshot_check(&s, NULL), 0);
}

static void packed_indices_carry_the_wrap_counter_in_bit_15(void **state)
{
	struct renic_snapshot s;
	struct vf_info info;

	fill_info(&info);
	info.features = RENIC_FEATURE_PACKED;
	info.queues[1].rx_avail_idx = 0x8000 | 255;
	info.queues[1].rx_used_idx = 254;
	info.queues[1].tx_used_idx = 0x8000;
	nic_snapshot_fill(&info, 1, &s);
	assert_int_equal(s.queues[1].rx.avail_idx, 255);
	assert_true(s.queues[1].rx.avail_wrap);
	assert_int_equal(s.queues[1].rx.used_idx, 254);
	assert_false(s.queues[1].rx.used_wrap);
	assert_int_equal(s.queues[1].tx.used_idx, 0);
	assert_true(s.queues[1].tx.used_wrap);
	assert_int_equal(renic_snapshot_check(&s, NULL), 0);
}

/* Sizes and indices are the front-end's word (SET_VRING_NUM, SET_VRING_BASE). */
static void rings_that_cannot_be_are_left_unknown(void **state)
{
	struct renic_snapshot s;
	struct vf_info info;

	fill_info(&info);
	info.features = RENIC_FEATURE_PACKED;
	info.queues[1].rx_avail_idx = 256;
	info.queues[1].tx_size = 32769;
	info.queues[0].tx_avail_idx = 3; /* of size 0 */
	nic_snapshot_fill(&info, 1, &s);
	assert_int_equal(s.queues[1].rx.size, 0);
	assert_int_equal(s.queues[1].tx.size, 0);
	assert_int_equal(s.queues[0].tx.avail_idx, 0);
	assert_int_equal(renic_snapshot_check(&s, NULL), 0);
}

static void anything_a_front_end_says_can_be_encoded(void **state)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	struct vf_info info;

	srandom(1);
	for (unsigned round = 0; round < 20000; round++) {
		fill_info(&info);
		info.features = (uint64_t)random() << 33 ^ (uint64_t)random();
		info.n_queues = VF_QPS_MAX;
		for (unsigned q = 0; q < VF_QPS_MAX; q++) {
			struct vf_queue_info *queue = &info.queues[q];

			queue->rx_size = (uint32_t)random() >> random() % 31;
			queue->tx_size = (uint32_t)random() >> random() % 31;
			queue->rx_avail_idx = (uint16_t)random();
			queue->rx_used_idx = (uint16_t)random();
			queue->tx_avail_idx = (uint16_t)(random() >> random() % 31);
			queue->tx_used_idx = (uint16_t)(random() >> random() % 31);
		}
		nic_snapshot_fill(&info, 1, &s);
		assert_true(renic_snapshot_encode(&s, bytes, sizeof(bytes)) > 0);
	}
}

static void without_a_front_end_rings_are_unknown(void **state)
{
	struct renic_snapshot s;
	struct vf_info info;

	fill_info(&info);
	info.frontend = FRONTEND_NONE;
	nic_snapshot_fill(&info, 1, &s);
	assert_int_equal(s.n_queues, 2);
	assert_int_equal(s.queues[1].rx.size, 0);
	assert_false(s.queues[1].enabled);
}

static void get_finds_the_vf_or_changes_nothing(void **state)
{
	struct vf_config config;
	struct renic_snapshot s;
	struct nic_error err;

	fake_nic_reset();
	vf_config_defaults(&config);
	strcpy(config.name, "web");
	assert_int_equal(nic_vf_create(&config, &err), 0);
	memset(&s, 0x5a, sizeof(s));
	assert_int_equal(nic_snapshot_get("nobody", &s, &err), RENIC_E_NOT_FOUND);
	assert_int_equal(((uint8_t *)&s)[0], 0x5a);
	assert_int_equal(((uint8_t *)&s)[sizeof(s) - 1], 0x5a);
	assert_int_equal(nic_snapshot_get("web", &s, &err), 0);
	assert_string_equal(s.name, "web");
	assert_int_equal(s.term, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_role_and_counters_are_taken),
		cmocka_unit_test(roles_have_their_names),
		cmocka_unit_test(split_indices_are_16_bits),
		cmocka_unit_test(packed_indices_carry_the_wrap_counter_in_bit_15),
		cmocka_unit_test(rings_that_cannot_be_are_left_unknown),
		cmocka_unit_test(anything_a_front_end_says_can_be_encoded),
		cmocka_unit_test(without_a_front_end_rings_are_unknown),
		cmocka_unit_test(get_finds_the_vf_or_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
