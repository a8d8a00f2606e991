/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups as sets of VFs: renicd/nic/group_members.c. What a group may do is in test_group.c. */
#include "group_members.h"
#include "nic_fixture.h"

static struct group_config config_named(const char *name, const char *letters)
{
	struct group_config config = {0};

	snprintf(config.name, sizeof(config.name), "%s", name);
	for (; *letters; letters++)
		config.vfs[config.n_vfs++][0] = *letters;
	return config;
}

static int create(const char *name, const char *letters, struct nic_error *err)
{
	struct group_config config = config_named(name, letters);

	return nic_group_create(&config, err);
}

static struct group_info group_of(const char *name)
{
	struct group_info info;

	assert_int_equal(nic_group_get(name, &info, NULL), 0);
	return info;
}

static unsigned n_groups;

static void count(const struct group_info *info, void *arg)
{
	n_groups++;
}

static unsigned groups(void)
{
	n_groups = 0;
	nic_group_foreach(count, NULL);
	return n_groups;
}

static void a_group_knows_its_vfs_and_they_know_it(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	group_add_vfs("g", "ca", true);
	assert_int_equal(group_of("g").config.n_vfs, 2);
	assert_string_equal(group_of("g").config.vfs[0], "c");
	assert_true(group_of("g").config.internal_pass);
	assert_false(group_of("g").lone);
	assert_string_equal(group_of("g").state, "unprotected");
	assert_string_equal(group_of("g").replicator, "none");
	assert_string_equal(info_of('a').group, "g");
	assert_string_equal(info_of('b').group, "");
	assert_int_equal(nic_group_delete("g", NULL), 0);
	assert_string_equal(info_of('a').group, "");
	assert_int_equal(groups(), 0);
}

static void a_group_that_cannot_be_is_refused_and_leaves_nothing(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	vf_add('b', 0);
	assert_int_equal(create("g", "ax", &err), RENIC_E_NOT_FOUND);
	assert_string_equal(err.field, "vfs");
	assert_int_equal(create("g", "aba", &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "vfs");
	assert_int_equal(create("a", "ab", &err), RENIC_E_EXISTS);
	assert_int_equal(create("a", "b", &err), RENIC_E_EXISTS);
	assert_int_equal(groups(), 0);
	assert_string_equal(info_of('a').group, "");
	assert_int_equal(create("g", "a", &err), 0);
	assert_int_equal(create("g", "b", &err), RENIC_E_EXISTS);
	assert_int_equal(create("h", "ba", &err), RENIC_E_BUSY);
	assert_string_equal(info_of('b').group, "");
	assert_int_equal(groups(), 1);
}

static void a_vf_in_no_group_serves_as_a_group_of_one(void **state)
{
	vf_add('a', 0);
	protect("a");
	assert_true(group_of("a").lone);
	assert_string_equal(info_of('a').group, "a");
	assert_string_equal(info_of('a').role, "protected");
	unprotect("a", false);
	assert_string_equal(info_of('a').role, "unprotected");
	protect("a"); /* the same one */
	assert_int_equal(groups(), 1);
}

static void a_vf_in_a_group_does_not_serve_as_one(void **state)
{
	struct checkpoint_info info;
	struct nic_error err;

	vf_add('a', 0);
	group_add_vfs("g", "a", false);
	assert_int_equal(nic_protection_start(GROUP_COMMAND("a", 0), &err), RENIC_E_BUSY);
	assert_string_equal(err.field, "group");
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("a", 0), &info, &err), RENIC_E_BUSY);
	assert_int_equal(nic_protection_start(GROUP_COMMAND("nobody", 0), &err), RENIC_E_NOT_FOUND);
}

static void a_lone_group_gives_way_to_a_real_one_unless_it_is_in_use(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	assert_int_equal(create("g", "ab", &err), RENIC_E_BUSY);
	unprotect("a", false);
	assert_int_equal(create("g", "ab", &err), 0);
	assert_string_equal(info_of('a').group, "g");
	assert_int_equal(groups(), 1);
	assert_int_equal(nic_group_get("a", &(struct group_info){0}, &err), RENIC_E_NOT_FOUND);
}

static void a_refused_start_leaves_no_group(void **state)
{
	const struct group_command old = {.group = "a", .term = 3};
	struct nic_error err;

	vf_add('a', 0);
	assert_int_equal(
		nic_standby_start(&(struct group_command){.group = "a", .term = 4}, NULL), 0);
	assert_int_equal(nic_standby_stop(GROUP_COMMAND("a", 0), NULL), 0);
	assert_int_equal(nic_group_delete("a", NULL), 0);
	assert_int_equal(nic_protection_start(&old, &err), RENIC_E_TERM);
	assert_int_equal(groups(), 0);
	assert_int_equal(nic_standby_start(&old, &err), RENIC_E_TERM);
	assert_int_equal(groups(), 0);
	assert_string_equal(info_of('a').group, "");
	protect("a"); /* a group that was there stays */
	unprotect("a", false);
	assert_int_equal(nic_protection_start(&old, &err), RENIC_E_TERM);
	assert_int_equal(nic_standby_start(&old, &err), RENIC_E_TERM);
	assert_int_equal(groups(), 1);
}

