/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path of a queue pair: renicd/nic/qp.c, qp_rx.c, frontend.c. What is held by a
 * checkpoint is in test_suspend.c and test_output_commit.c.
 */
#include <linux/virtio_net.h>
#include <sched.h>

#include "egress_log.h"
#include "nic_fixture.h"
#include "offload.h"

enum { LONG = 1400, FLOWS = 64, SEGMENT = 1400 };

/* ---- guest to world ---- */

static void an_unprotected_guests_frames_leave_in_order_each_once(void **state)
{
	vf_add('a', 0);
	for (uint32_t i = 0; i < 5000; i += 100) {
		guest_sends_many(FRAME('a', TO_NOBODY, i), 100);
		one_round();
	}
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 5000);
	wire_gets_nothing();
	assert_int_equal(info_of('a').counters.tx_pkts, 5000);
	assert_int_equal(info_of('a').counters.tx_bytes, 5000 * LEN_DEFAULT);
	assert_int_equal(info_of('a').counters.released_pkts, 0);
}

static void a_refusing_uplink_leaves_the_guests_ring_unread(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	fake_uplink_set_credits(10);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 1000);
	settle();
	assert_int_equal(fake_uplink_count(), 10);
	assert_in_range(fake_port_unread(a, 0), 1000 - 10 - NIC_BURST, 1000 - 10);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 1000);
	wire_gets_nothing();
}

static void an_uplink_that_refuses_at_random_loses_nothing(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	fake_uplink_refuse_at_random(true);
	for (uint32_t i = 0; i < 2000; i++)
		guest_sends(FRAME('a', i % 7 == 0 ? TO_ALL : TO_NOBODY, i));
	settle();
	for (uint32_t i = 0; i < 2000; i++) {
		wire_gets(FRAME('a', i % 7 == 0 ? TO_ALL : TO_NOBODY, i));
		if (i % 7 == 0)
			guest_gets('b', FRAME('a', TO_ALL, i));
	}
	wire_gets_nothing();
	guest_gets_nothing('b');
}

static void long_frames_come_whole(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	for (uint32_t len = 14; len < 9000; len += 997) {
		guest_sends(FRAME('a', 'b', len, .len = len));
		guest_sends(FRAME('a', TO_ALL, len, .len = len));
		settle();
		guest_gets('b', FRAME('a', 'b', len, .len = len));
		guest_gets('b', FRAME('a', TO_ALL, len, .len = len));
		wire_gets(FRAME('a', TO_ALL, len, .len = len));
	}
}

static void a_queue_pair_that_is_not_enabled_is_not_read(void **state)
{
	struct vf_config config = vf_config_of('a');
	struct fake_port *a;

	assert_int_equal(nic_vf_create(&config, NULL), 0);
	a = port_of('a');
	fake_port_connect(a);
	fake_port_start(a);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 5);
	settle();
	wire_gets_nothing();
	assert_int_equal(fake_port_unread(a, 0), 5);
	fake_port_enable(a, 0, true);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 5);
	fake_port_enable(a, 0, false);
	settle();
	guest_sends(FRAME('a', TO_NOBODY, 6));
	settle();
	wire_gets_nothing();
}

/* Each time the lcore is left to fall asleep; then only the kick can wake it. A lost one would
 * cost a second of each. */
static void a_kick_wakes_a_sleeping_queue_pair(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	for (uint32_t i = 0; i < 60; i++) {
		while (!fake_port_is_armed(a, 0))
			sched_yield();
		guest_sends(FRAME('a', TO_NOBODY, i));
		while (!fake_uplink_count())
			sched_yield();
		wire_gets(FRAME('a', TO_NOBODY, i));
	}
}

static void a_kick_wakes_after_the_rings_were_set_up_again(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	for (uint32_t i = 0; i < 20; i++) {
		fake_port_stop(a);
		fake_port_start(a);
		fake_port_enable(a, 0, true);
		settle();
		while (!fake_port_is_armed(a, 0))
			sched_yield();
		guest_sends(FRAME('a', TO_NOBODY, i));
		while (!fake_uplink_count())
			sched_yield();
		wire_gets(FRAME('a', TO_NOBODY, i));
	}
}

/* ---- the log as seen from the queue pair ---- */

