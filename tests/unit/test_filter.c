/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest may send, and what needs no holding: renicd/nic/filter.c. No lcores. */
#include <rte_bpf.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "filter.h"
#include "nic_fixture.h"

enum { POOL = 255, FRAME_LEN_MAX = 1514 };

static struct rte_mempool *pool;
static struct vf_qp qp; /* the filter counts on it */
static struct vf_policy policy;
static struct alike alike; /* of the last burst */

static const struct rte_ether_addr own = {{2, 0, 0, 0, 0, 'a'}};

static int setup(void **state)
{
	memset(&qp.counters, 0, sizeof(qp.counters));
	policy = (struct vf_policy){
		.mac = own, .spoofchk = true, .checks_mac = true, .max_frame_bytes = FRAME_LEN_MAX};
	alike_rule_set(&policy.alike, &own, true, FRAME_LEN_MAX);
	pool = rte_pktmbuf_pool_create(
		"filter", POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	unsigned out = rte_mempool_in_use_count(pool);

	rte_bpf_destroy(policy.exempt_bpf);
	rte_mempool_free(pool);
	return out ? -1 : 0;
}

/* In one mbuf, or with the first `split` bytes in one and the rest in another. */
static struct rte_mbuf *mbuf_of(const uint8_t *bytes, uint32_t len, uint32_t split)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *rest;
	uint32_t part = split && split < len ? split : len;

	memcpy(rte_pktmbuf_append(m, (uint16_t)part), bytes, part);
	if (part == len)
		return m;
	rest = rte_pktmbuf_alloc(pool);
	memcpy(rte_pktmbuf_append(rest, (uint16_t)(len - part)), bytes + part, len - part);
	rte_pktmbuf_chain(m, rest);
	return m;
}

static struct rte_mbuf *frame_mbuf(struct tframe f, uint32_t split)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t len = frame_fill(&f, bytes);

	return mbuf_of(bytes, len, split);
}

/* Takes m. The reason that it was dropped for, or DROP_REASONS when it was kept. */
static enum drop_reason verdict(struct rte_mbuf *m)
{
	uint64_t before[DROP_REASONS], drops = 0;
	enum drop_reason reason = DROP_REASONS;
	uint16_t kept;

	memcpy(before, qp.counters.drops, sizeof(before));
	kept = filter_from_guest(&qp, &policy, &m, 1, &alike);
	for (int r = 0; r < DROP_REASONS; r++) {
		drops += qp.counters.drops[r] - before[r];
		if (qp.counters.drops[r] != before[r])
			reason = (enum drop_reason)r;
	}
	assert_int_equal(kept + drops, 1);
	if (kept)
		rte_pktmbuf_free(m);
	return reason;
}

static enum drop_reason verdict_of(struct tframe f)
{
	return verdict(frame_mbuf(f, 0));
}

/* ---- length ---- */

static void a_frame_without_a_whole_ethernet_header_is_a_runt(void **state)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	const struct tframe f = FRAME('a', 'b', 1);

	frame_fill(&f, bytes);
	for (uint32_t len = 0; len < 14; len++)
		assert_int_equal(verdict(mbuf_of(bytes, len, 0)), DROP_RUNT);
	assert_int_equal(verdict(mbuf_of(bytes, 14, 0)), DROP_REASONS);
	policy.vlan = 5;
	policy.spoofchk = false;
	assert_int_equal(verdict(mbuf_of(bytes, 13, 0)), DROP_RUNT);
	assert_int_equal(qp.counters.drops[DROP_RUNT], 15);
}

static void a_header_in_two_pieces_is_a_runt(void **state)
{
	assert_int_equal(verdict(frame_mbuf(FRAME('a', 'b', 1), 13)), DROP_RUNT);
	assert_int_equal(verdict(frame_mbuf(FRAME('a', 'b', 1), 14)), DROP_REASONS);
}

