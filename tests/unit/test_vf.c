/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a VF: renicd/nic/vf.c, vf_config.c, vf_info.c, with nic.c and event.c: created,
 * changed and deleted while traffic runs.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "egress_log.h"
#include "mac_table.h"
#include "nic_fixture.h"

/* ---- creation ---- */

static void defaults_are_completed(void **state)
{
	struct vf_config config;
	struct vf_info info;

	vf_config_defaults(&config);
	strcpy(config.name, "web");
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	assert_int_equal(nic_vf_get("web", &info, NULL), 0);
	assert_int_equal(info.config.mac[0], 2); /* locally administered, unicast */
	assert_int_equal(info.config.egress_log_bytes % LOG_SEGMENT_BYTES, 0);
	assert_true(info.config.egress_log_bytes >= 2 * LOG_SEGMENT_BYTES);
	assert_non_null(strstr(info.config.socket, "/web.sock"));
	assert_int_equal(info.n_queues, 1);
	assert_int_equal(info.frontend, FRONTEND_NONE);
	assert_string_equal(info.role, "unprotected");
	assert_string_equal(info.group, "");
	assert_int_equal(info.epoch, 0);
	assert_int_equal(info.held_pkts + info.held_age_us + info.ingress_held_pkts, 0);
	assert_int_equal(events_of(EVENT_VF_CREATED), 1);
}

static void a_made_mac_is_the_same_each_time(void **state)
{
	struct vf_config config;
	struct vf_info first, again;

	vf_config_defaults(&config);
	strcpy(config.name, "web");
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	assert_int_equal(nic_vf_get("web", &first, NULL), 0);
	assert_int_equal(nic_vf_delete("web", false, NULL), 0);
	strcpy(config.name, "other");
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	strcpy(config.name, "web");
	assert_int_equal(nic_vf_create(&config, NULL), 0);
	assert_int_equal(nic_vf_get("web", &again, NULL), 0);
	assert_memory_equal(first.config.mac, again.config.mac, 6);
}

static void name_socket_and_mac_are_each_ones_own(void **state)
{
	struct vf_config config = vf_config_of('a');
	struct nic_error err;

	vf_add('a', 0);
	assert_int_equal(nic_vf_create(&config, &err), RENIC_E_EXISTS);
	assert_string_equal(err.field, "name");
	strcpy(config.socket, info_of('a').config.socket);
	config.name[0] = 'b';
	assert_int_equal(nic_vf_create(&config, &err), RENIC_E_EXISTS);
	assert_string_equal(err.field, "socket");
	config.socket[0] = '\0';
	assert_int_equal(nic_vf_create(&config, &err), RENIC_E_EXISTS);
	assert_string_equal(err.field, "mac");
	config.mac[0] = 3;
	assert_int_equal(nic_vf_create(&config, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "mac");
	config.mac[0] = 2;
	config.vlan = 5; /* the same MAC in another VLAN is fine */
	assert_int_equal(nic_vf_create(&config, &err), 0);
}

static void a_refused_creation_leaves_nothing_behind(void **state)
{
	struct vf_config config = vf_config_of('a'), bad = vf_config_of('b');
	const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 'a'}};
	struct nic_error err;

	fake_port_refuse_create();
	assert_int_equal(nic_vf_create(&config, &err), RENIC_E_IO);
	assert_int_equal(nic_vf_get("a", &(struct vf_info){0}, NULL), RENIC_E_NOT_FOUND);
	assert_int_equal(mac_table_lookup(&mac, 0), -1);
	strcpy(bad.hold_exempt, "nonsense(");
	assert_int_equal(nic_vf_create(&bad, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "hold_exempt");
	wire_sends(FRAME(FROM_WIRE, 'a', 1));
	settle();
	assert_int_equal(fake_uplink_drops[DROP_NO_ROUTE], 1);
	vf_add('a', 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 2));
	settle();
	guest_gets('a', FRAME(FROM_WIRE, 'a', 2));
	assert_int_equal(info_of('a').id, 0);
	assert_int_equal(events_of(EVENT_VF_CREATED), 1);
}

static unsigned n_visited;
static char visited[VF_MAX];

static void visit(const struct vf_info *info, void *arg)
{
	visited[n_visited++] = info->config.name[0];
}

