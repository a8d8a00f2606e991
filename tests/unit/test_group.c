/* SPDX-License-Identifier: BSD-3-Clause */
/* A protection group's states and epochs: renicd/nic/group.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group.h"

static void start(struct group_fsm *fsm)
{
	group_fsm_init(fsm, 0);
	assert_int_equal(group_check(fsm, GROUP_START, NULL), 0);
	group_fsm_start(fsm);
}

static uint64_t begin(struct group_fsm *fsm)
{
	assert_int_equal(group_check(fsm, GROUP_BEGIN, NULL), 0);
	return group_fsm_begin(fsm);
}

/* One checkpoint; returns the epoch that it sealed. */
static uint64_t checkpoint(struct group_fsm *fsm)
{
	uint64_t epoch = begin(fsm);

	assert_int_equal(group_check(fsm, GROUP_RESUME, NULL), 0);
	group_fsm_resume(fsm);
	return epoch;
}

static uint64_t aborted_checkpoint(struct group_fsm *fsm)
{
	uint64_t epoch = begin(fsm);

	assert_int_equal(group_check(fsm, GROUP_ABORT, NULL), 0);
	group_fsm_abort(fsm);
	return epoch;
}

static void commit(struct group_fsm *fsm, uint64_t epoch)
{
	assert_int_equal(group_check_commit(fsm, epoch, NULL), 0);
	group_fsm_commit(fsm, epoch);
}

static void only_the_protocols_ops_are_legal_in_each_state(void **state)
{
	/* docs/protocol.md, design section 5: rows are states, columns ops in enum order. */
	static const bool legal[GROUP_STATES][GROUP_OPS] = {
		[GROUP_UNPROTECTED] = {[GROUP_START] = true, [GROUP_STANDBY_START] = true},
		[GROUP_PROTECTED] =
			{[GROUP_BEGIN] = true, [GROUP_COMMIT] = true, [GROUP_STOP] = true},
		[GROUP_SUSPENDED] =
			{[GROUP_RESUME] = true, [GROUP_ABORT] = true, [GROUP_COMMIT] = true},
		[GROUP_STANDBY] = {[GROUP_RESTORE] = true,
			[GROUP_ACTIVATE] = true,
			[GROUP_STANDBY_STOP] = true},
	};
	struct group_fsm fsms[GROUP_STATES] = {{.term = 1}, {.term = 1}, {.term = 1}, {.term = 1}};

	start(&fsms[GROUP_PROTECTED]);
	start(&fsms[GROUP_SUSPENDED]);
	begin(&fsms[GROUP_SUSPENDED]);
	group_fsm_standby_start(&fsms[GROUP_STANDBY]);
	for (int s = 0; s < GROUP_STATES; s++) {
		assert_int_equal(fsms[s].state, s);
		for (int op = 0; op < GROUP_OPS; op++) {
			struct nic_error err = {0};
			int ret = group_check(&fsms[s], (enum group_op)op, &err);

			assert_int_equal(ret, legal[s][op] ? 0 : RENIC_E_STATE);
			assert_int_equal(fsms[s].state, s);
			if (ret) {
				assert_int_equal(err.code, RENIC_E_STATE);
				assert_string_equal(err.state, group_state_names[s]);
				assert_non_null(strstr(err.message, group_op_names[op]));
			}
		}
	}
}

static void a_checkpoint_suspends_and_resume_or_abort_end_it(void **state)
{
	struct group_fsm fsm;

	start(&fsm);
	begin(&fsm);
	assert_int_equal(fsm.state, GROUP_SUSPENDED);
	group_fsm_resume(&fsm);
	assert_int_equal(fsm.state, GROUP_PROTECTED);
	begin(&fsm);
	group_fsm_abort(&fsm);
	assert_int_equal(fsm.state, GROUP_PROTECTED);
	group_fsm_stop(&fsm);
	assert_int_equal(fsm.state, GROUP_UNPROTECTED);
	assert_int_equal(fsm.epoch, 0);
	assert_int_equal(group_fsm_sealed(&fsm), 0);
}