static void a_frame_longer_than_the_mtu_allows_is_dropped(void **state)
{
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .len = FRAME_LEN_MAX)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .len = FRAME_LEN_MAX + 1)), DROP_OVERSIZE);
}

static void all_pieces_of_a_frame_count_for_its_length(void **state)
{
	assert_int_equal(
		verdict(frame_mbuf(FRAME('a', 'b', 1, .len = FRAME_LEN_MAX), 60)), DROP_REASONS);
	assert_int_equal(verdict(frame_mbuf(FRAME('a', 'b', 1, .len = FRAME_LEN_MAX + 1), 60)),
		DROP_OVERSIZE);
}

/* ---- addresses and tags ---- */

static void a_spoofed_source_mac_is_dropped(void **state)
{
	assert_int_equal(verdict_of(FRAME('a', 'b', 1)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME('b', 'a', 1)), DROP_SPOOFED_MAC);
	assert_int_equal(verdict_of(FRAME('b', TO_ALL, 1)), DROP_SPOOFED_MAC);
}

static void without_spoofchk_any_source_mac_passes(void **state)
{
	policy.spoofchk = false;
	assert_int_equal(verdict_of(FRAME('b', 'c', 1)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME(TO_ALL, 'c', 1)), DROP_REASONS);
}

static void a_port_vlan_is_put_beside_the_frame_not_into_it(void **state)
{
	struct tframe f = FRAME('a', 'b', 7);
	struct rte_mbuf *m = frame_mbuf(f, 0);
	uint8_t want[FRAME_BYTES_MAX];

	policy.vlan = 4094;
	policy.vlan_tci = 4094;
	policy.vlan_flags = BESIDE_8021Q;
	assert_int_equal(filter_from_guest(&qp, &policy, &m, 1, &alike), 1);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_VLAN);
	assert_int_equal(m->vlan_tci, 4094);
	assert_int_equal(m->pkt_len, frame_fill(&f, want));
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), want, m->pkt_len);
	rte_pktmbuf_free(m);
}

static void a_tagged_frame_on_a_port_vlan_is_dropped(void **state)
{
	policy.vlan = 5;
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 5)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 6)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .type = 0x88a8)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .type = 0x8100, .len = 14)), DROP_VLAN);
}

static void a_port_vlan_of_802_1ad_takes_802_1q_tags_along(void **state)
{
	struct rte_mbuf *m = frame_mbuf(FRAME('a', 'b', 1, .vid = 5), 0);

	policy.vlan = 7 | VLAN_AD;
	policy.vlan_tci = 7;
	policy.vlan_flags = BESIDE_8021AD;
	assert_int_equal(filter_from_guest(&qp, &policy, &m, 1, &alike), 1);
	assert_int_equal(m->ol_flags & BESIDE_8021AD, BESIDE_8021AD);
	rte_pktmbuf_free(m);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .type = 0x88a8)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .type = 0x8100, .len = 17)), DROP_VLAN);
}

static void trunks_name_the_vlans_that_may_be_tagged(void **state)
{
	policy.has_trunks = true;
	assert_true(vlan_set_parse("5,10-20", &policy.trunks));
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 5)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 20)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 21)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1)), DROP_VLAN);
	assert_true(vlan_set_parse("0", &policy.trunks));
	assert_int_equal(verdict_of(FRAME('a', 'b', 1)), DROP_REASONS);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 5)), DROP_VLAN);
}

static void half_a_tag_or_vlan_4095_is_dropped(void **state)
{
	for (uint32_t len = 14; len < 18; len++)
		assert_int_equal(
			verdict_of(FRAME('a', 'b', 1, .type = 0x8100, .len = len)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 4095)), DROP_VLAN);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .vid = 4094)), DROP_REASONS);
}