static void vfs_are_listed_in_order_of_creation_and_ids_are_used_again(void **state)
{
	vf_add('c', 0);
	vf_add('a', 0);
	vf_add('b', 0);
	assert_int_equal(nic_vf_delete("a", false, NULL), 0);
	vf_add('d', 0);
	assert_int_equal(info_of('d').id, 1);
	n_visited = 0;
	nic_vf_foreach(visit, NULL);
	assert_int_equal(n_visited, 3);
	assert_memory_equal(visited, "cbd", 3);
}

static void there_are_vf_max_vfs_and_no_more(void **state)
{
	struct vf_config config;
	struct nic_error err;

	for (int i = 0; i <= VF_MAX; i++) {
		vf_config_defaults(&config);
		snprintf(config.name, sizeof(config.name), "vf%d", i);
		assert_int_equal(nic_vf_create(&config, &err), i < VF_MAX ? 0 : RENIC_E_RESOURCES);
	}
	assert_int_equal(nic_vf_delete("vf17", false, NULL), 0);
	assert_int_equal(nic_vf_create(&config, &err), 0);
	wire_sends(FRAME(FROM_WIRE, TO_ALL, 1)); /* a flood of 256 */
	settle();
}

/* ---- change ---- */

static void set_of_a_mac_moves_the_vf(void **state)
{
	struct vf_config values = {.mac = {2, 0, 0, 0, 0, 'n'}};

	vf_add('a', 0);
	assert_int_equal(nic_vf_set("a", &values, VF_SET_MAC, NULL), 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1));
	wire_sends(FRAME(FROM_WIRE, 'n', 2));
	settle();
	guest_gets('a', FRAME(FROM_WIRE, 'n', 2));
	guest_gets_nothing('a');
	guest_sends(FRAME('a', TO_NOBODY, 3)); /* with the old MAC */
	settle();
	wire_gets_nothing();
	assert_int_equal(drops_of('a', DROP_SPOOFED_MAC), 1);
}

static void set_of_a_vlan_moves_the_vf_and_the_held_keep_theirs(void **state)
{
	struct vf_config values = {.vlan = 7};

	vf_add('a', 5);
	protect("a");
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	assert_int_equal(nic_vf_set("a", &values, VF_SET_VLAN, NULL), 0);
	guest_sends(FRAME('a', TO_NOBODY, 2));
	wire_sends(FRAME(FROM_WIRE, 'a', 3, .vid = 5));
	wire_sends(FRAME(FROM_WIRE, 'a', 4, .vid = 7));
	settle();
	guest_gets('a', FRAME(FROM_WIRE, 'a', 4));
	guest_gets_nothing('a');
	values.vlan = 0;
	assert_int_equal(nic_vf_set("a", &values, VF_SET_VLAN, NULL), 0);
	guest_sends(FRAME('a', TO_NOBODY, 5));
	settle();
	commit("a", checkpoint("a"));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1, .vid = 5));
	wire_gets(FRAME('a', TO_NOBODY, 2, .vid = 7));
	wire_gets(FRAME('a', TO_NOBODY, 5));
}

static void a_refused_set_changes_nothing(void **state)
{
	struct vf_config values = vf_config_of('b');
	struct nic_error err;

	vf_add('a', 0);
	vf_add('b', 0);
	assert_int_equal(nic_vf_set("a", &values, VF_SET_MAC, &err), RENIC_E_EXISTS);
	assert_string_equal(err.field, "mac");
	values.mac[0] = 1;
	assert_int_equal(nic_vf_set("a", &values, VF_SET_MAC, &err), RENIC_E_PARAMS);
	memset(values.mac, 0, 6);
	assert_int_equal(nic_vf_set("a", &values, VF_SET_MAC, &err), RENIC_E_PARAMS);
	strcpy(values.hold_exempt, "arp or");
	values.vlan = 9;
	values.mtu = 100;
	assert_int_equal(
		nic_vf_set("a", &values, VF_SET_VLAN | VF_SET_MTU | VF_SET_HOLD_EXEMPT, &err),
		RENIC_E_PARAMS);
	assert_string_equal(err.field, "hold_exempt");
	assert_int_equal(nic_vf_set("x", &values, VF_SET_MTU, &err), RENIC_E_NOT_FOUND);
	assert_int_equal(info_of('a').config.vlan, 0);
	assert_int_equal(info_of('a').config.mtu, 9000);
	guest_sends(FRAME('b', 'a', 1, .len = 5000));
	settle();
	guest_gets('a', FRAME('b', 'a', 1, .len = 5000));
}

