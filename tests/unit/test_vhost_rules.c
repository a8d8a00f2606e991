/* SPDX-License-Identifier: BSD-3-Clause */
/* What a front-end may say, message by message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "vhost_rules.h"

#define MQ (1ULL << VIRTIO_NET_F_MQ)
#define PACKED (1ULL << VIRTIO_F_RING_PACKED)
#define LOG_ALL (1ULL << 26)
#define BASE 0x7f0000000000ULL
#define MIB (1ULL << 20)

static struct vhost_rules rules;
static char why[VHOST_RULES_WHY_SIZE];

static bool say_with(struct vhost_message m, unsigned n_fds)
{
	m.flags = MSG_FLAG_VERSION;
	if (!vhost_rules_header(&m, n_fds, why) || !vhost_rules_check(&rules, &m, n_fds, why))
		return false;
	vhost_rules_done(&rules, &m);
	return true;
}

static bool say_u64(uint32_t request, uint64_t value, unsigned n_fds)
{
	return say_with(
		(struct vhost_message){.request = request, .bytes = 8, .u64 = value}, n_fds);
}

static bool say_state(uint32_t request, uint32_t ring, uint32_t value)
{
	struct vhost_message m = {.request = request, .bytes = 8};

	m.state.ring = ring;
	m.state.value = value;
	return say_with(m, 0);
}

static bool say_addr(uint32_t ring, uint64_t desc, uint64_t used, uint64_t avail)
{
	struct vhost_message m = {.request = MSG_SET_VRING_ADDR, .bytes = 40};

	m.addr.ring = ring;
	m.addr.desc = BASE + desc;
	m.addr.used = BASE + used;
	m.addr.avail = BASE + avail;
	return say_with(m, 0);
}

static bool say_memory(const struct vhost_region *regions, uint32_t n)
{
	struct vhost_message m = {
		.request = MSG_SET_MEM_TABLE, .bytes = 8 + n * (uint32_t)sizeof(*regions)};

	m.memory.n = n;
	memcpy(m.memory.regions, regions, n * sizeof(*regions));
	return say_with(m, n);
}

static bool say_region(uint64_t gpa, uint64_t bytes, uint64_t user_addr, uint64_t offset)
{
	const struct vhost_region region = {gpa, bytes, user_addr, offset};

	return say_memory(&region, 1);
}

static void begin(uint64_t features)
{
	vhost_rules_reset(&rules);
	assert_true(say_u64(MSG_SET_FEATURES, features, 0));
	assert_true(say_region(0, MIB, BASE, 0));
}

static void run_ring(uint32_t ring, uint32_t size)
{
	assert_true(say_state(MSG_SET_VRING_NUM, ring, size));
	assert_true(say_state(MSG_SET_VRING_BASE, ring, 0));
	assert_true(say_addr(ring, 0, 0x20000, 0x10000));
	assert_true(say_u64(MSG_SET_VRING_KICK, ring, 1));
}

static void a_ring_is_told_its_size_before_its_place(void **state)
{
	begin(0);
	assert_false(say_addr(0, 0, 0x20000, 0x10000));
	assert_false(say_u64(MSG_SET_VRING_KICK, 0, 1));
	run_ring(0, 256);
	run_ring(1, 1024);
}

static void a_ring_that_stopped_must_be_set_up_whole(void **state)
{
	begin(0);
	run_ring(0, 256);
	assert_true(say_state(MSG_GET_VRING_BASE, 0, 0));
	assert_false(say_addr(0, 0, 0x20000, 0x10000));
	assert_false(say_u64(MSG_SET_VRING_KICK, 0, 1));
	run_ring(0, 512);
}

static void a_ring_does_not_change_its_size_while_it_runs(void **state)
{
	begin(0);
	run_ring(0, 256);
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 512));
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 128));
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
}

static void ring_sizes_are_bounded(void **state)
{
	begin(0);
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 0));
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 16));
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 300));
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 2048));
	assert_false(say_state(MSG_SET_VRING_NUM, 0, 1U << 31));
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 32));
	begin(PACKED);
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 300));
}

static void rings_end_within_the_memory(void **state)
{
	const uint64_t desc_bytes = 256 * 16, used_bytes = 4 + 256 * 8;

	begin(0);
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
	assert_true(say_addr(0, MIB - desc_bytes, 0, 0));
	assert_false(say_addr(0, MIB - desc_bytes + 16, 0, 0));
	assert_true(say_addr(0, 0, MIB - used_bytes, 0));
	assert_false(say_addr(0, 0, MIB - used_bytes + 4, 0));
	assert_false(say_addr(0, 0, 0, MIB - 512));
	assert_false(say_addr(0, 0 - 16ULL, 0, 0));
	/* With VIRTIO_RING_F_EVENT_IDX there are two bytes more. */
	begin(1ULL << VIRTIO_RING_F_EVENT_IDX);
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
	assert_false(say_addr(0, 0, MIB - used_bytes, 0));
}

