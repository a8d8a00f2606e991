/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest moves: frames that wait for it where it was are given to it where it goes, none lost,
 * none out of order (renicd/nic/ingress.c), and those that come before it runs there wait
 * (standby.c). Chunks come from another machine: hostile ones are refused whole.
 */
#include "nic_fixture.h"
#include "qp.h"

static struct ingress_chunk chunk;

static void take(const char *vf)
{
	struct nic_error err;

	if (nic_ingress_take(vf, &chunk, &err))
		fail_msg("ingress_take: %s", err.message);
}

static void give(const char *vf)
{
	struct nic_error err;
	uint32_t pkts;

	if (nic_ingress_give(vf, chunk.records, chunk.bytes, &pkts, &err))
		fail_msg("ingress_give: %s", err.message);
	assert_int_equal(pkts, chunk.pkts);
}

static void refuse_records(const void *records, uint32_t bytes, int code)
{
	struct nic_error err = {0};
	uint32_t pkts = 77;

	assert_int_equal(nic_ingress_give("a", records, bytes, &pkts, &err), code);
	assert_int_equal(err.code, code);
	assert_true(err.message[0]);
	assert_int_equal(pkts, 77);
}

/* A VF whose guest is paused. */
static struct fake_port *add_paused(char letter)
{
	struct fake_port *p = vf_add(letter, 0);

	fake_port_stop(p);
	return p;
}

static void run_again(struct fake_port *p)
{
	fake_port_start(p);
	fake_port_enable(p, 0, true);
}

static uint32_t waiting(char letter)
{
	return info_of(letter).ingress_held_pkts;
}

static void wire_sends_many(char to, uint32_t first, uint32_t n, uint32_t len)
{
	for (uint32_t i = first; i < first + n; i++) {
		wire_sends(FRAME(FROM_WIRE, to, i, .len = len));
		settle();
	}
}

static void what_is_taken_comes_back_before_what_waits(void **state)
{
	struct fake_port *p = add_paused('a');

	wire_sends_many('a', 0, 20, LEN_DEFAULT);
	assert_int_equal(waiting('a'), 20);
	take("a");
	assert_int_equal(chunk.pkts, 20);
	assert_int_equal(chunk.left, 0);
	assert_int_equal(waiting('a'), 0);
	wire_sends_many('a', 20, 5, LEN_DEFAULT);
	give("a");
	assert_int_equal(waiting('a'), 25);
	run_again(p);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 25);
	guest_gets_nothing('a');
	assert_int_equal(waiting('a'), 0);
}

/* Each time that frames are taken from the inbox, another one comes, so often. */
static unsigned refills, refills_left = 999;

unsigned __real_qp_inbox_drain(struct vf_qp *qp);
unsigned __wrap_qp_inbox_drain(struct vf_qp *qp);

static void put_into_inbox(struct vf_qp *qp)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t len = frame_fill(&FRAME(FROM_WIRE, 'a', 0), bytes);

	rte_ring_mp_enqueue(qp->inbox, nic_frame_of(bytes, len));
}

unsigned __wrap_qp_inbox_drain(struct vf_qp *qp)
{
	unsigned n = __real_qp_inbox_drain(qp);

	if (refills) {
		refills--;
		put_into_inbox(qp);
	}
	return n;
}

/* On the owner lcore. */
static void drain_all(void *arg)
{
	struct vf_qp *qp = arg;

	put_into_inbox(qp);
	refills = 1000;
	qp_inbox_drain_all(qp);
	refills_left = refills;
	refills = 0;
}

static void who_goes_on_sending_does_not_keep_an_lcore_in_a_message(void **state)
{
	struct vf_qp *qp;

	add_paused('a');
	qp = vf_find("a")->qps[0];
	if (qp->inbox)
		lcore_call(qp->lcore, drain_all, qp);
	assert_int_equal(refills_left, 999);
	settle();
}

/* More than one chunk, of frames of several mbufs each: given newest chunk first. */
static void chunks_are_given_in_reverse(void **state)
{
	static struct ingress_chunk first;
	struct fake_port *p = add_paused('a');

	wire_sends_many('a', 0, 60, 9000);
	take("a");
	first = chunk;
	assert_in_range(first.pkts, 40, 43);
	assert_int_equal(first.left, 60 - first.pkts);
	take("a");
	assert_int_equal(chunk.pkts, 60 - first.pkts);
	assert_int_equal(chunk.left, 0);
	give("a");
	chunk = first;
	give("a");
	run_again(p);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0, .len = 9000), 60);
}

