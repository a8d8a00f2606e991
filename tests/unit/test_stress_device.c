/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All threads of the daemon at once, each doing at random what it may: the control thread creates,
 * sets, deletes, protects, checkpoints and reads; a port thread stops, starts, enables and
 * disconnects front-ends; guests a, b, c and the wire send and receive on threads of their own;
 * the lcores run all of it. Built with -Db_sanitize=thread it is the test of docs/threads.md.
 *
 * Each frame goes to one place. The promises are checked as frames arrive, and at the end:
 * P1: a frame carries the stamp (term, epoch) that had been opened when it was sent: no frame comes
 * out before the commit of its stamp, or the end of its term, has been asked for.
 * P2: frames of one sender come out at one place in order, each once, and what does not come out
 * at all is what was counted as dropped.
 * P3: the fakes see any access to a suspended or stopped guest.
 *
 * The random numbers are the same each time, what the threads make of them is not: a failure may
 * need several runs to show again. d comes and goes: what is for it goes to the wire without it,
 * it floods, and what became of frames from and to it is known only as far as others counted it.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "counter.h"
#include "log.h"
#include "nic_fixture.h"

enum {
	OPERATIONS = 1800,
	GUESTS = 3,
	WIRE = 3, /* sender and place */
	D = 4,	  /* sender and place */
	ALL = 5,  /* place: flooded */
	SENDERS = 5,
	PLACES = 4,
	NUMBERS = 1 << 18, /* frames a sender */
	UNREAD_MAX = 400,
	BURST_MAX = 16,
	OPS_BETWEEN_FRONTENDS_US = 500,
};

#define TERM_STAMPS 1000000ULL /* epochs a term, and more */

struct sent {
	uint64_t stamp;
	uint8_t place;
	bool seen; /* written by its place's thread alone */
};

static struct sent sent[SENDERS][NUMBERS];
static uint32_t n_sent[SENDERS];	 /* each its thread's */
static int64_t last[SENDERS][PLACES];	 /* each its place's thread's */
static struct fake_port *guests[GUESTS]; /* stay for the whole test */
static const char names[SENDERS] = {'a', 'b', 'c', FROM_WIRE, 'd'};
/* Whom a frame for a place is addressed to. */
static const char addressees[ALL + 1] = {'a', 'b', 'c', TO_NOBODY, 'd', TO_ALL};
static uint64_t open_stamp, may_leave; /* atomic; the control thread's */
static bool stopping;		       /* atomic */
static char fault[160];		       /* the first one, under fault_lock */
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	bool protected, suspended, has_d;
	uint64_t term, epoch, committed, aborted;
} control;

/* ---- random numbers, a generator a thread ---- */

static uint32_t draw(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)((*state >> 32) % n);
}

static uint64_t seed_of(unsigned thread)
{
	return 88172645463325252u + thread * 0x9e3779b97f4a7c15u;
}

/* ---- what arrives ---- */

static void note(const char *what, char from, uint32_t number, int place)
{
	pthread_mutex_lock(&fault_lock);
	if (!fault[0])
		snprintf(fault, sizeof(fault), "%s: frame %u of %c at %c", what, number, from,
			names[place]);
	pthread_mutex_unlock(&fault_lock);
}

static int sender_of(char from)
{
	for (int who = 0; who < SENDERS; who++)
		if (names[who] == from)
			return who;
	return -1;
}

static void judge(int place, const uint8_t *bytes)
{
	uint32_t number = frame_number(bytes);
	char from = frame_from(bytes);
	int who = sender_of(from);
	struct sent *s;

	if (who < 0 || number >= NUMBERS) {
		note("no frame of ours", from, number, place);
		return;
	}
	s = &sent[who][number];
	if (s->place == ALL)
		return;
	if (s->place != place && !(s->place == D && place == WIRE))
		note("at the wrong place", from, number, place);
	if (s->stamp > __atomic_load_n(&may_leave, __ATOMIC_ACQUIRE))
		note("P1: before its commit", from, number, place);
	if (s->seen)
		note("P2: twice", from, number, place);
	if ((int64_t)number <= last[who][place])
		note("P2: out of order", from, number, place);
	last[who][place] = number;
	s->seen = true;
}

static unsigned drain_guest(int place)
{
	struct guest_frame *f;
	unsigned n = 0;

	for (; (f = fake_port_receive(guests[place], 0)); n++) {
		judge(place, f->bytes);
		free(f);
	}
	return n;
}

static unsigned drain_wire(void)
{
	struct wire_frame *f;
	unsigned n = 0;

	for (; (f = fake_uplink_take()); n++) {
		judge(WIRE, f->bytes);
		free(f);
	}
	return n;
}

/* ---- who sends ---- */

