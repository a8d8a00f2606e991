/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A protection's course: checkpoints that are aborted, how fast committed frames leave, its end,
 * and what is refused: renicd/nic/protection.c.
 */
#include "nic_fixture.h"

/* ---- abort, stop ---- */

static void an_aborted_checkpoints_frames_leave_with_the_next_commit(void **state)
{
	struct nic_error err;
	uint64_t aborted;

	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 10);
	settle();
	aborted = begin("a");
	give_up("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 10), 10);
	settle();
	assert_int_equal(
		nic_checkpoint_commit(GROUP_COMMAND("a", 0), aborted, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "epoch");
	settle();
	wire_gets_nothing();
	commit("a", checkpoint("a"));
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 20);
}

/* What some rounds in a row, with nothing between, take from a's guest and let out. */
struct pace {
	struct vf_qp *qp;
	unsigned rounds;
	uint32_t taken, left;
};

static void play_rounds(void *arg)
{
	struct pace *pace = arg;
	const struct fake_port *a = pace->qp->port;
	uint32_t unread = fake_port_unread(a, 0), out;

	__atomic_store_n(&pace->qp->enabled, 1, __ATOMIC_RELAXED);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	qp_poll(pace->qp); /* what the uplink has refused; then as always */
	out = fake_uplink_count();
	for (unsigned i = 1; i < pace->rounds; i++)
		qp_poll(pace->qp);
	pace->left = fake_uplink_count() - out;
	pace->taken = unread - fake_port_unread(a, 0);
}

/* `left`: frames that were committed before and have not left. 320 more are committed, and the
 * guest's ring is full. */
static struct pace pace_with(uint32_t left)
{
	struct fake_port *a = vf_add('a', 0);
	struct pace pace = {.qp = vf_find("a")->qps[0], .rounds = 5};

	protect("a");
	fake_uplink_set_credits(0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), left);
	settle();
	commit("a", checkpoint("a"));
	guest_sends_many(FRAME('a', TO_NOBODY, left), 10 * NIC_BURST);
	settle();
	commit("a", checkpoint("a"));
	settle();
	fake_port_enable(a, 0, false);
	settle();
	guest_sends_many(FRAME('a', TO_NOBODY, left + 10 * NIC_BURST), 10 * NIC_BURST);
	lcore_call(pace.qp->lcore, play_rounds, &pace);
	unprotect("a", false);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), left + 20 * NIC_BURST);
	return pace;
}

static void while_committed_frames_leave_as_many_are_taken(void **state)
{
	struct pace pace = pace_with(2 * NIC_BURST);

	assert_int_equal(pace.taken, 5 * NIC_BURST);
	assert_int_equal(pace.left, 4 * NIC_BURST);
}

static void late_frames_leave_faster_than_others_are_taken(void **state)
{
	struct pace pace = pace_with(4 * NIC_BURST);

	assert_int_equal(pace.taken, 5 * NIC_BURST);
	assert_int_equal(pace.left, 8 * NIC_BURST);
}

static void stop_release_lets_all_leave_in_order_and_later_frames_at_once(void **state)
{
	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 10);
	settle();
	checkpoint("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 10), 10);
	settle();
	fake_uplink_set_credits(5);
	unprotect("a", false);
	guest_sends_many(FRAME('a', TO_NOBODY, 20), 100);
	settle();
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 120);
	wire_gets_nothing();
	assert_string_equal(info_of('a').role, "unprotected");
}

static void stop_discard_drops_the_uncommitted_and_counts_them(void **state)
{
	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 10);
	settle();
	fake_uplink_set_credits(3);
	commit("a", checkpoint("a"));
	settle(); /* 7 committed ones wait for the uplink */
	guest_sends_many(FRAME('a', TO_NOBODY, 10), 20);
	settle();
	checkpoint("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 30), 5);
	settle();
	unprotect("a", true);
	assert_int_equal(drops_of('a', DROP_DISCARDED), 25);
	guest_sends_many(FRAME('a', TO_NOBODY, 100), 10);
	settle();
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 10);
	wire_gets_many(FRAME('a', TO_NOBODY, 100), 10);
	wire_gets_nothing();
}

