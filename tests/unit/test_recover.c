/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going on where an earlier daemon stopped: renicd/nic/recover.c. The journal is made to say what
 * it says when the daemon is killed at an instant that matters; kills at any instant are in the
 * functional rung (restart.py).
 */
#include "group_members.h"
#include "journal.h"
#include "nic_fixture.h"

static const struct nic_listed nothing_listed;

static void restarts(const struct nic_listed *listed)
{
	struct nic_error err = {0};

	if (device_restart(listed, &err))
		fail_msg("nic_start: %s", err.message);
}

/* The last that the daemon noted: the protection has ended. No lcore was told. */
static void kill_in_protection_stop(const char *vf, bool discard)
{
	const struct group *g = vf_find(vf)->group;
	struct journal_fsm entry = {.fsm = g->fsm, .discard = discard};

	group_fsm_stop(&entry.fsm);
	journal_put_fsm(g->slot, &entry);
}

static void a_kill_in_protection_stop_ends_it_at_the_restart(void **state)
{
	for (int discard = 0; discard < 2; discard++) {
		vf_add('a', 0);
		protect("a");
		guest_sends_many(FRAME('a', TO_NOBODY, 0), 5);
		settle();
		assert_int_equal(info_of('a').held_pkts, 5);
		kill_in_protection_stop("a", discard);
		for (int again = 0; again < 2; again++)
			restarts(&nothing_listed);
		settle();
		if (!discard)
			wire_gets_many(FRAME('a', TO_NOBODY, 0), 5);
		wire_gets_nothing();
		assert_int_equal(info_of('a').held_pkts, 0);
		assert_string_equal(info_of('a').role, "unprotected");
		assert_int_equal(nic_vf_delete("a", false, NULL), 0);
	}
}

/* The same of a group of the config file whose entry in it has changed. */
static void what_a_changed_group_was_to_discard_does_not_leave(void **state)
{
	struct group_config group = {.name = "g", .vfs = {"a"}, .n_vfs = 1};
	struct vf_config vf = vf_config_of('a');
	const struct nic_listed listed = {.vfs = &vf, .n_vfs = 1, .groups = &group, .n_groups = 1};

	restarts(&listed);
	fake_port_bring_up(port_of('a'));
	protect("g");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 5);
	settle();
	kill_in_protection_stop("a", true);
	group.replicator_timeout_ms = 1000;
	restarts(&listed);
	settle();
	wire_gets_nothing();
	assert_int_equal(drops_of('a', DROP_DISCARDED), 5);
}

/* A standby that takes over lets go what it was given, whatever an earlier protection came to. */
static void a_standby_does_not_remember_an_order_to_discard(void **state)
{
	vf_add('a', 0);
	protect("a");
	unprotect("a", true);
	assert_int_equal(nic_standby_start(GROUP_COMMAND("a", 0), NULL), 0);
	assert_false(vf_find("a")->group->discard);
}

static void a_vf_that_a_group_of_the_socket_names_stays(void **state)
{
	struct vf_config vf = vf_config_of('a');
	const struct nic_listed listed = {.vfs = &vf, .n_vfs = 1};
	struct group_info info;

	restarts(&listed);
	group_add_vfs("g", "a", false);
	for (int again = 0; again < 2; again++) {
		restarts(&nothing_listed);
		assert_int_equal(nic_group_get("g", &info, NULL), 0);
		assert_string_equal(info.config.vfs[0], "a");
	}
	assert_int_equal(nic_group_delete("g", NULL), 0);
	restarts(&nothing_listed);
	assert_null(vf_find("a"));
}

/* It is the file's group that comes then, and its VF may have the old one's socket and MAC. */
static void a_group_that_the_file_lists_keeps_no_vf_of_the_sockets_one(void **state)
{
	struct vf_config vf = vf_config_of('a'), renamed = vf_config_of('a');
	struct group_config group = {.name = "g", .vfs = {"b"}, .n_vfs = 1};
	const struct nic_listed before = {.vfs = &vf, .n_vfs = 1};
	const struct nic_listed after = {
		.vfs = &renamed, .n_vfs = 1, .groups = &group, .n_groups = 1};

	restarts(&before);
	group_add_vfs("g", "a", false);
	strcpy(renamed.name, "b");
	restarts(&after);
	assert_null(vf_find("a"));
	assert_non_null(vf_find("b")->group);
}

/* Killed in vf_create, or activated: the group's entry is not there. */
static void a_vf_in_no_group_is_the_standby_that_it_was(void **state)
{
	struct vf_config vf = vf_config_of('a');

	vf.standby = true;
	assert_int_equal(nic_vf_create(&vf, NULL), 0);
	journal_drop_group(vf_find("a")->group->slot);
	restarts(&nothing_listed);
	assert_string_equal(info_of('a').role, "standby");
	assert_int_equal(nic_activate(GROUP_COMMAND("a", 0), NULL), 0);
	for (int again = 0; again < 2; again++) {
		restarts(&nothing_listed);
		assert_string_equal(info_of('a').role, "unprotected");
	}
}

