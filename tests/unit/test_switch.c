/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where frames go: renicd/nic/switch.c, and mac_table.c, dest.c, vlan_tag.c, transmit.c, flood.c,
 * promisc.c below it, through whole VFs with fake guests and a fake wire.
 * Frames that are protected come to the switch from the log: attached to it, when long.
 */
#include <unistd.h>

#include "mac_table.h"
#include "nic_fixture.h"

enum { SHORT = 100, LONG = 1400 }; /* copied out of the log / attached to it */

static const uint32_t lens[] = {SHORT, LONG};

/* ---- destinations ---- */

static void unicast_goes_to_the_vf_that_has_the_mac(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	guest_sends(FRAME('a', 'b', 1));
	guest_sends(FRAME('c', 'a', 2));
	settle();
	guest_gets('b', FRAME('a', 'b', 1));
	guest_gets('a', FRAME('c', 'a', 2));
	guest_gets_nothing('a');
	guest_gets_nothing('b');
	guest_gets_nothing('c');
	wire_gets_nothing();
}

static void unknown_unicast_goes_to_the_uplink_alone(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
	guest_gets_nothing('b');
	guest_gets_nothing('a');
}

static void unicast_from_the_wire_reaches_its_vf_or_is_counted(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1));
	wire_sends(FRAME(FROM_WIRE, TO_NOBODY, 2));
	settle();
	guest_gets('a', FRAME(FROM_WIRE, 'a', 1));
	guest_gets_nothing('b');
	wire_gets_nothing();
	assert_int_equal(fake_uplink_drops[DROP_NO_ROUTE], 1);
}

static void a_runt_from_the_wire_is_counted(void **state)
{
	uint8_t bytes[14] = {2, 0, 0, 0, 0, 'a'};

	vf_add('a', 0);
	assert_true(fake_uplink_arrive(bytes, 13));
	assert_true(fake_uplink_arrive(bytes, 1));
	settle();
	guest_gets_nothing('a');
	assert_int_equal(fake_uplink_drops[DROP_RUNT], 2);
}

static void flooded_frames_go_to_everybody_but_the_sender(void **state)
{
	static const char to[] = {TO_ALL, TO_MANY};

	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	for (uint32_t i = 0; i < 2; i++) {
		guest_sends(FRAME('a', to[i], i));
		settle();
		guest_gets('b', FRAME('a', to[i], i));
		guest_gets('c', FRAME('a', to[i], i));
		wire_gets(FRAME('a', to[i], i));
		guest_gets_nothing('a');
		wire_sends(FRAME(FROM_WIRE, to[i], i));
		settle();
		for (char vf = 'a'; vf <= 'c'; vf++) {
			guest_gets(vf, FRAME(FROM_WIRE, to[i], i));
			guest_gets_nothing(vf);
		}
		wire_gets_nothing();
	}
}

static void flooded_frames_stay_in_their_vlan(void **state)
{
	vf_add('a', 5);
	vf_add('b', 5);
	vf_add('c', 6);
	vf_add('d', 0);
	guest_sends(FRAME('a', TO_ALL, 1));
	settle();
	guest_gets('b', FRAME('a', TO_ALL, 1));
	guest_gets_nothing('c');
	guest_gets('d', FRAME('a', TO_ALL, 1, .vid = 5)); /* a trunk */
	wire_gets(FRAME('a', TO_ALL, 1, .vid = 5));
	guest_sends(FRAME('d', TO_ALL, 2)); /* untagged: in nobody's VLAN */
	guest_sends(FRAME('d', TO_MANY, 3, .vid = 6));
	settle();
	guest_gets('c', FRAME('d', TO_MANY, 3));
	for (char vf = 'a'; vf <= 'd'; vf++)
		guest_gets_nothing(vf);
	wire_gets(FRAME('d', TO_ALL, 2));
	wire_gets(FRAME('d', TO_MANY, 3, .vid = 6));
}