static void a_standby_start_while_frames_wait_leaves_no_group(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	protect("a");
	fake_uplink_set_credits(0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 3);
	settle();
	unprotect("a", false);
	assert_int_equal(nic_group_delete("a", &err), 0);
	assert_int_equal(nic_standby_start(GROUP_COMMAND("a", 0), &err), RENIC_E_BUSY);
	assert_int_equal(groups(), 0);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 3);
}

static void a_lone_group_that_gave_way_comes_back_as_it_was(void **state)
{
	struct group_config was;
	struct nic_error err;

	vf_add('a', 0);
	protect("a");
	unprotect("a", false);
	was = group_of("a").config;
	was.internal_pass = true;
	was.replicator_timeout_ms = 9;
	was.on_replicator_lost = REPLICATOR_RELEASE;
	assert_int_equal(create("g", "a", NULL), 0);
	assert_int_equal(nic_group_lone(&was, &err), RENIC_E_BUSY); /* it is in g */
	assert_int_equal(nic_group_delete("g", NULL), 0);
	assert_int_equal(nic_group_lone(&was, NULL), 0);
	assert_true(group_of("a").lone);
	assert_true(group_of("a").config.internal_pass);
	assert_int_equal(group_of("a").config.replicator_timeout_ms, 9);
	assert_int_equal(group_of("a").config.on_replicator_lost, REPLICATOR_RELEASE);
}

static void a_group_of_its_vfs_name_is_possible_for_that_vf_alone(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	assert_int_equal(create("a", "a", NULL), 0);
	assert_false(group_of("a").lone);
	protect("a");
	assert_int_equal(groups(), 1);
	unprotect("a", true);
	assert_int_equal(nic_vf_delete("a", true, NULL), RENIC_E_BUSY);
}

/* A saved configuration has a standby, then its group of one with what was set on it. */
static void a_standbys_group_of_one_gives_way_to_one_of_its_name(void **state)
{
	struct group_config group = config_named("s", "s");
	struct vf_config config = vf_config_of('s');
	struct nic_error err;

	config.standby = true;
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	assert_true(group_of("s").lone);
	assert_int_equal(nic_group_create(&group, &err), RENIC_E_BUSY); /* of no standbys */
	assert_true(group_of("s").lone);
	group.standby = true;
	group.replicator_timeout_ms = 7;
	assert_int_equal(nic_group_create(&group, NULL), 0);
	assert_int_equal(groups(), 1);
	assert_false(group_of("s").lone);
	assert_string_equal(group_of("s").state, "standby");
	assert_int_equal(group_of("s").config.replicator_timeout_ms, 7);
	assert_int_equal(nic_group_create(&group, &err), RENIC_E_EXISTS);
	assert_int_equal(nic_group_delete("s", NULL), 0);
	assert_true(group_of("s").lone);
}

static void a_protected_group_is_not_deleted(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	group_add_vfs("g", "a", false);
	protect("g");
	assert_int_equal(nic_group_delete("g", &err), RENIC_E_STATE);
	assert_string_equal(err.state, "protected");
	begin("g");
	assert_int_equal(nic_group_delete("g", &err), RENIC_E_STATE);
	assert_string_equal(err.state, "suspended");
	resume("g");
	assert_int_equal(nic_group_delete("x", &err), RENIC_E_NOT_FOUND);
	assert_int_equal(groups(), 1);
	unprotect("g", false);
	assert_int_equal(nic_group_delete("g", &err), 0);
}

static void set_changes_what_is_named_alone(void **state)
{
	struct group_config values = {.internal_pass = true,
		.replicator_timeout_ms = 500,
		.on_replicator_lost = REPLICATOR_RELEASE};

	vf_add('a', 0);
	group_add_vfs("g", "a", false);
	assert_int_equal(nic_group_set("g", &values, GROUP_SET_TIMEOUT, NULL), 0);
	assert_int_equal(group_of("g").config.replicator_timeout_ms, 500);
	assert_false(group_of("g").config.internal_pass);
	assert_int_equal(group_of("g").config.on_replicator_lost, REPLICATOR_HOLD);
	assert_int_equal(
		nic_group_set("g", &values, GROUP_SET_INTERNAL | GROUP_SET_POLICY, NULL), 0);
	assert_true(group_of("g").config.internal_pass);
	assert_int_equal(group_of("g").config.on_replicator_lost, REPLICATOR_RELEASE);
	assert_int_equal(nic_group_set("x", &values, GROUP_SET_POLICY, NULL), RENIC_E_NOT_FOUND);
}

