/* SPDX-License-Identifier: BSD-3-Clause */
/* Which requests the uplink's device gets, and in what state: renicd/nic/offload_send.c. No lcores;
 * the device is a fake whose driver writes into headers, as real ones do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "offload_frames.h"
#include "offload_send.h"
#include "unit_eal.h"
#include "vf.h"

enum {
	MBUFS = 2047,
	SEGMENT = 1400,
	ALL = UPLINK_IPV4_CHECKSUM | UPLINK_TCP_CHECKSUM | UPLINK_UDP_CHECKSUM |
	      UPLINK_TCP_SEGMENTS,
	SCRIBBLE = 0xabcd, /* of a driver, in the checksum's field */
	LOG_BYTES = 1 << 17,
	SMALL = 300,
	LONG = 6000,
};

static struct rte_mbuf *wire[512];
static unsigned on_wire, credits, prepared;
static bool refuses; /* the driver, what is to be prepared */
static struct vf_qp qp;
static uint8_t log_bytes[LOG_BYTES];
static struct rte_mbuf_ext_shared_info log_shinfo;

static uint16_t *sum_of(struct rte_mbuf *m)
{
	bool is_udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;

	return rte_pktmbuf_mtod_offset(m, uint16_t *, m->l2_len + m->l3_len + (is_udp ? 6 : 16));
}

static uint16_t fake_send(struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	uint16_t taken = (uint16_t)RTE_MIN((unsigned)n, credits);

	credits -= taken;
	memcpy(&wire[on_wire], pkts, taken * sizeof(pkts[0]));
	on_wire += taken;
	return taken;
}

static bool fake_prepare(struct rte_mbuf *m)
{
	prepared++;
	*sum_of(m) = SCRIBBLE;
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)
		rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len)->hdr_checksum = 0;
	return !refuses;
}

static struct uplink_ops fake = {.send = fake_send, .prepare = fake_prepare};

static int begin(void **state)
{
	credits = UINT32_MAX;
	refuses = false;
	on_wire = prepared = 0;
	fake.offloads = ALL;
	fake.own_memory = false;
	memset(&qp, 0, sizeof(qp));
	return 0;
}

static int end(void **state)
{
	rte_pktmbuf_free_bulk(wire, on_wire);
	return rte_mempool_in_use_count(nic.pool) || rte_mempool_in_use_count(nic.attach_pool);
}

/* As a guest sent it; with more than a segment's payload it asks for segments. */
static struct rte_mbuf *asking(int version, uint8_t proto, int tags, uint32_t payload)
{
	struct rte_mbuf *m = offload_frame(nic.pool, version, proto, tags, payload);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14 + 4 * tags);

	if (version == 4)
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	assert_int_equal(ask(m, payload > SEGMENT ? SEGMENT : 0), DROP_REASONS);
	return m;
}

static void log_free(void *addr, void *arg)
{
}

/* The same frame, out of the log: one mbuf that has no memory of its own. */
static struct rte_mbuf *held(struct rte_mbuf *m)
{
	struct rte_mbuf *a = rte_pktmbuf_alloc(nic.attach_pool);
	const uint8_t *bytes = rte_pktmbuf_read(m, 0, m->pkt_len, log_bytes);

	if (bytes != log_bytes)
		memcpy(log_bytes, bytes, m->pkt_len);
	log_shinfo.free_cb = log_free;
	rte_mbuf_ext_refcnt_set(&log_shinfo, 1);
	rte_pktmbuf_attach_extbuf(a, log_bytes, 0, (uint16_t)m->pkt_len, &log_shinfo);
	a->data_len = (uint16_t)m->pkt_len;
	a->pkt_len = m->pkt_len;
	a->ol_flags |= m->ol_flags;
	a->tx_offload = m->tx_offload;
	rte_pktmbuf_free(m);
	return a;
}

static void verify_segments(unsigned from, uint32_t payload, uint32_t l2, int version)
{
	uint32_t seen = 0, total = (payload + SEGMENT - 1) / SEGMENT;

	assert_int_equal(on_wire - from, total);
	for (unsigned i = from; i < on_wire; i++) {
		const struct rte_tcp_hdr *tcp = verify(wire[i], l2, version);

		assert_false(offload_is_asked(wire[i]));
		assert_int_equal(rte_be_to_cpu_32(tcp->sent_seq), (uint32_t)(0xfffffff0u + seen));
		seen += wire[i]->pkt_len - l2 - (version == 4 ? 40 : 60);
	}
	assert_int_equal(seen, payload);
}