static void who_speaks_for_another_is_dropped(void **state)
{
	uint8_t bytes[60] = {
		[6] = 2, [11] = 'a', [12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, [27] = 'a'};

	assert_int_equal(verdict(mbuf_of(bytes, 60, 0)), DROP_REASONS);
	bytes[27] = 'b';
	assert_int_equal(verdict(mbuf_of(bytes, 60, 0)), DROP_SPOOFED_ARP);
	policy.spoofchk = false;
	assert_int_equal(verdict(mbuf_of(bytes, 60, 0)), DROP_REASONS);
}

static void a_trunk_may_send_tagged_frames_and_gets_no_tag_beside(void **state)
{
	struct rte_mbuf *m = frame_mbuf(FRAME('a', 'b', 1, .vid = 6), 0);

	assert_int_equal(filter_from_guest(&qp, &policy, &m, 1, &alike), 1);
	assert_false(m->ol_flags & RTE_MBUF_F_TX_VLAN);
	rte_pktmbuf_free(m);
	assert_int_equal(verdict_of(FRAME('a', 'b', 1, .type = 0x88a8)), DROP_REASONS);
}

/* ---- bursts ---- */

static void what_stays_of_a_burst_is_in_order_and_all_is_counted(void **state)
{
	struct rte_mbuf *pkts[NIC_BURST];
	uint64_t bytes = 0;
	uint16_t n, at = 0;

	for (uint32_t i = 0; i < NIC_BURST; i++) {
		pkts[i] = frame_mbuf(FRAME(i % 3 ? 'a' : 'z', 'b', i, .len = 60 + i), 0);
		bytes += 60 + i;
	}
	n = filter_from_guest(&qp, &policy, pkts, NIC_BURST, &alike);
	for (uint32_t i = 0; i < NIC_BURST; i++)
		if (i % 3) {
			assert_int_equal(frame_number(rte_pktmbuf_mtod(pkts[at], uint8_t *)), i);
			at++;
		}
	assert_int_equal(n, at);
	assert_int_equal(qp.counters.tx_pkts, NIC_BURST);
	assert_int_equal(qp.counters.tx_bytes, bytes);
	assert_int_equal(qp.counters.drops[DROP_SPOOFED_MAC], NIC_BURST - n);
	rte_pktmbuf_free_bulk(pkts, n);
	assert_int_equal(filter_from_guest(&qp, &policy, pkts, 0, &alike), 0);
}

/* The burst's frame `odd` is `f`, the others are alike; returns whether the burst counts as alike.
 */
static bool burst_with(uint32_t odd, struct tframe f)
{
	struct rte_mbuf *pkts[NIC_BURST];
	uint64_t bytes = qp.counters.tx_bytes;
	uint16_t n;

	for (uint32_t i = 0; i < NIC_BURST; i++)
		pkts[i] = frame_mbuf(i == odd ? f : FRAME('a', 'b', i, .len = 60 + i), 0);
	n = filter_from_guest(&qp, &policy, pkts, NIC_BURST, &alike);
	rte_pktmbuf_free_bulk(pkts, n);
	if (!alike.longest)
		return false;
	assert_int_equal(n, NIC_BURST);
	assert_int_equal(alike.bytes, qp.counters.tx_bytes - bytes);
	return true;
}

static void a_burst_is_alike_where_no_frame_differs_in_what_matters(void **state)
{
	policy.alike.is_on = true;
	for (uint32_t odd = 0; odd < NIC_BURST; odd += NIC_BURST / 4 - 1) {
		assert_true(burst_with(odd, FRAME('a', 'b', 7, .len = FRAME_LEN_MAX)));
		assert_int_equal(alike.longest, FRAME_LEN_MAX);
		assert_false(burst_with(odd, FRAME('a', 'b', 7, .len = FRAME_LEN_MAX + 1)));
		assert_false(burst_with(odd, FRAME('a', 'c', 7)));
		assert_false(burst_with(odd, FRAME('z', 'b', 7)));
		assert_false(burst_with(odd, FRAME('a', 'b', 7, .vid = 5)));
		assert_false(burst_with(odd, FRAME('a', 'b', 7, .type = 0x0806)));
		assert_false(burst_with(odd, FRAME('a', 'b', 7, .len = 13)));
	}
	assert_int_equal(qp.counters.drops[DROP_SPOOFED_MAC], 5);
	assert_int_equal(qp.counters.drops[DROP_OVERSIZE], 5);
	assert_int_equal(qp.counters.drops[DROP_RUNT], 5);
	alike_rule_set(&policy.alike, &own, false, FRAME_LEN_MAX);
	policy.spoofchk = false;
	assert_true(burst_with(3, FRAME('z', 'b', 7)));
}

static void a_frame_in_parts_or_with_a_request_is_not_alike(void **state)
{
	struct rte_mbuf *m = frame_mbuf(FRAME('a', 'b', 1, .len = 100), 50);

	policy.alike.is_on = true;
	assert_int_equal(filter_from_guest(&qp, &policy, &m, 1, &alike), 1);
	assert_int_equal(alike.longest, 0);
	rte_pktmbuf_free(m);
	m = frame_mbuf(FRAME('a', 'b', 1, .len = 100), 0);
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM;
	assert_int_equal(filter_from_guest(&qp, &policy, &m, 1, &alike), 1);
	assert_int_equal(alike.longest, 0);
	rte_pktmbuf_free(m);
}

/* ---- hold_exempt ---- */

static void compile(const char *expression)
{
	struct nic_error err;

	rte_bpf_destroy(policy.exempt_bpf);
	if (filter_compile_exempt(&policy, expression, &err))
		fail_msg("%s: %s", expression, err.message);
	assert_non_null(policy.exempt);
}

static bool exempt(const uint8_t *bytes, uint32_t len, uint32_t split)
{
	struct rte_mbuf *m = mbuf_of(bytes, len, split);
	bool is = policy.exempt(m);

	rte_pktmbuf_free(m);
	return is;
}

static bool type_is_exempt(uint16_t type)
{
	const struct tframe f = FRAME('a', 'b', 1, .type = type, .len = 60);
	uint8_t bytes[FRAME_BYTES_MAX];

	return exempt(bytes, frame_fill(&f, bytes), 0);
}

/* An IP packet with what the port filter looks at. */
struct packet {
	int version; /* 4 or 6 */
	uint8_t protocol;
	uint16_t src, dst; /* ports */
	uint16_t fragment; /* IPv4 fragment offset */
	uint8_t options;   /* IPv4 header, 32-bit words */
};

static uint32_t packet_fill(const struct packet *p, uint8_t *bytes)
{
	uint8_t *ip = bytes + 14, *ports;

	memset(bytes, 0, 120);
	memcpy(bytes + 6, own.addr_bytes, 6);
	bytes[12] = p->version == 4 ? 0x08 : 0x86;
	bytes[13] = p->version == 4 ? 0x00 : 0xdd;
	if (p->version == 4) {
		ip[0] = (uint8_t)(0x45 + p->options);
		ip[6] = (uint8_t)(p->fragment >> 8);
		ip[7] = (uint8_t)p->fragment;
		ip[9] = p->protocol;
		ports = ip + 20 + 4 * p->options;
	} else {
		ip[0] = 0x60;
		ip[6] = p->protocol;
		ports = ip + 40;
	}
	ports[0] = (uint8_t)(p->src >> 8);
	ports[1] = (uint8_t)p->src;
	ports[2] = (uint8_t)(p->dst >> 8);
	ports[3] = (uint8_t)p->dst;
	return 120;
}

static bool packet_is_exempt(struct packet p, uint32_t split)
{
	uint8_t bytes[120];

	return exempt(bytes, packet_fill(&p, bytes), split);
}

static void exempt_arp_is_arp_alone(void **state)
{
	compile("arp");
	assert_true(type_is_exempt(0x0806));
	assert_false(type_is_exempt(0x0800));
	assert_false(type_is_exempt(0x86dd));
	assert_false(type_is_exempt(0x8035));
	assert_false(packet_is_exempt((struct packet){.version = 4, .protocol = 17, .dst = 53}, 0));
}

/* Loads of each width behind an IP header of any length. */
static void exempt_by_bytes_behind_the_ip_header(void **state)
{
	static const char *const expressions[] = {"tcp[13] & 2 != 0", "tcp[2:2] = 53",
		"tcp[4:4] = 0x01020304", "tcp[tcpflags] = tcp-syn"};
	struct packet p = {.version = 4, .protocol = 6, .src = 1, .dst = 53};
	uint8_t bytes[120], *tcp;

	for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		compile(expressions[i]);
		for (p.options = 0; p.options <= 10; p.options += 5) {
			uint32_t len = packet_fill(&p, bytes);

			tcp = bytes + 34 + 4 * p.options;
			tcp[13] = 2;
			memcpy(tcp + 4, (uint8_t[]){1, 2, 3, 4}, 4);
			assert_true(exempt(bytes, len, 0));
			assert_true(exempt(bytes, len, 40));
			memset(tcp, 0, 20);
			assert_false(exempt(bytes, len, 0));
		}
	}
}