static void set_of_mtu_and_spoofchk_is_obeyed_at_once(void **state)
{
	struct vf_config values = {.mtu = 1000, .spoofchk = false};
	uint8_t bytes[FRAME_BYTES_MAX];
	const struct tframe spoofed = FRAME('z', TO_NOBODY, 3);
	uint32_t len = frame_fill(&spoofed, bytes);

	vf_add('a', 0);
	assert_int_equal(nic_vf_set("a", &values, VF_SET_MTU | VF_SET_SPOOFCHK, NULL), 0);
	guest_sends(FRAME('a', TO_NOBODY, 1, .len = 1014));
	guest_sends(FRAME('a', TO_NOBODY, 2, .len = 1023));
	assert_true(fake_port_send(port_of('a'), 0, bytes, len));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1, .len = 1014));
	wire_gets(spoofed);
	assert_int_equal(drops_of('a', DROP_OVERSIZE), 1);
}

static void set_of_hold_exempt_is_obeyed_at_once(void **state)
{
	struct vf_config values = {.hold_exempt = "arp"};

	vf_add('a', 0);
	protect("a");
	guest_sends(FRAME('a', TO_NOBODY, 1, .type = 0x0806));
	settle();
	wire_gets_nothing();
	assert_int_equal(nic_vf_set("a", &values, VF_SET_HOLD_EXEMPT, NULL), 0);
	guest_sends(FRAME('a', TO_NOBODY, 2, .type = 0x0806));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 2, .type = 0x0806));
	values.hold_exempt[0] = '\0';
	assert_int_equal(nic_vf_set("a", &values, VF_SET_HOLD_EXEMPT, NULL), 0);
	guest_sends(FRAME('a', TO_NOBODY, 3, .type = 0x0806));
	settle();
	wire_gets_nothing();
}

static void ingress_hold_grows_and_shrinks_with_frames_in_it(void **state)
{
	static const uint32_t holds[] = {200, 50, 1000, 0};
	struct vf_config values = {.ingress_hold_pkts = 100};
	uint32_t sent = 0, kept = 100;

	vf_add('a', 0);
	assert_int_equal(nic_vf_set("a", &values, VF_SET_INGRESS_HOLD, NULL), 0);
	protect("a");
	begin("a");
	for (; sent < 150; sent++)
		wire_sends(FRAME(FROM_WIRE, 'a', sent < 100 ? sent : 5000));
	settle();
	assert_int_equal(info_of('a').ingress_held_pkts, 100);
	for (size_t i = 0; i < RTE_DIM(holds); i++) {
		values.ingress_hold_pkts = holds[i];
		assert_int_equal(nic_vf_set("a", &values, VF_SET_INGRESS_HOLD, NULL), 0);
		for (uint32_t n = 0; n < 300; n++)
			wire_sends(FRAME(FROM_WIRE, 'a', kept + n));
		settle();
		if (holds[i] > kept)
			kept = RTE_MIN(kept + 300, holds[i]);
		assert_int_equal(info_of('a').ingress_held_pkts, kept);
	}
	resume("a");
	settle();
	guest_gets_many('a', FRAME(FROM_WIRE, 'a', 0), kept);
	guest_gets_nothing('a');
}

static void reset_gives_defaults_and_clears_counters_but_keeps_the_mac(void **state)
{
	struct vf_config values = {.mtu = 1000, .vlan = 5, .ingress_hold_pkts = 7};
	struct vf_info info;

	vf_add('a', 0);
	assert_int_equal(
		nic_vf_set("a", &values,
			VF_SET_MTU | VF_SET_VLAN | VF_SET_INGRESS_HOLD | VF_SET_SPOOFCHK, NULL),
		0);
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	assert_int_equal(info_of('a').counters.tx_pkts, 1);
	assert_int_equal(nic_vf_reset("a", NULL), 0);
	info = info_of('a');
	assert_int_equal(info.config.mtu, 9000);
	assert_int_equal(info.config.vlan, 0);
	assert_true(info.config.spoofchk);
	assert_int_equal(info.config.ingress_hold_pkts, 4096);
	assert_int_equal(info.config.mac[5], 'a');
	assert_int_equal(info.counters.tx_pkts + info.counters.tx_bytes, 0);
	assert_int_equal(nic_vf_reset("x", NULL), RENIC_E_NOT_FOUND);
}

