/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standby and failover on a whole device: renicd/nic/standby.c, checkpoint.c, announce.c.
 * P1: nothing leaves a standby, nor what its primary had not committed. P3: its rings are left
 * alone, whatever the front-end does. The fakes see every access.
 */
#include <unistd.h>

#include <renic_snapshot.h>

#include "announce.h"
#include "checkpoint_area.h"
#include "mac_table.h"
#include "nic_fixture.h"
#include "snapshot.h"

static int code(int rc, const struct nic_error *err)
{
	assert_int_equal(rc, err->code);
	return rc;
}

static struct group_command in_term(const char *group, uint64_t term)
{
	return (struct group_command){.group = group, .term = term};
}

static void standby(const char *group)
{
	struct nic_error err;

	if (nic_standby_start(GROUP_COMMAND(group, 0), &err))
		fail_msg("standby_start: %s", err.message);
}

static void activate(const char *group)
{
	struct nic_error err;

	if (nic_activate(GROUP_COMMAND(group, 0), &err))
		fail_msg("activate: %s", err.message);
}

static uint64_t term_of(const char *group)
{
	struct group_info info;

	assert_int_equal(nic_group_get(group, &info, NULL), 0);
	return info.term;
}

/* A standby that is made as one; its front-end is up. `mac`: whose it has. */
static struct fake_port *add_standby(char letter, char mac)
{
	struct vf_config config = vf_config_of(letter);
	struct fake_port *p;

	config.standby = true;
	config.mac[5] = (uint8_t)mac;
	p = vf_add_config(&config);
	fake_port_set_suspended(p, true);
	return p;
}

static void drop_wire(void)
{
	struct wire_frame *f;

	while ((f = fake_uplink_take()))
		free(f);
}

/* ---- quiet ---- */

static void nothing_goes_in_or_out_of_a_standby(void **state)
{
	add_standby('s', 's');
	vf_add('a', 0);
	guest_sends_many(FRAME('s', TO_NOBODY, 0), 40);
	guest_sends(FRAME('s', 'a', 40));
	guest_sends(FRAME('s', TO_ALL, 41));
	wire_sends(FRAME(FROM_WIRE, 's', 0));
	wire_sends(FRAME(FROM_WIRE, TO_ALL, 1));
	guest_sends(FRAME('a', TO_ALL, 0));
	settle();
	wire_gets(FRAME('a', TO_ALL, 0));
	wire_gets_nothing();
	guest_gets('a', FRAME(FROM_WIRE, TO_ALL, 1));
	guest_gets_nothing('a');
	guest_gets_nothing('s');
	assert_int_equal(fake_port_unread(port_of('s'), 0), 42);
	/* Flooded frames pass it by without a trace; unicast for it finds nobody. */
	assert_int_equal(fake_uplink_drops[DROP_NO_ROUTE], 1);
	for (int r = 0; r < DROP_REASONS; r++) {
		assert_int_equal(drops_of('a', r), 0);
		assert_int_equal(drops_of('s', r), 0);
	}
	assert_string_equal(info_of('s').role, "standby");
}

static void a_front_end_may_come_and_go_in_standby(void **state)
{
	struct fake_port *p = add_standby('s', 's');

	for (int i = 0; i < 5; i++) {
		fake_port_stop(p);
		settle();
		fake_port_start(p);
		fake_port_enable(p, 0, true);
		guest_sends(FRAME('s', TO_NOBODY, (uint32_t)i));
		wire_sends(FRAME(FROM_WIRE, TO_ALL, (uint32_t)i));
		settle();
	}
	fake_port_stop(p);
	fake_port_disconnect(p, NULL);
	fake_port_bring_up(p);
	settle();
	wire_gets_nothing();
	guest_gets_nothing('s');
}

