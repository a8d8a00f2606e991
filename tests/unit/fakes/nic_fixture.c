/* SPDX-License-Identifier: BSD-3-Clause */
/* See nic_fixture.h. */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_log.h>
#include <rte_mempool.h>

#include "egress_log.h"
#include "nic_fixture.h"
#include "unit_eal.h"

enum { QUIET_ROUNDS = 4, NOISE_BYTES = 1 << 14, TAG_AT = 12, HEADER = 14 };

static uint8_t noise[NOISE_BYTES + FRAME_BYTES_MAX];
static unsigned n_events[EVENT_TYPES];
static char event_detail[128];
static struct rte_mbuf *taken[FIXTURE_MBUFS];
static unsigned n_taken;

static uint64_t random_state = 88172645463325252u;

uint32_t random_below(uint32_t n)
{
	uint64_t x = random_state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	random_state = x;
	return (uint32_t)((x >> 32) % n);
}

/* ---- EAL ---- */

/* The main lcore and the workers, spread over the CPUs that we may use. */
static void lcores_text(char *text, size_t size, unsigned workers)
{
	unsigned cpus[CPU_SETSIZE], n = 0;
	cpu_set_t allowed;
	size_t at;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[n++] = cpu;
	at = (size_t)snprintf(text, size, "0@%u", cpus[0]);
	for (unsigned i = 1; i <= workers; i++)
		at += (size_t)snprintf(text + at, size - at, ",%u@%u", i, cpus[i % n]);
}

int fixture_start(int argc, char **argv)
{
	unsigned workers = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	const char *seed = getenv("NIC_TEST_SEED"); /* other random runs; the same each time */
	static char lcores[64];
	char *args[] = {argv[0], "--no-huge", "--no-shconf", "-m", "128", "--no-pci",
		"--no-telemetry", "--log-level=lib.eal:error", "--main-lcore=0", "--lcores", lcores,
		NULL};

	random_state += seed ? strtoull(seed, NULL, 0) * 0x9e3779b97f4a7c15u : 0;
	lcores_text(lcores, sizeof(lcores), workers);
	snprintf(unit_dir, sizeof(unit_dir), "/tmp/renic-unit-XXXXXX");
	if (!mkdtemp(unit_dir))
		return -1;
	setenv("XDG_RUNTIME_DIR", unit_dir, 1);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(random_below(256));
	if (rte_eal_init((int)RTE_DIM(args) - 1, args) < 0) {
		rmdir(unit_dir);
		return -1;
	}
	rte_log_set_level_pattern("renicd", RTE_LOG_ERR);
	return 0;
}

void fixture_end(void)
{
	unit_eal_end();
}

/* ---- device ---- */

static void count_event(const struct nic_event *event, void *arg)
{
	n_events[event->type]++;
	snprintf(event_detail, sizeof(event_detail), "%s", event->detail);
}

static const struct vf_port_ops *const fake_ops[TRANSPORTS] = {&fake_port_ops};

static int device_init(struct nic_error *err)
{
	struct nic_params params = {
		.run_dir = unit_dir,
		.log_path = unit_path("log"),
		.log_segments = FIXTURE_SEGMENTS,
		.mbufs = FIXTURE_MBUFS,
		.port_ops = fake_ops,
	};

	if (nic_init(&params, err))
		return -1;
	nic_set_event_sink(count_event, NULL);
	nic_set_uplink(&fake_uplink_ops);
	return 0;
}

int device_setup(void **state)
{
	struct nic_error err;

	fake_uplink_reset();
	memset(n_events, 0, sizeof(n_events));
	return lcores_start(false) || device_init(&err) ? -1 : 0;
}

int device_restart(const struct nic_listed *listed, struct nic_error *err)
{
	const char *list;
	uint16_t index;

	nic_clear(true);
	nic_set_uplink(NULL);
	nic_fini();
	assert_int_equal(device_init(err), 0);
	return nic_start(listed, &list, &index, err);
}