static void ring_addresses_are_aligned(void **state)
{
	begin(0);
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
	assert_false(say_addr(0, 8, 0x20000, 0x10000));
	assert_false(say_addr(0, 0, 0x20002, 0x10000));
	assert_false(say_addr(0, 0, 0x20000, 0x10001));
	assert_true(say_addr(0, 0, 0x20004, 0x10002));
}

static void a_packed_ring_begins_within_itself(void **state)
{
	begin(PACKED);
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
	assert_true(say_state(MSG_SET_VRING_BASE, 0, 0x8000 | 255));
	assert_false(say_state(MSG_SET_VRING_BASE, 0, 256));
	assert_false(say_state(MSG_SET_VRING_BASE, 0, 0x8000 | 256));
	/* As QEMU has it, with the used index in the upper half. */
	assert_true(say_state(MSG_SET_VRING_BASE, 0, 0x80038003));
	assert_false(say_state(MSG_SET_VRING_BASE, 0, 0x80038100));
	assert_true(say_state(MSG_SET_VRING_BASE, 0, 0x80ff80ff));
	assert_true(say_addr(0, 0, 0x20000, 0x10000));
	/* The index that it stopped at may lie beyond a smaller ring. */
	assert_true(say_state(MSG_GET_VRING_BASE, 0, 0x8000 | 255));
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 128));
	assert_false(say_addr(0, 0, 0x20000, 0x10000));
	assert_true(say_state(MSG_SET_VRING_BASE, 0, 0x8000));
	assert_true(say_addr(0, 0, 0x20000, 0x10000));
	begin(0);
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
	assert_true(say_state(MSG_SET_VRING_BASE, 0, 65535));
	assert_false(say_state(MSG_SET_VRING_BASE, 0, 65536));
}

static void features_stay_while_a_ring_is_set_up(void **state)
{
	begin(MQ);
	run_ring(3, 256);
	assert_false(say_u64(MSG_SET_FEATURES, MQ | PACKED, 0));
	assert_false(say_u64(MSG_SET_FEATURES, 0, 0));
	assert_true(say_u64(MSG_SET_FEATURES, MQ | LOG_ALL, 0));
	assert_true(say_state(MSG_GET_VRING_BASE, 3, 0));
	assert_true(say_u64(MSG_SET_FEATURES, PACKED, 0));
}

static void without_queue_pairs_there_are_two_rings(void **state)
{
	begin(0);
	assert_false(say_state(MSG_SET_VRING_NUM, 2, 256));
	/* QEMU says these before it has negotiated. */
	assert_true(say_u64(MSG_SET_VRING_CALL, 2, 1));
	assert_true(say_state(MSG_SET_VRING_ENABLE, 3, 0));
	begin(MQ);
	run_ring(2, 256);
	run_ring(31, 256);
	assert_false(say_state(MSG_SET_VRING_NUM, 32, 256));
	assert_false(say_u64(MSG_SET_VRING_CALL, 255, 1));
}

