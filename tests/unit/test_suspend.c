/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * P3: a suspended guest is left alone, and loses no frame by it, also where its front-end stops and
 * starts the rings meanwhile: renicd/nic/protection.c, qp_rx.c, frontend.c.
 * The fakes note any access to a suspended or stopped guest; settle() then fails.
 */
#include <pthread.h>
#include <sched.h>

#include "nic_fixture.h"

/* ---- P3 ---- */

static void a_suspended_guest_is_left_alone_in_both_directions(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 50);
	for (int i = 0; i < 50; i++) {
		uint64_t epoch = begin("a");

		guest_sends(FRAME('a', TO_NOBODY, 50 + (uint32_t)i));
		wire_sends(FRAME(FROM_WIRE, 'a', (uint32_t)i));
		wire_sends(FRAME(FROM_WIRE, TO_ALL, (uint32_t)i));
		settle();
		assert_null(fake_port_receive(a, 0));
		commit("a", epoch);
		settle();
		resume("a");
		settle();
		guest_gets('a', FRAME(FROM_WIRE, 'a', (uint32_t)i));
		guest_gets('a', FRAME(FROM_WIRE, TO_ALL, (uint32_t)i));
	}
}

static void ingress_is_kept_while_suspended_and_then_delivered_in_order(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	begin("a");
	for (uint32_t i = 0; i < 1000; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	assert_int_equal(info_of('a').ingress_held_pkts, 1000);
	resume("a");
	wire_sends(FRAME(FROM_WIRE, 'a', 1000));
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 1001);
	guest_gets_nothing('a');
	assert_int_equal(info_of('a').ingress_held_pkts, 0);
	assert_int_equal(drops_of('a', DROP_RX_HOLD_FULL) + drops_of('a', DROP_RX_NO_BUFFER), 0);
}

static void ingress_is_kept_up_to_its_bound(void **state)
{
	struct vf_config config = vf_config_of('a');

	config.ingress_hold_pkts = 100;
	vf_add_config(&config);
	protect("a");
	begin("a");
	for (uint32_t i = 0; i < 150; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	assert_int_equal(drops_of('a', DROP_RX_HOLD_FULL), 50);
	resume("a");
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 100);
	guest_gets_nothing('a');
}

/* The guest takes a moment to work off what came while it was suspended. */
static void what_comes_behind_kept_ingress_is_kept_within_the_same_bound(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	protect("a");
	begin("a");
	for (uint32_t i = 0; i < 1900; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	fake_port_set_room(a, 0, 100);
	resume("a");
	settle();
	for (uint32_t i = 1900; i < 1950; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	fake_port_set_room(a, 0, FAKE_ROOM_ENDLESS);
	settle();
	assert_int_equal(drops_of('a', DROP_RX_NO_BUFFER), 0);
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 1950);
}

static void frames_between_vfs_wait_for_a_suspended_receiver(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	protect("b");
	begin("b");
	guest_sends_many(FRAME('a', 'b', 0), 200);
	guest_sends(FRAME('a', TO_ALL, 200));
	settle();
	guest_gets_nothing('b');
	assert_int_equal(info_of('b').ingress_held_pkts, 201);
	resume("b");
	settle();
	guest_gets_many('b', FRAME('a', 'b', 0), 200);
	guest_gets('b', FRAME('a', TO_ALL, 200));
}

/* ---- the front-end stops and starts around each pause of the VM ---- */

enum point { BEFORE_BEGIN, SUSPENDED, COMMITTED, RESUMED, POINTS };

/* One checkpoint; the rings are stopped at one point and started at the same or a later one. */
static void checkpoint_with_restart(enum point stop, enum point start, uint32_t first)
{
	struct fake_port *a = port_of('a');
	uint64_t epoch = 0;

	guest_sends_many(FRAME('a', TO_NOBODY, first), 5);
	settle();
	for (int point = 0; point < POINTS; point++) {
		if (point == SUSPENDED)
			epoch = begin("a");
		if (point == COMMITTED)
			commit("a", epoch);
		if (point == RESUMED)
			resume("a");
		if (point == (int)stop)
			fake_port_stop(a);
		wire_sends(FRAME(FROM_WIRE, 'a', first + (uint32_t)point));
		settle();
		if (point == (int)start) {
			fake_port_start(a);
			fake_port_enable(a, 0, true);
		}
		settle();
	}
	wire_gets_many(FRAME('a', TO_NOBODY, first), 5);
	wire_gets_nothing();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', first), POINTS);
	guest_gets_nothing('a');
	assert_string_equal(info_of('a').role, "protected");
	assert_int_equal(info_of('a').frontend, FRONTEND_RUNNING);
}

static void the_front_end_may_stop_and_start_at_every_point_of_a_checkpoint(void **state)
{
	uint32_t first = 0;

	vf_add('a', 0);
	protect("a");
	for (int stop = 0; stop < POINTS; stop++)
		for (int start = stop; start < POINTS; start++, first += 10)
			checkpoint_with_restart((enum point)stop, (enum point)start, first);
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 0);
	assert_int_equal(info_of('a').counters.tx_pkts, first / 10 * 5);
}

