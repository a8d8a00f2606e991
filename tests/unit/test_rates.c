/* SPDX-License-Identifier: BSD-3-Clause */
/* max_tx_rate, min_tx_rate and state in the device: renicd/nic/qp.c, tx_sched.c, vf_link.c. */
#include <unistd.h>

#include <rte_cycles.h>

#include "nic_fixture.h"

static void set(const char *vf, struct vf_config values, unsigned mask)
{
	struct nic_error err;

	if (nic_vf_set(vf, &values, mask, &err))
		fail_msg("%s", err.message);
}

/* Rounds, in time, until the wire has got n frames in all. */
static void wait_wire(uint32_t n)
{
	for (int tries = 0; tries < 10000 && fake_uplink_count() < n; tries++) {
		usleep(1000);
		settle();
	}
	assert_int_equal(fake_uplink_count(), n);
}

enum { SLOW = 150 }; /* frames: 1.2 s at 1 Mbit/s */

static void over_the_rate_frames_wait_and_none_is_lost(void **state)
{
	for (int protected = 0; protected < 2; protected ++) {
		vf_add('a', 0);
		set("a", (struct vf_config){.max_tx_rate = 1}, VF_SET_MAX_TX_RATE);
		if (protected)
			protect("a");
		guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 1000), SLOW);
		settle();
		if (protected) {
			wire_gets_nothing();
			commit("a", checkpoint("a"));
			settle();
		}
		/* 40 ms are 5 of them; 8 ms more for each other one. */
		assert_in_range(fake_uplink_count(), 5, SLOW - 1);
		wait_wire(SLOW);
		wire_gets_many(FRAME('a', TO_NOBODY, 0, .len = 1000), SLOW);
		assert_int_equal(info_of('a').held_pkts, 0);
		if (protected)
			unprotect("a", false);
		assert_int_equal(nic_vf_delete("a", false, NULL), 0);
	}
}

static void a_rate_that_is_lifted_lets_all_go(void **state)
{
	vf_add('a', 0);
	set("a", (struct vf_config){.max_tx_rate = 1}, VF_SET_MAX_TX_RATE);
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 9000), 60);
	settle();
	assert_in_range(fake_uplink_count(), 1, 59);
	set("a", (struct vf_config){0}, VF_SET_MAX_TX_RATE);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0, .len = 9000), 60);
}

/* Up to NIC_BURST frames, which are taken in one burst. */
static void in_one_burst(char letter, struct tframe f, uint32_t n)
{
	fake_port_hold_round(port_of(letter), true);
	while (!fake_port_round_is_held(port_of(letter))) {
		for (unsigned i = 0; i < lcores_count(); i++)
			lcore_wake(i);
		usleep(100);
	}
	guest_sends_many(f, n);
	fake_port_hold_round(port_of(letter), false);
}

static uint64_t paid(const struct shaper *s)
{
	return __atomic_load_n(&s->paid, __ATOMIC_RELAXED);
}

/* Also where part of a burst is refused, whose frames have got their tags by then. */
static void a_port_vlan_costs_no_more_than_its_tags(void **state)
{
	enum { HALF = 10, LEN = 100, TAG = 4 };
	const struct shaper_rate *rate;
	struct vf *vf;
	uint64_t cost;

	vf_add('a', 7);
	set("a", (struct vf_config){.max_tx_rate = 1000}, VF_SET_MAX_TX_RATE);
	vf = vf_find("a");
	rate = &vf->policy->max_rate;
	cost = (uint64_t)((unsigned __int128)HALF * (LEN + TAG) * rate->cost >> 32);
	fake_uplink_set_credits(0);
	in_one_burst('a', FRAME('a', TO_NOBODY, 0, .len = LEN), 2 * HALF);
	settle();
	assert_int_equal(paid(&vf->max_tx), 0);
	for (int half = 0; half < 2; half++) {
		uint64_t before = rte_rdtsc() << SHAPER_TIME_SHIFT, latest;

		__atomic_store_n(&vf->max_tx.paid, before, __ATOMIC_RELAXED);
		fake_uplink_set_credits(HALF);
		wait_wire((half + 1) * HALF);
		one_round(); /* what it sent in is over */
		/* What nobody used for longer than the slack is forgotten. */
		latest = RTE_MAX(before, (rte_rdtsc() << SHAPER_TIME_SHIFT) - rate->slack);
		assert_in_range(paid(&vf->max_tx), before + cost - HALF, latest + cost);
	}
	wire_gets_many(FRAME('a', TO_NOBODY, 0, .len = LEN, .vid = 7), 2 * HALF);
}