static void a_mac_in_another_vlan_is_another_mac(void **state)
{
	struct vf_config twin = vf_config_of('b');

	vf_add('a', 5);
	vf_add('b', 6);
	twin.name[0] = 'c';
	twin.vlan = 5;
	vf_add_config(&twin);
	guest_sends(FRAME('a', 'b', 1));
	settle();
	guest_gets('c', FRAME('a', 'b', 1));
	guest_gets_nothing('b');
	wire_sends(FRAME(FROM_WIRE, 'b', 2, .vid = 6));
	wire_sends(FRAME(FROM_WIRE, 'b', 3));
	wire_sends(FRAME(FROM_WIRE, 'b', 4, .vid = 7));
	settle();
	guest_gets('b', FRAME(FROM_WIRE, 'b', 2));
	guest_gets_nothing('b');
	guest_gets_nothing('c');
	assert_int_equal(fake_uplink_drops[DROP_NO_ROUTE], 2);
}

static void a_frame_to_ones_own_mac_is_dropped(void **state)
{
	vf_add('a', 0);
	vf_add('b', 5);
	guest_sends(FRAME('a', 'a', 1));
	guest_sends(FRAME('a', 'a', 2, .vid = 7));
	guest_sends(FRAME('b', 'b', 3));
	settle();
	guest_gets_nothing('a');
	guest_gets_nothing('b');
	wire_gets_nothing();
	assert_int_equal(drops_of('a', DROP_NO_ROUTE), 2);
	assert_int_equal(drops_of('b', DROP_NO_ROUTE), 1);
}

static void order_is_kept_over_changing_destinations(void **state)
{
	static const char to[] = {'b', TO_NOBODY, TO_ALL, 'b', 'b', TO_NOBODY, TO_NOBODY, 'a'};
	uint32_t n = 0;

	vf_add('a', 0);
	vf_add('b', 0);
	for (; n < 2000; n++)
		guest_sends(FRAME('a', to[n * 5 % 8], n));
	settle();
	for (uint32_t i = 0; i < n; i++) {
		char where = to[i * 5 % 8];

		if (where == 'b' || where == TO_ALL)
			guest_gets('b', FRAME('a', where, i));
		if (where == TO_NOBODY || where == TO_ALL)
			wire_gets(FRAME('a', where, i));
	}
	wire_gets_nothing();
	guest_gets_nothing('b');
}

/* ---- VLAN tags: who sends (trunk, port VLAN) x who gets (trunk, port VLAN) ---- */

/* From the log, short and long, or straight through. */
static void for_each_way(void (*step)(uint32_t len, bool held))
{
	for (size_t i = 0; i < RTE_DIM(lens); i++) {
		step(lens[i], false);
		protect("a");
		step(lens[i], true);
		unprotect("a", false);
		settle();
	}
}

static void send_from_a(struct tframe f, bool held)
{
	guest_sends(f);
	settle();
	if (!held)
		return;
	guest_gets_nothing('b');
	wire_gets_nothing();
	commit("a", checkpoint("a"));
	settle();
}

static void trunk_to_trunk_step(uint32_t len, bool held)
{
	send_from_a(FRAME('a', 'b', 1, .len = len), held);
	guest_gets('b', FRAME('a', 'b', 1, .len = len));
	send_from_a(FRAME('a', 'b', 2, .len = len, .vid = 9), held);
	guest_gets('b', FRAME('a', 'b', 2, .len = len, .vid = 9));
}

static void from_trunk_to_trunk_a_tag_stays(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	for_each_way(trunk_to_trunk_step);
}

static void trunk_to_port_step(uint32_t len, bool held)
{
	send_from_a(FRAME('a', 'b', 1, .len = len, .vid = 9), held);
	guest_gets('b', FRAME('a', 'b', 1, .len = len));
	send_from_a(FRAME('a', 'b', 2, .len = len, .vid = 8), held); /* not b's VLAN */
	guest_gets_nothing('b');
	wire_gets(FRAME('a', 'b', 2, .len = len, .vid = 8));
}