/* An activated VF knows that a running guest is coming, though its rings never ran here. */
static void frames_for_an_activated_guest_wait_until_its_rings_run(void **state)
{
	struct vf_config config = vf_config_of('a');
	struct fake_port *p;

	config.standby = true;
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	p = port_of('a');
	fake_port_connect(p);
	wire_sends_many('a', 0, 1, LEN_DEFAULT); /* nobody is there yet: dropped */
	assert_int_equal(nic_activate(GROUP_COMMAND("a", 0), NULL), 0);
	wire_sends_many('a', 1, 10, LEN_DEFAULT);
	assert_int_equal(waiting('a'), 10);
	run_again(p);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 1), 10);
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 0);
	/* Its end, too, is a front-end's end. */
	fake_port_stop(p);
	fake_port_disconnect(p, NULL);
	wire_sends_many('a', 11, 1, LEN_DEFAULT);
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 1);
}

static void a_running_guest_has_nothing_to_hand_over(void **state)
{
	struct nic_error err;
	uint32_t pkts;

	vf_add('a', 0);
	assert_int_equal(nic_ingress_take("a", &chunk, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "running");
	assert_int_equal(nic_ingress_take("x", &chunk, &err), RENIC_E_NOT_FOUND);
	add_paused('b');
	wire_sends_many('b', 0, 1, LEN_DEFAULT);
	take("b");
	assert_int_equal(
		nic_ingress_give("a", chunk.records, chunk.bytes, &pkts, &err), RENIC_E_STATE);
	assert_int_equal(
		nic_ingress_give("x", chunk.records, chunk.bytes, &pkts, &err), RENIC_E_NOT_FOUND);
	guest_gets_nothing('a');
}

static void what_is_no_chunk_is_refused_whole(void **state)
{
	static uint8_t records[2 + 9100];

	add_paused('a');
	wire_sends_many('a', 0, 2, LEN_DEFAULT);
	take("a");
	refuse_records(chunk.records, 0, RENIC_E_PARAMS);
	for (uint32_t cut = 1; cut < chunk.bytes; cut++)
		if (cut != chunk.bytes / 2)
			refuse_records(chunk.records, cut, RENIC_E_PARAMS);
	records[0] = 13; /* no Ethernet header */
	refuse_records(records, 15, RENIC_E_PARAMS);
	records[0] = 9100 & 0xff; /* longer than the VF's MTU allows */
	records[1] = 9100 >> 8;
	refuse_records(records, sizeof(records), RENIC_E_PARAMS);
	assert_int_equal(waiting('a'), 0);
}

static void what_may_not_wait_is_refused_whole(void **state)
{
	struct vf_config config = vf_config_of('a');
	struct fake_port *p;

	config.ingress_hold_pkts = 12;
	p = vf_add_config(&config);
	fake_port_stop(p);
	wire_sends_many('a', 0, 8, LEN_DEFAULT);
	take("a");
	wire_sends_many('a', 8, 5, LEN_DEFAULT);
	refuse_records(chunk.records, chunk.bytes, RENIC_E_RESOURCES);
	assert_int_equal(waiting('a'), 5);
	starve(3);
	chunk.bytes = chunk.bytes / 8 * 7;
	refuse_records(chunk.records, chunk.bytes, RENIC_E_RESOURCES);
	feed();
	assert_int_equal(waiting('a'), 5);
	chunk.pkts = 7;
	give("a");
	run_again(p);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 7);
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 8), 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(what_is_taken_comes_back_before_what_waits),
		DEVICE_TEST(who_goes_on_sending_does_not_keep_an_lcore_in_a_message),
		DEVICE_TEST(chunks_are_given_in_reverse),
		DEVICE_TEST(frames_for_an_activated_guest_wait_until_its_rings_run),
		DEVICE_TEST(a_running_guest_has_nothing_to_hand_over),
		DEVICE_TEST(what_is_no_chunk_is_refused_whole),
		DEVICE_TEST(what_may_not_wait_is_refused_whole),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
