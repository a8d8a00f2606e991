/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from a Xen guest: xen-integration/netif/netif_ring.c, netif_csum.c. */
#include <rte_ip.h>
#include <rte_udp.h>

#include "netif_guest.h"

static void a_frame_of_one_request_arrives_and_is_answered(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	fill(pages[3], NETIF_PAGE_BYTES);
	tx_put(w, 3, 100, 60, 0);
	assert_false(netif_ring_has_frames(&w->ring));
	tx_push(w);
	assert_true(netif_ring_has_frames(&w->ring));
	assert_int_equal(from_guest(w, pkts), 1);
	assert_false(netif_ring_has_frames(&w->ring));
	assert_frame(pkts[0], &pages[3][100], 60);
	tx_expect(w, 0, NETIF_RSP_OKAY);
	assert_false(RING_HAS_UNCONSUMED_RESPONSES(&w->tx));
	assert_int_equal(from_guest(w, pkts), 0);
}

static void a_burst_is_one_copy_operation(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	for (uint16_t i = 0; i < NETIF_BURST + 5; i++)
		tx_put(w, i, 0, 64, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), NETIF_BURST);
	assert_int_equal(n_copies, 1);
	rte_pktmbuf_free_bulk(pkts, NETIF_BURST);
	assert_int_equal(from_guest(w, pkts), 5);
	rte_pktmbuf_free_bulk(pkts, 5);
}

static void a_frame_of_several_pieces_is_put_together(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];
	uint8_t whole[4096 + 7 + 3000];

	for (int i = 0; i < 3; i++)
		fill(pages[i], NETIF_PAGE_BYTES);
	memcpy(whole, pages[0], 4096);
	memcpy(whole + 4096, &pages[1][50], 7);
	memcpy(whole + 4103, &pages[2][1000], 3000);
	tx_put(w, 0, 0, sizeof(whole), NETTXF_more_data);
	tx_put(w, 1, 50, 7, NETTXF_more_data);
	tx_put(w, 2, 1000, 3000, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_frame(pkts[0], whole, sizeof(whole));
	for (int id = 0; id < 3; id++)
		tx_expect(w, id, NETIF_RSP_OKAY);
}

static void extra_infos_are_passed_over_and_answered_with_null(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	tx_put(w, 0, 0, 300, NETTXF_extra_info | NETTXF_more_data);
	tx_put_extra(w, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE);
	tx_put_extra(w, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0);
	tx_put(w, 1, 0, 200, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_int_equal(pkts[0]->pkt_len, 300);
	rte_pktmbuf_free(pkts[0]);
	tx_expect(w, 0, NETIF_RSP_OKAY);
	tx_expect(w, 0, NETIF_RSP_NULL);
	tx_expect(w, 0, NETIF_RSP_NULL);
	tx_expect(w, 1, NETIF_RSP_OKAY);
}

static void without_mbufs_frames_stay_in_the_ring(void **state)
{
	struct rte_mbuf *taken[MBUFS], *pkts[NETIF_BURST];
	struct world *w = *state;
	unsigned n = rte_mempool_avail_count(pool);

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, n), 0);
	tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 0);
	assert_false(RING_HAS_UNCONSUMED_RESPONSES(&w->tx));
	assert_true(netif_ring_has_frames(&w->ring));
	rte_pktmbuf_free_bulk(taken, n);
	assert_int_equal(from_guest(w, pkts), 1);
	rte_pktmbuf_free(pkts[0]);
}

static void the_guest_is_told_when_it_asked_for_it(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	w->tx.sring->rsp_event = 2;
	tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_int_equal(n_notified, 0);
	rte_pktmbuf_free(pkts[0]);
	tx_put(w, 0, 0, 60, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 1);
	assert_int_equal(n_notified, 1);
	rte_pktmbuf_free(pkts[0]);
}

/* ---- blank checksums ---- */

/* A UDP datagram over IPv4 whose checksum field holds the pseudo header's sum, as netfront has it.
 */