static void epochs_count_from_one_in_each_protection(void **state)
{
	struct group_fsm fsm;

	start(&fsm);
	assert_int_equal(fsm.epoch, 1);
	for (uint64_t e = 1; e <= 10; e++)
		assert_int_equal(checkpoint(&fsm), e);
	commit(&fsm, 7);
	group_fsm_stop(&fsm);
	group_fsm_start(&fsm);
	assert_int_equal(fsm.epoch, 1);
	assert_int_equal(fsm.committed_epoch, 0);
	assert_int_equal(begin(&fsm), 1);
}

static void commit_takes_sealed_epochs_only(void **state)
{
	static const uint64_t unsealed[] = {0, 3, 4, UINT64_MAX};
	struct group_fsm fsm;

	start(&fsm);
	checkpoint(&fsm);
	checkpoint(&fsm);
	for (size_t i = 0; i < sizeof(unsealed) / sizeof(unsealed[0]); i++) {
		struct nic_error err = {0};

		assert_int_equal(group_check_commit(&fsm, unsealed[i], &err), RENIC_E_PARAMS);
		assert_string_equal(err.field, "epoch");
		assert_int_equal(strtoull(err.given, NULL, 10), unsealed[i]);
		assert_non_null(strstr(err.expected, "1 to 2"));
	}
	assert_int_equal(group_check_commit(&fsm, 1, NULL), 0);
	assert_int_equal(group_check_commit(&fsm, 2, NULL), 0);
}

static void commit_before_any_seal_says_that_there_is_none(void **state)
{
	struct nic_error err = {0};
	struct group_fsm fsm;

	start(&fsm);
	assert_int_equal(group_check_commit(&fsm, 1, &err), RENIC_E_PARAMS);
	assert_string_equal(err.given, "1");
	assert_non_null(strstr(err.expected, "none yet"));
}

