/* SPDX-License-Identifier: BSD-3-Clause */
/* What may follow what, on both sides: the rules that the tables have to keep, over every arc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fsm.h"

static enum primary_state p_after(enum primary_state state, enum primary_event event)
{
	primary_next(&state, event);
	return state;
}

static enum standby_state s_after(enum standby_state state, enum standby_event event)
{
	standby_next(&state, event);
	return state;
}

static void nothing_is_activated_without_a_yes(void **state)
{
	for (unsigned s = 0; s < STANDBY_STATES; s++)
		for (unsigned e = 0; e < STANDBY_EVENTS; e++)
			if (s != S_ACTIVATING && s_after(s, e) == S_ACTIVATING)
				assert_true(e == SE_FENCE_YES || e == SE_HANDOVER);
	for (unsigned s = 0; s < STANDBY_STATES; s++)
		for (unsigned e = 0; e < STANDBY_EVENTS; e++)
			if (s != S_ACTIVE && s_after(s, e) == S_ACTIVE)
				assert_true(s == S_ACTIVATING && e == SE_ACTIVATED);
}

static void nothing_is_activated_that_is_not_held(void **state)
{
	for (unsigned e = 0; e < STANDBY_EVENTS; e++) {
		assert_int_not_equal(s_after(S_WAITING, e), S_ACTIVATING);
		assert_int_not_equal(s_after(S_SYNCING, e), S_ACTIVATING);
	}
}

static void an_active_standby_stays_so(void **state)
{
	for (unsigned e = 0; e < STANDBY_EVENTS; e++)
		assert_int_equal(s_after(S_ACTIVE, e), S_ACTIVE);
}

static void a_primary_that_came_back_is_welcome_until_the_decision(void **state)
{
	assert_int_equal(s_after(S_NEEDS_FENCE, SE_CONNECTED), S_READY);
	assert_int_equal(s_after(S_FENCING, SE_CONNECTED), S_FENCING);
	assert_int_equal(s_after(S_ACTIVATING, SE_CONNECTED), S_ACTIVATING);
	assert_int_equal(s_after(S_FAILED, SE_CONNECTED), S_FAILED);
	assert_int_equal(s_after(S_FAILED, SE_FENCE_YES), S_ACTIVATING);
}

static void only_a_failed_activation_that_left_nothing_is_gone_back_from(void **state)
{
	for (unsigned s = 0; s < STANDBY_STATES; s++)
		assert_int_equal(s_after(s, SE_RETURNED), s == S_FAILED ? S_READY : s);
	for (unsigned e = 0; e < STANDBY_EVENTS; e++)
		if (e != SE_RETURNED && e != SE_FENCE_YES)
			assert_int_equal(s_after(S_FAILED, e), S_FAILED);
}

static void a_vm_whose_switch_was_lost_waits_for_the_standbys_word(void **state)
{
	assert_int_equal(p_after(P_SWITCH_LOST, PE_UP), P_SYNCING);
	assert_int_equal(p_after(P_SWITCH_LOST, PE_UP_AGAIN), P_SYNCING);
	assert_int_equal(p_after(P_SWITCH_LOST, PE_BACK), P_BACKUP_LOST);
	for (unsigned e = 0; e < PRIMARY_EVENTS; e++)
		if (e != PE_UP && e != PE_UP_AGAIN && e != PE_BACK && e != PE_VM_LOST &&
			e != PE_STALE)
			assert_int_equal(p_after(P_SWITCH_LOST, e), P_SWITCH_LOST);
}

static void only_a_fenced_backup_is_forgotten(void **state)
{
	for (unsigned s = 0; s < P_STATES; s++)
		for (unsigned e = 0; e < PRIMARY_EVENTS; e++)
			if (s != P_RELEASED && p_after(s, e) == P_RELEASED)
				assert_true(s == P_FENCING && e == PE_FENCE_YES);
	assert_int_equal(p_after(P_FENCING, PE_FENCE_NO), P_BACKUP_LOST);
	for (unsigned e = 0; e < PRIMARY_EVENTS; e++)
		if (e != PE_FENCE_YES)
			assert_int_not_equal(p_after(P_BACKUP_LOST, e), P_RELEASED);
}

static void protection_never_ends_while_the_backup_may_take_over(void **state)
{
	assert_int_equal(p_after(P_BACKUP_LOST, PE_STOP), P_BACKUP_LOST);
	assert_int_equal(p_after(P_SWITCH_LOST, PE_STOP), P_SWITCH_LOST);
	assert_int_equal(p_after(P_SWITCHING, PE_STOP), P_SWITCHING);
	assert_int_equal(p_after(P_PROTECTED, PE_LOST_BARE), P_PROTECTED);
}

static void final_states_are_final(void **state)
{
	unsigned n = 0;

	for (unsigned s = 0; s < P_STATES; s++) {
		bool final = s == P_SWITCHED || s == P_STALE || s == P_STOPPED;

		assert_int_equal(primary_is_final(s), final);
		n += final;
		for (unsigned e = 0; final && e < PRIMARY_EVENTS; e++)
			assert_int_equal(p_after(s, e), s);
	}
	assert_int_equal(n, 3);
}

static void newer_term_ends_it_wherever_it_can_be_heard(void **state)
{
	for (unsigned s = 0; s < P_STATES; s++)
		if (!primary_is_final(s) && s != P_FENCING) /* no connection then */
			assert_true(primary_is_final(p_after(s, PE_STALE)));
}

static void states_can_be_reached_and_have_names(void **state)
{
	bool p[P_STATES] = {[P_CONNECTING] = true}, s[STANDBY_STATES] = {[S_WAITING] = true};

	for (unsigned round = 0; round < P_STATES; round++)
		for (unsigned e = 0; e < PRIMARY_EVENTS; e++)
			for (unsigned k = 0; k < P_STATES; k++)
				p[p_after(k, e)] |= p[k];
	for (unsigned round = 0; round < STANDBY_STATES; round++)
		for (unsigned e = 0; e < STANDBY_EVENTS; e++)
			for (unsigned k = 0; k < STANDBY_STATES; k++)
				s[s_after(k, e)] |= s[k];
	for (unsigned k = 0; k < P_STATES; k++)
		assert_true(p[k] && strlen(primary_state_name(k)) > 0);
	for (unsigned k = 0; k < STANDBY_STATES; k++)
		assert_true(s[k] && strlen(standby_state_name(k)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_activated_without_a_yes),
		cmocka_unit_test(nothing_is_activated_that_is_not_held),
		cmocka_unit_test(an_active_standby_stays_so),
		cmocka_unit_test(a_primary_that_came_back_is_welcome_until_the_decision),
		cmocka_unit_test(only_a_failed_activation_that_left_nothing_is_gone_back_from),
		cmocka_unit_test(a_vm_whose_switch_was_lost_waits_for_the_standbys_word),
		cmocka_unit_test(only_a_fenced_backup_is_forgotten),
		cmocka_unit_test(protection_never_ends_while_the_backup_may_take_over),
		cmocka_unit_test(final_states_are_final),
		cmocka_unit_test(newer_term_ends_it_wherever_it_can_be_heard),
		cmocka_unit_test(states_can_be_reached_and_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