static void from_trunk_to_port_vlan_the_tag_is_stripped(void **state)
{
	vf_add('a', 0);
	vf_add('b', 9);
	for_each_way(trunk_to_port_step);
}

static void port_to_trunk_step(uint32_t len, bool held)
{
	send_from_a(FRAME('a', 'b', 1, .len = len), held);
	guest_gets('b', FRAME('a', 'b', 1, .len = len, .vid = 9));
}

static void from_port_vlan_to_trunk_a_tag_is_inserted(void **state)
{
	vf_add('a', 9);
	vf_add('b', 0);
	for_each_way(port_to_trunk_step);
}

static void port_to_port_step(uint32_t len, bool held)
{
	send_from_a(FRAME('a', 'b', 1, .len = len), held);
	guest_gets('b', FRAME('a', 'b', 1, .len = len));
	send_from_a(FRAME('a', 'c', 2, .len = len), held); /* c is in another VLAN */
	guest_gets_nothing('c');
	wire_gets(FRAME('a', 'c', 2, .len = len, .vid = 9));
}

static void within_a_port_vlan_frames_are_untagged(void **state)
{
	vf_add('a', 9);
	vf_add('b', 9);
	vf_add('c', 8);
	for_each_way(port_to_port_step);
}

static void uplink_step(uint32_t len, bool held)
{
	send_from_a(FRAME('a', TO_NOBODY, 1, .len = len), held);
	wire_gets(FRAME('a', TO_NOBODY, 1, .len = len, .vid = 9));
	send_from_a(FRAME('a', TO_ALL, 2, .len = len), held);
	wire_gets(FRAME('a', TO_ALL, 2, .len = len, .vid = 9));
}

static void on_the_wire_a_port_vlan_is_a_tag(void **state)
{
	vf_add('a', 9);
	vf_add('b', 8);
	for_each_way(uplink_step);
}

static void from_the_wire_a_port_vlans_tag_is_stripped(void **state)
{
	vf_add('a', 9);
	vf_add('b', 0);
	for (size_t i = 0; i < RTE_DIM(lens); i++) {
		wire_sends(FRAME(FROM_WIRE, 'a', 1, .vid = 9, .len = lens[i]));
		wire_sends(FRAME(FROM_WIRE, 'b', 2, .vid = 9, .len = lens[i]));
		wire_sends(FRAME(FROM_WIRE, TO_ALL, 3, .vid = 9, .len = lens[i]));
		wire_sends(FRAME(FROM_WIRE, 'a', 4, .len = lens[i]));
		settle();
		guest_gets('a', FRAME(FROM_WIRE, 'a', 1, .len = lens[i]));
		guest_gets('a', FRAME(FROM_WIRE, TO_ALL, 3, .len = lens[i]));
		guest_gets_nothing('a');
		guest_gets('b', FRAME(FROM_WIRE, 'b', 2, .vid = 9, .len = lens[i]));
		guest_gets('b', FRAME(FROM_WIRE, TO_ALL, 3, .vid = 9, .len = lens[i]));
	}
	assert_int_equal(fake_uplink_drops[DROP_NO_ROUTE], RTE_DIM(lens));
}

/* While its VLAN changes, the MAC table has a VF in two VLANs for a moment. */
static void a_guest_on_a_port_vlan_never_sees_another_vlans_frame(void **state)
{
	const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 'a'}};

	vf_add('a', 9);
	assert_int_equal(mac_table_add(&mac, 8, info_of('a').id), 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1, .vid = 8));
	settle();
	mac_table_remove(&mac, 8);
	guest_gets_nothing('a');
}

/* ---- frames that lie in the log ---- */

static uint8_t *log_bytes(const char *vf, uint64_t *file_offset, uint64_t *n, uint8_t *old)
{
	struct log_extent extents[8];
	uint8_t *bytes;
	int fd;

	if (!old) {
		assert_int_equal(nic_egress_log_get(vf, extents, 8, &fd, NULL), 1);
		*file_offset = extents[0].file_offset;
		*n = extents[0].bytes;
	} else {
		assert_true(nic_egress_log_get(vf, extents, 8, &fd, NULL) >= 0);
	}
	bytes = malloc(*n);
	assert_int_equal(pread(fd, bytes, *n, (off_t)*file_offset), *n);
	close(fd);
	return bytes;
}

