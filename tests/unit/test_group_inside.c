/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that a group does not hold: inside it ("internal": pass), and those exempt by their type.
 */
#include "nic_fixture.h"

enum { LONG = 1400 };

/* ---- internal: pass ---- */

static void inside_a_group_that_passes_unicast_is_not_held(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	group_add_vfs("g", "ab", true);
	protect("g");
	guest_sends_many(FRAME('a', 'b', 0), 100);
	guest_sends(FRAME('a', 'c', 100));
	guest_sends(FRAME('b', 'a', 101));
	settle();
	guest_gets_many('b', FRAME('a', 'b', 0), 100);
	guest_gets('a', FRAME('b', 'a', 101));
	guest_gets_nothing('c');
	assert_int_equal(info_of('a').counters.exempt_pkts, 100);
	assert_int_equal(info_of('a').held_pkts, 1);
	commit("g", checkpoint("g"));
	settle();
	guest_gets('c', FRAME('a', 'c', 100));
	guest_gets_nothing('b');
}

static void a_broadcast_is_split_the_group_at_once_the_others_at_commit(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	group_add_vfs("g", "ab", true);
	protect("g");
	for (uint32_t i = 0; i < 40; i++)
		guest_sends(FRAME('a', i % 2 ? TO_ALL : TO_MANY, i, .len = i % 3 ? 100 : LONG));
	settle();
	for (uint32_t i = 0; i < 40; i++)
		guest_gets('b', FRAME('a', i % 2 ? TO_ALL : TO_MANY, i, .len = i % 3 ? 100 : LONG));
	guest_gets_nothing('c');
	wire_gets_nothing();
	commit("g", checkpoint("g"));
	settle();
	for (uint32_t i = 0; i < 40; i++) {
		guest_gets('c', FRAME('a', i % 2 ? TO_ALL : TO_MANY, i, .len = i % 3 ? 100 : LONG));
		wire_gets(FRAME('a', i % 2 ? TO_ALL : TO_MANY, i, .len = i % 3 ? 100 : LONG));
	}
	guest_gets_nothing('b');
	guest_gets_nothing('a');
}

static void a_group_that_holds_holds_inside_too(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	group_add_vfs("g", "ab", false);
	protect("g");
	guest_sends(FRAME('a', 'b', 0));
	guest_sends(FRAME('a', TO_ALL, 1));
	settle();
	guest_gets_nothing('b');
	commit("g", checkpoint("g"));
	settle();
	guest_gets('b', FRAME('a', 'b', 0));
	guest_gets('b', FRAME('a', TO_ALL, 1));
}

/* The held half of a split broadcast may leave long after the protection's end: until then the
 * group says who has had the other half. */
static void a_group_that_passes_inside_stays_until_its_frames_have_left(void **state)
{
	const struct group_config hold = {.internal_pass = false};

	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	group_add_vfs("g", "ab", true);
	protect("g");
	guest_sends(FRAME('a', TO_ALL, 1));
	settle();
	guest_gets('b', FRAME('a', TO_ALL, 1));
	fake_uplink_set_credits(0);
	unprotect("g", false);
	settle();
	assert_int_equal(nic_group_delete("g", NULL), RENIC_E_BUSY);
	assert_int_equal(nic_group_set("g", &hold, GROUP_SET_INTERNAL, NULL), 0);
	assert_int_equal(nic_group_delete("g", NULL), RENIC_E_BUSY);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets(FRAME('a', TO_ALL, 1));
	guest_gets('c', FRAME('a', TO_ALL, 1));
	guest_gets_nothing('b');
	assert_int_equal(nic_group_delete("g", NULL), 0);
}

/* ---- hold_exempt ---- */

static void exempt_frames_are_not_held(void **state)
{
	struct vf_config config = vf_config_of('a');

	strcpy(config.hold_exempt, "arp");
	vf_add_config(&config);
	vf_add('b', 0);
	protect("a");
	for (uint32_t i = 0; i < 100; i++)
		guest_sends(FRAME('a', i % 10 ? TO_NOBODY : TO_ALL, i, .type = i % 2 ? 0 : 0x0806));
	settle();
	for (uint32_t i = 0; i < 100; i += 2)
		wire_gets(FRAME('a', i % 10 ? TO_NOBODY : TO_ALL, i, .type = 0x0806));
	wire_gets_nothing();
	for (uint32_t i = 0; i < 100; i += 10)
		guest_gets('b', FRAME('a', TO_ALL, i, .type = 0x0806));
	guest_gets_nothing('b');
	assert_int_equal(info_of('a').counters.exempt_pkts, 50);
	commit("a", checkpoint("a"));
	settle();
	for (uint32_t i = 1; i < 100; i += 2)
		wire_gets(FRAME('a', TO_NOBODY, i));
	wire_gets_nothing();
}

static void an_exempt_frame_that_the_uplink_refuses_is_held(void **state)
{
	struct vf_config config = vf_config_of('a');

	strcpy(config.hold_exempt, "arp");
	vf_add_config(&config);
	protect("a");
	fake_uplink_set_credits(5);
	for (uint32_t i = 0; i < 20; i++)
		guest_sends(FRAME('a', i % 2 ? TO_NOBODY : TO_ALL, i, .type = 0x0806));
	settle();
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	assert_int_equal(fake_uplink_count(), 5);
	commit("a", checkpoint("a"));
	settle();
	for (uint32_t i = 0; i < 20; i++)
		wire_gets(FRAME('a', i % 2 ? TO_NOBODY : TO_ALL, i, .type = 0x0806));
	wire_gets_nothing();
	assert_int_equal(info_of('a').counters.exempt_pkts, 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(inside_a_group_that_passes_unicast_is_not_held),
		DEVICE_TEST(a_broadcast_is_split_the_group_at_once_the_others_at_commit),
		DEVICE_TEST(a_group_that_holds_holds_inside_too),
		DEVICE_TEST(a_group_that_passes_inside_stays_until_its_frames_have_left),
		DEVICE_TEST(exempt_frames_are_not_held),
		DEVICE_TEST(an_exempt_frame_that_the_uplink_refuses_is_held),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
