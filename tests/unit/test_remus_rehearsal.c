/* SPDX-License-Identifier: BSD-3-Clause */
/* Which checkpoints a standby shows to its renicd before it holds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "rehearsal.h"
#include "remus_guest.h"

static struct guest guest;
static struct replica *replica;
static struct nic_error err;

static struct renic_snapshot usual(void)
{
	struct renic_snapshot s = {
		.name = "v",
		.mac = {2},
		.mtu = 1500,
		.role = RENIC_ROLE_PROTECTED,
		.term = 1,
		.epoch = 1,
		.features = 1ULL << 32,
		.n_queues = 1,
		.queues = {{true, {.size = 256}, {.size = 256}}},
	};

	return s;
}

static void put(struct replica_vf *vf, const struct renic_snapshot *s)
{
	vf->n = renic_snapshot_encode(s, vf->snapshot, sizeof(vf->snapshot));
	assert_int_not_equal(vf->n, 0);
}

static int setup(void **state)
{
	const struct renic_snapshot s = usual();

	guest_make(&guest);
	replica = calloc(1, sizeof(*replica));
	assert_int_equal(replica_init(replica, &guest, 1, &err), 0);
	put(&replica->vms[0].held[0], &s);
	replica->valid = true;
	return 0;
}

static int teardown(void **state)
{
	replica_fini(replica);
	free(replica);
	return 0;
}

static bool is_due_for(const struct renic_snapshot *s)
{
	put(&replica->vms[0].next[0], s);
	return rehearsal_is_due(replica);
}

static void first_checkpoint_is_shown(void **state)
{
	const struct renic_snapshot s = usual();

	replica->valid = false;
	assert_true(is_due_for(&s));
}

static void what_a_running_guest_changes_is_not_shown_again(void **state)
{
	struct renic_snapshot s = usual();

	assert_false(is_due_for(&s));
	s.epoch = 7;
	s.queues[0].tx.avail_idx = s.queues[0].tx.used_idx = 12;
	s.queues[0].rx.avail_idx = 3;
	s.n_ipv4 = s.n_ipv6 = 1;
	s.ipv4[0][0] = s.ipv6[0][0] = 10;
	s.tx_pkts = s.tx_bytes = s.rx_pkts = s.rx_bytes = 9;
	s.released_pkts = s.exempt_pkts = s.backpressure = 9;
	s.n_drops = 2;
	s.drops[1] = 4;
	assert_false(is_due_for(&s));
}

static void wrap_counters_are_not_shown_again(void **state)
{
	struct renic_snapshot s = usual();

	s.packed = true;
	s.features |= RENIC_FEATURE_PACKED;
	put(&replica->vms[0].held[0], &s);
	s.queues[0].tx.avail_wrap = s.queues[0].rx.used_wrap = true;
	assert_false(is_due_for(&s));
}

/* Whatever else differs: a VF may refuse it. */
static void another_setup_is_shown(void **state)
{
	for (unsigned i = 0; i < 7; i++) {
		struct renic_snapshot s = usual();

		s.features |= i == 0;
		s.queues[0].enabled = i != 1;
		s.queues[0].rx.size = i == 2 ? 512 : 256;
		s.n_queues = i == 3 ? 2 : 1;
		s.mac[5] = i == 4;
		s.vlan = i == 5 ? 5 : 0;
		s.mtu = i == 6 ? 9000 : 1500;
		assert_true(is_due_for(&s));
	}
}

static void what_is_no_snapshot_is_shown(void **state)
{
	replica->vms[0].next[0].n = replica->vms[0].held[0].n = 4;
	assert_true(rehearsal_is_due(replica));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(first_checkpoint_is_shown),
		TEST(what_a_running_guest_changes_is_not_shown_again),
		TEST(wrap_counters_are_not_shown_again),
		TEST(another_setup_is_shown),
		TEST(what_is_no_snapshot_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
