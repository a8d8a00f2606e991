/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints carried out: renicd/nic/protection.c with the queue pairs, the log and the switch.
 * P1: nothing leaves before its commit. P2: what is committed leaves in order, each once.
 * P3: a suspended guest is left alone, and loses no frame by it.
 * The fakes note any access to a suspended or stopped guest; settle() then fails.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "egress_log.h"
#include "group_members.h"
#include "nic_fixture.h"

enum { LONG = 1400, JUMBO = 9000 };

/* Take all that the guest has got; how many. */
static uint32_t count_guest(char vf)
{
	struct guest_frame *got;
	uint32_t n = 0;

	for (; (got = fake_port_receive(port_of(vf), 0)); n++)
		free(got);
	return n;
}

/* ---- P1 ---- */

static const uint16_t ethertypes[] = {
	0x0800,
	0x0806,
	0x86dd,
	0x8100,
	0x88a8,
	0x88cc,
	0x8847,
	0x8863,
	0x9000,
	0x0000,
	0x0026,
	0xffff,
};

static const char destinations[] = {'b', 'c', TO_NOBODY, TO_ALL, TO_MANY};

static void nothing_leaves_before_its_commit_whatever_the_ethertype(void **state)
{
	uint32_t n = 0;

	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	group_add_vfs("g", "ab", false);
	protect("g");
	for (size_t t = 0; t < RTE_DIM(ethertypes); t++)
		for (size_t d = 0; d < sizeof(destinations); d++)
			guest_sends(FRAME('a', destinations[d], n++, .type = ethertypes[t],
				.len = t % 2 ? LONG : LEN_DEFAULT));
	settle();
	checkpoint("g");
	settle();
	wire_gets_nothing();
	guest_gets_nothing('b');
	guest_gets_nothing('c');
	assert_int_equal(info_of('a').held_pkts, n);
	commit("g", 1);
	settle();
	assert_int_equal(fake_uplink_count(), 3 * RTE_DIM(ethertypes));
	assert_int_equal(count_guest('b'), 3 * RTE_DIM(ethertypes));
	assert_int_equal(count_guest('c'), 3 * RTE_DIM(ethertypes));
	assert_int_equal(info_of('a').held_pkts, 0);
}

static void nothing_leaves_before_its_commit_on_vlans(void **state)
{
	vf_add('a', 7);
	vf_add('b', 7);
	vf_add('t', 0);
	group_add_vfs("g", "at", false);
	protect("g");
	guest_sends(FRAME('a', 'b', 1));
	guest_sends(FRAME('a', TO_ALL, 2));
	guest_sends(FRAME('t', 'b', 3, .vid = 7));
	guest_sends(FRAME('t', TO_ALL, 4, .vid = 7));
	settle();
	wire_gets_nothing();
	guest_gets_nothing('a');
	guest_gets_nothing('b');
	guest_gets_nothing('t');
	commit("g", checkpoint("g"));
	settle();
	assert_int_equal(fake_uplink_count(), 2);
	assert_int_equal(count_guest('b'), 4);
	assert_int_equal(count_guest('a'), 1);
	assert_int_equal(count_guest('t'), 1);
}

static void only_committed_epochs_leave(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	protect("a");
	for (uint32_t epoch = 0; epoch < 5; epoch++) {
		guest_sends_many(FRAME('a', TO_NOBODY, epoch * 10), 10);
		settle();
		assert_int_equal(checkpoint("a"), epoch + 1);
	}
	guest_sends_many(FRAME('a', TO_NOBODY, 50), 10);
	settle();
	wire_gets_nothing();
	commit("a", 1);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 10);
	wire_gets_nothing();
	commit("a", 1); /* again: nothing */
	settle();
	wire_gets_nothing();
	commit("a", 4); /* covers 2 and 3 */
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 10), 30);
	wire_gets_nothing();
	commit("a", 2);
	commit("a", 5);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 40), 10);
	wire_gets_nothing();
	assert_int_equal(info_of('a').held_pkts, 10);
	/* Into a log that has some already, as it should be nearly always. */
	assert_true(fake_port_taken_straight(a) > 0);
}