/* Fill the next frame of who, for place; it counts when it has been sent. */
static uint32_t next_frame(int who, int place, uint8_t *bytes, uint32_t len)
{
	uint32_t number = n_sent[who];
	struct tframe f = FRAME(names[who], addressees[place], number, .len = len);

	sent[who][number] = (struct sent){.place = (uint8_t)place};
	if (who < 2) /* a and b are the group */
		sent[who][number].stamp = __atomic_load_n(&open_stamp, __ATOMIC_ACQUIRE);
	return frame_fill(&f, bytes);
}

static int random_place(uint64_t *random, int who)
{
	int place = (int)draw(random, PLACES + 1);

	return place == who ? WIRE : place;
}

static void send_some(int who, uint64_t *random)
{
	uint8_t bytes[FRAME_BYTES_MAX];

	for (uint32_t n = draw(random, BURST_MAX); n--;) {
		uint32_t len = draw(random, 4) ? 60 + draw(random, 200) : 300 + draw(random, 2000);

		if (n_sent[who] == NUMBERS || fake_port_unread(guests[who], 0) > UNREAD_MAX)
			return;
		len = next_frame(who, random_place(random, who), bytes, len);
		if (!fake_port_send(guests[who], 0, bytes, len))
			return;
		n_sent[who]++;
	}
}

static void *play_guest(void *arg)
{
	int who = (int)(uintptr_t)arg;
	uint64_t random = seed_of((unsigned)who + 1);

	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
		send_some(who, &random);
		drain_guest(who);
		if (draw(&random, 50) == 0)
			fake_port_set_room(guests[who], 0,
				draw(&random, 3) ? FAKE_ROOM_ENDLESS : draw(&random, 100));
		usleep(draw(&random, 300));
	}
	return NULL;
}

static void *play_wire(void *arg)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	uint64_t random = seed_of(10);

	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
		drain_wire();
		for (uint32_t n = draw(&random, 6); n-- && n_sent[WIRE] < NUMBERS;) {
			uint32_t len = next_frame(
				WIRE, (int)draw(&random, GUESTS), bytes, 60 + draw(&random, 500));

			n_sent[WIRE] += fake_uplink_arrive(bytes, len);
		}
		usleep(draw(&random, 300));
	}
	return NULL;
}

/* ---- the port thread ---- */

static void move_frontend(struct fake_port *p, uint64_t *random)
{
	switch (draw(random, 8)) {
	case 0:
		fake_port_disconnect(p, draw(random, 2) ? "the test says so" : NULL);
		fake_port_bring_up(p);
		break;
	case 1:
	case 2:
		fake_port_enable(p, 0, false);
		fake_port_enable(p, 0, true);
		break;
	default:
		fake_port_stop(p);
		usleep(draw(random, 200));
		fake_port_start(p);
		fake_port_enable(p, 0, true);
		break;
	}
}

static void *play_frontends(void *arg)
{
	uint64_t random = seed_of(20);

	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
		move_frontend(guests[draw(&random, GUESTS)], &random);
		usleep(draw(&random, OPS_BETWEEN_FRONTENDS_US));
	}
	return NULL;
}

/* ---- the control thread ---- */

static uint64_t stamp_of(uint64_t epoch)
{
	return control.term * TERM_STAMPS + epoch;
}

static void op_protect(void)
{
	if (control.protected)
		return;
	group_add_vfs("g", "ab", false);
	protect("g");
	control.protected = true;
	control.term++;
	control.epoch = 1;
	control.committed = control.aborted = 0;
	__atomic_store_n(&open_stamp, stamp_of(1), __ATOMIC_RELEASE);
}

static void op_unprotect(void)
{
	struct nic_error err;

	if (!control.protected || control.suspended || random_below(3))
		return;
	__atomic_store_n(&may_leave, stamp_of(TERM_STAMPS - 1), __ATOMIC_RELEASE);
	unprotect("g", random_below(3) == 0);
	control.protected = false;
	assert_int_equal(nic_group_delete("g", &err), 0);
}

static void op_begin(void)
{
	if (!control.protected || control.suspended ||
		control.epoch - control.committed > EPOCHS_IN_FLIGHT_MAX / 2)
		return;
	assert_int_equal(begin("g"), control.epoch);
	control.suspended = true;
	__atomic_store_n(&open_stamp, stamp_of(++control.epoch), __ATOMIC_RELEASE);
}

static void op_resume(void)
{
	if (!control.suspended)
		return;
	control.suspended = false;
	if (random_below(4) || control.committed + 1 == control.epoch) {
		resume("g");
		return;
	}
	give_up("g");
	control.aborted = control.epoch - 1; /* only a later one may be committed */
}