static void an_idle_protected_queue_pair_holds_no_segment(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	settle();
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 3);
	settle();
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS - 1);
	commit("a", checkpoint("a"));
	settle();
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 3);
}

/* Between two rounds, when no poll is half way. */
static void count_free_segments(void *arg)
{
	*(uint32_t *)arg = log_pool_free_count(nic.log_pool);
}

static void a_ring_of_nonsense_holds_no_segment(void **state)
{
	uint32_t n_free = 0;

	struct fake_port *a = vf_add('a', 0);

	protect("a");
	fake_port_pretend_frames(a, true);
	settle();
	one_round();
	lcore_call(nic.by_id[0]->qps[0]->lcore, count_free_segments, &n_free);
	assert_int_equal(n_free, FIXTURE_SEGMENTS);
}

static void frames_that_are_all_dropped_hold_no_segment(void **state)
{
	vf_add('a', 0);
	protect("a");
	for (uint32_t i = 0; i < 100; i++) {
		uint8_t bytes[FRAME_BYTES_MAX];
		const struct tframe f = FRAME('x', TO_NOBODY, i);
		uint32_t len = frame_fill(&f, bytes);

		assert_true(fake_port_send(port_of('a'), 0, bytes, len));
	}
	settle();
	assert_int_equal(drops_of('a', DROP_SPOOFED_MAC), 100);
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
}

/* On the test's thread. */
static void expect_padding(struct rte_mempool *pool, void *arg, void *object, unsigned index)
{
	const struct rte_mbuf *m = object;
	const char *past = (const char *)m->buf_addr + m->buf_len;
	const char *next = (const char *)object + pool->elt_size + pool->trailer_size;
	const struct rte_mempool_memhdr *chunk;
	bool is_inside = false;

	STAILQ_FOREACH(chunk, &pool->mem_list, next)
	is_inside |=
		past >= (const char *)chunk->addr && past < (const char *)chunk->addr + chunk->len;
	assert_true(is_inside);
	assert_true(past < next + pool->header_size - sizeof(struct rte_mempool_objhdr));
}

/* Librte_vhost 22.11 writes one, where a guest asks for a checksum in a full mbuf's last byte. */
static void a_byte_past_a_frames_room_is_nobodys(void **state)
{
	assert_int_equal(rte_mempool_obj_iter(nic.pool, expect_padding, NULL), FIXTURE_MBUFS);
}

/* A device may have frames in its ring until the next ones push them out. */
/* A TCP frame of 64 KiB of guest a that asks for segments. */
static void guest_asks_for_segments_to(char to, int version)
{
	static uint8_t bytes[OFFLOAD_FRAME_MAX];
	uint8_t *l3 = bytes + RTE_ETHER_HDR_LEN;

	frame_fill(&FRAME('a', to, 0, .type = version == 4 ? 0x0800 : 0x86dd), bytes);
	l3[0] = version == 4 ? 0x45 : 0x60;
	l3[version == 4 ? 9 : 6] = IPPROTO_TCP;
	l3[version == 4 ? 20 + 12 : 40 + 12] = 5 << 4; /* a TCP header of 20 bytes */
	memset(&l3[version == 4 ? 6 : 7], 0, 2);       /* no fragment; hop limit */
	assert_true(fake_port_send_asking(port_of('a'), 0, bytes, sizeof(bytes), SEGMENT));
}

static void guest_asks_for_segments(int version)
{
	guest_asks_for_segments_to(TO_NOBODY, version);
}

/* Room is made in the log for what the guest negotiated; librte_vhost lets it ask for more. */
static void segments_that_were_not_negotiated_cost_their_frame_alone(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t held[2]; /* of 40 frames: IPv4, IPv6 */
	} rows[] = {
		{1ULL << VIRTIO_NET_F_CSUM, {0, 0}},
		{1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4, {40, 0}},
		{1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO6, {0, 40}},
	};
	struct fake_port *a = vf_add('a', 0);
	uint64_t drops = 0;

	for (size_t r = 0; r < RTE_DIM(rows); r++)
		for (int v6 = 0; v6 < 2; v6++) {
			fake_port_stop(a);
			fake_port_set_features(a, rows[r].features);
			fake_port_start(a);
			protect("a");
			for (int i = 0; i < 40; i++)
				guest_asks_for_segments(v6 ? 6 : 4);
			guest_sends(FRAME('a', TO_NOBODY, 7));
			settle();
			drops += 40 - rows[r].held[v6];
			assert_int_equal(drops_of('a', DROP_BAD_OFFLOAD), drops);
			assert_int_equal(info_of('a').held_pkts, rows[r].held[v6] + 1);
			unprotect("a", true);
		}
}