/* What is exempt from holding is not exempt from the rate: then it is held. One that comes when the
 * rate is open again, which on a slow machine is soon, goes before it. */
static void exempt_frames_are_within_the_rate_too(void **state)
{
	struct vf_config values = {.max_tx_rate = 1, .hold_exempt = "ip"};
	struct wire_frame *f;
	uint64_t seen = 0;

	vf_add('a', 0);
	set("a", values, VF_SET_MAX_TX_RATE | VF_SET_HOLD_EXEMPT);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 9000), 40);
	settle();
	assert_in_range(fake_uplink_count(), 1, 39);
	commit("a", checkpoint("a"));
	set("a", (struct vf_config){0}, VF_SET_MAX_TX_RATE);
	settle();
	while ((f = fake_uplink_take())) {
		assert_false(seen >> frame_number(f->bytes) & 1);
		seen |= UINT64_C(1) << frame_number(f->bytes);
		free(f);
	}
	assert_int_equal(seen, (UINT64_C(1) << 40) - 1);
}

/* The uplink takes a few frames at a time; both VFs always have more, of these lengths. Returns a's
 * share of 1000 of the bytes. */
static unsigned share_of_a(uint16_t len_a, uint16_t len_b)
{
	uint32_t sent[2] = {0};
	uint64_t got[2] = {0};
	struct wire_frame *f;

	fake_uplink_set_credits(0);
	for (int turn = 0; turn < 100; turn++) {
		while (guest_tries_to_send(FRAME('a', TO_NOBODY, sent[0], .len = len_a)))
			sent[0]++;
		while (guest_tries_to_send(FRAME('b', TO_NOBODY, sent[1], .len = len_b)))
			sent[1]++;
		fake_uplink_set_credits(100);
		settle();
	}
	while ((f = fake_uplink_take())) {
		got[frame_from(f->bytes) == 'b'] += f->len;
		free(f);
	}
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	while ((f = fake_uplink_take()))
		free(f);
	return (unsigned)(got[0] * 1000 / (got[0] + got[1]));
}

static void who_lacks_its_minimum_goes_first(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	set("a", (struct vf_config){.min_tx_rate = 1000000}, VF_SET_MIN_TX_RATE);
	assert_in_range(share_of_a(1000, 1000), 650, 1000);
}

/* The uplink's queue is one lcore's: with several, the device decides among their queues. */
static bool one_lcore_sends(void)
{
	return lcores_count() == 1;
}

static void who_has_had_its_minimum_waits_like_others(void **state)
{
	if (!one_lcore_sends())
		return;
	vf_add('a', 0);
	vf_add('b', 0);
	set("a", (struct vf_config){.min_tx_rate = 1}, VF_SET_MIN_TX_RATE);
	assert_in_range(share_of_a(1000, 1000), 400, 600);
}

/* A burst is a sign of more to come, no longer than until the next look at the ring. */
static void a_trickle_below_its_minimum_leaves_the_rest_to_others(void **state)
{
	enum { OTHERS = 10, TURNS = 50 };

	vf_add('a', 0);
	vf_add('b', 0);
	set("a", (struct vf_config){.min_tx_rate = 1000000}, VF_SET_MIN_TX_RATE);
	for (unsigned turn = 1; turn <= TURNS; turn++) {
		in_one_burst('a', FRAME('a', TO_NOBODY, 0), NIC_BURST);
		guest_sends_many(FRAME('b', TO_NOBODY, 0), OTHERS);
		settle();
		assert_int_equal(fake_uplink_count(), turn * (NIC_BURST + OTHERS));
	}
}

static void what_stays_inside_is_no_part_of_a_minimum(void **state)
{
	unsigned asked;
	struct vf *vf;

	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	set("a", (struct vf_config){.min_tx_rate = 1}, VF_SET_MIN_TX_RATE);
	vf = vf_find("a");
	for (int turn = 0; turn < 50; turn++) {
		asked = fake_uplink_asked();
		in_one_burst('a', FRAME('a', 'c', 0), NIC_BURST);
		guest_sends(FRAME('b', TO_NOBODY, 0));
		settle();
		assert_int_equal(fake_uplink_asked() - asked, 1); /* b had not to wait */
	}
	assert_int_equal(count_guest('c'), 50 * NIC_BURST);
	assert_int_equal(paid(&vf->min_tx), 0);
	guest_sends(FRAME('a', TO_NOBODY, 0));
	settle();
	assert_int_not_equal(paid(&vf->min_tx), 0);
}

