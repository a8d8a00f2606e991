/* SPDX-License-Identifier: BSD-3-Clause */
/* The fifo of frames that wait for a guest: renicd/nic/rx_fifo.h. Pointers only, no DPDK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rx_fifo.h"

static struct rte_mbuf frames[1 << 10]; /* never looked into */

static void room_is_a_power_of_two_of_64_or_more(void **state)
{
	static const struct {
		uint32_t asked, got;
	} rows[] = {{0, 64}, {1, 64}, {64, 64}, {65, 128}, {4096, 4096}, {65536, 65536}};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct rx_fifo f;

		assert_int_equal(rx_fifo_init(&f, rows[i].asked), 0);
		assert_int_equal(f.mask + 1, rows[i].got);
		assert_int_equal(rx_fifo_count(&f), 0);
		free(f.slots);
	}
}

static void the_head_of_an_empty_fifo_is_no_frame(void **state)
{
	struct rte_mbuf **pkts;
	struct rx_fifo f;

	assert_int_equal(rx_fifo_init(&f, 64), 0);
	assert_int_equal(rx_fifo_head(&f, &pkts, 32), 0);
	rx_fifo_put(&f, &frames[0]);
	rx_fifo_drop_head(&f, 1);
	assert_int_equal(rx_fifo_head(&f, &pkts, 32), 0);
	free(f.slots);
}

static void a_run_ends_where_the_memory_does(void **state)
{
	struct rte_mbuf **pkts;
	struct rx_fifo f;

	assert_int_equal(rx_fifo_init(&f, 64), 0);
	for (int i = 0; i < 60; i++)
		rx_fifo_put(&f, &frames[i]);
	rx_fifo_drop_head(&f, 60);
	for (int i = 0; i < 10; i++)
		rx_fifo_put(&f, &frames[i]);
	assert_int_equal(rx_fifo_head(&f, &pkts, 32), 4);
	assert_ptr_equal(pkts[0], &frames[0]);
	assert_ptr_equal(pkts[3], &frames[3]);
	rx_fifo_drop_head(&f, 4);
	assert_int_equal(rx_fifo_head(&f, &pkts, 32), 6);
	assert_ptr_equal(pkts[0], &frames[4]);
	assert_int_equal(rx_fifo_head(&f, &pkts, 2), 2);
	free(f.slots);
}

static void a_full_fifo_of_the_largest_size_gives_all_frames(void **state)
{
	struct rte_mbuf **pkts;
	struct rx_fifo f;
	uint32_t out = 0;

	assert_int_equal(rx_fifo_init(&f, 65536), 0);
	for (uint32_t i = 0; i < 65536; i++)
		rx_fifo_put(&f, &frames[i % RTE_DIM(frames)]);
	assert_int_equal(rx_fifo_count(&f), 65536);
	while (rx_fifo_count(&f)) {
		uint16_t n = rx_fifo_head(&f, &pkts, UINT16_MAX);

		assert_true(n > 0);
		for (uint16_t i = 0; i < n; i++)
			assert_ptr_equal(pkts[i], &frames[out++ % RTE_DIM(frames)]);
		rx_fifo_drop_head(&f, n);
	}
	assert_int_equal(out, 65536);
	free(f.slots);
}

static void frames_come_out_in_order_when_the_counters_wrap(void **state)
{
	struct rte_mbuf **pkts;
	struct rx_fifo f;
	uint32_t in = 0, out = 0;

	assert_int_equal(rx_fifo_init(&f, 64), 0);
	f.head = f.tail = UINT32_MAX - 1000;
	while (out < 5000) {
		uint16_t n;

		for (uint32_t k = in * 7 % 23; k-- && rx_fifo_count(&f) <= f.mask;)
			rx_fifo_put(&f, &frames[in++ % RTE_DIM(frames)]);
		if (rx_fifo_count(&f) <= f.mask)
			rx_fifo_put(&f, &frames[in++ % RTE_DIM(frames)]);
		n = rx_fifo_head(&f, &pkts, (uint16_t)(1 + out % 13));
		assert_in_range(n, 1, 1 + out % 13);
		for (uint16_t i = 0; i < n; i++)
			assert_ptr_equal(pkts[i], &frames[(out + i) % RTE_DIM(frames)]);
		rx_fifo_drop_head(&f, n);
		out += n;
		assert_int_equal(rx_fifo_count(&f), in - out);
	}
	free(f.slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_is_a_power_of_two_of_64_or_more),
		cmocka_unit_test(the_head_of_an_empty_fifo_is_no_frame),
		cmocka_unit_test(a_run_ends_where_the_memory_does),
		cmocka_unit_test(a_full_fifo_of_the_largest_size_gives_all_frames),
		cmocka_unit_test(frames_come_out_in_order_when_the_counters_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