/* The MAC, the VLAN and the bounds change all the time; no frame is lost, repeated or misplaced. */
static void changes_under_traffic_lose_nothing(void **state)
{
	struct vf_config values = vf_config_of('a');
	uint32_t sent = 0, got = 0, ingress = 0;

	values.spoofchk = false;
	vf_add('a', 0);
	vf_add('b', 0);
	assert_int_equal(nic_vf_set("a", &values, VF_SET_SPOOFCHK, NULL), 0);
	protect("a");
	for (uint32_t i = 0; i < 300; i++) {
		values.mac[4] = (uint8_t)(i % 3);
		values.vlan = (uint16_t)(i % 2 ? 100 + i % 7 : 0);
		values.ingress_hold_pkts = 4096 + i;
		for (int n = 0; n < 20; n++)
			guest_sends(FRAME('a', TO_NOBODY, sent++));
		for (int n = 0; n < 5; n++, ingress++)
			wire_sends(FRAME(FROM_WIRE, 'b', ingress));
		assert_int_equal(nic_vf_set("a", &values,
					 VF_SET_MAC | VF_SET_VLAN | VF_SET_INGRESS_HOLD, NULL),
			0);
		if (i % 10 == 0)
			commit("a", checkpoint("a"));
	}
	settle();
	commit("a", checkpoint("a"));
	settle();
	for (struct wire_frame *f; (f = fake_uplink_take()); got++) {
		assert_int_equal(frame_number(f->bytes), got);
		free(f);
	}
	assert_int_equal(got, sent);
	guest_gets_many('b', FRAME(FROM_WIRE, 'b', 0), ingress);
	for (int r = 0; r < DROP_REASONS; r++)
		assert_int_equal(drops_of('a', (enum drop_reason)r), 0);
}

static unsigned set_returned; /* atomic */

static void *set_mtu(void *arg)
{
	struct vf_config values = {.mtu = 1000};

	if (nic_vf_set("a", &values, VF_SET_MTU, NULL))
		abort();
	__atomic_store_n(&set_returned, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Else the old policy is freed under the lcore that filters by it. */
static void a_set_waits_for_the_round_that_uses_the_old_policy(void **state)
{
	struct fake_port *a = vf_add('a', 0);
	pthread_t t;

	__atomic_store_n(&set_returned, 0, __ATOMIC_RELAXED);
	fake_port_hold_round(a, true);
	guest_sends(FRAME('a', TO_NOBODY, 1, .len = 2000));
	while (!fake_port_round_is_held(a))
		sched_yield();
	pthread_create(&t, NULL, set_mtu, NULL);
	usleep(20000);
	assert_int_equal(__atomic_load_n(&set_returned, __ATOMIC_ACQUIRE), 0);
	fake_port_hold_round(a, false);
	pthread_join(t, NULL);
	guest_sends(FRAME('a', TO_NOBODY, 2, .len = 2000));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1, .len = 2000)); /* by the old policy */
	wire_gets_nothing();
	assert_int_equal(drops_of('a', DROP_OVERSIZE), 1);
}

/* ---- deletion ---- */

static void delete_is_refused_while_the_group_needs_the_vf(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	vf_add('b', 0);
	protect("a");
	assert_int_equal(nic_vf_delete("a", true, &err), RENIC_E_STATE);
	assert_string_equal(err.state, "protected");
	unprotect("a", false);
	group_add_vfs("g", "b", false);
	assert_int_equal(nic_vf_delete("b", true, &err), RENIC_E_BUSY);
	assert_int_equal(nic_group_delete("g", NULL), 0);
	assert_int_equal(nic_vf_delete("b", false, &err), 0);
	assert_int_equal(nic_vf_delete("b", false, &err), RENIC_E_NOT_FOUND);
	assert_int_equal(events_of(EVENT_VF_DELETED), 1);
}