static void sending_does_not_change_the_logs_bytes(void **state)
{
	uint8_t *before, *after;
	uint64_t at, n;

	vf_add('a', 0);
	vf_add('b', 9);
	vf_add('c', 0);
	protect("a");
	for (uint32_t i = 0; i < 40; i++) {
		guest_sends(FRAME('a',
			i % 4 == 0   ? 'b'
			: i % 4 == 1 ? 'c'
				     : TO_ALL,
			i, .vid = 9, .len = i % 3 ? LONG : SHORT));
	}
	settle();
	before = log_bytes("a", &at, &n, NULL);
	commit("a", checkpoint("a"));
	settle();
	guest_sends(FRAME('a', TO_NOBODY, 99)); /* the segment stays or is taken again */
	after = log_bytes("a", &at, &n, before);
	assert_memory_equal(before + 256, after + 256, n - 256);
	free(before);
	free(after);
}

static void inserting_a_tag_does_not_change_the_logs_bytes(void **state)
{
	uint8_t *before, *after;
	uint64_t at, n;

	vf_add('a', 9);
	vf_add('b', 0);
	protect("a");
	guest_sends(FRAME('a', TO_NOBODY, 0, .len = LONG));
	guest_sends(FRAME('a', TO_ALL, 1, .len = LONG));
	guest_sends(FRAME('a', 'b', 2, .len = LONG));
	settle();
	before = log_bytes("a", &at, &n, NULL);
	fake_uplink_set_credits(0);
	commit("a", checkpoint("a")); /* tried, refused: all is still in the log */
	settle();
	after = log_bytes("a", &at, &n, before);
	assert_memory_equal(before, after, n);
	free(after);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 0, .len = LONG, .vid = 9));
	wire_gets(FRAME('a', TO_ALL, 1, .len = LONG, .vid = 9));
	guest_gets('b', FRAME('a', TO_ALL, 1, .len = LONG, .vid = 9));
	guest_gets('b', FRAME('a', 'b', 2, .len = LONG, .vid = 9));
	free(before);
}

static void bytes_do_not_change_under_a_slow_device(void **state)
{
	vf_add('a', 0);
	vf_add('b', 9);
	fake_uplink_set_slow(150); /* a few rounds' frames: each holds a segment */
	protect("a");
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 30; i++)
			guest_sends(FRAME('a', i % 3 ? TO_NOBODY : TO_ALL, round * 30 + i, .vid = 9,
				.len = LONG));
		settle();
		commit("a", checkpoint("a"));
		settle();
	}
	for (uint32_t i = 0; i < 600; i++)
		wire_gets(FRAME('a', i % 3 ? TO_NOBODY : TO_ALL, i, .vid = 9, .len = LONG));
	fake_uplink_set_slow(0); /* compares all that it kept */
	fake_uplink_check();
}

/* ---- the uplink's limits ---- */

static void a_frame_too_long_for_the_uplink_is_counted_and_the_next_leaves(void **state)
{
	fake_uplink_ops.max_frame_bytes = 1518;
	vf_add('a', 0);
	vf_add('b', 0);
	for (int held = 0; held < 2; held++) {
		if (held)
			protect("a");
		guest_sends(FRAME('a', TO_NOBODY, 1, .len = 1518));
		guest_sends(FRAME('a', TO_NOBODY, 2, .len = 1519));
		guest_sends(FRAME('a', TO_ALL, 3, .len = 1519));
		guest_sends(FRAME('a', 'b', 4, .len = 9000));
		guest_sends(FRAME('a', TO_NOBODY, 5));
		settle();
		if (held)
			commit("a", checkpoint("a"));
		settle();
		wire_gets(FRAME('a', TO_NOBODY, 1, .len = 1518));
		wire_gets(FRAME('a', TO_NOBODY, 5));
		guest_gets('b', FRAME('a', TO_ALL, 3, .len = 1519));
		guest_gets('b', FRAME('a', 'b', 4, .len = 9000));
		assert_int_equal(drops_of('a', DROP_OVERSIZE), 2 * (held + 1));
	}
	wire_gets_nothing();
}

