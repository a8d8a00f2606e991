/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device with one queue and two data lcores: renicd/ports/uplink.c. The device is a net_null,
 * which a TX callback lets have as little as a test wants. What is waited for is rounds, not time.
 */
#include <unistd.h>

#include <rte_ethdev.h>

#include "lcore.h"
#include "nic_fixture.h"
#include "uplink.h"

enum {
	RING_ROOM = 64,	 /* frames that an lcore without a queue may be ahead */
	IN_HAND = 32,	 /* that the queue's owner has taken, and not sent */
	PATIENCE = 2000, /* rounds */
	AT_ONCE = 16,	 /* frames that the device takes of a burst */
	OWNERS = 'o',
	OTHERS = 'r',
};

static const struct uplink_ops *ops;
static uintptr_t device;    /* number of this test's: callbacks of those before it stay */
static uint16_t at_most;    /* the device takes of a burst; atomic */
static unsigned taken[128]; /* by what is in the frame; atomic */

int __real_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);

int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
	int rc = __real_rte_eth_dev_info_get(port, info);

	info->max_rx_queues = info->max_tx_queues = 1;
	return rc;
}

static uint16_t take_some(
	uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, void *arg)
{
	if ((uintptr_t)arg != device)
		return n;
	n = RTE_MIN(n, __atomic_load_n(&at_most, __ATOMIC_RELAXED));
	for (uint16_t i = 0; i < n; i++)
		__atomic_fetch_add(
			&taken[*rte_pktmbuf_mtod(pkts[i], uint8_t *)], 1, __ATOMIC_RELEASE);
	return n;
}

static unsigned taken_of(char whose)
{
	return __atomic_load_n(&taken[(int)whose], __ATOMIC_ACQUIRE);
}

int __real_usleep(useconds_t us);
int __wrap_usleep(useconds_t us);

/* The device wakes up as somebody waits for it. */
static bool wakes_up;

int __wrap_usleep(useconds_t us)
{
	if (wakes_up)
		__atomic_store_n(&at_most, AT_ONCE, __ATOMIC_RELAXED);
	return __real_usleep(us);
}

static int uplink_setup(void **state)
{
	struct uplink_info info = {0};
	char devargs[32];

	if (device_setup(state))
		return -1;
	at_most = AT_ONCE;
	wakes_up = false;
	memset(taken, 0, sizeof(taken));
	snprintf(devargs, sizeof(devargs), "net_null%u,no-rx=1", (unsigned)++device);
	ops = uplink_open(devargs, OFFLOADS_AUTO, nic.pool, NULL);
	if (!ops)
		return -1;
	ops->info(&info);
	return rte_eth_add_tx_callback(info.port_id, 0, take_some, (void *)device) ? 0 : -1;
}

static int uplink_teardown(void **state)
{
	uplink_close();
	return device_teardown(state);
}

/* How many of n frames were taken; the rest is freed. On a data lcore. */
static unsigned send_some(char whose, unsigned n)
{
	struct rte_mbuf *pkts[NIC_BURST];
	unsigned sent = 0;
	uint16_t done;

	do {
		if (rte_pktmbuf_alloc_bulk(nic.pool, pkts, NIC_BURST))
			break;
		for (int i = 0; i < NIC_BURST; i++)
			*(char *)rte_pktmbuf_append(pkts[i], RTE_ETHER_MIN_LEN) = whose;
		done = ops->send(pkts, NIC_BURST, 0);
		rte_pktmbuf_free_bulk(&pkts[done], NIC_BURST - done);
		sent += done;
	} while (done == NIC_BURST && sent < n);
	return sent;
}

static void others_send(void *n)
{
	*(unsigned *)n = send_some(OTHERS, *(unsigned *)n);
}

/* ---- a guest of the owner's that always has more ---- */

static unsigned rounds; /* atomic */

static unsigned poll_greedy(void *ctx)
{
	__atomic_fetch_add(&rounds, 1, __ATOMIC_RELEASE);
	return send_some(OWNERS, UINT32_MAX);
}

static struct poller greedy = {.poll = poll_greedy};

static void add_greedy(void *arg)
{
	lcore_add_poller(&greedy);
}

static void remove_greedy(void *arg)
{
	lcore_remove_poller(&greedy);
}

static unsigned rounds_now(void)
{
	return __atomic_load_n(&rounds, __ATOMIC_ACQUIRE);
}

static void who_owns_the_queue_leaves_others_their_turn(void **state)
{
	unsigned n = RING_ROOM, first;

	lcore_call(0, add_greedy, NULL);
	lcore_call(1, others_send, &n);
	assert_int_equal(n, RING_ROOM);
	first = rounds_now();
	while (taken_of(OTHERS) < n && rounds_now() - first < PATIENCE)
		one_round();
	lcore_call(0, remove_greedy, NULL);
	assert_int_equal(taken_of(OTHERS), n);
	assert_true(taken_of(OWNERS) > 0);
}

/* ---- what is between lcores ---- */

static void what_is_between_lcores_is_bounded(void **state)
{
	unsigned n = 1000;

	at_most = 0;
	for (unsigned sum = 0; n; sum += n) {
		n = 1000;
		lcore_call(1, others_send, &n);
		one_round();
		assert_true(sum + n <= RING_ROOM + IN_HAND);
	}
}

static void closing_lets_it_leave(void **state)
{
	unsigned n = RING_ROOM;

	at_most = 0;
	lcore_call(1, others_send, &n);
	assert_int_equal(n, RING_ROOM);
	wakes_up = true;
	uplink_close();
	assert_int_equal(taken_of(OTHERS), RING_ROOM);
}

/* And nothing leaks: uplink_teardown(). */
static void closing_waits_for_no_device_that_takes_nothing(void **state)
{
	unsigned n = RING_ROOM;

	at_most = 0;
	lcore_call(1, others_send, &n);
	assert_int_equal(n, RING_ROOM);
	uplink_close();
	assert_int_equal(taken_of(OTHERS), 0);
}

#define UPLINK_TEST(name) cmocka_unit_test_setup_teardown(name, uplink_setup, uplink_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		UPLINK_TEST(who_owns_the_queue_leaves_others_their_turn),
		UPLINK_TEST(what_is_between_lcores_is_bounded),
		UPLINK_TEST(closing_lets_it_leave),
		UPLINK_TEST(closing_waits_for_no_device_that_takes_nothing),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
