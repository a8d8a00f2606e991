/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device core against a model: random operations of guests, front-ends, the replicator and
 * the uplink, most of them in the middle of traffic, and after each the promises are checked.
 *
 * P1: a frame that came out was sent before protection started, or after it ended, or in an epoch
 * that is committed; its epoch is not older than the one that was open when the guest sent it.
 * P2: at each place frames of one sender come out in order, each once; in the end exactly those
 * are missing that are counted as discarded, or as dropped because the uplink was down.
 * P3: the fakes see any access to a suspended or stopped guest; what comes in for it is not lost.
 *
 * VFs a and b are a group, c is not. VF d goes into standby and out of it, by activation or not:
 * in standby its rings are left alone (the fake sees to that), and nothing of it is on the wire.
 * A second run lets frames inside the group pass.
 */
#include "nic_fixture.h"

enum {
	OPERATIONS = 6000,
	SENDERS = 4, /* a, b, c, the wire */
	PLACES = 4,  /* guests a, b, c; the wire */
	WIRE = 3,
	NUMBERS = 200000, /* frames a sender */
	BURST_MAX = 40,
	RING_MAX = 600,	   /* unread in a guest's ring */
	INGRESS_MAX = 500, /* between two drains: within every bound of the device */
	SEALED_MAX = 300,
};

struct sent {
	uint8_t places; /* where it is to come out, bits */
	uint8_t seen;	/* where it did */
	uint64_t epoch; /* not to come out before this is committed; 0: free */
};

static struct {
	struct sent sent[SENDERS][NUMBERS];
	uint32_t n_sent[SENDERS];
	int64_t last[SENDERS][PLACES]; /* number that came out last */
	uint32_t ingress;	       /* sent in since the last drain */
	bool protected, suspended, pass;
	uint64_t epoch, committed; /* as the device should have them */
	bool aborted[SEALED_MAX];  /* of the term; a term has no more epochs than that */
	bool up;
	bool standby; /* d */
	uint64_t term;
	uint32_t d_sent, d_seen;
	int64_t d_last; /* number that came out last */
} model;

static const char names[PLACES] = {'a', 'b', 'c', FROM_WIRE};

static bool in_group(int who)
{
	return who < 2;
}

/* ---- what came out ---- */

/* d sends to nobody here: its frames come out at the wire, in order, and not in standby. */
static void check_arrival_of_d(int place, const uint8_t *bytes)
{
	uint32_t number = frame_number(bytes);

	if (place != WIRE || model.standby || number >= model.d_sent)
		fail_msg("frame %u of d came out at %c%s", number, names[place],
			model.standby ? ", in standby" : "");
	assert_true((int64_t)number > model.d_last);
	model.d_last = number;
	model.d_seen++;
}

static bool is_rarp(const uint8_t *bytes)
{
	return bytes[12] == 0x80 && bytes[13] == 0x35;
}

static void check_arrival(int place, const uint8_t *bytes, uint32_t len)
{
	uint8_t want[FRAME_BYTES_MAX];
	uint32_t number = frame_number(bytes);
	const char from = frame_from(bytes);
	struct sent *s;
	struct tframe f = {.from = from, .number = number, .to = TO_ALL, .len = len};
	int who = from == FROM_WIRE ? WIRE : from - 'a';

	if (is_rarp(bytes)) {
		assert_false(place == WIRE && model.standby);
		return;
	}
	if (from == 'd') {
		check_arrival_of_d(place, bytes);
		return;
	}
	assert_in_range(who, 0, SENDERS - 1);
	assert_true(number < model.n_sent[who]);
	s = &model.sent[who][number];
	if (bytes[0] != 0xff)
		f.to = (char)bytes[5];
	assert_int_equal(frame_fill(&f, want), len);
	assert_memory_equal(bytes, want, len);
	if (!(s->places & (1 << place)) || s->seen & (1 << place))
		fail_msg("frame %u of %c came out at %c, %s", number, from, names[place],
			s->seen & (1 << place) ? "again" : "where it does not belong");
	/* Inside a group that passes, frames need no commit, and may overtake held ones. */
	if (model.pass && in_group(who) && place != WIRE && in_group(place)) {
		s->seen |= (uint8_t)(1 << place);
		return;
	}
	if (s->epoch > model.committed)
		fail_msg("P1: frame %u of %c, epoch %u, came out at %c; committed: %u", number,
			from, (unsigned)s->epoch, names[place], (unsigned)model.committed);
	if ((int64_t)number <= model.last[who][place])
		fail_msg("P2: frame %u of %c came out at %c after %d", number, from, names[place],
			(int)model.last[who][place]);
	model.last[who][place] = number;
	s->seen |= (uint8_t)(1 << place);
}

static void drain(void)
{
	struct guest_frame *g;
	struct wire_frame *w;

	for (int place = 0; place < WIRE; place++)
		while ((g = fake_port_receive(port_of(names[place]), 0))) {
			check_arrival(place, g->bytes, g->len);
			free(g);
		}
	while ((g = fake_port_receive(port_of('d'), 0))) /* what is flooded reaches it or not */
		free(g);
	while ((w = fake_uplink_take())) {
		check_arrival(WIRE, w->bytes, w->len);
		free(w);
	}
	fake_port_check();
	fake_uplink_check();
}