static void what_is_exempt_from_holding_is_part_of_a_minimum(void **state)
{
	struct vf_config values = {.min_tx_rate = 1, .hold_exempt = "ip"};

	vf_add('a', 0);
	set("a", values, VF_SET_MIN_TX_RATE | VF_SET_HOLD_EXEMPT);
	protect("a");
	guest_sends(FRAME('a', TO_NOBODY, 0));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 0));
	assert_int_not_equal(paid(&vf_find("a")->min_tx), 0);
	unprotect("a", false);
}

static void a_scarce_uplink_is_shared_by_bytes(void **state)
{
	const uint16_t lengths[][2] = {{1500, 100}, {100, 1500}, {9000, 300}, {700, 700}};

	if (!one_lcore_sends())
		return;
	vf_add('a', 0);
	vf_add('b', 0);
	for (unsigned i = 0; i < RTE_DIM(lengths); i++)
		assert_in_range(share_of_a(lengths[i][0], lengths[i][1]), 400, 600);
}

static uint32_t wire_frames_of(int vf)
{
	struct wire_frame *f;
	uint32_t n = 0;

	while ((f = fake_uplink_take())) {
		n += frame_from(f->bytes) == vf;
		free(f);
	}
	return n;
}

/* All that it asks for, so long as that is less than its share. */
static void who_sends_little_waits_for_nobody_who_releases_much(void **state)
{
	enum { HELD = 3000, TURNS = 50 };

	if (!one_lcore_sends())
		return;
	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 1500), HELD);
	settle();
	fake_uplink_set_credits(0);
	commit("a", checkpoint("a"));
	settle();
	for (int turn = 0; turn < TURNS; turn++) {
		guest_sends(FRAME('b', TO_NOBODY, (uint32_t)turn, .len = 60));
		settle();
		/* Two quanta of a's, and b's frame. */
		fake_uplink_set_credits(2 * TURN_BYTES / 1500 + 4);
		settle();
		assert_int_equal(wire_frames_of('b'), 1);
	}
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_frames_of('a');
	unprotect("a", false);
}

static void a_vf_that_goes_while_it_waits_stops_nobody(void **state)
{
	if (!one_lcore_sends())
		return;
	vf_add('a', 0);
	vf_add('b', 0);
	fake_uplink_set_credits(0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 1500), 100);
	guest_sends_many(FRAME('b', TO_NOBODY, 0, .len = 1500), 100);
	settle();
	assert_int_equal(nic_vf_delete("b", true, NULL), 0);
	fake_uplink_set_credits(100);
	settle();
	assert_int_equal(wire_frames_of('a'), 100);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
}

static void minima_must_not_exceed_the_uplink_together(void **state)
{
	struct vf_config values = {.min_tx_rate = 600};
	struct nic_error err = {0};

	fake_uplink_speed_mbps = 1000;
	vf_add('a', 0);
	vf_add('b', 0);
	set("a", values, VF_SET_MIN_TX_RATE);
	assert_int_equal(nic_vf_set("b", &values, VF_SET_MIN_TX_RATE, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "min_tx_rate");
	assert_int_equal(info_of('b').config.min_tx_rate, 0);
	values.min_tx_rate = 400;
	set("b", values, VF_SET_MIN_TX_RATE);
	values = vf_config_of('c');
	values.min_tx_rate = 1;
	assert_int_equal(nic_vf_create(&values, &err), RENIC_E_PARAMS);
	fake_uplink_speed_mbps = 0;
}

/* ---- carrier ---- */

static void without_carrier_the_front_end_is_gone_and_comes_back(void **state)
{
	struct vf_info info;

	vf_add('a', 0);
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
	set("a", (struct vf_config){.state = LINK_DISABLE}, VF_SET_STATE);
	info = info_of('a');
	assert_int_equal(info.frontend, FRONTEND_NONE);
	assert_int_equal(info.config.state, LINK_DISABLE);
	wire_sends(FRAME(FROM_WIRE, 'a', 2));
	settle();
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 1);
	set("a", (struct vf_config){.state = LINK_ENABLE}, VF_SET_STATE);
	fake_port_bring_up(port_of('a'));
	guest_sends(FRAME('a', TO_NOBODY, 3));
	wire_sends(FRAME(FROM_WIRE, 'a', 4));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 3));
	guest_gets('a', FRAME(FROM_WIRE, 'a', 4));
}