static void op_commit(void)
{
	uint64_t epoch = control.epoch - 1;

	if (!control.protected || control.committed >= epoch || control.aborted == epoch)
		return;
	__atomic_store_n(&may_leave, stamp_of(epoch), __ATOMIC_RELEASE);
	commit("g", epoch);
	control.committed = epoch;
}

static void count_vf(const struct vf_info *info, void *arg)
{
	const struct vf_queue_info *q = &info->queues[0];

	*(unsigned *)arg += 1;
	if (q->log_released > q->log_committed || q->log_committed > q->log_sealed ||
		q->log_sealed > q->log_tail)
		fail_msg("%s: released <= committed <= sealed <= tail does not hold",
			info->config.name);
	assert_true(info->held_pkts < NUMBERS && q->ingress_held_pkts < NUMBERS);
}

static void count_group(const struct group_info *info, void *arg)
{
	assert_true(info->held_pkts < NUMBERS);
}

static void op_look(void)
{
	static struct log_extent extents[64];
	struct uplink_info uplink;
	struct nic_error err;
	unsigned n = 0;
	int fd;

	nic_vf_foreach(count_vf, &n);
	assert_int_equal(n, GUESTS + control.has_d);
	nic_group_foreach(count_group, NULL);
	nic_uplink_get(&uplink);
	nic_tick();
	assert_in_range(nic_egress_log_get("a", extents, 64, &fd, &err), 0, 64);
	close(fd);
}

static void op_set(void)
{
	struct vf_config values;
	char name[2] = {names[random_below(GUESTS)], '\0'};
	struct nic_error err;
	unsigned mask = VF_SET_SPOOFCHK | VF_SET_MTU | VF_SET_INGRESS_HOLD;

	vf_config_defaults(&values);
	values.spoofchk = random_below(2);
	values.mtu = (uint16_t)(4000 + random_below(5000));
	values.ingress_hold_pkts = 100 << random_below(7);
	if (random_below(4) == 0) {
		mask |= VF_SET_HOLD_EXEMPT;
		if (random_below(2))
			snprintf(values.hold_exempt, sizeof(values.hold_exempt),
				"ether proto 0x9999");
	}
	assert_int_equal(nic_vf_set(name, &values, mask, &err), 0);
}

static void send_from_d(void)
{
	uint8_t bytes[FRAME_BYTES_MAX];

	for (uint32_t n = random_below(BURST_MAX); n--;) {
		uint32_t len = next_frame(D, random_below(2) ? ALL : (int)random_below(PLACES),
			bytes, 60 + random_below(300));

		if (fake_port_send(port_of('d'), 0, bytes, len))
			n_sent[D]++;
	}
}

/* Comes, sends, is moved to another MAC or VLAN, and goes under its own traffic. */
static void op_d(void)
{
	struct vf_config values;
	struct nic_error err;

	if (!control.has_d) {
		vf_add('d', 0);
		control.has_d = true;
		send_from_d();
		return;
	}
	values = vf_config_of('d');
	values.mac[4] = (uint8_t)random_below(3);
	values.vlan = (uint16_t)random_below(3);
	values.spoofchk = false;
	if (random_below(2)) {
		assert_int_equal(
			nic_vf_set("d", &values, VF_SET_MAC | VF_SET_VLAN | VF_SET_SPOOFCHK, &err),
			0);
		return;
	}
	control.has_d = false;
	assert_int_equal(nic_vf_delete("d", true, &err), 0);
}

static void op_uplink(void)
{
	fake_uplink_refuse_at_random(random_below(2));
	fake_uplink_set_credits(random_below(3) ? FAKE_UPLINK_ENDLESS : random_below(200));
	fake_uplink_set_slow(random_below(30));
	fake_uplink_set_up(random_below(6) != 0);
	nic_tick();
}

/* One that runs ends, with all that was taken down in its file; else one begins. */
static void op_capture(void)
{
	struct capture_config config = {.max_bytes = 100000 << random_below(6)};
	struct capture_info info;
	struct nic_error err;

	config.vf[0] = names[random_below(GUESTS)];
	config.direction = random_below(3);
	config.after_hold = random_below(2);
	config.snaplen = 64 + random_below(UINT16_MAX - 64);
	if (nic_capture_stop(config.vf, &info, &err) == 0) {
		assert_string_not_equal(info.state, "failed");
		assert_int_equal(unlink(info.path), 0);
		return;
	}
	assert_int_equal(nic_capture_start(&config, &info, &err), 0);
}

static void end_captures(void)
{
	struct capture_info info;

	for (int i = 0; i < GUESTS; i++)
		if (nic_capture_stop((char[2]){names[i], '\0'}, &info, NULL) == 0)
			unlink(info.path);
	rmdir(nic.capture_dir);
}