/* ---- operations ---- */

static uint8_t places_of(int who, char to)
{
	uint8_t all = (1 << PLACES) - 1;

	if (to == TO_ALL)
		return (uint8_t)(all & ~(1 << who));
	if (to == TO_NOBODY)
		return 1 << WIRE;
	return (uint8_t)(1 << (to - 'a'));
}

static void note_sent(int who, char to)
{
	struct sent *s = &model.sent[who][model.n_sent[who]++];

	*s = (struct sent){.places = places_of(who, to)};
	if (model.protected && in_group(who))
		s->epoch = model.epoch;
}

static char other_guest(int who)
{
	return names[(who + 1 + (int)random_below(2)) % 3];
}

static void op_send(void)
{
	int who = (int)random_below(3);
	uint32_t n = random_below(BURST_MAX);

	if (fake_port_unread(port_of(names[who]), 0) + n > RING_MAX ||
		model.n_sent[who] + n > NUMBERS || model.ingress + n > INGRESS_MAX)
		return;
	for (; n--; model.ingress++) {
		const char kinds[] = {other_guest(who), other_guest(who), TO_NOBODY, TO_ALL};
		struct tframe f = FRAME(names[who], kinds[random_below(4)], model.n_sent[who],
			.len = random_below(3) ? 60 + random_below(200) : 300 + random_below(2000));

		note_sent(who, f.to);
		guest_sends(f);
	}
}

static void op_arrive(void)
{
	for (uint32_t n = random_below(10); n-- && model.ingress < INGRESS_MAX; model.ingress++) {
		char to = random_below(4) ? names[random_below(3)] : TO_ALL;

		if (model.n_sent[WIRE] == NUMBERS)
			return;
		wire_sends(FRAME(FROM_WIRE, to, model.n_sent[WIRE]));
		note_sent(WIRE, to);
	}
}

static void op_start(void)
{
	if (model.protected)
		return;
	protect("g");
	model.protected = true;
	model.epoch = 1;
	model.committed = 0;
}

/* What the guests sent before counts no more: it is free, or in a log that is dropped. */
static void free_all(void)
{
	for (int who = 0; who < 2; who++)
		for (uint32_t i = model.n_sent[who]; i--;)
			model.sent[who][i].epoch = 0;
}

static void op_stop(void)
{
	if (!model.protected || model.suspended || random_below(4))
		return;
	drain();
	unprotect("g", random_below(2));
	model.protected = false;
	model.epoch = 0;
	free_all();
}

static void op_begin(void)
{
	if (!model.protected || model.suspended || model.epoch >= SEALED_MAX ||
		model.epoch - model.committed > EPOCHS_IN_FLIGHT_MAX / 2)
		return;
	assert_int_equal(begin("g"), model.epoch);
	model.aborted[model.epoch] = false;
	model.epoch++;
	model.suspended = true;
}

static void op_resume(void)
{
	if (!model.suspended)
		return;
	if (random_below(4) || model.committed + 1 == model.epoch) {
		resume("g");
	} else {
		give_up("g");
		model.aborted[model.epoch - 1] = true;
	}
	model.suspended = false;
}

static void op_commit(void)
{
	uint64_t epoch;

	if (!model.protected || model.epoch - model.committed < 2)
		return;
	epoch = model.committed + 1 + random_below((uint32_t)(model.epoch - model.committed - 1));
	if (model.aborted[epoch])
		return;
	drain(); /* what came out until now came out without this commit */
	commit("g", epoch);
	model.committed = epoch;
}

/* QEMU around a pause, or a driver that is loaded again. */
static void op_frontend(void)
{
	struct fake_port *p = port_of(names[random_below(3)]);

	if (fake_port_is_running(p)) {
		fake_port_stop(p);
		return;
	}
	fake_port_start(p);
	fake_port_enable(p, 0, true);
}

static void op_d_sends(void)
{
	for (uint32_t n = random_below(BURST_MAX); n--; model.d_sent++) {
		if (fake_port_unread(port_of('d'), 0) > RING_MAX)
			return;
		guest_sends(FRAME('d', TO_NOBODY, model.d_sent));
	}
}

static void leave_standby(void)
{
	struct group_command cmd = {.group = "d", .term = model.term};
	struct nic_error err = {0};

	fake_port_set_suspended(port_of('d'), false);
	if (random_below(2)) {
		if (nic_standby_stop(&cmd, &err))
			fail_msg("standby_stop: %s", err.message);
	} else {
		if (nic_activate(&cmd, &err))
			fail_msg("activate: %s", err.message);
		assert_int_equal(nic_standby_start(&cmd, &err), RENIC_E_TERM);
		model.term++;
	}
	model.standby = false;
}

/* Into standby, which is refused while frames wait, or out of it. */
static void op_standby(void)
{
	struct group_command cmd = {.group = "d", .term = model.term};
	int rc;

	drain();
	if (model.standby) {
		leave_standby();
		return;
	}
	rc = nic_standby_start(&cmd, NULL);
	assert_true(rc == 0 || rc == RENIC_E_BUSY);
	if (rc)
		return;
	fake_port_set_suspended(port_of('d'), true);
	drain(); /* what left before */
	model.standby = true;
}