static void exempt_udp_port_53_is_dns_over_udp_alone(void **state)
{
	static const struct {
		struct packet p;
		bool is;
	} rows[] = {
		{{.version = 4, .protocol = 17, .src = 999, .dst = 53}, true},
		{{.version = 4, .protocol = 17, .src = 53, .dst = 999}, true},
		{{.version = 4, .protocol = 17, .src = 999, .dst = 53, .options = 5}, true},
		{{.version = 6, .protocol = 17, .src = 999, .dst = 53}, true},
		{{.version = 4, .protocol = 17, .src = 999, .dst = 54}, false},
		{{.version = 4, .protocol = 6, .src = 999, .dst = 53}, false},
		{{.version = 6, .protocol = 6, .src = 999, .dst = 53}, false},
		{{.version = 6, .protocol = 17, .src = 999, .dst = 5300}, false},
		{{.version = 4, .protocol = 17, .dst = 53, .fragment = 100}, false},
	};

	compile("udp port 53");
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		assert_int_equal(packet_is_exempt(rows[i].p, 0), rows[i].is);
		assert_int_equal(packet_is_exempt(rows[i].p, 20), rows[i].is);
	}
	assert_false(type_is_exempt(0x0806));
}

static void a_frame_too_short_for_the_filter_is_not_exempt(void **state)
{
	const struct packet p = {.version = 4, .protocol = 17, .src = 999, .dst = 53};
	uint8_t bytes[120];

	compile("udp port 53");
	packet_fill(&p, bytes);
	for (uint32_t len = 14; len < 38; len++)
		assert_false(exempt(bytes, len, 0));
}