static void a_standby_may_have_the_mac_of_an_active_vf(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	add_standby('s', 'a');
	vf_add('b', 0);
	guest_sends(FRAME('b', 'a', 1));
	settle();
	guest_gets('a', FRAME('b', 'a', 1));
	guest_gets_nothing('s');
	assert_int_equal(code(nic_activate(GROUP_COMMAND("s", 0), &err), &err), RENIC_E_EXISTS);
	assert_int_equal(code(nic_standby_stop(GROUP_COMMAND("s", 0), &err), &err), RENIC_E_EXISTS);
	assert_int_equal(term_of("s"), 1);
	settle();
	wire_gets_nothing(); /* nothing was announced */
	assert_int_equal(nic_vf_delete("a", false, NULL), 0);
	fake_port_set_suspended(port_of('s'), false);
	activate("s");
	drop_wire();
	settle();
	drop_wire();
	guest_sends(FRAME('b', 'a', 2));
	settle();
	assert_int_equal(
		mac_table_lookup(&(struct rte_ether_addr){{2, 0, 0, 0, 0, 'a'}}, 0), info_of('s').id);
	assert_int_equal(nic_vf_delete("s", false, NULL), 0);
	assert_int_equal(mac_table_lookup(&(struct rte_ether_addr){{2, 0, 0, 0, 0, 'a'}}, 0), -1);
}

static void a_standby_is_deleted_as_it_is(void **state)
{
	vf_add('a', 0);
	add_standby('s', 'a');
	assert_int_equal(nic_vf_delete("s", false, NULL), 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1)); /* the active one's place in the switch stays */
	settle();
	guest_gets('a', FRAME(FROM_WIRE, 'a', 1));
}

/* ---- into standby and out ---- */

static void frames_that_wait_keep_a_group_from_standby(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 50);
	settle();
	fake_uplink_set_credits(10);
	unprotect("a", false);
	settle();
	assert_int_equal(code(nic_standby_start(GROUP_COMMAND("a", 0), &err), &err), RENIC_E_BUSY);
	assert_string_equal(info_of('a').role, "unprotected");
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 50);
	guest_sends(FRAME('a', TO_NOBODY, 50)); /* it runs as before */
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 50));
	standby("a");
}

static void unheld_frames_that_wait_count_too(void **state)
{
	struct nic_error err;

	vf_add('a', 0);
	fake_uplink_set_credits(3);
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 20);
	settle();
	assert_int_equal(code(nic_standby_start(GROUP_COMMAND("a", 0), &err), &err), RENIC_E_BUSY);
	fake_uplink_set_credits(FAKE_UPLINK_ENDLESS);
	settle();
	wire_gets_many(FRAME('a', TO_NOBODY, 0), 20);
}

static void a_vf_goes_to_standby_and_back(void **state)
{
	struct fake_port *p = vf_add('a', 0);

	fake_port_set_room(p, 0, 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 1)); /* waits for the guest's buffers */
	settle();
	standby("a");
	fake_port_set_suspended(p, true);
	fake_port_set_room(p, 0, FAKE_ROOM_ENDLESS);
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	wire_gets_nothing();
	guest_gets_nothing('a');
	assert_int_equal(drops_of('a', DROP_NO_ROUTE), 1);
	fake_port_set_suspended(p, false);
	assert_int_equal(nic_standby_stop(GROUP_COMMAND("a", 0), NULL), 0);
	wire_sends(FRAME(FROM_WIRE, 'a', 2));
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
	wire_gets_nothing(); /* no announcement */
	guest_gets('a', FRAME(FROM_WIRE, 'a', 2));
	assert_int_equal(term_of("a"), 1);
}

/* ---- groups ---- */

static int create_group(const char *name, const char *letters, bool standby, struct nic_error *err)
{
	struct group_config config = {.standby = standby};

	snprintf(config.name, sizeof(config.name), "%s", name);
	for (; *letters; letters++)
		config.vfs[config.n_vfs++][0] = *letters;
	return nic_group_create(&config, err);
}

static void a_standby_group_is_of_standbys(void **state)
{
	struct group_info info;
	struct nic_error err;

	add_standby('s', 's');
	add_standby('t', 't');
	vf_add('a', 0);
	assert_int_equal(code(create_group("g", "sa", true, &err), &err), RENIC_E_BUSY);
	assert_int_equal(code(create_group("g", "st", false, &err), &err), RENIC_E_BUSY);
	assert_int_equal(create_group("g", "st", true, &err), 0);
	assert_int_equal(nic_group_get("g", &info, NULL), 0);
	assert_string_equal(info.state, "standby");
	assert_int_equal(nic_group_delete("g", NULL), 0);
	assert_string_equal(info_of('s').role, "standby"); /* each by itself */
	assert_string_equal(info_of('t').group, "t");
	assert_int_equal(code(nic_group_delete("t", &err), &err), RENIC_E_STATE);
}