static void an_activated_vf_stays_so_when_the_file_changes(void **state)
{
	struct vf_config vf = vf_config_of('a');
	const struct nic_listed listed = {.vfs = &vf, .n_vfs = 1};

	vf.standby = true;
	restarts(&listed);
	assert_string_equal(info_of('a').role, "standby");
	assert_int_equal(nic_activate(GROUP_COMMAND("a", 0), NULL), 0);
	for (int again = 0; again < 3; again++) {
		vf.mtu++;
		restarts(&listed);
		assert_string_equal(info_of('a').role, "unprotected");
		assert_int_equal(info_of('a').config.mtu, vf.mtu);
	}
}

static void a_vf_has_no_groups_name_as_it_could_not_be_taken_up(void **state)
{
	struct vf_config config = vf_config_of('g');
	struct nic_error err = {0};

	vf_add('a', 0);
	group_add_vfs("g", "a", false);
	assert_int_equal(nic_vf_create(&config, &err), RENIC_E_EXISTS);
	assert_string_equal(err.field, "name");
	assert_non_null(strstr(err.message, "group"));
	restarts(&nothing_listed);
	assert_int_equal(nic_group_delete("g", NULL), 0);
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	restarts(&nothing_listed);
}

/* It is not the group of one that a standby is in anyway. */
static void a_listed_group_of_a_standbys_name_is_as_its_entry_says(void **state)
{
	struct group_config group = {.name = "s", .vfs = {"s"}, .n_vfs = 1, .standby = true};
	struct vf_config vf = vf_config_of('s');
	const struct nic_listed listed = {.vfs = &vf, .n_vfs = 1, .groups = &group, .n_groups = 1};
	struct group_info info;

	vf.standby = true;
	group.replicator_timeout_ms = 7;
	for (int again = 0; again < 2; again++) {
		restarts(&listed);
		assert_int_equal(nic_group_get("s", &info, NULL), 0);
		assert_false(info.lone);
		assert_int_equal(info.config.replicator_timeout_ms, 7);
		assert_string_equal(info.state, "standby");
	}
	assert_int_equal(nic_activate(GROUP_COMMAND("s", 0), NULL), 0);
	restarts(&listed);
	assert_string_equal(info_of('s').role, "unprotected");
}

/* A file that says otherwise stops nothing: the change waits until the standby has ended. */
static void a_standby_of_the_sockets_stays_one_whatever_the_file_lists(void **state)
{
	struct group_config group = {.name = "a", .vfs = {"a"}, .n_vfs = 1};
	struct vf_config vf = vf_config_of('a');
	const struct nic_listed before = {.vfs = &vf, .n_vfs = 1};
	const struct nic_listed listed = {.vfs = &vf, .n_vfs = 1, .groups = &group, .n_groups = 1};
	struct group_info info;

	restarts(&before);
	assert_int_equal(nic_standby_start(GROUP_COMMAND("a", 0), NULL), 0);
	restarts(&listed);
	assert_int_equal(nic_group_get("a", &info, NULL), 0);
	assert_true(info.lone);
	assert_string_equal(info.state, "standby");
}

static void an_exemption_of_before_that_is_none_now_exempts_nothing(void **state)
{
	struct journal_vf entry;
	struct vf *vf;

	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 5);
	settle();
	vf = vf_find("a");
	assert_true(journal_get_vf(vf->id, &entry));
	snprintf(entry.config.hold_exempt, sizeof(entry.config.hold_exempt), "host router");
	journal_put_vf(vf->id, &entry);
	restarts(&nothing_listed);
	assert_string_equal(vf_find("a")->config.hold_exempt, "");
	assert_int_equal(info_of('a').held_pkts, 5);
	wire_gets_nothing();
	unprotect("a", true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(a_kill_in_protection_stop_ends_it_at_the_restart),
		DEVICE_TEST(what_a_changed_group_was_to_discard_does_not_leave),
		DEVICE_TEST(a_standby_does_not_remember_an_order_to_discard),
		DEVICE_TEST(a_vf_that_a_group_of_the_socket_names_stays),
		DEVICE_TEST(a_group_that_the_file_lists_keeps_no_vf_of_the_sockets_one),
		DEVICE_TEST(a_vf_in_no_group_is_the_standby_that_it_was),
		DEVICE_TEST(an_activated_vf_stays_so_when_the_file_changes),
		DEVICE_TEST(a_vf_has_no_groups_name_as_it_could_not_be_taken_up),
		DEVICE_TEST(a_listed_group_of_a_standbys_name_is_as_its_entry_says),
		DEVICE_TEST(an_exemption_of_before_that_is_none_now_exempts_nothing),
		DEVICE_TEST(a_standby_of_the_sockets_stays_one_whatever_the_file_lists),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