/* Before nic_fini() frees the pool: no mbuf may be out. */
static int check_pool(struct rte_mempool *pool)
{
	unsigned out = rte_mempool_in_use_count(pool);

	if (out)
		print_error("%s: %u mbufs were not freed\n", pool->name, out);
	return out ? -1 : 0;
}

int device_teardown(void **state)
{
	int rc;

	feed();
	nic_clear(false);
	nic_set_uplink(NULL);
	fake_uplink_reset();
	if (log_pool_free_count(nic.log_pool) != FIXTURE_SEGMENTS)
		print_error("%u segments were not given back\n",
			FIXTURE_SEGMENTS - log_pool_free_count(nic.log_pool));
	rc = log_pool_free_count(nic.log_pool) == FIXTURE_SEGMENTS ? 0 : -1;
	if (nic.ingress_segs)
		print_error("%u ingress segments are still counted\n", nic.ingress_segs);
	rc |= nic.ingress_segs ? -1 : 0;
	nic.ingress_segs = 0;
	rc |= check_pool(nic.pool) | check_pool(nic.attach_pool);
	nic_fini();
	unlink(unit_path("journal"));
	lcores_stop();
	fake_port_check();
	fake_uplink_check();
	return rc;
}

/* ---- rounds ---- */

static void nothing(void *arg)
{
}

void one_round(void)
{
	lcore_call_all(nothing, NULL);
	lcore_synchronize();
}

/* Grows or changes whenever a frame goes a step. */
static uint64_t activity(void)
{
	uint64_t sum = fake_port_moved() + fake_uplink_moved();
	const struct vf *vf;

	TAILQ_FOREACH (vf, &nic.vfs, next)
		for (uint16_t q = 0; q < vf->n_qps; q++) {
			const struct vf_qp *qp = vf->qps[q];

			sum += counter_read(&qp->log.appended_pkts);
			sum += counter_read(&qp->log.released_pkts);
			sum += __atomic_load_n(&qp->rx.tail, __ATOMIC_RELAXED);
			sum += qp->inbox ? rte_ring_count(qp->inbox) * 1000003ULL : 0;
			for (int r = 0; r < DROP_REASONS; r++)
				sum += counter_read(&qp->counters.drops[r]);
		}
	return sum;
}

void settle(void)
{
	unsigned quiet = 0;

	while (quiet < QUIET_ROUNDS) {
		uint64_t before = activity();

		one_round();
		quiet = activity() == before ? quiet + 1 : 0;
	}
	fake_port_check();
	fake_uplink_check();
}

/* ---- VFs ---- */

struct vf_config vf_config_of(char letter)
{
	struct vf_config config;

	vf_config_defaults(&config);
	config.name[0] = letter;
	config.mac[0] = 2;
	config.mac[5] = (uint8_t)letter;
	return config;
}

struct fake_port *vf_add_config(const struct vf_config *config)
{
	struct fake_port *p;
	struct nic_error err;

	if (nic_vf_create(config, &err))
		fail_msg("nic_vf_create: %s", err.message);
	p = fake_port_of(config->name);
	assert_non_null(p);
	fake_port_bring_up(p);
	return p;
}

struct fake_port *vf_add(char letter, uint16_t vlan)
{
	struct vf_config config = vf_config_of(letter);

	config.vlan = vlan;
	return vf_add_config(&config);
}

struct fake_port *port_of(char letter)
{
	char name[2] = {letter, '\0'};
	struct fake_port *p = fake_port_of(name);

	assert_non_null(p);
	return p;
}

struct vf_info info_of(char letter)
{
	char name[2] = {letter, '\0'};
	struct vf_info info;

	assert_int_equal(nic_vf_get(name, &info, NULL), 0);
	return info;
}

uint64_t drops_of(char letter, enum drop_reason reason)
{
	return info_of(letter).counters.drops[reason];
}

/* ---- groups ---- */

static void ok(int rc, const char *what, const struct nic_error *err)
{
	if (rc)
		fail_msg("%s: %d %s", what, rc, err->message);
}