static void a_group_is_activated_whole_or_not_at_all(void **state)
{
	struct nic_error err;

	vf_add('t', 0);
	add_standby('s', 's');
	add_standby('u', 't');
	assert_int_equal(create_group("g", "su", true, NULL), 0);
	assert_int_equal(code(nic_activate(GROUP_COMMAND("g", 0), &err), &err), RENIC_E_EXISTS);
	wire_sends(FRAME(FROM_WIRE, 's', 1));
	guest_sends(FRAME('s', TO_NOBODY, 1));
	settle();
	guest_gets_nothing('s');
	wire_gets_nothing();
	assert_int_equal(term_of("g"), 1);
}

/* ---- terms ---- */

static void older_terms_are_refused_by_every_command(void **state)
{
	struct group_command old = in_term("a", 1), same = in_term("a", 2);
	struct checkpoint_info info;
	struct nic_error err;

	vf_add('a', 0);
	standby("a");
	activate("a");
	assert_int_equal(term_of("a"), 2);
	assert_int_equal(code(nic_protection_start(&old, &err), &err), RENIC_E_TERM);
	assert_int_equal(code(nic_standby_start(&old, &err), &err), RENIC_E_TERM);
	assert_string_equal(info_of('a').role, "unprotected");
	assert_int_equal(nic_protection_start(&same, &err), 0);
	guest_sends(FRAME('a', TO_NOBODY, 1));
	settle();
	drop_wire();
	assert_int_equal(code(nic_checkpoint_begin(&old, &info, &err), &err), RENIC_E_TERM);
	assert_false(info_of('a').suspended);
	assert_int_equal(nic_checkpoint_begin(&same, &info, &err), 0);
	assert_int_equal(info.term, 2);
	assert_int_equal(code(nic_checkpoint_resume(&old, &err), &err), RENIC_E_TERM);
	assert_int_equal(code(nic_checkpoint_abort(&old, &err), &err), RENIC_E_TERM);
	assert_int_equal(nic_checkpoint_resume(&same, &err), 0);
	assert_int_equal(code(nic_checkpoint_commit(&old, 1, &err), &err), RENIC_E_TERM);
	assert_int_equal(code(nic_protection_stop(&old, false, &err), &err), RENIC_E_TERM);
	settle();
	wire_gets_nothing();
	assert_int_equal(nic_checkpoint_commit(&same, 1, &err), 0);
	settle();
	wire_gets(FRAME('a', TO_NOBODY, 1));
}

static void a_term_outlives_the_lone_group(void **state)
{
	vf_add('a', 0);
	standby("a");
	activate("a");
	assert_int_equal(nic_group_delete("a", NULL), 0);
	assert_int_equal(info_of('a').term, 2);
	group_add_vfs("g", "a", false);
	assert_int_equal(term_of("g"), 2);
}

static void commands_that_begin_something_raise_the_term(void **state)
{
	struct group_command five = in_term("a", 5), nine = in_term("a", 9);

	vf_add('a', 0);
	assert_int_equal(nic_protection_start(&five, NULL), 0);
	assert_int_equal(info_of('a').term, 5);
	unprotect("a", false);
	assert_int_equal(nic_standby_start(&nine, NULL), 0);
	assert_int_equal(info_of('a').term, 9);
	activate("a");
	assert_int_equal(info_of('a').term, 10);
}

/* ---- announcements ---- */

static const uint8_t ip4[4] = {10, 0, 0, 7};
static const uint8_t ip6[16] = {0xfe, 0x80, [15] = 7};

/* The guest asks for 10.0.0.1 by ARP, as 10.0.0.7, and sends a neighbour solicitation. */
static void guest_shows_its_addresses(char letter, uint64_t n_frames)
{
	uint8_t arp[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, (uint8_t)letter, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, (uint8_t)letter, 10, 0, 0, 7, [38] = 10, 0,
		0, 1};
	uint8_t nd[78] = {0x33, 0x33, 0xff, 0, 0, 1, 2, 0, 0, 0, 0, (uint8_t)letter, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 24, 58, 255, 0xfe, 0x80, [37] = 7, 0xff, 2, [53] = 1, [54] = 135};

	assert_true(fake_port_send(port_of(letter), 0, arp, sizeof(arp)));
	assert_true(fake_port_send(port_of(letter), 0, nd, sizeof(nd)));
	settle();
	assert_int_equal(fake_uplink_count(), n_frames);
	drop_wire();
}