static void frames_of_every_kind_leave_in_the_order_of_the_ring(void **state)
{
	struct fake_port *a = vf_add('a', 0);
	uint32_t n = 0;

	protect("a");
	guest_sends(FRAME('a', TO_NOBODY, n++));
	settle();
	for (unsigned round = 0; round < 40; round++) {
		guest_sends_many(FRAME('a', TO_NOBODY, n), 32); /* alike: straight into the log */
		n += 32;
		if (round % 4 == 1)
			settle();
		guest_sends(FRAME('a', TO_NOBODY, n++, .type = 0x86dd));
		guest_sends(FRAME('a', TO_NOBODY, n++, .len = LONG));
		if (round % 4 == 3)
			checkpoint("a");
	}
	settle();
	wire_gets_nothing();
	commit("a", checkpoint("a"));
	settle();
	assert_true(fake_port_taken_straight(a) > 0 && fake_port_taken_straight(a) < n);
	assert_int_equal(info_of('a').counters.tx_pkts, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t of_round = i ? (i - 1) % 34 : 0;

		wire_gets(FRAME('a', TO_NOBODY, i, .type = of_round == 32 ? 0x86dd : 0x0800,
			.len = of_round == 33 ? LONG : LEN_DEFAULT));
	}
	wire_gets_nothing();
}

static void frames_in_the_ring_at_begin_belong_to_the_next_epoch(void **state)
{
	uint64_t epoch;

	vf_add('a', 0);
	protect("a");
	guest_sends(FRAME('a', TO_NOBODY, 0));
	settle();
	epoch = begin("a");
	guest_sends(FRAME('a', TO_NOBODY, 1)); /* not taken before the resume */
	settle();
	assert_int_equal(fake_port_unread(port_of('a'), 0), 1);
	commit("a", epoch);
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 0));
	resume("a");
	settle();
	wire_gets_nothing();
	assert_int_equal(info_of('a').held_pkts, 1);
	commit("a", checkpoint("a"));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
}

static void begin_tells_what_the_group_holds(void **state)
{
	struct checkpoint_info info;

	vf_add('a', 0);
	vf_add('b', 0);
	group_add_vfs("g", "ab", false);
	protect("g");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 7);
	guest_sends_many(FRAME('b', 'a', 0, .len = 60), 5);
	settle();
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("g", 0), &info, NULL), 0);
	assert_int_equal(info.epoch, 1);
	assert_int_equal(info.held_pkts, 12);
	assert_int_equal(info.held_bytes, 7 * LEN_DEFAULT + 5 * 60);
	assert_true(info_of('a').suspended);
	assert_int_equal(info_of('a').epoch, 2);
	assert_int_equal(nic_checkpoint_resume(GROUP_COMMAND("g", 0), NULL), 0);
	assert_int_equal(nic_checkpoint_begin(GROUP_COMMAND("g", 0), &info, NULL), 0);
	assert_int_equal(info.epoch, 2);
	assert_int_equal(info.held_pkts, 12);
}

static void a_group_is_sealed_and_committed_as_one(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	vf_add('c', 0);
	group_add_vfs("g", "ab", false);
	protect("g");
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	guest_sends(FRAME('b', TO_NOBODY, 2));
	guest_sends(FRAME('c', TO_NOBODY, 3)); /* not of the group */
	settle();
	wire_gets(FRAME('c', TO_NOBODY, 3));
	wire_gets_nothing();
	commit("g", checkpoint("g"));
	settle();
	assert_int_equal(fake_uplink_count(), 2);
	assert_int_equal(info_of('a').held_pkts + info_of('b').held_pkts, 0);
}

static void frames_from_before_protection_leave_and_later_ones_do_not(void **state)
{
	uint32_t taken;

	vf_add('a', 0);
	fake_uplink_set_credits(0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 10);
	settle();
	taken = 10 - fake_port_unread(port_of('a'), 0); /* they wait for the uplink */
	assert_in_range(taken, 1, 10);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 10), 10);
	settle();
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), taken);
	wire_gets_nothing();
	commit("a", checkpoint("a"));
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, taken), 20 - taken);
	wire_gets_nothing();
}

/* ---- P2 ---- */

static void committed_frames_leave_in_order_while_the_uplink_refuses_at_random(void **state)
{
	uint32_t n = 0;

	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	fake_uplink_refuse_at_random(true);
	for (int epoch = 0; epoch < 40; epoch++) {
		for (uint32_t i = random_below(100); i--; n++)
			guest_sends(FRAME('a', n % 5 ? TO_NOBODY : TO_ALL, n,
				.len = n % 3 ? LEN_DEFAULT : LONG));
		one_round();
		commit("a", checkpoint("a"));
	}
	settle();
	commit("a", checkpoint("a"));
	settle();
	for (uint32_t i = 0; i < n; i++) {
		const struct tframe f = FRAME(
			'a', i % 5 ? TO_NOBODY : TO_ALL, i, .len = i % 3 ? LEN_DEFAULT : LONG);

		wire_gets(f);
		if (i % 5 == 0)
			guest_gets('b', f);
	}
	wire_gets_nothing();
	guest_gets_nothing('b');
	assert_int_equal(info_of('a').counters.released_pkts, n);
	assert_true(fake_uplink_refused() > 0);
}