static void a_device_that_frees_late_does_not_use_up_the_log(void **state)
{
	vf_add('a', 0);
	protect("a");
	fake_uplink_set_slow(500);
	for (uint32_t i = 0; i < 8 * FIXTURE_SEGMENTS; i++) {
		guest_sends(FRAME('a', TO_NOBODY, i, .len = LONG));
		settle();
		commit("a", checkpoint("a"));
		settle();
		wire_gets(FRAME('a', TO_NOBODY, i, .len = LONG));
	}
}

/* ---- world to guest ---- */

static void frames_for_a_vf_without_a_guest_are_counted(void **state)
{
	struct vf_config config = vf_config_of('a');

	assert_int_equal(nic_vf_create(&config, NULL), 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1));
	settle();
	fake_port_connect(port_of('a')); /* no rings yet */
	wire_sends(FRAME(FROM_WIRE, 'a', 2));
	settle();
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 2);
	fake_port_start(port_of('a'));
	fake_port_enable(port_of('a'), 0, true);
	settle();
	guest_gets_nothing('a');
}

static void a_guest_short_of_buffers_gets_its_frames_later_in_order(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	fake_port_set_room(a, 0, 10);
	for (uint32_t i = 0; i < 500; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 10);
	guest_gets_nothing('a');
	assert_int_equal(info_of('a').ingress_held_pkts, 490);
	fake_port_set_room(a, 0, 100);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 10), 100);
	fake_port_set_room(a, 0, FAKE_ROOM_ENDLESS);
	wire_sends(FRAME(FROM_WIRE, 'a', 500));
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 110), 391);
	guest_gets_nothing('a');
	assert_int_equal(info_of('a').counters.rx_pkts, 501);
	assert_int_equal(info_of('a').counters.rx_bytes, 501 * LEN_DEFAULT);
}

static void a_guest_that_gives_no_buffers_loses_the_newest_and_they_are_counted(void **state)
{
	struct fake_port *a = vf_add('a', 0);
	uint32_t kept;

	fake_port_set_room(a, 0, 0);
	for (uint32_t i = 0; i < 2000; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	kept = info_of('a').ingress_held_pkts;
	assert_in_range(kept, 1, 1999);
	assert_int_equal(drops_of('a', DROP_RX_NO_BUFFER), 2000 - kept);
	fake_port_set_room(a, 0, FAKE_ROOM_ENDLESS);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), kept);
	guest_gets_nothing('a');
}

static void what_waits_for_guests_does_not_starve_the_others_of_mbufs(void **state)
{
	struct vf_config config = vf_config_of('a');
	uint32_t sent = 0;

	config.ingress_hold_pkts = 65536;
	vf_add_config(&config);
	vf_add('b', 0);
	fake_port_stop(port_of('a'));
	while (sent < FIXTURE_MBUFS + 500) {
		wire_sends(FRAME(FROM_WIRE, 'a', sent++));
		if (sent % 100 == 0)
			settle();
	}
	settle();
	assert_in_range(info_of('a').ingress_held_pkts, 1, FIXTURE_MBUFS / 2 + NIC_BURST);
	assert_int_equal(drops_of('a', DROP_RX_HOLD_FULL) + info_of('a').ingress_held_pkts, sent);
	guest_sends_many(FRAME('b', TO_NOBODY, 0), 500);
	settle();
	wire_gets_many(FRAME('b', TO_NOBODY, 0), 500);
}