/* The next frame on the wire is this, with a tag of vlan where that is not 0. */
static void wire_gets_bytes(const uint8_t *bytes, uint32_t len, uint16_t vlan)
{
	struct wire_frame *f = fake_uplink_take();
	uint8_t want[ANNOUNCE_FRAME_MAX + 4];

	assert_non_null(f);
	memcpy(want, bytes, len);
	if (vlan) {
		memmove(&want[16], &want[12], len - 12);
		want[12] = 0x81;
		want[13] = 0;
		want[14] = (uint8_t)(vlan >> 8);
		want[15] = (uint8_t)vlan;
		len += 4;
	}
	assert_int_equal(f->len, len);
	assert_memory_equal(f->bytes, want, len);
	free(f);
}

static const uint8_t rarp_bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 'a', 0x80,
	0x35, 0, 1, 8, 0, 6, 4, 0, 3, 2, 0, 0, 0, 0, 'a', 0, 0, 0, 0, 2, 0, 0, 0, 0, 'a'};
static const uint8_t garp_bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 'a', 8, 6,
	0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 'a', 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 10, 0, 0, 7};
/* Checksum by hand: pseudo-header fe80 + 7 + ff02 + 1 + 20 + 3a, message 8800 + 2000 + fe80 + 7 +
 * 0201 + 0200 + 0061, 3a8cd in all: folded a8d0, inverted 572f. */
static const uint8_t na_bytes[86] = {0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 'a', 0x86, 0xdd, 0x60,
	0, 0, 0, 0, 32, 58, 255, 0xfe, 0x80, [37] = 7, 0xff, 2, [53] = 1, 136, 0, 0x57, 0x2f,
	0x20, [62] = 0xfe, 0x80, [77] = 7, 2, 1, 2, 0, 0, 0, 0, 'a'};

static void wire_gets_announcement(uint16_t vlan)
{
	wire_gets_bytes(rarp_bytes, sizeof(rarp_bytes), vlan);
	wire_gets_bytes(garp_bytes, sizeof(garp_bytes), vlan);
	wire_gets_bytes(na_bytes, sizeof(na_bytes), vlan);
}

static void an_activation_announces_the_guest(void **state)
{
	struct renic_snapshot s;

	vf_add('a', 0);
	guest_shows_its_addresses('a', 2);
	standby("a");
	settle();
	wire_gets_nothing();
	activate("a");
	settle();
	wire_gets_announcement(0);
	wire_gets_nothing();
	assert_int_equal(nic_snapshot_get("a", &s, NULL), 0);
	assert_int_equal(s.n_ipv4 + s.n_ipv6, 2);
	assert_memory_equal(s.ipv4[0], ip4, 4);
}

static void announcements_have_the_vfs_tag_and_reach_its_vlan(void **state)
{
	struct guest_frame *got;

	vf_add('a', 7);
	vf_add('b', 7);
	vf_add('c', 8);
	guest_shows_its_addresses('a', 2);
	while ((got = fake_port_receive(port_of('b'), 0)))
		free(got);
	assert_int_equal(nic_vf_announce("a", 1, NULL), 0);
	settle();
	wire_gets_announcement(7);
	wire_gets_nothing();
	got = fake_port_receive(port_of('b'), 0);
	assert_non_null(got);
	assert_int_equal(got->len, sizeof(rarp_bytes));
	assert_memory_equal(got->bytes, rarp_bytes, sizeof(rarp_bytes));
	free(got);
	while ((got = fake_port_receive(port_of('b'), 0)))
		free(got);
	guest_gets_nothing('c');
	guest_gets_nothing('a');
}

/* MACs of a trusted guest's own are learned from its frames; which are held, as yet. */
static void an_announcement_tells_nothing_of_frames_that_are_held(void **state)
{
	struct vf_config config = vf_config_of('a');
	uint8_t bytes[FRAME_BYTES_MAX];
	struct vf *vf;

	config.trust = true;
	vf_add_config(&config);
	vf = vf_find("a");
	protect("a");
	frame_fill(&FRAME('x', TO_NOBODY, 1), bytes);
	assert_true(fake_port_send(port_of('a'), 0, bytes, LEN_DEFAULT));
	settle();
	nic_tick();
	assert_int_equal(vf->macs.n, 1);
	assert_int_equal(nic_vf_announce("a", 1, NULL), 0);
	settle();
	wire_gets_bytes(rarp_bytes, sizeof(rarp_bytes), 0);
	wire_gets_nothing();
	commit("a", checkpoint("a"));
	settle();
	drop_wire();
	unprotect("a", false);
	assert_int_equal(nic_vf_announce("a", 1, NULL), 0);
	settle();
	assert_int_equal(fake_uplink_count(), 2);
	drop_wire();
}