static void op_d_frontend(void)
{
	struct fake_port *p = port_of('d');

	if (fake_port_is_running(p)) {
		fake_port_stop(p);
		return;
	}
	fake_port_start(p);
	fake_port_enable(p, 0, true);
}

static void op_uplink(void)
{
	fake_uplink_refuse_at_random(random_below(2));
	fake_uplink_set_credits(random_below(3) ? FAKE_UPLINK_ENDLESS : random_below(50));
	fake_uplink_set_slow(random_below(30));
	model.up = random_below(8) != 0;
	fake_uplink_set_up(model.up);
}

static void op_drain(void)
{
	settle();
	drain();
	for (int i = 0; i < 3; i++) /* what waits for a guest counts on */
		if (info_of(names[i]).ingress_held_pkts)
			return;
	if (info_of('d').ingress_held_pkts)
		return;
	model.ingress = 0;
}

static void op_round(void)
{
	one_round();
}

static const struct {
	void (*run)(void);
	unsigned weight;
} operations[] = {
	{op_send, 30},
	{op_arrive, 8},
	{op_start, 4},
	{op_stop, 3},
	{op_begin, 10},
	{op_resume, 16},
	{op_commit, 10},
	{op_frontend, 8},
	{op_d_sends, 10},
	{op_standby, 8},
	{op_d_frontend, 3},
	{op_uplink, 4},
	{op_drain, 12},
	{op_round, 20},
};

static void random_operation(void)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < RTE_DIM(operations); i++)
		total += operations[i].weight;
	at = random_below(total);
	for (size_t i = 0; i < RTE_DIM(operations); i++) {
		if (at < operations[i].weight) {
			operations[i].run();
			return;
		}
		at -= operations[i].weight;
	}
}

/* ---- the end ---- */

/* Everything runs, everything is committed: what is in the device comes out. */
static void let_all_out(void)
{
	if (model.suspended) {
		resume("g");
		model.suspended = false;
	}
	if (!fake_port_is_running(port_of('d')))
		op_d_frontend();
	drain();
	if (model.standby)
		leave_standby();
	for (int i = 0; i < 3; i++)
		if (!fake_port_is_running(port_of(names[i]))) {
			fake_port_start(port_of(names[i]));
			fake_port_enable(port_of(names[i]), 0, true);
		}
	fake_uplink_set_up(true);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	drain();
	if (model.protected)
		unprotect("g", false);
	free_all();
	settle();
	drain();
}

static uint32_t count_missing(int who)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < model.n_sent[who]; i++)
		n += model.sent[who][i].seen != model.sent[who][i].places;
	return n;
}

static void check_nothing_is_missing(void)
{
	for (int i = 0; i < 3; i++) {
		struct vf_info info = info_of(names[i]);
		uint64_t counted =
			info.counters.drops[DROP_DISCARDED] + info.counters.drops[DROP_UPLINK_DOWN];

		assert_int_equal(info.held_pkts, 0);
		assert_int_equal(fake_port_unread(port_of(names[i]), 0), 0);
		assert_int_equal(info.counters.tx_pkts, model.n_sent[i]);
		for (int r = 0; r < DROP_REASONS; r++)
			if (r != DROP_DISCARDED && r != DROP_UPLINK_DOWN)
				assert_int_equal(info.counters.drops[r], 0);
		assert_int_equal(count_missing(i), counted);
	}
	assert_int_equal(count_missing(WIRE), 0);
	assert_int_equal(fake_port_unread(port_of('d'), 0), 0);
	assert_int_equal(model.d_sent, model.d_seen + drops_of('d', DROP_UPLINK_DOWN));
	assert_int_equal(info_of('d').term, model.term);
	for (int r = 0; r < DROP_REASONS; r++)
		assert_int_equal(fake_uplink_drops[r], 0);
}

static void run(bool internal_pass)
{
	memset(&model, 0, sizeof(model));
	memset(model.last, 0xff, sizeof(model.last));
	model.pass = internal_pass;
	model.up = true;
	model.term = 1;
	model.d_last = -1;
	for (int i = 0; i < 3; i++)
		vf_add(names[i], 0);
	vf_add('d', 0);
	group_add_vfs("g", "ab", internal_pass);
	for (int i = 0; i < OPERATIONS; i++) {
		random_operation();
		if (i % 1500 == 1499) {
			let_all_out();
			check_nothing_is_missing();
			model.protected = false;
			model.epoch = 0;
			model.ingress = 0;
		}
	}
	assert_true(model.d_seen > 100 && model.term > 10);
	assert_true(model.n_sent[0] > 1000 && model.n_sent[WIRE] > 100);
}

static void random_operations_keep_the_promises(void **state)
{
	run(false);
}

static void random_operations_keep_the_promises_when_inside_passes(void **state)
{
	run(true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(random_operations_keep_the_promises),
		DEVICE_TEST(random_operations_keep_the_promises_when_inside_passes),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