static void frames_wait_while_the_rings_are_stopped_and_go_with_the_front_end(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	fake_port_stop(a);
	for (uint32_t i = 0; i < 100; i++)
		wire_sends(FRAME(FROM_WIRE, 'a', i));
	settle();
	assert_int_equal(info_of('a').ingress_held_pkts, 100);
	fake_port_start(a);
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), 100);
	fake_port_stop(a);
	wire_sends(FRAME(FROM_WIRE, 'a', 100));
	settle();
	fake_port_disconnect(a, NULL);
	settle();
	assert_int_equal(info_of('a').ingress_held_pkts, 0);
	assert_int_equal(drops_of('a', DROP_NO_FRONTEND), 1);
	fake_port_bring_up(a);
	settle();
	guest_gets_nothing('a');
}

static void start_with(struct fake_port *p, uint64_t features)
{
	fake_port_stop(p);
	fake_port_set_features(p, features);
	fake_port_start(p);
}

/* It reboots, into firmware perhaps, while it is short of buffers. */
static void what_waits_for_a_guest_with_offloads_is_not_for_one_without(void **state)
{
	const uint64_t takes = 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4;
	struct fake_port *a = vf_add('a', 0), *b = vf_add('b', 0);

	start_with(a, 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4);
	start_with(b, takes);
	fake_port_set_room(b, 0, 0);
	guest_sends(FRAME('a', 'b', 1));
	guest_asks_for_segments_to('b', 4);
	guest_sends(FRAME('a', 'b', 2));
	settle();
	assert_int_equal(info_of('b').ingress_held_pkts, 3);
	start_with(b, takes);
	settle();
	assert_int_equal(info_of('b').ingress_held_pkts, 3);
	start_with(b, 1ULL << VIRTIO_NET_F_GUEST_CSUM);
	assert_int_equal(info_of('b').ingress_held_pkts, 2);
	fake_port_set_room(b, 0, FAKE_ROOM_ENDLESS);
	settle();
	guest_gets('b', FRAME('a', 'b', 1));
	guest_gets('b', FRAME('a', 'b', 2));
	guest_gets_nothing('b');
	assert_int_equal(drops_of('b', DROP_NO_FRONTEND), 1);
}

/* Room for frames that wait is needed by none that need not. */
static void a_guest_with_buffers_gets_all_segments_of_a_frame(void **state)
{
	enum { HEADERS = RTE_ETHER_HDR_LEN + 40, PAYLOAD = OFFLOAD_FRAME_MAX - HEADERS };
	struct vf_config config = vf_config_of('b');

	config.ingress_hold_pkts = 0;
	start_with(vf_add('a', 0), 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4);
	vf_add_config(&config);
	start_with(port_of('b'), 0);
	guest_asks_for_segments_to('b', 4);
	settle();
	assert_int_equal(drops_of('b', DROP_RX_NO_BUFFER), 0);
	assert_int_equal(count_guest('b'), (PAYLOAD + SEGMENT - 1) / SEGMENT);
}

static void what_waits_for_a_guest_holds_no_segment_of_a_log(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	fake_port_stop(port_of('b'));
	protect("a");
	guest_sends_many(FRAME('a', 'b', 0, .len = LONG), 50);
	settle();
	commit("a", checkpoint("a"));
	settle();
	assert_int_equal(info_of('b').ingress_held_pkts, 50);
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
	fake_port_start(port_of('b'));
	settle();
	guest_gets_many('b', FRAME('a', 'b', 0, .len = LONG), 50);
}

static void vfs_that_send_to_each_other_make_progress(void **state)
{
	enum { N = 3000 };

	vf_add('a', 0);
	vf_add('b', 0);
	for (uint32_t i = 0; i < N; i++) {
		guest_sends(FRAME('a', 'b', i));
		guest_sends(FRAME('b', 'a', i));
	}
	settle();
	guest_gets_many('a', FRAME('b', 'a', 0), N);
	guest_gets_many('b', FRAME('a', 'b', 0), N);
}

static void an_empty_pool_stops_guests_without_loss(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	vf_add('b', 0);
	starve(5);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 300);
	guest_sends_many(FRAME('a', 'b', 300), 300);
	settle();
	starve(0);
	feed();
	settle();
	assert_int_equal(fake_port_unread(a, 0), 0);
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 300);
	guest_gets_many('b', FRAME('a', 'b', 300), 300);
}

/* ---- several queue pairs ---- */

static struct fake_port *add_queues(char letter, uint16_t queues)
{
	struct vf_config config = vf_config_of(letter);

