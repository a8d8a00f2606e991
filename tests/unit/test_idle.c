/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When lcores sleep though frames wait: qp_arm() in renicd/nic/qp.c, check_link() in nic.c, and
 * whom they look at by the clock: lcore.c. What counts is how often an lcore tries to send, beside
 * the naps of a thread that sleeps as briefly as an lcore does that must poll by the clock (1 ms):
 * on a loaded machine both do fewer.
 */
#include <unistd.h>

#include "lcore.h"
#include "nic_fixture.h"

enum {
	NAPS = 300,
	ROUNDS_FEW = NAPS / 10, /* asleep: a round a second, and what a kick costs */
	LOOKS = 5,
	PATIENCE_MS = 20000,
	FRAMES = 100,
};

struct probe {
	struct poller poller;
	unsigned polls, arms, disarms; /* atomic */
};

static unsigned get(const unsigned *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static unsigned probe_poll(void *ctx)
{
	struct probe *p = ctx;

	__atomic_fetch_add(&p->polls, 1, __ATOMIC_RELEASE);
	return 0;
}

static int probe_arm(void *ctx)
{
	struct probe *p = ctx;

	__atomic_fetch_add(&p->arms, 1, __ATOMIC_RELEASE);
	return POLLER_NO_FD;
}

static void probe_disarm(void *ctx)
{
	struct probe *p = ctx;

	__atomic_fetch_add(&p->disarms, 1, __ATOMIC_RELEASE);
}

static void add_probe(void *arg)
{
	struct probe *p = arg;

	p->poller = (struct poller){
		.poll = probe_poll, .arm = probe_arm, .disarm = probe_disarm, .ctx = p};
	if (lcore_add_poller(&p->poller))
		abort();
}

static void remove_probe(void *arg)
{
	struct probe *p = arg;

	lcore_remove_poller(&p->poller);
}

static void await_sleep(const struct probe *p)
{
	for (int ms = 0; ms < PATIENCE_MS && get(&p->arms) <= get(&p->disarms); ms++)
		usleep(1000);
	assert_true(get(&p->arms) > get(&p->disarms));
}

/* How often lcore 0 tries to send, from when it is asleep, while we nap NAPS times. */
static unsigned tries_while_napping(const struct probe *p)
{
	unsigned before;

	await_sleep(p);
	before = fake_uplink_asked();
	for (int i = 0; i < NAPS; i++)
		usleep(1000);
	return fake_uplink_asked() - before;
}

/* An lcore that was seen to sleep may yet wake for what was said to it before, and is awake for a
 * moment then: once, not each time. */
static bool sleeps_on(const struct probe *p)
{
	for (int i = 0; i < LOOKS; i++)
		if (tries_while_napping(p) < ROUNDS_FEW)
			return true;
	return false;
}

/* How often lcore 0 looks at a port that would signal, while it tries to send NAPS times. */
static unsigned polls_while_trying(const struct probe *p)
{
	unsigned tries, polls;

	await_sleep(p);
	tries = fake_uplink_asked();
	polls = get(&p->polls);
	for (int ms = 0; ms < PATIENCE_MS && fake_uplink_asked() < tries + NAPS; ms++)
		usleep(1000);
	assert_true(fake_uplink_asked() >= tries + NAPS);
	return get(&p->polls) - polls;
}

static bool tries_by_the_clock_alone(const struct probe *p)
{
	for (int i = 0; i < LOOKS; i++)
		if (polls_while_trying(p) < ROUNDS_FEW)
			return true;
	return false;
}

static void await_on_wire(uint32_t frames)
{
	for (int ms = 0; ms < PATIENCE_MS && fake_uplink_count() < frames; ms++) {
		nic_tick(); /* the control thread sees the link */
		usleep(1000);
	}
	assert_int_equal(fake_uplink_count(), frames);
}

static void committed_frames_that_wait_for_the_link_let_their_lcore_sleep(void **state)
{
	static struct probe p; /* outlives a failed assertion */

	vf_add('a', 0);
	lcore_call(0, add_probe, &p);
	for (uint32_t turn = 0; turn < 3; turn++) {
		fake_uplink_set_up(false);
		protect("a");
		guest_sends_many(FRAME('a', turn ? TO_NOBODY : TO_ALL, turn * FRAMES), FRAMES);
		settle();
		commit("a", checkpoint("a"));
		settle();
		wire_gets_nothing();
		assert_true(sleeps_on(&p));
		/* It still serves its guest, who kicks. */
		guest_sends(FRAME('a', TO_NOBODY, (turn + 1) * FRAMES));
		for (int ms = 0; ms < PATIENCE_MS && fake_port_unread(port_of('a'), 0); ms++)
			usleep(1000);
		assert_int_equal(fake_port_unread(port_of('a'), 0), 0);
		fake_uplink_set_up(true);
		await_on_wire(FRAMES);
		wire_gets_many(FRAME('a', turn ? TO_NOBODY : TO_ALL, turn * FRAMES), FRAMES);
		unprotect("a", true);
		settle();
	}
	lcore_call(0, remove_probe, &p);
}

/* What else refuses gives no sign when it takes frames again. Whose port would signal is not looked
 * at meanwhile, but rarely. */
static void frames_that_the_uplink_refuses_are_tried_again_by_the_clock_alone(void **state)
{
	static struct probe p; /* outlives a failed assertion */

	vf_add('a', 0);
	lcore_call(0, add_probe, &p);
	fake_uplink_set_credits(0);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), FRAMES);
	settle();
	assert_true(tries_by_the_clock_alone(&p));
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	await_on_wire(FRAMES);
	wire_gets_many(FRAME('a', TO_NOBODY, 0), FRAMES);
	lcore_call(0, remove_probe, &p);
}

/* A port may have to answer before it is heard again: what is heard while it may not be touched is
 * not forgotten. */
static void a_kick_in_a_checkpoint_is_told_of_when_the_port_is_armed_again(void **state)
{
	static struct probe p; /* outlives a failed assertion */
	struct fake_port *port = vf_add('a', 0);
	unsigned disarms, woken;

	lcore_call(0, add_probe, &p);
	protect("a");
	for (int ms = 0; ms < PATIENCE_MS && !fake_port_is_armed(port, 0); ms++)
		usleep(1000);
	begin("a");
	await_sleep(&p);
	woken = fake_port_woken(port, 0);
	disarms = get(&p.disarms);
	fake_port_kick(port, 0);
	for (int ms = 0; ms < PATIENCE_MS && get(&p.disarms) == disarms; ms++)
		usleep(1000);
	assert_int_not_equal(get(&p.disarms), disarms);
	await_sleep(&p);
	assert_int_equal(fake_port_woken(port, 0), woken);
	resume("a");
	await_sleep(&p);
	for (int ms = 0; ms < PATIENCE_MS && fake_port_woken(port, 0) == woken; ms++)
		usleep(1000);
	assert_int_equal(fake_port_woken(port, 0), woken + 1);
	lcore_call(0, remove_probe, &p);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(committed_frames_that_wait_for_the_link_let_their_lcore_sleep),
		DEVICE_TEST(frames_that_the_uplink_refuses_are_tried_again_by_the_clock_alone),
		DEVICE_TEST(a_kick_in_a_checkpoint_is_told_of_when_the_port_is_armed_again),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