/* Else the library would throw rings away while others run. */
static void without_queue_pairs_no_other_ring_is_heard_of_once_one_is_set_up(void **state)
{
	begin(0);
	assert_true(say_u64(MSG_SET_VRING_CALL, 3, 1));
	assert_true(say_state(MSG_SET_VRING_NUM, 0, 256));
	assert_false(say_addr(0, 0, 0x20000, 0x10000));
	assert_true(say_u64(MSG_SET_FEATURES, 0, 0));
	run_ring(0, 256);
	run_ring(1, 256);
	for (uint32_t ring = 2; ring < 4; ring++) {
		assert_false(say_u64(MSG_SET_VRING_CALL, ring, 1));
		assert_false(say_u64(MSG_SET_VRING_ERR, ring, 1));
		assert_false(say_state(MSG_SET_VRING_ENABLE, ring, 0));
		assert_false(say_state(MSG_GET_VRING_BASE, ring, 0));
	}
	assert_true(say_u64(MSG_SET_VRING_CALL, 1, 1));
	assert_true(say_u64(MSG_SET_FEATURES, LOG_ALL, 0));
	/* A guest reboots: QEMU disables what the next driver may enable. */
	assert_true(say_state(MSG_GET_VRING_BASE, 0, 0));
	assert_true(say_state(MSG_GET_VRING_BASE, 1, 0));
	assert_true(say_state(MSG_SET_VRING_ENABLE, 2, 0));
	assert_true(say_u64(MSG_SET_FEATURES, MQ, 0));
	run_ring(0, 256);
	assert_true(say_u64(MSG_SET_VRING_CALL, 3, 1));
	run_ring(3, 256);
}

static void memory_is_whole_and_none_twice(void **state)
{
	struct vhost_region two[2] = {{0, MIB, BASE, 0}, {MIB, MIB, BASE + MIB, MIB}};
	struct vhost_region many[VHOST_RULES_REGIONS_MAX] = {0};

	begin(0);
	assert_true(say_memory(two, 2));
	two[1].gpa -= 1;
	assert_false(say_memory(two, 2));
	two[1].gpa += 1;
	two[1].user_addr -= 1;
	assert_false(say_memory(two, 2));
	assert_false(say_memory(two, 0));
	assert_false(say_region(0, 0, BASE, 0));
	assert_false(say_region(0, 1ULL << 63, BASE, 0));
	assert_false(say_region(0, MIB, BASE, 1ULL << 63));
	assert_false(say_region(0, MIB, BASE, UINT64_MAX - 100));
	assert_false(say_region(UINT64_MAX - 100, MIB, BASE, 0));
	assert_false(say_region(0, MIB, UINT64_MAX - 100, 0));
	assert_false(say_region(0, MIB, 0, 0));
	for (uint64_t i = 0; i < VHOST_RULES_REGIONS_MAX; i++)
		many[i] = (struct vhost_region){i << 40, 1ULL << 39, BASE + (i << 40), 0};
	assert_true(say_memory(many, VHOST_RULES_REGIONS_MAX));
	many[0].file_offset = 1;
	assert_false(say_memory(many, VHOST_RULES_REGIONS_MAX)); /* more than all together may be */
}

static void regions_do_not_touch_with_packed_rings(void **state)
{
	struct vhost_region two[2] = {{MIB, MIB, BASE, 0}, {0, MIB, BASE + MIB, 0}};

	begin(PACKED);
	assert_false(say_memory(two, 2));
	two[0].gpa += 4096;
	assert_true(say_memory(two, 2));
	two[0].gpa -= 4096;
	begin(0);
	assert_true(say_memory(two, 2));
	assert_false(say_u64(MSG_SET_FEATURES, PACKED, 0));
}