	config.queues = queues;
	return vf_add_config(&config);
}

/* Frame `number` belongs to flow number % FLOWS: the bytes that steering looks at. */
static void wire_sends_flow(char to, uint32_t number)
{
	const struct tframe f = FRAME(FROM_WIRE, to, number);
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t len = frame_fill(&f, bytes);

	memset(&bytes[26], 0, 8); /* IPv4 addresses */
	bytes[29] = (uint8_t)(number % FLOWS);
	assert_true(fake_uplink_arrive(bytes, len));
}

static void a_flow_stays_in_one_queue_in_order_and_all_queues_are_used(void **state)
{
	struct fake_port *a = add_queues('a', 4);
	uint32_t next[FLOWS], total = 0;
	int queue_of[FLOWS];

	for (uint32_t f = 0; f < FLOWS; f++) {
		next[f] = f;
		queue_of[f] = -1;
	}
	for (uint32_t i = 0; i < 20 * FLOWS; i++)
		wire_sends_flow('a', i);
	settle();
	for (uint16_t q = 0; q < 4; q++) {
		struct guest_frame *got;
		uint32_t n = 0;

		for (; (got = fake_port_receive(a, q)); n++) {
			uint32_t number = frame_number(got->bytes), flow = number % FLOWS;

			assert_int_equal(number, next[flow]);
			next[flow] += FLOWS;
			assert_true(queue_of[flow] < 0 || queue_of[flow] == q);
			queue_of[flow] = q;
			free(got);
		}
		assert_true(n > 0);
		total += n;
	}
	assert_int_equal(total, 20 * FLOWS);
}

static uint32_t empty_queue(struct fake_port *p, uint16_t q)
{
	struct guest_frame *got;
	uint32_t n = 0;

	for (; (got = fake_port_receive(p, q)); n++)
		free(got);
	return n;
}

static void only_enabled_queues_get_frames(void **state)
{
	struct fake_port *a = add_queues('a', 4);

	fake_port_enable(a, 1, false);
	for (uint32_t i = 0; i < FLOWS; i++)
		wire_sends_flow('a', i);
	settle();
	assert_int_equal(empty_queue(a, 0), FLOWS);
	assert_int_equal(empty_queue(a, 2) + empty_queue(a, 3), 0);
}

/* ethtool -L, with frames waiting for a queue that is out of buffers. */
static void what_waits_in_a_queue_that_is_disabled_goes_to_the_first(void **state)
{
	struct fake_port *a = add_queues('a', 2);
	uint32_t held;

	fake_port_set_room(a, 1, 0);
	for (uint32_t i = 0; i < FLOWS; i++)
		wire_sends_flow('a', i);
	settle();
	held = info_of('a').ingress_held_pkts;
	assert_in_range(held, 1, FLOWS - 1);
	assert_int_equal(empty_queue(a, 0), FLOWS - held);
	/* As at a pause, all of them; and back. */
	fake_port_enable(a, 0, false);
	fake_port_enable(a, 1, false);
	settle();
	assert_int_equal(info_of('a').ingress_held_pkts, held);
	fake_port_enable(a, 0, true);
	while (info_of('a').ingress_held_pkts)
		one_round();
	settle();
	assert_int_equal(empty_queue(a, 0), held);
	assert_int_equal(empty_queue(a, 1), 0);
}

/* The next driver may use fewer queues than the one before it. */
static void a_new_front_end_starts_with_no_queue_enabled(void **state)
{
	struct fake_port *a = add_queues('a', 4);

	fake_port_disconnect(a, NULL);
	fake_port_connect(a);
	fake_port_start(a);
	fake_port_enable(a, 0, true);
	for (uint32_t i = 0; i < FLOWS; i++)
		wire_sends_flow('a', i);
	settle();
	assert_int_equal(empty_queue(a, 0), FLOWS);
	for (uint16_t q = 1; q < 4; q++) {
		assert_int_equal(empty_queue(a, q), 0);
		assert_false(info_of('a').queues[q].enabled);
	}
}