static void a_frame_comes_for_a(void)
{
	wire_sends(FRAME(FROM_WIRE, 'a', 1));
	settle();
}

static void a_start_that_comes_as_the_port_goes_starts_nothing(void **state)
{
	vf_add('a', 0);
	fake_port_start_late("a", a_frame_comes_for_a);
	set("a", (struct vf_config){.state = LINK_DISABLE}, VF_SET_STATE);
	settle();
	assert_int_equal(info_of('a').frontend, FRONTEND_NONE);
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 1);
	set("a", (struct vf_config){.state = LINK_ENABLE}, VF_SET_STATE);
	fake_port_bring_up(port_of('a'));
	wire_sends(FRAME(FROM_WIRE, 'a', 2));
	settle();
	guest_gets('a', FRAME(FROM_WIRE, 'a', 2));
}

static void what_was_held_leaves_without_carrier(void **state)
{
	uint64_t epoch;

	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 50);
	settle();
	epoch = checkpoint("a");
	set("a", (struct vf_config){.state = LINK_DISABLE}, VF_SET_STATE);
	settle();
	wire_gets_nothing();
	assert_int_equal(info_of('a').held_pkts, 50);
	commit("a", epoch);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 50);
}

static void auto_follows_the_uplink(void **state)
{
	vf_add('a', 0);
	set("a", (struct vf_config){.state = LINK_AUTO}, VF_SET_STATE);
	assert_int_equal(info_of('a').frontend, FRONTEND_RUNNING);
	fake_uplink_set_up(false);
	for (int i = 0; i < 1000 && info_of('a').frontend != FRONTEND_NONE; i++) {
		usleep(1000);
		nic_tick();
	}
	assert_int_equal(info_of('a').frontend, FRONTEND_NONE);
	fake_uplink_set_up(true);
	for (int i = 0; i < 1000 && !fake_port_of("a"); i++) {
		usleep(1000);
		nic_tick();
	}
	fake_port_bring_up(port_of('a'));
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
}

static void a_vf_may_be_made_without_carrier(void **state)
{
	struct vf_config config = vf_config_of('a');

	config.state = LINK_DISABLE;
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	assert_null(fake_port_of("a"));
	assert_int_equal(info_of('a').frontend, FRONTEND_NONE);
	set("a", (struct vf_config){.state = LINK_ENABLE}, VF_SET_STATE);
	fake_port_bring_up(port_of('a'));
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(over_the_rate_frames_wait_and_none_is_lost),
		DEVICE_TEST(a_rate_that_is_lifted_lets_all_go),
		DEVICE_TEST(a_port_vlan_costs_no_more_than_its_tags),
		DEVICE_TEST(exempt_frames_are_within_the_rate_too),
		DEVICE_TEST(who_lacks_its_minimum_goes_first),
		DEVICE_TEST(who_has_had_its_minimum_waits_like_others),
		DEVICE_TEST(a_trickle_below_its_minimum_leaves_the_rest_to_others),
		DEVICE_TEST(what_stays_inside_is_no_part_of_a_minimum),
		DEVICE_TEST(what_is_exempt_from_holding_is_part_of_a_minimum),
		DEVICE_TEST(a_scarce_uplink_is_shared_by_bytes),
		DEVICE_TEST(who_sends_little_waits_for_nobody_who_releases_much),
		DEVICE_TEST(a_vf_that_goes_while_it_waits_stops_nobody),
		DEVICE_TEST(minima_must_not_exceed_the_uplink_together),
		DEVICE_TEST(without_carrier_the_front_end_is_gone_and_comes_back),
		DEVICE_TEST(a_start_that_comes_as_the_port_goes_starts_nothing),
		DEVICE_TEST(what_was_held_leaves_without_carrier),
		DEVICE_TEST(auto_follows_the_uplink),
		DEVICE_TEST(a_vf_may_be_made_without_carrier),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