static void a_front_end_that_goes_leaves_what_it_sent(void **state)
{
	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 20);
	settle();
	begin("a");
	fake_port_disconnect(port_of('a'), NULL);
	resume("a");
	settle();
	wire_gets_nothing();
	assert_string_equal(info_of('a').role, "protected");
	fake_port_bring_up(port_of('a'));
	guest_sends(FRAME('a', TO_NOBODY, 20));
	settle();
	wire_gets_nothing();
	commit("a", checkpoint("a"));
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 21);
}

/* QEMU's thread and the replicator's commands, at once. */
static unsigned qemu_done; /* atomic */

static void *stop_and_start(void *arg)
{
	struct fake_port *p = arg;

	for (int i = 0; i < 300; i++) {
		fake_port_stop(p);
		sched_yield();
		fake_port_start(p);
		fake_port_enable(p, 0, true);
	}
	__atomic_store_n(&qemu_done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void front_end_and_checkpoints_may_go_on_at_once(void **state)
{
	uint32_t sent = 0, ingress = 0, got = 0;
	pthread_t qemu;

	vf_add('a', 0);
	protect("a");
	__atomic_store_n(&qemu_done, 0, __ATOMIC_RELAXED);
	pthread_create(&qemu, NULL, stop_and_start, port_of('a'));
	while (!__atomic_load_n(&qemu_done, __ATOMIC_ACQUIRE)) {
		uint64_t epoch;

		for (int i = 0; i < 5; i++) {
			if (sent - got < 1000 && guest_tries_to_send(FRAME('a', TO_NOBODY, sent)))
				sent++;
			wire_sends(FRAME(FROM_WIRE, TO_MANY, ingress++));
			count_guest('a');
		}
		epoch = checkpoint("a");
		one_round();
		commit("a", epoch);
		for (; fake_uplink_count(); got++)
			wire_gets(FRAME('a', TO_NOBODY, got));
	}
	pthread_join(qemu, NULL);
	settle();
	commit("a", checkpoint("a"));
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, got), sent - got);
	wire_gets_nothing();
	assert_int_equal(info_of('a').counters.rx_pkts + drops_of('a', DROP_RX_HOLD_FULL) +
				 drops_of('a', DROP_RX_NO_BUFFER),
		ingress);
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(a_suspended_guest_is_left_alone_in_both_directions),
		DEVICE_TEST(ingress_is_kept_while_suspended_and_then_delivered_in_order),
		DEVICE_TEST(ingress_is_kept_up_to_its_bound),
		DEVICE_TEST(what_comes_behind_kept_ingress_is_kept_within_the_same_bound),
		DEVICE_TEST(frames_between_vfs_wait_for_a_suspended_receiver),
		DEVICE_TEST(the_front_end_may_stop_and_start_at_every_point_of_a_checkpoint),
		DEVICE_TEST(a_front_end_that_goes_leaves_what_it_sent),
		DEVICE_TEST(front_end_and_checkpoints_may_go_on_at_once),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