void group_add_vfs(const char *name, const char *letters, bool internal_pass)
{
	struct group_config config = {.internal_pass = internal_pass};
	struct nic_error err;

	snprintf(config.name, sizeof(config.name), "%s", name);
	for (; *letters; letters++)
		config.vfs[config.n_vfs++][0] = *letters;
	ok(nic_group_create(&config, &err), "group_create", &err);
}

void protect(const char *group)
{
	struct nic_error err;

	ok(nic_protection_start(GROUP_COMMAND(group, 0), &err), "protection_start", &err);
}

static void set_suspended(const char *group, bool suspended)
{
	static struct group_info info;

	assert_int_equal(nic_group_get(group, &info, NULL), 0);
	for (uint16_t i = 0; i < info.config.n_vfs; i++)
		fake_port_set_suspended(fake_port_of(info.config.vfs[i]), suspended);
}

uint64_t begin(const char *group)
{
	struct checkpoint_info info;
	struct nic_error err;

	ok(nic_checkpoint_begin(GROUP_COMMAND(group, 0), &info, &err), "checkpoint_begin", &err);
	set_suspended(group, true);
	return info.epoch;
}

void resume(const char *group)
{
	struct nic_error err;

	set_suspended(group, false);
	ok(nic_checkpoint_resume(GROUP_COMMAND(group, 0), &err), "checkpoint_resume", &err);
}

void give_up(const char *group)
{
	struct nic_error err;

	set_suspended(group, false);
	ok(nic_checkpoint_abort(GROUP_COMMAND(group, 0), &err), "checkpoint_abort", &err);
}

void commit(const char *group, uint64_t epoch)
{
	struct nic_error err;

	ok(nic_checkpoint_commit(GROUP_COMMAND(group, 0), epoch, &err), "checkpoint_commit", &err);
}

void unprotect(const char *group, bool discard)
{
	struct nic_error err;

	ok(nic_protection_stop(GROUP_COMMAND(group, 0), discard, &err), "protection_stop", &err);
}

uint64_t checkpoint(const char *group)
{
	uint64_t epoch = begin(group);

	resume(group);
	return epoch;
}

/* ---- frames ---- */

static void mac_of(char who, uint8_t mac[6])
{
	memset(mac, 0, 6);
	mac[0] = who == TO_MANY ? 1 : 2;
	mac[5] = (uint8_t)who;
	if (who == TO_ALL)
		memset(mac, 0xff, 6);
}

static void put_be16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

uint32_t frame_fill(const struct tframe *f, uint8_t bytes[FRAME_BYTES_MAX])
{
	uint32_t len = f->len ? f->len : LEN_DEFAULT, at = TAG_AT;

	memset(bytes, 0, HEADER);
	mac_of(f->to, bytes);
	mac_of(f->from, bytes + 6);
	if (f->vid) {
		put_be16(&bytes[at], 0x8100);
		put_be16(&bytes[at + 2], f->vid);
		at += 4;
		len += 4;
	}
	put_be16(&bytes[at], f->type ? f->type : 0x0800);
	at += 2;
	if (len >= at + 5) {
		memcpy(&bytes[at], &f->number, 4);
		bytes[at + 4] = (uint8_t)f->from;
		at += 5;
	}
	if (len > at)
		memcpy(&bytes[at], &noise[f->number * 7919u % NOISE_BYTES], len - at);
	return len;
}

static const uint8_t *after_header(const uint8_t *bytes)
{
	return bytes + HEADER + (bytes[TAG_AT] == 0x81 && bytes[TAG_AT + 1] == 0 ? 4 : 0);
}

uint32_t frame_number(const uint8_t *bytes)
{
	uint32_t number;

	memcpy(&number, after_header(bytes), sizeof(number));
	return number;
}

char frame_from(const uint8_t *bytes)
{
	return (char)after_header(bytes)[4];
}

bool guest_tries_to_send(struct tframe f)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t len = frame_fill(&f, bytes);

	return fake_port_send(port_of(f.from), 0, bytes, len);
}