static void op_pause(void)
{
	usleep(random_below(400));
}

static const struct {
	void (*run)(void);
	unsigned weight;
} operations[] = {
	{op_protect, 6},
	{op_unprotect, 8},
	{op_begin, 20},
	{op_resume, 30},
	{op_commit, 20},
	{op_look, 10},
	{op_set, 6},
	{op_d, 6},
	{op_uplink, 6},
	{op_capture, 6},
	{op_pause, 20},
};

static void random_operation(void)
{
	uint32_t at, total = 0;

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

static void check_no_fault(void)
{
	char text[sizeof(fault)];

	pthread_mutex_lock(&fault_lock);
	memcpy(text, fault, sizeof(text));
	pthread_mutex_unlock(&fault_lock);
	if (text[0])
		fail_msg("%s", text);
	fake_port_check();
	fake_uplink_check();
}

/* ---- the end: everything runs, and all that is in the device comes out ---- */

static void let_all_out(void)
{
	unsigned n;

	for (int i = 0; i < GUESTS; i++)
		fake_port_set_room(guests[i], 0, FAKE_ROOM_ENDLESS);
	fake_uplink_refuse_at_random(false);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	fake_uplink_set_up(true);
	nic_tick();
	if (control.suspended)
		resume("g");
	if (control.protected) {
		__atomic_store_n(&may_leave, stamp_of(TERM_STAMPS - 1), __ATOMIC_RELEASE);
		unprotect("g", false);
	}
	do {
		settle();
		n = drain_wire();
		for (int i = 0; i < GUESTS; i++)
			n += drain_guest(i);
	} while (n);
}

/* Frames that did not come out, and of those how many may have been counted in a place that is gone
 * by now, or more than once. */
static uint64_t unseen(int who, uint64_t *doubtful)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < n_sent[who]; i++) {
		const struct sent *s = &sent[who][i];

		if (s->place == ALL)
			*doubtful += PLACES;
		else if (who == D || s->place == D)
			*doubtful += !s->seen;
		else
			n += !s->seen;
	}
	return n;
}

static uint64_t counted_drops(void)
{
	uint64_t n = 0;

	for (int r = 0; r < DROP_REASONS; r++) {
		n += fake_uplink_drops[r];
		for (int i = 0; i < GUESTS; i++)
			n += drops_of(names[i], r);
	}
	return n;
}

static void check_what_is_missing(void)
{
	uint64_t missing = 0, doubtful = 0, counted = counted_drops();

	for (int who = 0; who < SENDERS; who++)
		missing += unseen(who, &doubtful);
	for (int i = 0; i < GUESTS; i++) {
		assert_int_equal(info_of(names[i]).held_pkts, 0);
		assert_int_equal(info_of(names[i]).ingress_held_pkts, 0);
		assert_int_equal(fake_port_unread(guests[i], 0), 0);
		assert_int_equal(info_of(names[i]).counters.tx_pkts, n_sent[i]);
	}
	if (counted < missing || counted > missing + doubtful)
		fail_msg("%u frames are missing, %u drops were counted (%u are d's)",
			(unsigned)missing, (unsigned)counted, (unsigned)doubtful);
}

static void all_threads_at_random_keep_the_promises(void **state)
{
	static const struct {
		void *(*play)(void *arg);
		uintptr_t arg;
	} parts[] = {{play_guest, 0}, {play_guest, 1}, {play_guest, 2}, {play_wire, 0},
		{play_frontends, 0}};
	pthread_t threads[RTE_DIM(parts)];

	memset(last, 0xff, sizeof(last));
	strcpy(nic.capture_dir, "/tmp/renic-stress.XXXXXX");
	assert_non_null(mkdtemp(nic.capture_dir));
	for (int i = 0; i < GUESTS; i++)
		guests[i] = vf_add(names[i], 0);
	for (size_t i = 0; i < RTE_DIM(parts); i++)
		pthread_create(&threads[i], NULL, parts[i].play, (void *)parts[i].arg);
	for (int i = 0; i < OPERATIONS; i++) {
		random_operation();
		if (i % 100 == 99)
			check_no_fault();
	}
	__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < RTE_DIM(parts); i++)
		pthread_join(threads[i], NULL);
	let_all_out();
	end_captures();
	check_no_fault();
	check_what_is_missing();
	/* Or nothing has been tested. */
	for (int who = 0; who < SENDERS; who++)
		assert_true(n_sent[who] > 100);
	for (int i = 0; i < GUESTS; i++)
		assert_true(last[i][WIRE] > 100 && last[WIRE][i] > 100);
	assert_true(control.term > 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {DEVICE_TEST(all_threads_at_random_keep_the_promises)};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
