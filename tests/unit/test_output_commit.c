/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output commit, carried out: renicd/nic/protection.c with the queue pairs, the log and the switch.
 * P1: nothing leaves before its commit. P2: what is committed leaves in order, each once.
 */
#include <unistd.h>

#include "egress_log.h"
#include "nic_fixture.h"

enum { LONG = 1400, JUMBO = 9000 };

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

/* n epochs from `first` on, of a frame each. */
static void seal_epochs(uint32_t first, uint32_t n)
{
	for (uint32_t epoch = first; epoch < first + n; epoch++) {
		guest_sends(FRAME('a', TO_NOBODY, epoch));
		settle();
		assert_int_equal(checkpoint("a"), epoch);
	}
}

static void commit_epochs(uint32_t first, uint32_t n)
{
	for (uint32_t epoch = first; epoch < first + n; epoch++) {
		commit("a", epoch);
		settle();
		wire_gets(FRAME('a', TO_NOBODY, epoch));
		wire_gets_nothing();
	}
}

static void many_epochs_in_flight_leave_by_their_own_commits(void **state)
{
	vf_add('a', 0);
	protect("a");
	seal_epochs(1, EPOCHS_IN_FLIGHT_MAX - 1);
	commit_epochs(1, EPOCHS_IN_FLIGHT_MAX - 1);
	commit("a", checkpoint("a"));
}

/* What comes of a backup that takes no checkpoint for long. */
static void the_oldest_of_too_many_epochs_leave_with_a_later_commit(void **state)
{
	enum { REMEMBERED = EPOCHS_IN_FLIGHT_MAX - 1, TOO_MANY = 45 };
	struct nic_error err;

	vf_add('a', 0);
	protect("a");
	seal_epochs(1, TOO_MANY + REMEMBERED);
	for (uint32_t epoch = 1; epoch <= TOO_MANY; epoch++)
		assert_int_equal(
			nic_checkpoint_commit(GROUP_COMMAND("a", 0), epoch, &err), RENIC_E_PARAMS);
	settle();
	wire_gets_nothing();
	commit("a", TOO_MANY + 1);
	settle();
	for (uint32_t epoch = 1; epoch <= TOO_MANY + 1; epoch++)
		wire_gets(FRAME('a', TO_NOBODY, epoch));
	wire_gets_nothing();
	commit_epochs(TOO_MANY + 2, REMEMBERED - 1);
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
		DEVICE_TEST(many_epochs_in_flight_leave_by_their_own_commits),
		DEVICE_TEST(the_oldest_of_too_many_epochs_leave_with_a_later_commit),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