static void what_the_device_can_is_left_to_it(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (int tags = 0; tags < 2; tags++)
			for (int from_log = 0; from_log < 2; from_log++)
				for (int kind = 0; kind < 3; kind++) {
					uint8_t proto = kind == 1 ? IPPROTO_UDP : IPPROTO_TCP;
					uint32_t payload = kind == 2 ? 20000 : 1000;
					struct rte_mbuf *m = asking(version, proto, tags, payload),
							*w;

					begin(state);
					m = from_log ? held(m) : m;
					assert_int_equal(offload_send(&qp, &m, 1), 1);
					assert_int_equal(on_wire, 1);
					assert_int_equal(prepared, 1);
					w = wire[0];
					assert_int_equal(w->l2_len, 14 + 4 * tags);
					assert_int_equal(w->l3_len, version == 4 ? 20 : 40);
					assert_int_equal(w->l4_len, proto == IPPROTO_TCP ? 20 : 8);
					assert_int_equal(w->tso_segsz, kind == 2 ? SEGMENT : 0);
					assert_int_equal(
						!!(w->ol_flags & RTE_MBUF_F_TX_TCP_SEG), kind == 2);
					assert_int_equal(!!(w->ol_flags & RTE_MBUF_F_TX_IP_CKSUM),
						kind == 2 && version == 4);
					assert_int_equal(w->ol_flags & RTE_MBUF_F_TX_L4_MASK,
						proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
								     : RTE_MBUF_F_TX_UDP_CKSUM);
					assert_int_equal(w->pkt_len, offload_headers(w) + payload);
					rte_pktmbuf_free(w);
					on_wire = 0;
				}
}

/* A driver writes into the headers; the log's bytes are for the next start of the daemon too. */
static void drivers_write_to_no_byte_of_the_log(void **state)
{
	static uint8_t before[LOG_BYTES];
	struct rte_mbuf *m = held(asking(4, IPPROTO_TCP, 0, 20000)), *w;

	memcpy(before, log_bytes, LOG_BYTES);
	assert_int_equal(offload_send(&qp, &m, 1), 1);
	assert_memory_equal(before, log_bytes, LOG_BYTES);
	w = wire[0];
	assert_int_equal(*sum_of(w), SCRIBBLE);
	assert_int_equal(w->nb_segs, 2);
	assert_ptr_equal(rte_pktmbuf_mtod(w->next, uint8_t *), log_bytes + offload_headers(w));
}

static void what_the_device_cannot_is_done_here(void **state)
{
	static const uint32_t cannot[] = {
		0, ALL & ~UPLINK_TCP_CHECKSUM, UPLINK_TCP_CHECKSUM, ALL & ~UPLINK_TCP_SEGMENTS};
	struct rte_mbuf *m;

	for (size_t i = 0; i < RTE_DIM(cannot); i++) {
		fake.offloads = cannot[i];
		m = asking(4, IPPROTO_TCP, 1, 20000);
		assert_int_equal(offload_send(&qp, &m, 1), 1);
		verify_segments(0, 20000, 18, 4);
		rte_pktmbuf_free_bulk(wire, on_wire);
		on_wire = 0;
	}
	fake.offloads = ALL & ~UPLINK_UDP_CHECKSUM;
	m = held(asking(6, IPPROTO_UDP, 0, 1000));
	assert_int_equal(offload_send(&qp, &m, 1), 1);
	verify(wire[0], 14, 6);
	assert_int_equal(prepared, 0);
}

static void what_the_driver_refuses_is_done_here(void **state)
{
	struct rte_mbuf *pkts[] = {asking(6, IPPROTO_TCP, 0, 1000),
		held(asking(4, IPPROTO_TCP, 0, 20000)), asking(4, IPPROTO_UDP, 0, 77)};

	refuses = true;
	assert_int_equal(offload_send(&qp, pkts, 3), 3);
	assert_int_equal(on_wire, 17);
	verify(wire[0], 14, 6);
	verify(wire[16], 14, 4);
	rte_pktmbuf_free(wire[16]);
	on_wire--;
	verify_segments(1, 20000, 14, 4);
}

/* Of devices that go by lengths in the headers, and of drivers that know no others. */
static void headers_that_lie_reach_no_device(void **state)
{
	struct rte_mbuf *m = asking(4, IPPROTO_TCP, 0, 1000);

	rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->total_length = RTE_BE16(40);
	assert_int_equal(offload_send(&qp, &m, 1), 1);
	m = asking(6, IPPROTO_TCP, 0, 20000);
	rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14)->payload_len = RTE_BE16(20019);
	assert_int_equal(offload_send(&qp, &m, 1), 1);
	assert_int_equal(prepared, 0);
	verify_segments(1, 20000, 14, 6);
}

static void what_is_not_taken_is_as_the_guest_asked(void **state)
{
	struct rte_mbuf *m = held(asking(4, IPPROTO_TCP, 0, 20000));
	const struct rte_ipv4_hdr *ip;
	uint64_t flags = m->ol_flags & ~RTE_MBUF_F_EXTERNAL;

	credits = 0;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(offload_send(&qp, &m, 1), 0);
		ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, 14);
		assert_int_equal(m->ol_flags, flags);
		assert_int_equal(*sum_of(m), rte_ipv4_phdr_cksum(ip, 0));
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
	}
	credits = 1;
	assert_int_equal(offload_send(&qp, &m, 1), 1);
	assert_int_equal(*sum_of(wire[0]), SCRIBBLE);
	assert_int_equal(wire[0]->pkt_len, 14 + 40 + 20000);
}