/* Ticks until nothing more is planned; returns how many frames came. */
static unsigned frames_of_all_rounds(struct vf *vf)
{
	drop_wire();
	for (unsigned n = 0; vf->announce.rounds_left; n++) {
		vf->announce.next_tsc = 0; /* its time has come */
		nic_tick();
		assert_true(n < 1000);
	}
	settle();
	return fake_uplink_count();
}

static void rounds_are_as_many_as_asked_for_and_further_apart_each_time(void **state)
{
	unsigned gaps[] = {150, 250, 350, 450};
	struct vf *vf;

	vf_add('a', 0);
	vf = vf_find("a");
	assert_int_equal(nic_vf_announce("a", 5, NULL), 0);
	for (unsigned i = 0; i < RTE_DIM(gaps); i++) {
		assert_int_equal(vf->announce.rounds_left, 4 - i);
		assert_int_equal(vf->announce.gap_ms, gaps[i]);
		vf->announce.next_tsc = UINT64_MAX;
		nic_tick(); /* not yet */
		assert_int_equal(vf->announce.rounds_left, 4 - i);
		vf->announce.next_tsc = 0;
		nic_tick();
	}
	assert_int_equal(vf->announce.rounds_left, 0);
	settle();
	assert_int_equal(fake_uplink_count(), 5);
	assert_int_equal(nic_vf_announce("a", 3, NULL), 0);
	assert_int_equal(frames_of_all_rounds(vf), 2);
	drop_wire();
}

static void rounds_wait_for_the_carrier_and_end_with_a_standby(void **state)
{
	struct vf *vf;

	vf_add('a', 0);
	vf = vf_find("a");
	fake_uplink_set_up(false);
	assert_int_equal(nic_vf_announce("a", 2, NULL), 0);
	nic_tick();
	settle();
	assert_int_equal(vf->announce.rounds_left, 2);
	assert_int_equal(drops_of('a', DROP_UPLINK_DOWN), 0);
	fake_uplink_set_up(true);
	nic_tick();
	settle();
	wire_gets_bytes(rarp_bytes, sizeof(rarp_bytes), 0);
	standby("a");
	assert_int_equal(frames_of_all_rounds(vf), 0);
	assert_int_equal(nic_vf_announce("a", 2, NULL), RENIC_E_STATE);
}

/* Its addresses may come from frames that are not committed. */
static void a_protected_vf_announces_its_mac_alone(void **state)
{
	vf_add('a', 0);
	protect("a");
	guest_shows_its_addresses('a', 0);
	assert_int_equal(nic_vf_announce("a", 1, NULL), 0);
	settle();
	wire_gets_bytes(rarp_bytes, sizeof(rarp_bytes), 0);
	wire_gets_nothing();
}

static void spoofed_addresses_are_not_learned(void **state)
{
	struct vf_config config = vf_config_of('a');
	uint8_t arp[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 'b', 8, 6, 0, 1, 8, 0,
		6, 4, 0, 1, 2, 0, 0, 0, 0, 'b', 10, 0, 0, 7};

	for (int spoofchk = 0; spoofchk < 2; spoofchk++) {
		config.spoofchk = spoofchk;
		config.name[0] = spoofchk ? 'a' : 'c';
		config.mac[5] = (uint8_t)config.name[0];
		vf_add_config(&config);
		assert_true(fake_port_send(port_of(config.name[0]), 0, arp, sizeof(arp)));
		settle();
		assert_int_equal(vf_find(config.name)->qps[0]->learned.n_ipv4, 0);
	}
	drop_wire();
}

/* ---- snapshots ---- */

struct taken {
	struct renic_snapshot snapshots[4];
	struct checkpoint_vf places[4];
	unsigned n;
};

static void take_one(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg)
{
	struct taken *taken = arg;
	struct renic_snapshot_error err;
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	int fd = nic_checkpoint_fd(NULL);

	/* As a client reads it: through the descriptor. */
	assert_true(fd >= 0);
	assert_true(vf->snapshot.bytes > 0 && vf->snapshot.bytes <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, vf->snapshot.bytes, (off_t)vf->snapshot.offset),
		vf->snapshot.bytes);
	assert_true(pwrite(fd, bytes, 1, 0) < 0);
	close(fd);
	if (renic_snapshot_decode(bytes, vf->snapshot.bytes, &taken->snapshots[taken->n], &err))
		fail_msg("%s: %s", info->config.name, err.message);
	taken->places[taken->n++] = *vf;
}