static void every_queue_pairs_frames_leave_in_order(void **state)
{
	struct fake_port *a = add_queues('a', 4);
	uint32_t next[4] = {0};

	fake_uplink_refuse_at_random(true);
	for (uint32_t i = 0; i < 2000; i++) {
		const struct tframe f = FRAME('a', TO_NOBODY, i);
		uint8_t bytes[FRAME_BYTES_MAX];
		uint32_t len = frame_fill(&f, bytes);

		assert_true(fake_port_send(a, (uint16_t)(i % 4), bytes, len));
	}
	settle();
	for (uint32_t i = 0; i < 2000; i++) {
		struct wire_frame *got = fake_uplink_take();
		uint32_t number, q;

		assert_non_null(got);
		number = frame_number(got->bytes);
		q = number % 4;
		assert_int_equal(number / 4, next[q]);
		next[q]++;
		free(got);
	}
	wire_gets_nothing();
}

static void a_front_end_that_is_sent_away_is_counted_and_told(void **state)
{
	struct fake_port *a = vf_add('a', 0);

	fake_port_disconnect(a, "nonsense");
	assert_int_equal(info_of('a').frontend, FRONTEND_NONE);
	assert_int_equal(info_of('a').frontend_errors, 1);
	assert_int_equal(events_of(EVENT_FRONTEND_ERROR), 1);
	assert_int_equal(events_of(EVENT_FRONTEND_DISCONNECTED), 1);
	fake_port_connect(a);
	assert_int_equal(info_of('a').frontend, FRONTEND_CONNECTED);
	fake_port_start(a);
	assert_int_equal(info_of('a').frontend, FRONTEND_RUNNING);
	fake_port_disconnect(a, NULL);
	assert_int_equal(info_of('a').frontend_errors, 1);
	assert_int_equal(events_of(EVENT_FRONTEND_ERROR), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(an_unprotected_guests_frames_leave_in_order_each_once),
		DEVICE_TEST(a_refusing_uplink_leaves_the_guests_ring_unread),
		DEVICE_TEST(an_uplink_that_refuses_at_random_loses_nothing),
		DEVICE_TEST(long_frames_come_whole),
		DEVICE_TEST(a_queue_pair_that_is_not_enabled_is_not_read),
		DEVICE_TEST(a_kick_wakes_a_sleeping_queue_pair),
		DEVICE_TEST(a_kick_wakes_after_the_rings_were_set_up_again),
		DEVICE_TEST(an_idle_protected_queue_pair_holds_no_segment),
		DEVICE_TEST(a_ring_of_nonsense_holds_no_segment),
		DEVICE_TEST(frames_that_are_all_dropped_hold_no_segment),
		DEVICE_TEST(segments_that_were_not_negotiated_cost_their_frame_alone),
		DEVICE_TEST(a_byte_past_a_frames_room_is_nobodys),
		DEVICE_TEST(a_device_that_frees_late_does_not_use_up_the_log),
		DEVICE_TEST(frames_for_a_vf_without_a_guest_are_counted),
		DEVICE_TEST(a_guest_short_of_buffers_gets_its_frames_later_in_order),
		DEVICE_TEST(a_guest_that_gives_no_buffers_loses_the_newest_and_they_are_counted),
		DEVICE_TEST(what_waits_for_guests_does_not_starve_the_others_of_mbufs),
		DEVICE_TEST(frames_wait_while_the_rings_are_stopped_and_go_with_the_front_end),
		DEVICE_TEST(what_waits_for_a_guest_with_offloads_is_not_for_one_without),
		DEVICE_TEST(a_guest_with_buffers_gets_all_segments_of_a_frame),
		DEVICE_TEST(what_waits_for_a_guest_holds_no_segment_of_a_log),
		DEVICE_TEST(vfs_that_send_to_each_other_make_progress),
		DEVICE_TEST(an_empty_pool_stops_guests_without_loss),
		DEVICE_TEST(a_flow_stays_in_one_queue_in_order_and_all_queues_are_used),
		DEVICE_TEST(only_enabled_queues_get_frames),
		DEVICE_TEST(what_waits_in_a_queue_that_is_disabled_goes_to_the_first),
		DEVICE_TEST(a_new_front_end_starts_with_no_queue_enabled),
		DEVICE_TEST(every_queue_pairs_frames_leave_in_order),
		DEVICE_TEST(a_front_end_that_is_sent_away_is_counted_and_told),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