static void protection_starts_again_while_released_frames_wait(void **state)
{
	vf_add('a', 0);
	for (uint32_t term = 0; term < 5; term++) {
		protect("a");
		guest_sends_many(FRAME('a', TO_NOBODY, term * 20), 10);
		settle();
		fake_uplink_set_credits(4);
		unprotect("a", false);
		settle();
		protect("a");
		guest_sends_many(FRAME('a', TO_NOBODY, term * 20 + 10), 10);
		settle();
		fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
		settle();
		wire_gets_many(FRAME('a', TO_NOBODY, term * 20), 10);
		wire_gets_nothing();
		assert_int_equal(checkpoint("a"), 1);
		unprotect("a", false);
		settle();
		wire_gets_many(FRAME('a', TO_NOBODY, term * 20 + 10), 10);
	}
	assert_int_equal(events_of(EVENT_GROUP_STATE), 20);
}

static void count_vf(const struct vf_info *info, const struct checkpoint_vf *vf, void *n)
{
	assert_string_equal(info->config.name, "a");
	(*(int *)n)++;
}

static void prepare_tells_what_begin_would_do_and_changes_nothing(void **state)
{
	struct checkpoint_info info;
	struct nic_error err;
	int visited = 0;

	vf_add('a', 0);
	assert_int_equal(nic_checkpoint_prepare(GROUP_COMMAND("a", 0), &info, &err), RENIC_E_STATE);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 3);
	settle();
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(nic_checkpoint_prepare(GROUP_COMMAND("a", 0), &info, &err), 0);
		assert_int_equal(info.epoch, 1);
		assert_int_equal(info.held_pkts, 3);
		assert_int_equal(info.held_bytes, 3 * LEN_DEFAULT);
		nic_checkpoint_rehearse("a", count_vf, &visited);
	}
	assert_int_equal(visited, 2);
	assert_string_equal(info_of('a').role, "protected");
	assert_int_equal(begin("a"), 1);
	assert_int_equal(nic_checkpoint_prepare(GROUP_COMMAND("a", 0), &info, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "suspended");
	resume("a");
	commit("a", 1);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 3);
}

static void what_is_not_legal_is_refused_and_changes_nothing(void **state)
{
	struct checkpoint_info info;
	struct nic_error err;

	vf_add('a', 0);
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("a", 0), &info, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "unprotected");
	assert_int_equal(nic_checkpoint_commit(GROUP_COMMAND("a", 0), 1, &err), RENIC_E_STATE);
	assert_int_equal(nic_protection_stop(GROUP_COMMAND("a", 0), false, &err), RENIC_E_STATE);
	protect("a");
	assert_int_equal(nic_protection_start(GROUP_COMMAND("a", 0), &err), RENIC_E_STATE);
	assert_int_equal(nic_checkpoint_resume(GROUP_COMMAND("a", 0), &err), RENIC_E_STATE);
	assert_int_equal(nic_checkpoint_abort(GROUP_COMMAND("a", 0), &err), RENIC_E_STATE);
	assert_int_equal(nic_checkpoint_commit(GROUP_COMMAND("a", 0), 1, &err), RENIC_E_PARAMS);
	assert_int_equal(nic_checkpoint_commit(GROUP_COMMAND("a", 0), 0, NULL), RENIC_E_PARAMS);
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	begin("a");
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("a", 0), &info, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "suspended");
	assert_int_equal(nic_protection_stop(GROUP_COMMAND("a", 0), false, &err), RENIC_E_STATE);
	assert_int_equal(nic_protection_start(GROUP_COMMAND("a", 0), &err), RENIC_E_STATE);
	assert_int_equal(nic_checkpoint_commit(GROUP_COMMAND("a", 0), 2, &err), RENIC_E_PARAMS);
	assert_int_equal(
		nic_checkpoint_begin(GROUP_COMMAND("nobody", 0), &info, &err), RENIC_E_NOT_FOUND);
	settle();
	wire_gets_nothing();
	resume("a");
}

static void a_group_without_vfs_cannot_be_protected(void **state)
{
	struct nic_error err;

	group_add_vfs("g", "", false);
	assert_int_equal(nic_protection_start(GROUP_COMMAND("g", 0), &err), RENIC_E_PARAMS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(an_aborted_checkpoints_frames_leave_with_the_next_commit),
		DEVICE_TEST(while_committed_frames_leave_as_many_are_taken),
		DEVICE_TEST(late_frames_leave_faster_than_others_are_taken),
		DEVICE_TEST(stop_release_lets_all_leave_in_order_and_later_frames_at_once),
		DEVICE_TEST(stop_discard_drops_the_uncommitted_and_counts_them),
		DEVICE_TEST(protection_starts_again_while_released_frames_wait),
		DEVICE_TEST(prepare_tells_what_begin_would_do_and_changes_nothing),
		DEVICE_TEST(what_is_not_legal_is_refused_and_changes_nothing),
		DEVICE_TEST(a_group_without_vfs_cannot_be_protected),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