static void committed_frames_leave_in_order_from_a_nearly_empty_pool(void **state)
{
	uint32_t n = 0;

	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	for (; n < 600; n++)
		guest_sends(FRAME('a', n % 5 ? 'b' : TO_ALL, n, .len = n % 2 ? 60 : LONG));
	settle();
	starve(0);
	commit("a", checkpoint("a"));
	settle();
	for (unsigned left = 1; left < 40; left += 5) {
		feed();
		starve(left);
		settle();
	}
	feed();
	settle();
	for (uint32_t i = 0; i < n; i++) {
		const struct tframe f =
			FRAME('a', i % 5 ? 'b' : TO_ALL, i, .len = i % 2 ? 60 : LONG);

		if (i % 5 == 0)
			wire_gets(f);
	}
	wire_gets_nothing();
	/* A copy of a flooded frame may be dropped for want of an mbuf, and is counted. */
	{
		uint64_t dropped = drops_of('b', DROP_NO_MBUF);
		struct guest_frame *got;
		uint32_t next = 0, skipped = 0;

		while ((got = fake_port_receive(port_of('b'), 0))) {
			uint32_t number = frame_number(got->bytes);

			for (; next < number; next++, skipped++)
				assert_int_equal(next % 5, 0);
			assert_int_equal(next, number);
			next++;
			free(got);
		}
		assert_int_equal(skipped, dropped);
		assert_true(next + 1 >= n);
	}
}

static void a_full_log_leaves_the_ring_unread_and_recovers(void **state)
{
	struct fake_port *a = vf_add('a', 0);
	uint32_t held;

	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = JUMBO), 2000);
	settle();
	held = (uint32_t)info_of('a').held_pkts;
	assert_in_range(held, 100, 1900);
	assert_int_equal(fake_port_unread(a, 0), 2000 - held);
	assert_int_equal(info_of('a').counters.backpressure, 1);
	wire_gets_nothing();
	for (uint32_t out = 0; out < 2000;) {
		commit("a", checkpoint("a"));
		settle();
		for (; fake_uplink_count(); out++)
			wire_gets(FRAME('a', TO_NOBODY, out, .len = JUMBO));
	}
	assert_int_equal(fake_port_unread(a, 0), 0);
	assert_in_range(info_of('a').counters.backpressure, 2, 2000 / 100 + 1);
	for (int r = 0; r < DROP_REASONS; r++)
		assert_int_equal(drops_of('a', (enum drop_reason)r), 0);
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
}

static void a_full_log_tells_of_its_high_water_once(void **state)
{
	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = JUMBO), 2000);
	settle();
	for (int i = 0; i < 20 && !events_of(EVENT_LOG_HIGH_WATER); i++)
		usleep(20000);
	usleep(120000);
	assert_int_equal(events_of(EVENT_LOG_HIGH_WATER), 1);
}

static void vfs_share_a_pool_that_is_too_small_and_all_recover(void **state)
{
	struct vf_config config;
	uint32_t out[3] = {0}, done = 0;

	for (char vf = 'a'; vf <= 'c'; vf++) {
		config = vf_config_of(vf);
		config.egress_log_bytes = (uint64_t)FIXTURE_SEGMENTS * LOG_SEGMENT_BYTES;
		vf_add_config(&config);
	}
	group_add_vfs("g", "abc", false);
	protect("g");
	for (char vf = 'a'; vf <= 'c'; vf++)
		guest_sends_many(FRAME(vf, TO_NOBODY, 0, .len = JUMBO), 2000);
	settle();
	wire_gets_nothing();
	/* What an even share of the half that is shared out leaves over. */
	assert_in_range(log_pool_free_count(nic.log_pool), 0, 2);
	while (done < 6000) {
		struct wire_frame *got;

		commit("g", checkpoint("g"));
		settle();
		assert_true(fake_uplink_count() > 0);
		for (; (got = fake_uplink_take()); done++) {
			int vf = frame_from(got->bytes) - 'a';

			assert_int_equal(frame_number(got->bytes), out[vf]);
			out[vf]++;
			free(got);
		}
	}
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
}