static void a_device_of_its_own_memory_gets_copies(void **state)
{
	struct rte_mbuf *pkts[] = {held(asking(4, IPPROTO_TCP, 0, 20000)), NULL};

	pkts[1] = rte_pktmbuf_copy(pkts[0], nic.pool, 0, 1000);
	pkts[1]->ol_flags = 0;
	pkts[1] = held(pkts[1]);
	fake.own_memory = true;
	assert_int_equal(offload_send(&qp, pkts, 2), 2);
	for (unsigned i = 0; i < 2; i++)
		for (const struct rte_mbuf *s = wire[i]; s; s = s->next)
			assert_true(RTE_MBUF_DIRECT(s));
	assert_int_equal(wire[1]->pkt_len, 1000);
}

/* A sequence number, in the IPv6 source's last bytes. */
static uint8_t *number_at(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, 14 + 8 + 12);
}

static uint32_t number_of(struct rte_mbuf *m)
{
	uint32_t number;

	memcpy(&number, number_at(m), sizeof(number));
	return number;
}

/* What came of the frames from number `seen` on: each whole, in its turn. */
static uint32_t count_whole(uint32_t seen)
{
	uint32_t payload = 0;

	for (unsigned i = 0; i < on_wire; i++) {
		assert_int_equal(number_of(wire[i]), seen);
		payload += wire[i]->pkt_len - 14 - 60;
		if (payload < (seen % 3 ? SMALL : LONG))
			continue;
		assert_int_equal(payload, seen % 3 ? SMALL : LONG);
		seen++;
		payload = 0;
	}
	assert_int_equal(payload, 0);
	return seen;
}

static void bursts_of_all_kinds_leave_in_order_once(void **state)
{
	struct rte_mbuf *burst[NIC_BURST];
	uint32_t next = 0, seen = 0;

	srand(5);
	for (int round = 0; round < 1000; round++) {
		uint16_t n = (uint16_t)(1 + rand() % 8), done = 0;

		fake.offloads = (uint32_t)rand() & ALL;
		for (uint16_t i = 0; i < n; i++) {
			burst[i] = asking(6, IPPROTO_TCP, 0, next % 3 ? SMALL : LONG);
			memcpy(number_at(burst[i]), &next, sizeof(next));
			next++;
			if (rand() % 4 == 0 && !offload_is_tso(burst[i]))
				burst[i]->ol_flags = 0;
			if (rand() % 2)
				continue;
			burst[i] = held(burst[i]);
			n = i + 1; /* log_bytes has room for one */
		}
		while (done < n) {
			qp.segments = 0; /* by qp_poll() */
			refuses = rand() % 2;
			credits = (unsigned)rand() % 4;
			done += offload_send(&qp, &burst[done], n - done);
		}
		seen = count_whole(seen);
		rte_pktmbuf_free_bulk(wire, on_wire);
		on_wire = 0;
	}
	assert_int_equal(seen, next);
}

static void a_poll_sends_a_bounded_number_of_segments(void **state)
{
	enum { FRAMES = 5, SHORTEST = 48, OF_EACH = LONG / SHORTEST, A_POLL = 256 };
	struct rte_mbuf *burst[FRAMES];
	uint32_t seen = 0;

	fake.offloads = 0;
	for (int i = 0; i < FRAMES; i++) {
		burst[i] = offload_frame(nic.pool, 6, IPPROTO_TCP, 0, LONG);
		assert_int_equal(ask(burst[i], SHORTEST), DROP_REASONS);
	}
	for (uint16_t done = 0; done < FRAMES; qp.segments = 0 /* by qp_poll() */) {
		done += offload_send(&qp, &burst[done], FRAMES - done);
		assert_in_range(on_wire, 1, A_POLL + NIC_BURST);
		seen += on_wire;
		rte_pktmbuf_free_bulk(wire, on_wire);
		on_wire = 0;
	}
	assert_int_equal(seen, FRAMES * OF_EACH);
}

#define SEND_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SEND_TEST(what_the_device_can_is_left_to_it),
		SEND_TEST(drivers_write_to_no_byte_of_the_log),
		SEND_TEST(what_the_device_cannot_is_done_here),
		SEND_TEST(what_the_driver_refuses_is_done_here),
		SEND_TEST(headers_that_lie_reach_no_device),
		SEND_TEST(what_is_not_taken_is_as_the_guest_asked),
		SEND_TEST(a_device_of_its_own_memory_gets_copies),
		SEND_TEST(bursts_of_all_kinds_leave_in_order_once),
		SEND_TEST(a_poll_sends_a_bounded_number_of_segments),
	};
	int failed;

	if (unit_eal_init(argv[0]))
		return 1;
	nic.pool = rte_pktmbuf_pool_create(
		"frames", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	nic.attach_pool = rte_pktmbuf_pool_create("log_frames", 255, 0, 0, 0, SOCKET_ID_ANY);
	nic.uplink = &fake;
	failed = nic.pool && nic.attach_pool ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	unit_eal_end();
	return failed;
}
