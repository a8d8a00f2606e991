/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshots of tests/golden (in the environment's GOLDEN_DIR): what a released version wrote
 * is read for ever, and means what it meant. Each is NAME.snapshot, with what it prints as in
 * NAME.json. The writer, too, is held to the very bytes: what an old version has words for is
 * written as that version did.
 *
 * `test_librenic_snapshot_golden --write` makes the files of the present version; see
 * tests/golden/README.md for when that is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <renic_snapshot.h>

static void split_and_full(struct renic_snapshot *s)
{
	*s = (struct renic_snapshot){
		.name = "web-1.a_b",
		.group = "shop",
		.mac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56},
		.vlan = 4094,
		.mtu = 1500,
		.spoofchk = true,
		.packed = false,
		.ingress_hold_pkts = 4096,
		.hold_exempt = "arp or (icmp and host 192.0.2.1)",
		.role = RENIC_ROLE_PROTECTED,
		.term = 3,
		.epoch = 81234,
		.features = 0x150068002,
		.n_queues = 2,
		.queues = {{true, {1024, 65535, 65280}, {512, 17, 16}}, {false}},
		.n_ipv4 = 2,
		.ipv4 = {{192, 0, 2, 1}, {198, 51, 100, 255}},
		.n_ipv6 = 1,
		.ipv6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 0x42}},
		.tx_pkts = 1234567890123,
		.tx_bytes = INT64_MAX,
		.rx_pkts = 7,
		.rx_bytes = 448,
		.released_pkts = 1234567890000,
		.exempt_pkts = 23,
		.backpressure = 2,
		.n_drops = 11,
		.drops = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
	};
}

static void packed_and_plain(struct renic_snapshot *s)
{
	*s = (struct renic_snapshot){
		.name = "b",
		.mac = {0x02, 0x72, 0xff, 0x00, 0x00, 0x01},
		.mtu = 68,
		.packed = true,
		.role = RENIC_ROLE_STANDBY,
		.term = 1,
		.features = 0x550068002,
		.n_queues = 1,
		.queues = {{true, {256, 255, 0, true, false}, {1000, 999, 998, false, true}}},
	};
}

static void with_a_policy(struct renic_snapshot *s)
{
	split_and_full(s);
	s->vlan = 0;
	s->qos = 7;
	s->proto_8021ad = true;
	s->trust = true;
	s->promisc = true;
	s->link_state = RENIC_LINK_AUTO;
	s->max_tx_rate = 1000000;
	s->min_tx_rate = 250;
	strcpy(s->trunks, "0,10,20-29");
}

static void with_macs(struct renic_snapshot *s)
{
	with_a_policy(s);
	s->allmulti = true;
	s->n_macs = 2;
	memcpy(s->macs[0], "\x02\x01\x02\x03\x04\x05", 6);
	memcpy(s->macs[1], "\x52\x54\x00\xff\xfe\xfd", 6);
}

static const struct {
	const char *name;
	void (*fill)(struct renic_snapshot *s);
} goldens[] = {{"v1-split", split_and_full}, {"v1-packed", packed_and_plain},
	{"v2-policy", with_a_policy}, {"v3-trusted", with_macs}};

static FILE *open_golden(const char *name, const char *suffix, const char *mode)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.%s", getenv("GOLDEN_DIR"), name, suffix);
	file = fopen(path, mode);
	if (!file)
		perror(path);
	return file;
}

static size_t read_golden(const char *name, uint8_t *bytes, size_t size)
{
	FILE *file = open_golden(name, "snapshot", "rbe");
	size_t n;

	assert_non_null(file);
	n = fread(bytes, 1, size, file);
	fclose(file);
	return n;
}

static void what_any_version_wrote_means_what_it_meant(void **state)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
		size_t n = read_golden(goldens[i].name, bytes, sizeof(bytes));
		FILE *file = open_golden(goldens[i].name, "json", "re");
		json_t *expected = json_loadf(file, 0, NULL), *seen;
		struct renic_snapshot_error err;
		struct renic_snapshot s;

		fclose(file);
		assert_non_null(expected);
		if (renic_snapshot_decode(bytes, n, &s, &err))
			fail_msg("%s: %s", goldens[i].name, err.message);
		seen = renic_snapshot_json(&s);
		if (!json_equal(seen, expected))
			fail_msg("%s: %s", goldens[i].name, json_dumps(seen, 0));
		json_decref(seen);
		json_decref(expected);
	}
}

static void each_version_is_still_written_byte_by_byte(void **state)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		uint8_t golden[RENIC_SNAPSHOT_MAX_BYTES], bytes[RENIC_SNAPSHOT_MAX_BYTES];
		size_t n = read_golden(goldens[i].name, golden, sizeof(golden));
		struct renic_snapshot s;

		goldens[i].fill(&s);
		assert_int_equal(renic_snapshot_encode(&s, bytes, sizeof(bytes)), n);
		assert_memory_equal(bytes, golden, n);
	}
}

static int write_goldens(void)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		FILE *file = open_golden(goldens[i].name, "snapshot", "wbe");
		FILE *text = open_golden(goldens[i].name, "json", "we");
		uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
		struct renic_snapshot s;
		json_t *json;
		size_t n;

		goldens[i].fill(&s);
		n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
		json = renic_snapshot_json(&s);
		if (!file || !text || !n || fwrite(bytes, 1, n, file) != n ||
			json_dumpf(json, text, JSON_INDENT(2)) || fputc('\n', text) < 0)
			return 1;
		json_decref(json);
		if (fclose(file) || fclose(text))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_any_version_wrote_means_what_it_meant),
		cmocka_unit_test(each_version_is_still_written_byte_by_byte),
	};

	if (!getenv("GOLDEN_DIR")) {
		fprintf(stderr, "GOLDEN_DIR must name the directory tests/golden\n");
		return 1;
	}
	if (argc == 2 && !strcmp(argv[1], "--write"))
		return write_goldens();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