static void delete_is_refused_while_frames_wait_unless_forced(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	fake_uplink_set_credits(0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 1400), 100);
	settle();
	unprotect("a", false);
	settle();
	assert_int_equal(nic_vf_delete("a", false, &err), RENIC_E_BUSY);
	assert_int_equal(info_of('a').held_pkts, 100);
	assert_string_equal(info_of('a').group, "a"); /* an error has changed nothing */
	assert_int_equal(nic_vf_delete("a", true, &err), 0);
	assert_int_equal(log_pool_free_count(nic.log_pool), FIXTURE_SEGMENTS);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_nothing();
}

static void a_deleted_vfs_mac_is_free_and_its_frames_go(void **state)
{
	vf_add('a', 0);
	vf_add('b', 0);
	fake_port_stop(port_of('b'));
	guest_sends_many(FRAME('a', 'b', 0), 50);
	settle();
	assert_int_equal(nic_vf_delete("b", false, NULL), 0);
	guest_sends(FRAME('a', 'b', 50));
	settle();
	wire_gets(FRAME('a', 'b', 50)); /* unknown now */
	vf_add('b', 0);
	guest_sends(FRAME('a', 'b', 51));
	settle();
	guest_gets('b', FRAME('a', 'b', 51));
	guest_gets_nothing('b');
}

static unsigned stop_traffic; /* atomic */

/* Guests a and b send to c, to everybody and to the wire, without end. */
static void *traffic(void *arg)
{
	static const char to[] = {'c', TO_ALL, TO_NOBODY, 'd', 'b', 'a'};
	struct fake_port *ports[] = {port_of('a'), port_of('b')};
	uint8_t bytes[FRAME_BYTES_MAX];

	for (uint32_t i = 0; !__atomic_load_n(&stop_traffic, __ATOMIC_ACQUIRE); i++) {
		const struct tframe f =
			FRAME(i % 2 ? 'b' : 'a', to[i / 2 % 6], i, .len = i % 5 ? 100 : 1400);
		uint32_t len = frame_fill(&f, bytes);
		struct guest_frame *got;

		if (fake_port_unread(ports[i % 2], 0) < 500)
			fake_port_send(ports[i % 2], 0, bytes, len);
		else
			sched_yield();
		while ((got = fake_port_receive(ports[i % 2], 0)))
			free(got);
	}
	return NULL;
}