static void a_port_vlans_tag_counts_for_the_uplinks_limit(void **state)
{
	fake_uplink_ops.max_frame_bytes = 1518;
	vf_add('a', 9);
	guest_sends(FRAME('a', TO_NOBODY, 1, .len = 1514));
	guest_sends(FRAME('a', TO_NOBODY, 2, .len = 1515));
	guest_sends(FRAME('a', TO_ALL, 3, .len = 1518));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1, .len = 1514, .vid = 9));
	wire_gets_nothing();
	assert_int_equal(drops_of('a', DROP_OVERSIZE), 2);
}

static void without_an_uplink_unknown_unicast_is_counted_and_flooding_works(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	nic_set_uplink(NULL);
	one_round();
	guest_sends(FRAME('a', TO_NOBODY, 1));
	guest_sends(FRAME('a', TO_ALL, 2));
	settle();
	guest_gets('b', FRAME('a', TO_ALL, 2));
	assert_int_equal(drops_of('a', DROP_NO_ROUTE), 1);
}

/* ---- the uplink is down ---- */

static void uplink_down_drops_what_was_never_held(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	fake_uplink_set_up(false);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 100);
	guest_sends(FRAME('a', TO_ALL, 100));
	guest_sends(FRAME('a', 'b', 101));
	settle();
	guest_gets('b', FRAME('a', TO_ALL, 100));
	guest_gets('b', FRAME('a', 'b', 101));
	assert_int_equal(drops_of('a', DROP_UPLINK_DOWN), 101);
	fake_uplink_set_up(true);
	settle();
	wire_gets_nothing();
	guest_sends(FRAME('a', TO_NOBODY, 102));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 102));
}

static void uplink_down_lets_held_frames_wait(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	fake_uplink_set_up(false);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 100);
	guest_sends(FRAME('a', TO_ALL, 100));
	guest_sends(FRAME('a', 'b', 101));
	settle();
	commit("a", checkpoint("a"));
	settle();
	guest_gets_nothing('b'); /* behind the others: order */
	assert_int_equal(info_of('a').held_pkts, 102);
	assert_int_equal(drops_of('a', DROP_UPLINK_DOWN), 0);
	fake_uplink_set_up(true);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 100);
	wire_gets(FRAME('a', TO_ALL, 100));
	guest_gets('b', FRAME('a', TO_ALL, 100));
	guest_gets('b', FRAME('a', 'b', 101));
	guest_gets_nothing('b');
	wire_gets_nothing();
}

static void a_flooded_frame_that_the_uplink_refuses_is_flooded_once(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	for (int held = 0; held < 2; held++) {
		if (held)
			protect("a");
		fake_uplink_set_credits(0);
		guest_sends(FRAME('a', TO_ALL, 1));
		settle();
		if (held)
			commit("a", checkpoint("a"));
		settle();
		guest_gets_nothing('b');
		fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
		settle();
		guest_gets('b', FRAME('a', TO_ALL, 1));
		wire_gets(FRAME('a', TO_ALL, 1));
		guest_gets_nothing('b');
		wire_gets_nothing();
	}
}

static void flooding_without_mbufs_is_counted_or_waits(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	guest_sends(FRAME('a', TO_ALL, 1));
	settle();
	guest_gets('b', FRAME('a', TO_ALL, 1));
	wire_gets(FRAME('a', TO_ALL, 1));
	protect("a");
	guest_sends_many(FRAME('a', TO_ALL, 0, .len = LONG), 10);
	settle();
	starve(0);
	commit("a", checkpoint("a"));
	settle();
	wire_gets_nothing();
	assert_int_equal(info_of('a').held_pkts, 10);
	feed();
	settle();
	wire_gets_many(FRAME('a', TO_ALL, 0, .len = LONG), 10);
	guest_gets_many('b', FRAME('a', TO_ALL, 0, .len = LONG), 10);
}