static void internal_can_be_changed_while_protected(void **state)
{
	struct group_config values = {.internal_pass = true};

	vf_add('a', 0);
	vf_add('b', 0);
	group_add_vfs("g", "ab", false);
	protect("g");
	guest_sends(FRAME('a', 'b', 1));
	settle();
	guest_gets_nothing('b');
	assert_int_equal(nic_group_set("g", &values, GROUP_SET_INTERNAL, NULL), 0);
	guest_sends(FRAME('a', 'b', 2));
	settle();
	guest_gets('b', FRAME('a', 'b', 2));
	values.internal_pass = false;
	assert_int_equal(nic_group_set("g", &values, GROUP_SET_INTERNAL, NULL), 0);
	guest_sends(FRAME('a', 'b', 3));
	settle();
	guest_gets_nothing('b');
	commit("g", checkpoint("g"));
	settle();
	guest_gets('b', FRAME('a', 'b', 1));
	guest_gets('b', FRAME('a', 'b', 3));
}

static void a_group_tells_the_sum_of_what_it_holds_and_the_oldest_age(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	group_add_vfs("g", "ab", false);
	protect("g");
	assert_int_equal(group_of("g").held_age_us, 0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 60), 3);
	guest_sends_many(FRAME('b', TO_NOBODY, 0, .len = 70), 2);
	settle();
	checkpoint("g");
	assert_int_equal(group_of("g").held_pkts, 5);
	assert_int_equal(group_of("g").held_bytes, 3 * 60 + 2 * 70);
	assert_int_equal(group_of("g").epoch, 2);
	assert_int_equal(group_of("g").sealed_epochs, 1);
	assert_int_equal(group_of("g").committed_epoch, 0);
	while (!group_of("g").held_age_us)
		one_round();
	commit("g", 1);
	settle();
	assert_int_equal(group_of("g").held_pkts, 0);
	assert_int_equal(group_of("g").held_age_us, 0);
	assert_int_equal(group_of("g").committed_epoch, 1);
	assert_int_equal(group_of("g").sealed_epochs, 0);
}

/* The end of the daemon: whatever the groups' states, everything is cleared, nothing leaves. */
static void clear_ends_groups_in_every_state_and_releases_nothing(void **state)
{
	for (char vf = 'a'; vf <= 'd'; vf++)
		vf_add(vf, 0);
	group_add_vfs("gb", "b", false);
	group_add_vfs("gc", "c", false);
	group_add_vfs("gd", "d", false);
	protect("a");
	protect("gb");
	protect("gd");
	for (char vf = 'a'; vf <= 'd'; vf++)
		if (vf != 'c')
			guest_sends_many(FRAME(vf, TO_NOBODY, 0), 10);
	settle();
	begin("gb");
	fake_uplink_set_credits(0);
	commit("gd", begin("gd")); /* suspended, and that checkpoint is committed */
	for (char vf = 'a'; vf <= 'd'; vf++)
		fake_port_set_suspended(port_of(vf), false);
	nic_clear(false);
	assert_int_equal(groups(), 0);
	assert_true(TAILQ_EMPTY(&nic.vfs));
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_nothing();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(a_group_knows_its_vfs_and_they_know_it),
		DEVICE_TEST(a_group_that_cannot_be_is_refused_and_leaves_nothing),
		DEVICE_TEST(a_vf_in_no_group_serves_as_a_group_of_one),
		DEVICE_TEST(a_vf_in_a_group_does_not_serve_as_one),
		DEVICE_TEST(a_lone_group_gives_way_to_a_real_one_unless_it_is_in_use),
		DEVICE_TEST(a_refused_start_leaves_no_group),
		DEVICE_TEST(a_standby_start_while_frames_wait_leaves_no_group),
		DEVICE_TEST(a_lone_group_that_gave_way_comes_back_as_it_was),
		DEVICE_TEST(a_group_of_its_vfs_name_is_possible_for_that_vf_alone),
		DEVICE_TEST(a_standbys_group_of_one_gives_way_to_one_of_its_name),
		DEVICE_TEST(a_protected_group_is_not_deleted),
		DEVICE_TEST(set_changes_what_is_named_alone),
		DEVICE_TEST(internal_can_be_changed_while_protected),
		DEVICE_TEST(a_group_tells_the_sum_of_what_it_holds_and_the_oldest_age),
		DEVICE_TEST(clear_ends_groups_in_every_state_and_releases_nothing),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