static void long_expressions_work_too(void **state)
{
	char expression[NIC_FILTER_SIZE] = "arp";
	size_t at = strlen(expression);

	for (int port = 1000; at + 24 < sizeof(expression); port++)
		at += (size_t)snprintf(
			expression + at, sizeof(expression) - at, " or udp dst port %d", port);
	compile(expression);
	assert_true(type_is_exempt(0x0806));
	assert_true(
		packet_is_exempt((struct packet){.version = 4, .protocol = 17, .dst = 1010}, 0));
	assert_false(
		packet_is_exempt((struct packet){.version = 4, .protocol = 17, .dst = 999}, 0));
}

/* Bits below 128 are where DPDK's own machine code went wrong (bpf_mend.h). */
static void tests_of_single_bits_work(void **state)
{
	static const struct {
		const char *expression;
		uint8_t byte;
		bool is;
	} rows[] = {
		{"ether[20] & 3 != 0", 0x02, true},
		{"ether[20] & 3 != 0", 0xfc, false},
		{"ether[20] & 127 = 0", 0x80, true},
		{"ether[20] & 127 = 0", 0x40, false},
		{"ether[20] & 128 != 0", 0x80, true},
		{"ether[20] & 1 != 0 and ether[20] & 2 != 0 and len > 20", 0x03, true},
		{"ether[20] & 1 != 0 and ether[20] & 2 != 0 and len > 20", 0x01, false},
		{"arp or ether[20] & 4 = 0 or ether[20] & 8 != 0", 0x0c, true},
		{"arp or ether[20] & 4 = 0 or ether[20] & 8 != 0", 0x04, false},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		uint8_t bytes[60] = {[20] = rows[i].byte};

		compile(rows[i].expression);
		assert_int_equal(exempt(bytes, sizeof(bytes), 0), rows[i].is);
		assert_int_equal(exempt(bytes, sizeof(bytes), 20), rows[i].is);
	}
}