static struct taken snapshots_of(const char *group)
{
	struct taken taken = {.n = 0};

	nic_checkpoint_foreach(group, take_one, &taken);
	return taken;
}

static int restore(
	const char *group, const struct renic_snapshot *s, const char *vf, struct nic_error *err)
{
	const struct standby_snapshot one = {vf, s};

	return nic_standby_restore(GROUP_COMMAND(group, 0), &one, 1, err);
}

static void a_checkpoint_has_each_vfs_snapshot(void **state)
{
	struct taken taken;

	vf_add('a', 0);
	vf_add('b', 7);
	group_add_vfs("g", "ab", false);
	guest_shows_its_addresses('a', 2);
	protect("g");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 3);
	settle();
	checkpoint("g");
	begin("g");
	taken = snapshots_of("g");
	resume("g");
	assert_int_equal(taken.n, 2);
	assert_string_equal(taken.snapshots[0].name, "a");
	assert_string_equal(taken.snapshots[1].name, "b");
	assert_string_equal(taken.snapshots[0].group, "g");
	assert_int_equal(taken.snapshots[0].epoch, 2);
	assert_int_equal(taken.snapshots[0].term, 1);
	assert_int_equal(taken.snapshots[0].tx_pkts, 5);
	assert_int_equal(taken.snapshots[0].n_ipv4, 1);
	assert_memory_equal(taken.snapshots[0].ipv4[0], ip4, 4);
	assert_memory_equal(taken.snapshots[0].ipv6[0], ip6, 16);
	assert_int_equal(taken.snapshots[1].vlan, 7);
	assert_int_equal(taken.snapshots[1].n_ipv4, 0);
	assert_true(taken.places[0].snapshot.offset != taken.places[1].snapshot.offset);
}

/* The whole story: uncommitted frames of the primary are never seen, the standby announces the
 * guest and speaks for it, and the old term commits nothing. */