static void new_memory_holds_the_rings(void **state)
{
	begin(0);
	run_ring(0, 256);
	assert_true(say_region(0, MIB / 2, BASE, 0));
	assert_false(say_region(0, 0x20000, BASE, 0));
	assert_false(say_region(0, MIB, BASE + 4096, 0));
	assert_true(say_state(MSG_GET_VRING_BASE, 0, 0));
	assert_true(say_region(0, MIB, BASE + 4096, 0));
}

static void headers_fit_their_requests(void **state)
{
	struct vhost_message m = {.request = MSG_GET_FEATURES, .flags = MSG_FLAG_VERSION};

	assert_true(vhost_rules_header(&m, 0, why));
	assert_false(vhost_rules_header(&m, 1, why));
	m.flags |= MSG_FLAG_NEED_REPLY;
	assert_true(vhost_rules_header(&m, 0, why));
	m.flags |= MSG_FLAG_REPLY;
	assert_false(vhost_rules_header(&m, 0, why));
	m.flags = 2;
	assert_false(vhost_rules_header(&m, 0, why));
	m.flags = MSG_FLAG_VERSION;
	m.bytes = 8;
	assert_false(vhost_rules_header(&m, 0, why));
	m.bytes = 0;
	for (uint32_t request = 0; request < 300; request++) {
		m.request = request;
		if (request == 0 || (request > MSG_NET_SET_MTU && request < MSG_SET_STATUS) ||
			request > MSG_GET_STATUS)
			assert_false(vhost_rules_header(&m, 0, why));
	}
	m.request = MSG_SET_MEM_TABLE;
	m.bytes = UINT32_MAX;
	assert_false(vhost_rules_header(&m, 0, why));
}

static void descriptors_come_where_they_belong(void **state)
{
	const uint64_t nofd = 1 << 8;

	begin(0);
	run_ring(0, 256);
	assert_false(say_u64(MSG_SET_VRING_KICK, 0, 0));
	assert_false(say_u64(MSG_SET_VRING_KICK, nofd, 1));
	assert_true(say_u64(MSG_SET_VRING_KICK, nofd, 0));
	assert_false(say_u64(MSG_SET_VRING_CALL, 0, 2));
	assert_false(say_u64(MSG_SET_VRING_ERR, 0, 0));
	assert_false(say_with((struct vhost_message){.request = MSG_SET_OWNER}, 1));
}

static void a_dirty_log_begins_its_file(void **state)
{
	struct vhost_message m = {.request = MSG_SET_LOG_BASE, .bytes = 16};

	begin(0);
	m.log.bytes = 4096;
	assert_true(say_with(m, 1));
	assert_false(say_with(m, 0));
	m.log.offset = 4096;
	assert_false(say_with(m, 1));
	m.log.offset = 0;
	m.log.bytes = VHOST_RULES_LOG_MAX + 1;
	assert_false(say_with(m, 1));
	m.log.bytes = 0;
	assert_false(say_with(m, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_is_told_its_size_before_its_place),
		cmocka_unit_test(a_ring_that_stopped_must_be_set_up_whole),
		cmocka_unit_test(a_ring_does_not_change_its_size_while_it_runs),
		cmocka_unit_test(ring_sizes_are_bounded),
		cmocka_unit_test(rings_end_within_the_memory),
		cmocka_unit_test(ring_addresses_are_aligned),
		cmocka_unit_test(a_packed_ring_begins_within_itself),
		cmocka_unit_test(features_stay_while_a_ring_is_set_up),
		cmocka_unit_test(without_queue_pairs_there_are_two_rings),
		cmocka_unit_test(without_queue_pairs_no_other_ring_is_heard_of_once_one_is_set_up),
		cmocka_unit_test(memory_is_whole_and_none_twice),
		cmocka_unit_test(regions_do_not_touch_with_packed_rings),
		cmocka_unit_test(new_memory_holds_the_rings),
		cmocka_unit_test(headers_fit_their_requests),
		cmocka_unit_test(descriptors_come_where_they_belong),
		cmocka_unit_test(a_dirty_log_begins_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