static uint32_t make_udp(uint8_t *bytes, uint16_t payload)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(bytes + 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	fill(bytes, 42u + payload);
	bytes[12] = 8;
	bytes[13] = 0;
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16(28 + payload),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = 0x0100000a,
		.dst_addr = 0x0200000a};
	udp->dgram_len = rte_cpu_to_be_16(8 + payload);
	udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, 0);
	return 42u + payload;
}

static void blank_checksums_are_made(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];
	uint16_t payload[] = {0, 1, 18, 999, 3000};

	for (size_t i = 0; i < sizeof(payload) / sizeof(payload[0]); i++) {
		uint32_t len = make_udp(pages[0], payload[i]);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(pages[0] + 14);

		tx_put(w, 0, 0, (uint16_t)len, NETTXF_csum_blank);
		tx_push(w);
		assert_int_equal(from_guest(w, pkts), 1);
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = 0;
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = rte_ipv4_udptcp_cksum(ip, ip + 1);
		assert_frame(pkts[0], pages[0], len);
	}
}

static void a_blank_checksum_of_what_has_none_is_refused(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	make_udp(pages[0], 100);
	tx_put(w, 0, 0, 80, NETTXF_csum_blank); /* shorter than its IP header says */
	make_udp(pages[1], 100);
	((struct rte_ipv4_hdr *)(pages[1] + 14))->next_proto_id = IPPROTO_ICMP;
	tx_put(w, 1, 0, 142, NETTXF_csum_blank);
	tx_put(w, 2, 0, 1, NETTXF_csum_blank);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 0);
	assert_int_equal(w->ring.errors.bad_request, 3);
	for (int id = 0; id < 3; id++)
		tx_expect(w, id, NETIF_RSP_ERROR);
}

/* ---- segments and checksums left to the NIC ---- */

/* The extra info that asks for segments of `size` bytes. */
static void put_gso(struct world *w, uint16_t size)
{
	netif_extra_info_t extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {.size = size, .type = XEN_NETIF_GSO_TYPE_TCPV4}};

	memcpy(RING_GET_REQUEST(&w->tx, w->tx.req_prod_pvt++), &extra, sizeof(extra));
}

static void what_the_guest_leaves_to_its_nic_is_passed_on(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	w->ring.offloads = true;
	tx_put(w, 0, 0, 4000, NETTXF_csum_blank | NETTXF_data_validated | NETTXF_extra_info);
	put_gso(w, 1400);
	tx_put(w, 1, 0, 200, NETTXF_csum_blank);
	tx_put(w, 2, 0, 200, 0);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 3);
	assert_int_equal(pkts[0]->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_LRO);
	assert_int_equal(pkts[0]->tso_segsz, 1400);
	assert_int_equal(pkts[1]->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE);
	assert_int_equal(pkts[2]->ol_flags, 0);
	rte_pktmbuf_free_bulk(pkts, 3);
}

static void segments_that_were_not_offered_are_refused(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *pkts[NETIF_BURST];

	tx_put(w, 0, 0, 4000, NETTXF_csum_blank | NETTXF_extra_info);
	put_gso(w, 1400);
	tx_push(w);
	assert_int_equal(from_guest(w, pkts), 0);
	tx_expect(w, 0, NETIF_RSP_ERROR);
	tx_expect(w, 0, NETIF_RSP_NULL);
	assert_int_equal(w->ring.errors.bad_request, 1);
	assert_null(netif_ring_broken(&w->ring));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(a_frame_of_one_request_arrives_and_is_answered),
		RING_TEST(a_burst_is_one_copy_operation),
		RING_TEST(a_frame_of_several_pieces_is_put_together),
		RING_TEST(extra_infos_are_passed_over_and_answered_with_null),
		RING_TEST(without_mbufs_frames_stay_in_the_ring),
		RING_TEST(the_guest_is_told_when_it_asked_for_it),
		RING_TEST(blank_checksums_are_made),
		RING_TEST(a_blank_checksum_of_what_has_none_is_refused),
		RING_TEST(what_the_guest_leaves_to_its_nic_is_passed_on),
		RING_TEST(segments_that_were_not_offered_are_refused),
	};

	return guest_tests_run(argv[0], tests, sizeof(tests) / sizeof(tests[0]));
}