static void vfs_are_created_and_deleted_under_traffic(void **state)
{
	struct vf_config config = vf_config_of('c');
	uint64_t delivered = 0;
	pthread_t t;

	vf_add('a', 0);
	vf_add('b', 0);
	__atomic_store_n(&stop_traffic, 0, __ATOMIC_RELAXED);
	pthread_create(&t, NULL, traffic, NULL);
	for (int i = 0; i < 100; i++) {
		struct wire_frame *f;

		config.queues = (uint16_t)(1 + i % 4);
		vf_add_config(&config);
		one_round();
		if (i % 3 == 0)
			fake_port_stop(port_of('c'));
		if (i % 3 == 1)
			fake_port_disconnect(port_of('c'), NULL);
		one_round();
		delivered += info_of('c').counters.rx_pkts;
		assert_int_equal(nic_vf_delete("c", true, NULL), 0);
		while ((f = fake_uplink_take()))
			free(f);
		nic_tick();
	}
	while (!delivered) { /* a slow machine may not have got to it */
		vf_add_config(&config);
		for (int i = 0; i < 100; i++)
			one_round();
		delivered = info_of('c').counters.rx_pkts;
		assert_int_equal(nic_vf_delete("c", true, NULL), 0);
	}
	__atomic_store_n(&stop_traffic, 1, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	settle();
}

static void protected_vfs_are_deleted_by_force_under_traffic(void **state)
{
	struct vf_config config = vf_config_of('c');
	uint32_t n = 0;
	pthread_t t;

	vf_add('a', 0);
	vf_add('b', 0);
	fake_uplink_refuse_at_random(true);
	__atomic_store_n(&stop_traffic, 0, __ATOMIC_RELAXED);
	pthread_create(&t, NULL, traffic, NULL);
	for (int i = 0; i < 50; i++) {
		struct wire_frame *f;

		vf_add_config(&config);
		protect("c");
		for (int k = 0; k < 20; k++)
			guest_sends(FRAME('c', k % 3 ? 'a' : TO_ALL, n++, .len = 1400));
		one_round();
		checkpoint("c");
		unprotect("c", i % 2);
		assert_int_equal(nic_vf_delete("c", true, NULL), 0);
		while ((f = fake_uplink_take()))
			free(f);
	}
	__atomic_store_n(&stop_traffic, 1, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	settle();
}

/* ---- what can be read ---- */

static void the_log_can_be_read_through_its_extents(void **state)
{
	struct log_extent extents[16];
	uint64_t bytes = 0;
	int n, fd;

	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0, .len = 8000), 400);
	settle();
	n = nic_egress_log_get("a", extents, 16, &fd, NULL);
	assert_int_equal(n, 2);
	for (int i = 0; i < n; i++) {
		struct egress_record record;

		assert_int_equal(extents[i].queue, 0);
		assert_int_equal(pread(fd, &record, sizeof(record), (off_t)extents[i].file_offset),
			sizeof(record));
		assert_int_equal(record.len, 8000);
		assert_int_equal(record.epoch, 1);
		bytes += extents[i].bytes;
	}
	close(fd);
	assert_int_equal(
		bytes, info_of('a').queues[0].log_tail - info_of('a').queues[0].log_released);
	assert_int_equal(nic_egress_log_get("a", extents, 1, &fd, NULL), 1);
	close(fd);
	assert_int_equal(nic_egress_log_get("x", extents, 1, &fd, NULL), RENIC_E_NOT_FOUND);
}

static void events_of_the_link_come_once_a_change(void **state)
{
	struct uplink_info info;

	nic_uplink_get(&info);
	assert_true(info.present && info.up);
	for (int i = 0; i < 3; i++) {
		fake_uplink_set_up(false);
		while (events_of(EVENT_UPLINK_DOWN) == (unsigned)i)
			usleep(1000);
		fake_uplink_set_up(true);
		while (events_of(EVENT_UPLINK_UP) == (unsigned)i)
			usleep(1000);
	}
	assert_int_equal(events_of(EVENT_UPLINK_DOWN), 3);
	assert_int_equal(events_of(EVENT_UPLINK_UP), 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(defaults_are_completed),
		DEVICE_TEST(a_made_mac_is_the_same_each_time),
		DEVICE_TEST(name_socket_and_mac_are_each_ones_own),
		DEVICE_TEST(a_refused_creation_leaves_nothing_behind),
		DEVICE_TEST(vfs_are_listed_in_order_of_creation_and_ids_are_used_again),
		DEVICE_TEST(there_are_vf_max_vfs_and_no_more),
		DEVICE_TEST(set_of_a_mac_moves_the_vf),
		DEVICE_TEST(set_of_a_vlan_moves_the_vf_and_the_held_keep_theirs),
		DEVICE_TEST(a_refused_set_changes_nothing),
		DEVICE_TEST(set_of_mtu_and_spoofchk_is_obeyed_at_once),
		DEVICE_TEST(set_of_hold_exempt_is_obeyed_at_once),
		DEVICE_TEST(ingress_hold_grows_and_shrinks_with_frames_in_it),
		DEVICE_TEST(reset_gives_defaults_and_clears_counters_but_keeps_the_mac),
		DEVICE_TEST(changes_under_traffic_lose_nothing),
		DEVICE_TEST(a_set_waits_for_the_round_that_uses_the_old_policy),
		DEVICE_TEST(delete_is_refused_while_the_group_needs_the_vf),
		DEVICE_TEST(delete_is_refused_while_frames_wait_unless_forced),
		DEVICE_TEST(a_deleted_vfs_mac_is_free_and_its_frames_go),
		DEVICE_TEST(vfs_are_created_and_deleted_under_traffic),
		DEVICE_TEST(protected_vfs_are_deleted_by_force_under_traffic),
		DEVICE_TEST(the_log_can_be_read_through_its_extents),
		DEVICE_TEST(events_of_the_link_come_once_a_change),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
