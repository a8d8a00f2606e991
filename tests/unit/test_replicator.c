/* SPDX-License-Identifier: BSD-3-Clause */
/* A group's replicator that is lost: renicd/nic/protection.c. */
#include <unistd.h>

#include "group_members.h"
#include "nic_fixture.h"

/* ---- the replicator ---- */

enum { ALICE = 11, BOB = 12 };

static void group_with_replicator(enum replicator_policy policy, uint32_t timeout_ms)
{
	struct group_config values = {
		.on_replicator_lost = policy, .replicator_timeout_ms = timeout_ms};

	vf_add('a', 0);
	group_add_vfs("g", "a", false);
	assert_int_equal(
		nic_group_set("g", &values, GROUP_SET_POLICY | GROUP_SET_TIMEOUT, NULL), 0);
	assert_int_equal(nic_protection_start(GROUP_COMMAND("g", ALICE), NULL), 0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 10);
	settle();
}

static struct group_info group_of(const char *name)
{
	struct group_info info;

	assert_int_equal(nic_group_get(name, &info, NULL), 0);
	return info;
}

static void a_replicator_whose_connection_closes_is_lost_and_frames_stay_held(void **state)
{
	group_with_replicator(REPLICATOR_HOLD, 0);
	assert_string_equal(group_of("g").replicator, "connected");
	nic_client_gone(BOB); /* somebody else */
	assert_string_equal(group_of("g").replicator, "connected");
	nic_client_gone(ALICE);
	assert_string_equal(group_of("g").replicator, "lost");
	assert_string_equal(group_of("g").state, "protected");
	assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 1);
	nic_client_gone(ALICE); /* once */
	assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 1);
	settle();
	wire_gets_nothing();
	commit("g", checkpoint("g")); /* by whoever comes */
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 10);
}

static void with_policy_release_a_lost_replicator_ends_the_protection(void **state)
{
	struct checkpoint_info info;

	group_with_replicator(REPLICATOR_RELEASE, 0);
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("g", ALICE), &info, NULL), 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1));
	nic_client_gone(ALICE);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 10);
	guest_gets('a', FRAME(FROM_WIRE, 'a', 1));
	assert_string_equal(group_of("g").state, "unprotected");
	assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 1);
	assert_int_equal(events_of(EVENT_GROUP_STATE), 2);
	guest_sends(FRAME('a', TO_NOBODY, 10));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 10));
}

static void who_only_asks_before_a_checkpoint_is_not_the_replicator(void **state)
{
	struct checkpoint_info info;

	group_with_replicator(REPLICATOR_RELEASE, 0);
	assert_int_equal(nic_checkpoint_prepare(GROUP_COMMAND("g", BOB), &info, NULL), 0);
	nic_client_gone(BOB);
	assert_string_equal(group_of("g").replicator, "connected");
	assert_string_equal(group_of("g").state, "protected");
	settle();
	wire_gets_nothing();
}

static void a_lost_replicators_checkpoint_can_be_resumed_by_another(void **state)
{
	struct checkpoint_info info;

	group_with_replicator(REPLICATOR_HOLD, 0);
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("g", ALICE), &info, NULL), 0);
	nic_client_gone(ALICE);
	assert_string_equal(group_of("g").state, "suspended");
	assert_int_equal(nic_checkpoint_resume(GROUP_COMMAND("g", BOB), NULL), 0);
	assert_string_equal(group_of("g").replicator, "connected");
	nic_client_gone(ALICE); /* not the replicator any more */
	assert_string_equal(group_of("g").replicator, "connected");
	assert_int_equal(nic_checkpoint_commit(GROUP_COMMAND("g", BOB), info.epoch, NULL), 0);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 10);
}

/* Ticks until it happens. */
static void tick_until_lost(void)
{
	while (!events_of(EVENT_REPLICATOR_LOST))
		usleep(1000);
}

static void a_silent_replicator_is_lost_and_frames_stay_held(void **state)
{
	group_with_replicator(REPLICATOR_HOLD, 20);
	tick_until_lost();
	assert_string_equal(group_of("g").replicator, "lost");
	settle();
	wire_gets_nothing();
	usleep(30000);
	assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 1);
	assert_int_equal(info_of('a').held_pkts, 10);
}

static void a_silent_replicator_is_lost_and_frames_are_released(void **state)
{
	group_with_replicator(REPLICATOR_RELEASE, 20);
	tick_until_lost();
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 10);
	assert_string_equal(group_of("g").state, "unprotected");
	assert_string_equal(group_of("g").replicator, "none");
}

/* What it said meanwhile is read between two ticks. */
static void a_replicator_that_a_busy_daemon_did_not_hear_is_not_lost(void **state)
{
	struct group *g;

	group_with_replicator(REPLICATOR_RELEASE, 10000);
	g = vf_find("a")->group;
	for (int i = 0; i < 3; i++) {
		g->last_alive_ns = 0;
		assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 0);
		nic_client_alive(ALICE);
		assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 0);
	}
	assert_string_equal(group_of("g").replicator, "connected");
	g->last_alive_ns = 0;
	assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 0);
	assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 1);
}

static void a_replicator_that_speaks_is_not_lost(void **state)
{
	group_with_replicator(REPLICATOR_RELEASE, 60000);
	for (int i = 0; i < 5; i++) {
		nic_client_alive(ALICE);
		assert_int_equal(events_of(EVENT_REPLICATOR_LOST), 0);
	}
	assert_string_equal(group_of("g").replicator, "connected");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(a_replicator_whose_connection_closes_is_lost_and_frames_stay_held),
		DEVICE_TEST(with_policy_release_a_lost_replicator_ends_the_protection),
		DEVICE_TEST(who_only_asks_before_a_checkpoint_is_not_the_replicator),
		DEVICE_TEST(a_lost_replicators_checkpoint_can_be_resumed_by_another),
		DEVICE_TEST(a_silent_replicator_is_lost_and_frames_stay_held),
		DEVICE_TEST(a_silent_replicator_is_lost_and_frames_are_released),
		DEVICE_TEST(a_replicator_that_a_busy_daemon_did_not_hear_is_not_lost),
		DEVICE_TEST(a_replicator_that_speaks_is_not_lost),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