/* Where a sender's last frame went is known; it must not outlive a change. */
static void a_destination_that_changes_is_looked_up_again(void **state)
{
	struct vf_config b = vf_config_of('b');

	vf_add('a', 0);
	for (uint32_t turn = 0; turn < 2; turn++) {
		guest_sends(FRAME('a', 'b', 1));
		settle();
		wire_gets(FRAME('a', 'b', 1));
		vf_add('b', 0);
		guest_sends(FRAME('a', 'b', 2));
		settle();
		guest_gets('b', FRAME('a', 'b', 2));
		b.vlan = 5;
		assert_int_equal(nic_vf_set("b", &b, VF_SET_VLAN, NULL), 0);
		guest_sends(FRAME('a', 'b', 3));
		settle();
		guest_gets_nothing('b');
		wire_gets(FRAME('a', 'b', 3));
		b.vlan = 0;
		assert_int_equal(nic_vf_set("b", &b, VF_SET_VLAN, NULL), 0);
		snprintf(b.trunks, sizeof(b.trunks), "7");
		b.trust = true;
		guest_sends(FRAME('a', 'b', 4));
		settle();
		guest_gets('b', FRAME('a', 'b', 4));
		assert_int_equal(nic_vf_set("b", &b, VF_SET_TRUNKS | VF_SET_TRUST, NULL), 0);
		guest_sends(FRAME('a', 'b', 5));
		settle();
		guest_gets_nothing('b');
		wire_gets_nothing();
		assert_int_equal(nic_vf_delete("b", false, NULL), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(unicast_goes_to_the_vf_that_has_the_mac),
		DEVICE_TEST(unknown_unicast_goes_to_the_uplink_alone),
		DEVICE_TEST(unicast_from_the_wire_reaches_its_vf_or_is_counted),
		DEVICE_TEST(a_runt_from_the_wire_is_counted),
		DEVICE_TEST(flooded_frames_go_to_everybody_but_the_sender),
		DEVICE_TEST(flooded_frames_stay_in_their_vlan),
		DEVICE_TEST(a_mac_in_another_vlan_is_another_mac),
		DEVICE_TEST(a_frame_to_ones_own_mac_is_dropped),
		DEVICE_TEST(order_is_kept_over_changing_destinations),
		DEVICE_TEST(a_destination_that_changes_is_looked_up_again),
		DEVICE_TEST(from_trunk_to_trunk_a_tag_stays),
		DEVICE_TEST(from_trunk_to_port_vlan_the_tag_is_stripped),
		DEVICE_TEST(from_port_vlan_to_trunk_a_tag_is_inserted),
		DEVICE_TEST(within_a_port_vlan_frames_are_untagged),
		DEVICE_TEST(on_the_wire_a_port_vlan_is_a_tag),
		DEVICE_TEST(from_the_wire_a_port_vlans_tag_is_stripped),
		DEVICE_TEST(a_guest_on_a_port_vlan_never_sees_another_vlans_frame),
		DEVICE_TEST(sending_does_not_change_the_logs_bytes),
		DEVICE_TEST(inserting_a_tag_does_not_change_the_logs_bytes),
		DEVICE_TEST(bytes_do_not_change_under_a_slow_device),
		DEVICE_TEST(a_frame_too_long_for_the_uplink_is_counted_and_the_next_leaves),
		DEVICE_TEST(a_port_vlans_tag_counts_for_the_uplinks_limit),
		DEVICE_TEST(without_an_uplink_unknown_unicast_is_counted_and_flooding_works),
		DEVICE_TEST(uplink_down_drops_what_was_never_held),
		DEVICE_TEST(uplink_down_lets_held_frames_wait),
		DEVICE_TEST(a_flooded_frame_that_the_uplink_refuses_is_flooded_once),
		DEVICE_TEST(flooding_without_mbufs_is_counted_or_waits),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