static void an_empty_expression_exempts_nothing(void **state)
{
	compile("arp");
	rte_bpf_destroy(policy.exempt_bpf);
	assert_int_equal(filter_compile_exempt(&policy, "", NULL), 0);
	assert_null(policy.exempt);
	assert_null(policy.exempt_bpf);
}

static void a_bad_expression_names_the_field_and_what_was_given(void **state)
{
	static const char *const bad[] = {
		"arp or",
		"udp port",
		"port 99999999",
		"((((",
		"no_such_word",
		"ether host 1.2.3",
		"\x01\xff",
		"link[0] = ",
		"gateway 0.0.0.0",
		"udp port 53 and %s%n",
		"host localhost",
	};

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct nic_error err = {0};

		assert_int_equal(filter_compile_exempt(&policy, bad[i], &err), RENIC_E_PARAMS);
		assert_int_equal(err.code, RENIC_E_PARAMS);
		assert_string_equal(err.field, "hold_exempt");
		assert_string_equal(err.given, bad[i]);
		assert_string_not_equal(err.expected, "");
		assert_string_not_equal(err.message, "");
		assert_null(policy.exempt);
		assert_int_equal(filter_compile_exempt(&policy, bad[i], NULL), RENIC_E_PARAMS);
	}
}

#define FILTER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FILTER_TEST(a_frame_without_a_whole_ethernet_header_is_a_runt),
		FILTER_TEST(a_header_in_two_pieces_is_a_runt),
		FILTER_TEST(a_frame_longer_than_the_mtu_allows_is_dropped),
		FILTER_TEST(all_pieces_of_a_frame_count_for_its_length),
		FILTER_TEST(a_spoofed_source_mac_is_dropped),
		FILTER_TEST(without_spoofchk_any_source_mac_passes),
		FILTER_TEST(a_port_vlan_is_put_beside_the_frame_not_into_it),
		FILTER_TEST(a_tagged_frame_on_a_port_vlan_is_dropped),
		FILTER_TEST(a_port_vlan_of_802_1ad_takes_802_1q_tags_along),
		FILTER_TEST(trunks_name_the_vlans_that_may_be_tagged),
		FILTER_TEST(half_a_tag_or_vlan_4095_is_dropped),
		FILTER_TEST(who_speaks_for_another_is_dropped),
		FILTER_TEST(a_trunk_may_send_tagged_frames_and_gets_no_tag_beside),
		FILTER_TEST(what_stays_of_a_burst_is_in_order_and_all_is_counted),
		FILTER_TEST(a_burst_is_alike_where_no_frame_differs_in_what_matters),
		FILTER_TEST(a_frame_in_parts_or_with_a_request_is_not_alike),
		FILTER_TEST(exempt_arp_is_arp_alone),
		FILTER_TEST(exempt_by_bytes_behind_the_ip_header),
		FILTER_TEST(exempt_udp_port_53_is_dns_over_udp_alone),
		FILTER_TEST(a_frame_too_short_for_the_filter_is_not_exempt),
		FILTER_TEST(long_expressions_work_too),
		FILTER_TEST(tests_of_single_bits_work),
		FILTER_TEST(an_empty_expression_exempts_nothing),
		FILTER_TEST(a_bad_expression_names_the_field_and_what_was_given),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