static void a_standby_takes_over(void **state)
{
	struct nic_error err;
	struct taken taken;
	struct vf_info info;

	vf_add('a', 0);
	add_standby('s', 's');
	guest_shows_its_addresses('a', 2);
	protect("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 0), 10);
	settle();
	begin("a");
	taken = snapshots_of("a");
	resume("a");
	guest_sends_many(FRAME('a', TO_NOBODY, 10), 10);
	settle();
	wire_gets_nothing();
	assert_int_equal(restore("s", &taken.snapshots[0], "s", &err), 0);
	info = info_of('s');
	assert_int_equal(info.restored_term, 1);
	assert_int_equal(info.restored_epoch, 1);
	assert_int_equal(info.counters.tx_pkts, 12);
	assert_int_equal(info.config.mac[5], 'a');
	assert_string_equal(info.role, "standby");
	settle();
	wire_gets_nothing();
	/* The primary's host dies. */
	unprotect("a", true);
	assert_int_equal(nic_vf_delete("a", false, NULL), 0);
	fake_port_set_suspended(port_of('s'), false);
	activate("s");
	settle();
	wire_gets_announcement(0);
	assert_int_equal(term_of("s"), 2);
	assert_int_equal(
		nic_checkpoint_commit(&(struct group_command){.group = "s", .term = 1}, 1, &err),
		RENIC_E_TERM);
	settle();
	wire_gets_nothing();
}

static void a_snapshot_that_does_not_fit_changes_nothing(void **state)
{
	struct renic_snapshot good = {.name = "p",
				      .mac = {2, 0, 0, 0, 0, 'p'},
				      .mtu = 1500,
				      .term = 3,
				      .epoch = 4,
				      .n_queues = 1},
			      s;
	const struct standby_snapshot twice[] = {{"s", &good}, {"s", &good}};
	struct vf_config config = vf_config_of('s');
	struct nic_error err;
	struct vf_info before, after;

	config.standby = true;
	config.packed = false;
	fake_port_set_suspended(vf_add_config(&config), true);
	before = info_of('s');
	s = good;
	s.n_queues = 2;
	assert_int_equal(code(restore("s", &s, "s", &err), &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "queues");
	s = good;
	s.features = RENIC_FEATURE_PACKED;
	assert_int_equal(code(restore("s", &s, "s", &err), &err), RENIC_E_UNSUPPORTED);
	s = good;
	strcpy(s.hold_exempt, "no such filter (");
	assert_int_equal(code(restore("s", &s, "s", &err), &err), RENIC_E_PARAMS);
	assert_int_equal(code(restore("s", &good, "p", &err), &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "snapshots");
	assert_int_equal(
		nic_standby_restore(GROUP_COMMAND("s", 0), twice, 2, &err), RENIC_E_PARAMS);
	assert_int_equal(
		nic_standby_restore(GROUP_COMMAND("s", 0), twice, 0, &err), RENIC_E_PARAMS);
	after = info_of('s');
	assert_memory_equal(&before.config, &after.config, sizeof(before.config));
	assert_int_equal(after.term, 1);
	assert_int_equal(after.restored_term, 0);
	assert_int_equal(restore("s", &good, "s", &err), 0);
	assert_int_equal(info_of('s').term, 3);
	good.term = 2;
	good.mtu = 900;
	assert_int_equal(code(restore("s", &good, "s", &err), &err), RENIC_E_TERM);
	assert_string_equal(err.field, "term");
	assert_int_equal(info_of('s').config.mtu, 1500);
}

static void a_groups_snapshots_are_of_one_checkpoint(void **state)
{
	struct renic_snapshot a = {.name = "a",
				      .mac = {2, 0, 0, 0, 0, 'a'},
				      .mtu = 1500,
				      .term = 1,
				      .epoch = 4,
				      .n_queues = 1},
			      b = a;
	const struct standby_snapshot both[] = {{"t", &b}, {"s", &a}};
	struct nic_error err;

	add_standby('s', 's');
	add_standby('t', 't');
	assert_int_equal(create_group("g", "st", true, NULL), 0);
	b.mac[5] = 'b';
	b.epoch = 3;
	assert_int_equal(nic_standby_restore(GROUP_COMMAND("g", 0), both, 2, &err), RENIC_E_PARAMS);
	assert_int_equal(nic_standby_restore(GROUP_COMMAND("g", 0), both, 1, &err), RENIC_E_PARAMS);
	b.epoch = 4;
	assert_int_equal(nic_standby_restore(GROUP_COMMAND("g", 0), both, 2, &err), 0);
	assert_int_equal(info_of('s').config.mac[5], 'a');
	assert_int_equal(info_of('t').config.mac[5], 'b');
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(nothing_goes_in_or_out_of_a_standby),
		DEVICE_TEST(a_front_end_may_come_and_go_in_standby),
		DEVICE_TEST(a_standby_may_have_the_mac_of_an_active_vf),
		DEVICE_TEST(a_standby_is_deleted_as_it_is),
		DEVICE_TEST(frames_that_wait_keep_a_group_from_standby),
		DEVICE_TEST(unheld_frames_that_wait_count_too),
		DEVICE_TEST(a_vf_goes_to_standby_and_back),
		DEVICE_TEST(a_standby_group_is_of_standbys),
		DEVICE_TEST(a_group_is_activated_whole_or_not_at_all),
		DEVICE_TEST(older_terms_are_refused_by_every_command),
		DEVICE_TEST(a_term_outlives_the_lone_group),
		DEVICE_TEST(commands_that_begin_something_raise_the_term),
		DEVICE_TEST(an_activation_announces_the_guest),
		DEVICE_TEST(announcements_have_the_vfs_tag_and_reach_its_vlan),
		DEVICE_TEST(an_announcement_tells_nothing_of_frames_that_are_held),
		DEVICE_TEST(rounds_are_as_many_as_asked_for_and_further_apart_each_time),
		DEVICE_TEST(rounds_wait_for_the_carrier_and_end_with_a_standby),
		DEVICE_TEST(a_protected_vf_announces_its_mac_alone),
		DEVICE_TEST(spoofed_addresses_are_not_learned),
		DEVICE_TEST(a_checkpoint_has_each_vfs_snapshot),
		DEVICE_TEST(a_standby_takes_over),
		DEVICE_TEST(a_snapshot_that_does_not_fit_changes_nothing),
		DEVICE_TEST(a_groups_snapshots_are_of_one_checkpoint),
	};
	int failed;

	if (fixture_start(argc, argv) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_end();
	return failed;
}