static void commit_needs_protection(void **state)
{
	struct nic_error err = {0};
	struct group_fsm fsm = {0};

	assert_int_equal(group_check_commit(&fsm, 1, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "unprotected");
}

static void the_epoch_under_way_may_be_committed_while_suspended(void **state)
{
	struct group_fsm fsm;
	struct nic_error err = {0};
	uint64_t epoch;

	start(&fsm);
	epoch = begin(&fsm);
	commit(&fsm, epoch);
	assert_int_equal(fsm.state, GROUP_SUSPENDED);
	assert_int_equal(group_check(&fsm, GROUP_ABORT, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "suspended");
	assert_non_null(strstr(err.message, "committed"));
	assert_int_equal(group_check(&fsm, GROUP_RESUME, NULL), 0);
}

static void committing_again_or_an_older_one_changes_nothing(void **state)
{
	struct group_fsm fsm;

	start(&fsm);
	for (int i = 0; i < 5; i++)
		checkpoint(&fsm);
	commit(&fsm, 4);
	commit(&fsm, 4);
	commit(&fsm, 2);
	assert_int_equal(fsm.committed_epoch, 4);
	assert_int_equal(group_fsm_sealed(&fsm), 1);
}

static void an_aborted_epoch_goes_with_a_later_commit(void **state)
{
	struct nic_error err = {0};
	struct group_fsm fsm;
	uint64_t aborted, later;

	start(&fsm);
	aborted = aborted_checkpoint(&fsm);
	assert_int_equal(group_fsm_sealed(&fsm), 1);
	assert_int_equal(group_check_commit(&fsm, aborted, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "epoch");
	assert_non_null(strstr(err.expected, "not aborted"));
	later = checkpoint(&fsm);
	assert_int_equal(group_fsm_sealed(&fsm), 2);
	commit(&fsm, later);
	assert_int_equal(group_fsm_sealed(&fsm), 0);
	/* It is committed now, so that naming it is harmless. */
	assert_int_equal(group_check_commit(&fsm, aborted, NULL), 0);
}

static void the_oldest_of_too_many_epochs_goes_with_a_later_commit(void **state)
{
	enum { REMEMBERED = EPOCHS_IN_FLIGHT_MAX - 1 };
	struct nic_error err = {0};
	struct group_fsm fsm;

	start(&fsm);
	for (int i = 0; i < REMEMBERED + 2; i++)
		checkpoint(&fsm);
	assert_int_equal(group_fsm_sealed(&fsm), REMEMBERED + 2);
	for (uint64_t e = 1; e <= 2; e++) {
		assert_int_equal(group_check_commit(&fsm, e, &err), RENIC_E_PARAMS);
		assert_string_equal(err.field, "epoch");
		assert_non_null(strstr(err.expected, "one of the last 255 epochs"));
	}
	commit(&fsm, 3);
	assert_int_equal(group_fsm_sealed(&fsm), REMEMBERED - 1);
	for (uint64_t e = 1; e <= REMEMBERED + 2; e++)
		commit(&fsm, e);
	assert_int_equal(group_fsm_sealed(&fsm), 0);
}

/* Nobody aborts, and nobody commits: their backup never had them. */
static void checkpoints_that_come_to_nothing_never_get_stuck(void **state)
{
	struct group_fsm fsm;
	uint64_t last;

	start(&fsm);
	for (int i = 0; i < 3 * EPOCHS_IN_FLIGHT_MAX; i++)
		checkpoint(&fsm);
	last = checkpoint(&fsm);
	commit(&fsm, last);
	assert_int_equal(fsm.committed_epoch, last);
	assert_int_equal(group_fsm_sealed(&fsm), 0);
}

static void aborting_for_ever_never_gets_stuck(void **state)
{
	struct group_fsm fsm;
	uint64_t last;

	start(&fsm);
	for (int i = 0; i < 3 * EPOCHS_IN_FLIGHT_MAX; i++) {
		uint64_t aborted = aborted_checkpoint(&fsm);

		assert_int_equal(group_check_commit(&fsm, aborted, NULL), RENIC_E_PARAMS);
		assert_int_equal(group_check_commit(&fsm, 1, NULL), RENIC_E_PARAMS);
	}
	last = checkpoint(&fsm);
	commit(&fsm, last);
	assert_int_equal(group_fsm_sealed(&fsm), 0);
}

static void an_epoch_before_many_aborted_ones_can_still_be_committed(void **state)
{
	struct group_fsm fsm;
	uint64_t first;

	start(&fsm);
	first = checkpoint(&fsm);
	while (group_fsm_sealed(&fsm) < EPOCHS_IN_FLIGHT_MAX - 1)
		aborted_checkpoint(&fsm);
	assert_int_equal(group_fsm_sealed(&fsm), EPOCHS_IN_FLIGHT_MAX - 1);
	commit(&fsm, first);
	assert_int_equal(fsm.committed_epoch, first);
	assert_int_equal(group_check(&fsm, GROUP_BEGIN, NULL), 0);
}

static void an_aborted_flag_does_not_outlive_its_epoch_or_protection(void **state)
{
	struct group_fsm fsm;

	start(&fsm);
	aborted_checkpoint(&fsm);
	for (int i = 0; i < EPOCHS_IN_FLIGHT_MAX; i++)
		commit(&fsm, checkpoint(&fsm)); /* one of them has epoch 1's place */
	group_fsm_stop(&fsm);
	group_fsm_start(&fsm);
	aborted_checkpoint(&fsm);
	group_fsm_stop(&fsm);
	group_fsm_start(&fsm);
	commit(&fsm, checkpoint(&fsm));
	assert_int_equal(fsm.committed_epoch, 1);
}

static struct group_fsm in_term(enum group_state state, uint64_t term)
{
	struct group_fsm fsm;

	group_fsm_init(&fsm, term);
	fsm.state = state;
	return fsm;
}

static void a_term_that_is_not_the_groups_is_refused_on_every_command(void **state)
{
	/* Who begins something may carry a larger one. */
	static const bool may_raise[GROUP_OPS] = {
		[GROUP_START] = true,
		[GROUP_STANDBY_START] = true,
		[GROUP_RESTORE] = true,
		[GROUP_ACTIVATE] = true,
	};

	for (int op = 0; op < GROUP_OPS; op++)
		for (int s = 0; s < GROUP_STATES; s++) {
			struct group_fsm fsm = in_term((enum group_state)s, 7), before = fsm;
			struct nic_error err = {0};

			assert_int_equal(group_check_term(&fsm, op, 0, &err), 0);
			assert_int_equal(group_check_term(&fsm, op, 7, &err), 0);
			assert_int_equal(group_check_term(&fsm, op, 6, &err), RENIC_E_TERM);
			assert_int_equal(err.code, RENIC_E_TERM);
			assert_string_equal(err.field, "term");
			assert_string_equal(err.given, "6");
			assert_int_equal(strncmp(err.expected, "7", 1), 0);
			assert_int_equal(group_check_term(&fsm, op, 8, NULL),
				may_raise[op] ? 0 : RENIC_E_TERM);
			assert_int_equal(
				group_check_term(&fsm, op, GROUP_TERM_MAX + 1, NULL), RENIC_E_TERM);
			assert_memory_equal(&fsm, &before, sizeof(fsm));
		}
}

static void an_activation_begins_a_term(void **state)
{
	struct group_fsm fsm = in_term(GROUP_UNPROTECTED, 0);

	assert_int_equal(fsm.term, 1);
	group_fsm_standby_start(&fsm);
	assert_int_equal(fsm.state, GROUP_STANDBY);
	assert_int_equal(fsm.epoch, 0);
	assert_int_equal(fsm.term, 1);
	group_fsm_activate(&fsm, 0);
	assert_int_equal(fsm.state, GROUP_UNPROTECTED);
	assert_int_equal(fsm.term, 2);
	group_fsm_standby_start(&fsm);
	group_fsm_activate(&fsm, 2); /* the one that it knows: the next begins */
	assert_int_equal(fsm.term, 3);
	group_fsm_standby_start(&fsm);
	group_fsm_activate(&fsm, 9);
	assert_int_equal(fsm.term, 9);
	group_fsm_standby_start(&fsm);
	group_fsm_standby_stop(&fsm);
	assert_int_equal(fsm.state, GROUP_UNPROTECTED);
	assert_int_equal(fsm.term, 9);
}

static void a_term_never_goes_back(void **state)
{
	struct group_fsm fsm = in_term(GROUP_STANDBY, 5);

	group_fsm_take_term(&fsm, 0);
	assert_int_equal(fsm.term, 5);
	group_fsm_take_term(&fsm, 4);
	assert_int_equal(fsm.term, 5);
	group_fsm_take_term(&fsm, 6);
	assert_int_equal(fsm.term, 6);
	group_fsm_activate(&fsm, 0);
	group_fsm_start(&fsm);
	group_fsm_begin(&fsm);
	group_fsm_resume(&fsm);
	group_fsm_stop(&fsm);
	assert_int_equal(fsm.term, 7);
}

static void after_the_last_term_nothing_is_activated(void **state)
{
	struct group_fsm fsm = in_term(GROUP_STANDBY, GROUP_TERM_MAX);

	assert_int_equal(group_check_term(&fsm, GROUP_ACTIVATE, 0, NULL), RENIC_E_TERM);
	assert_int_equal(
		group_check_term(&fsm, GROUP_ACTIVATE, GROUP_TERM_MAX, NULL), RENIC_E_TERM);
	assert_int_equal(group_check_term(&fsm, GROUP_STANDBY_STOP, 0, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_protocols_ops_are_legal_in_each_state),
		cmocka_unit_test(a_checkpoint_suspends_and_resume_or_abort_end_it),
		cmocka_unit_test(epochs_count_from_one_in_each_protection),
		cmocka_unit_test(commit_takes_sealed_epochs_only),
		cmocka_unit_test(commit_before_any_seal_says_that_there_is_none),
		cmocka_unit_test(commit_needs_protection),
		cmocka_unit_test(the_epoch_under_way_may_be_committed_while_suspended),
		cmocka_unit_test(committing_again_or_an_older_one_changes_nothing),
		cmocka_unit_test(an_aborted_epoch_goes_with_a_later_commit),
		cmocka_unit_test(the_oldest_of_too_many_epochs_goes_with_a_later_commit),
		cmocka_unit_test(checkpoints_that_come_to_nothing_never_get_stuck),
		cmocka_unit_test(aborting_for_ever_never_gets_stuck),
		cmocka_unit_test(an_epoch_before_many_aborted_ones_can_still_be_committed),
		cmocka_unit_test(an_aborted_flag_does_not_outlive_its_epoch_or_protection),
		cmocka_unit_test(a_term_that_is_not_the_groups_is_refused_on_every_command),
		cmocka_unit_test(an_activation_begins_a_term),
		cmocka_unit_test(a_term_never_goes_back),
		cmocka_unit_test(after_the_last_term_nothing_is_activated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