static void as_many_epochs_as_allowed_are_in_flight(void **state)
{
	struct checkpoint_info info;
	struct nic_error err;
	uint32_t limit = EPOCHS_IN_FLIGHT_MAX - 1;

	vf_add('a', 0);
	protect("a");
	for (uint32_t epoch = 0; epoch < limit; epoch++) {
		guest_sends(FRAME('a', TO_NOBODY, epoch));
		settle();
		checkpoint("a");
	}
	assert_int_equal(
		nic_checkpoint_begin(GROUP_COMMAND("a", 0), &info, &err), RENIC_E_RESOURCES);
	assert_false(info_of('a').suspended);
	for (uint32_t epoch = 0; epoch < limit; epoch++) {
		commit("a", epoch + 1);
		settle();
		wire_gets(FRAME('a', TO_NOBODY, epoch));
		wire_gets_nothing();
	}
	commit("a", checkpoint("a"));
}

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

static void prepare_tells_what_begin_would_do_and_changes_nothing(void **state)
{
	struct checkpoint_info info;
	struct nic_error err;

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
	}
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
		DEVICE_TEST(nothing_leaves_before_its_commit_whatever_the_ethertype),
		DEVICE_TEST(nothing_leaves_before_its_commit_on_vlans),
		DEVICE_TEST(only_committed_epochs_leave),
		DEVICE_TEST(frames_of_every_kind_leave_in_the_order_of_the_ring),
		DEVICE_TEST(frames_in_the_ring_at_begin_belong_to_the_next_epoch),
		DEVICE_TEST(begin_tells_what_the_group_holds),
		DEVICE_TEST(a_group_is_sealed_and_committed_as_one),
		DEVICE_TEST(frames_from_before_protection_leave_and_later_ones_do_not),
		DEVICE_TEST(committed_frames_leave_in_order_while_the_uplink_refuses_at_random),
		DEVICE_TEST(committed_frames_leave_in_order_from_a_nearly_empty_pool),
		DEVICE_TEST(a_full_log_leaves_the_ring_unread_and_recovers),
		DEVICE_TEST(a_full_log_tells_of_its_high_water_once),
		DEVICE_TEST(vfs_share_a_pool_that_is_too_small_and_all_recover),
		DEVICE_TEST(as_many_epochs_as_allowed_are_in_flight),
		DEVICE_TEST(a_suspended_guest_is_left_alone_in_both_directions),
		DEVICE_TEST(ingress_is_kept_while_suspended_and_then_delivered_in_order),
		DEVICE_TEST(ingress_is_kept_up_to_its_bound),
		DEVICE_TEST(what_comes_behind_kept_ingress_is_kept_within_the_same_bound),
		DEVICE_TEST(frames_between_vfs_wait_for_a_suspended_receiver),
		DEVICE_TEST(an_aborted_checkpoints_frames_leave_with_the_next_commit),
		DEVICE_TEST(while_committed_frames_leave_as_many_are_taken),
		DEVICE_TEST(late_frames_leave_faster_than_others_are_taken),
		DEVICE_TEST(stop_release_lets_all_leave_in_order_and_later_frames_at_once),
		DEVICE_TEST(stop_discard_drops_the_uncommitted_and_counts_them),
		DEVICE_TEST(protection_starts_again_while_released_frames_wait),
		DEVICE_TEST(prepare_tells_what_begin_would_do_and_changes_nothing),
		DEVICE_TEST(what_is_not_legal_is_refused_and_changes_nothing),
		DEVICE_TEST(a_group_without_vfs_cannot_be_protected),
		DEVICE_TEST(inside_a_group_that_passes_unicast_is_not_held),
		DEVICE_TEST(a_broadcast_is_split_the_group_at_once_the_others_at_commit),
		DEVICE_TEST(a_group_that_holds_holds_inside_too),
		DEVICE_TEST(a_group_that_passes_inside_stays_until_its_frames_have_left),
		DEVICE_TEST(exempt_frames_are_not_held),
		DEVICE_TEST(an_exempt_frame_that_the_uplink_refuses_is_held),
		DEVICE_TEST(the_front_end_may_stop_and_start_at_every_point_of_a_checkpoint),
		DEVICE_TEST(a_front_end_that_goes_leaves_what_it_sent),
		DEVICE_TEST(front_end_and_checkpoints_may_go_on_at_once),
		DEVICE_TEST(a_replicator_whose_connection_closes_is_lost_and_frames_stay_held),
		DEVICE_TEST(with_policy_release_a_lost_replicator_ends_the_protection),
		DEVICE_TEST(who_only_asks_before_a_checkpoint_is_not_the_replicator),
		DEVICE_TEST(a_lost_replicators_checkpoint_can_be_resumed_by_another),
		DEVICE_TEST(a_silent_replicator_is_lost_and_frames_stay_held),
		DEVICE_TEST(a_silent_replicator_is_lost_and_frames_are_released),
		DEVICE_TEST(a_replicator_that_speaks_is_not_lost),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