void guest_sends(struct tframe f)
{
	assert_true(guest_tries_to_send(f));
}

void wire_sends(struct tframe f)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t len = frame_fill(&f, bytes);

	assert_true(fake_uplink_arrive(bytes, len));
}

static void check(const char *where, const struct tframe *f, const uint8_t *bytes, uint32_t len)
{
	uint8_t want[FRAME_BYTES_MAX];
	uint32_t want_len = frame_fill(f, want);

	if (len == want_len && !memcmp(bytes, want, len))
		return;
	print_error("%s: wanted frame %u of %c to %c, vid %u, %u bytes; got %u bytes:", where,
		f->number, f->from, f->to, f->vid, want_len, len);
	for (uint32_t i = 0; i < len && i < 24; i++)
		print_error(" %02x", bytes[i]);
	fail_msg("%s", "another frame");
}

void guest_gets(char letter, struct tframe f)
{
	struct guest_frame *got = fake_port_receive(port_of(letter), 0);
	char where[16];

	snprintf(where, sizeof(where), "guest %c", letter);
	if (!got)
		fail_msg("%s: nothing came; wanted frame %u of %c", where, f.number, f.from);
	else
		check(where, &f, got->bytes, got->len);
	free(got);
}

void wire_gets(struct tframe f)
{
	struct wire_frame *got = fake_uplink_take();

	if (!got)
		fail_msg("wire: nothing came; wanted frame %u of %c", f.number, f.from);
	else
		check("wire", &f, got->bytes, got->len);
	free(got);
}

uint32_t count_guest(char letter)
{
	struct guest_frame *got;
	uint32_t n = 0;

	for (; (got = fake_port_receive(port_of(letter), 0)); n++)
		free(got);
	return n;
}

void guest_gets_nothing(char letter)
{
	struct guest_frame *got = fake_port_receive(port_of(letter), 0);
	char text[80];

	if (!got)
		return;
	snprintf(text, sizeof(text), "guest %c: got frame %u of %c (%u bytes)", letter,
		frame_number(got->bytes), frame_from(got->bytes), got->len);
	free(got);
	fail_msg("%s", text);
}

void wire_gets_nothing(void)
{
	struct wire_frame *got = fake_uplink_take();
	char text[80];

	if (!got)
		return;
	snprintf(text, sizeof(text), "wire: got frame %u of %c (%u bytes)",
		frame_number(got->bytes), frame_from(got->bytes), got->len);
	free(got);
	fail_msg("%s", text);
}

void guest_sends_many(struct tframe f, uint32_t n)
{
	for (; n--; f.number++)
		guest_sends(f);
}

void wire_gets_many(struct tframe f, uint32_t n)
{
	for (; n--; f.number++)
		wire_gets(f);
}

void guest_gets_many(char letter, struct tframe f, uint32_t n)
{
	for (; n--; f.number++)
		guest_gets(letter, f);
}

/* ---- mbufs ---- */

/* Each lcore has a cache that only it can empty. One lcore at a time. */
static void take_all(void *arg)
{
	while (n_taken < RTE_DIM(taken) && (taken[n_taken] = rte_pktmbuf_alloc(nic.pool)))
		n_taken++;
}

static void give_some(void *arg)
{
	unsigned n = *(unsigned *)arg;

	while (n-- && n_taken)
		rte_pktmbuf_free(taken[--n_taken]);
}

void starve(unsigned left)
{
	for (unsigned i = 0; i < lcores_count(); i++)
		lcore_call(i, take_all, NULL);
	take_all(NULL);
	for (unsigned i = 0; i < lcores_count(); i++)
		lcore_call(i, give_some, &left);
}

void feed(void)
{
	unsigned all = UINT32_MAX;

	give_some(&all);
}

/* ---- events ---- */

unsigned events_of(enum nic_event_type type)
{
	nic_tick();
	return n_events[type];
}

const char *last_event_detail(void)
{
	return event_detail;
}
