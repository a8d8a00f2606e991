/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renic-pktgen: many guests at once, and a judge of what arrives. `--help` is the manual.
 *
 * Everything runs in one thread on one core: sending, receiving, and the calls that take and
 * commit checkpoints. See traffic.h (the loop), judge.h (the verdict), daemon.h (the epochs),
 * guest.h and ethdev_port.h (the ports).
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "daemon.h"
#include "ethdev_port.h"
#include "frame.h"
#include "guest.h"
#include "judge.h"
#include "report.h"
#include "traffic.h"

enum { STATUS_HELD = 0, STATUS_BROKEN = 1, STATUS_USAGE = 2, STATUS_FAILED = 3 };

enum { DESCRIPTORS = 1024, LINK_MS = 10000, EAL_WORDS = 16 + EAL_ARGS_MAX };

static const uint8_t outside_mac[6] = {0x02, 0, 0, 0, 0x09, 0x99};

struct pktgen {
	struct options options;
	struct field field;
	struct daemon daemon;
	struct rte_mempool *pool;
	struct stream_out guest_to[VFS_MAX], far_to[VFS_MAX];
};

static void mac_of(unsigned guest, uint8_t mac[6])
{
	const uint8_t bytes[6] = {0x02, 0, 0, 0x01, (uint8_t)(guest >> 8), (uint8_t)guest};

	memcpy(mac, bytes, sizeof(bytes));
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "renic-pktgen: %s: %s\n", what, why);
	return -1;
}

/* ---- DPDK ---- */

static int start_eal(const struct options *o)
{
	static char lcores[32], memory[32], prefix[48];
	char *argv[EAL_WORDS] = {"renic-pktgen", "--no-pci", "--in-memory", "--no-telemetry",
		"--single-file-segments", "--log-level=warning", "--iova-mode=va", lcores, memory,
		prefix};
	int argc = 10;

	snprintf(lcores, sizeof(lcores), "--lcores=0@%lu", o->cpu);
	snprintf(memory, sizeof(memory), "-m%lu", o->memory_mb);
	snprintf(prefix, sizeof(prefix), "--file-prefix=renic-pktgen-%d", (int)getpid());
	for (unsigned i = 0; i < o->n_eal_args; i++)
		argv[argc++] = (char *)(uintptr_t)o->eal_args[i];
	return rte_eal_init(argc, argv) < 0 ? complain("DPDK", rte_strerror(rte_errno)) : 0;
}

static uint16_t max_size(const struct options *o)
{
	uint16_t max = 0;

	for (unsigned i = 0; i < o->n_sizes; i++)
		max = RTE_MAX(max, o->sizes[i]);
	return max;
}

/* One buffer a frame, for what the DPDK ports have in their rings and the bursts between. */
static int make_pool(struct pktgen *p)
{
	const struct options *o = &p->options;
	unsigned ports = !!*o->far_end + (o->driver == DRIVER_VIRTIO_USER ? (unsigned)o->vfs : 0);

	if (!ports)
		return 0;
	p->pool = rte_pktmbuf_pool_create("frames", ports * (2 * DESCRIPTORS + 512) + 2047, 256, 0,
		(uint16_t)(RTE_PKTMBUF_HEADROOM + RTE_MAX(max_size(o), 2048)), SOCKET_ID_ANY);
	return p->pool ? 0 : complain("--memory", "too little for the frames; give more MiB");
}

/* ---- ports ---- */

static void prepare(const struct pktgen *p, struct sender *s, unsigned number,
	struct stream_out *to, unsigned n_to)
{
	memset(s, 0, sizeof(*s));
	s->number = number;
	s->to = to;
	s->n_to = n_to;
	s->sizes = p->options.sizes;
	s->n_sizes = p->options.n_sizes;
	s->max_size = max_size(&p->options);
}

static int open_virtio_user(
	struct pktgen *p, unsigned i, const struct sender *s, const char *path, const char **why)
{
	const struct options *o = &p->options;
	char name[32], args[PATH_MAX + 256];
	struct ethdev_setup setup = {
		.name = name, .args = args, .descriptors = DESCRIPTORS, .pool = p->pool};

	snprintf(name, sizeof(name), "net_virtio_user%u", i);
	snprintf(args, sizeof(args),
		"path=%s,server=%d,queue_size=%lu,mac=%02x:%02x:%02x:%02x:%02x:%02x%s%s", path,
		o->listen, o->ring_size, s->mac[0], s->mac[1], s->mac[2], s->mac[3], s->mac[4],
		s->mac[5], *o->virtio_args ? "," : "", o->virtio_args);
	return ethdev_port_open(&p->field.guests[i], s, &setup, why);
}

static int open_guest(struct pktgen *p, unsigned i, const char *path)
{
	const struct options *o = &p->options;
	char what[PATH_MAX + 32];
	struct guest_setup setup = {.path = path,
		.listen = o->listen,
		.mergeable = o->mergeable,
		.ring_size = (uint16_t)o->ring_size};
	const char *why = "";
	struct sender s;
	int error;

	prepare(p, &s, i, &p->guest_to[i], 1);
	mac_of(i, s.mac);
	p->guest_to[i].stream = (uint16_t)i;
	memcpy(p->guest_to[i].mac, outside_mac, 6);
	if (o->flow == FLOW_PAIR)
		mac_of(i ^ 1, p->guest_to[i].mac);
	error = o->driver == DRIVER_DIRECT ? guest_open(&p->field.guests[i], &s, &setup, &why)
					   : open_virtio_user(p, i, &s, path, &why);
	if (!error) {
		p->field.n_guests++;
		return 0;
	}
	snprintf(what, sizeof(what), "guest %u at %s", i, path);
	fprintf(stderr, "renic-pktgen: %s: %s (%s)\n", what, why, strerror(-error));
	return -1;
}

static int open_far_end(struct pktgen *p)
{
	char *args = strdup(p->options.far_end), *comma = strchr(args, ',');
	struct ethdev_setup setup = {
		.name = args, .args = "", .descriptors = DESCRIPTORS, .pool = p->pool};
	const char *why = "";
	struct sender s;
	int error;

	if (comma) {
		*comma = '\0';
		setup.args = comma + 1;
	}
	for (unsigned i = 0; i < p->options.vfs; i++) {
		p->far_to[i].stream = (uint16_t)(VFS_MAX + i);
		mac_of(i, p->far_to[i].mac);
	}
	prepare(p, &s, VFS_MAX, p->far_to, (unsigned)p->options.vfs);
	memcpy(s.mac, outside_mac, 6);
	error = ethdev_port_open(&p->field.far_end, &s, &setup, &why);
	free(args);
	if (error)
		return complain("--far-end", why);
	for (int ms = 0; ms < LINK_MS && !ethdev_port_link(p->field.far_end); ms++)
		usleep(1000);
	return ethdev_port_link(p->field.far_end)
		       ? 0
		       : complain("--far-end", "its link does not come up");
}

/* All VFs before the first guest: librte_vhost looks at a new socket only when something else
 * wakes it, or a second later. */
static int open_guests(struct pktgen *p)
{
	static char paths[VFS_MAX][PATH_MAX];
	uint8_t mac[6];

	for (unsigned i = 0; i < p->options.vfs; i++) {
		mac_of(i, mac);
		if (!*p->options.control)
			snprintf(paths[i], sizeof(paths[i]), p->options.sockets, (int)i);
		else if (daemon_vf(&p->daemon, i, mac, paths[i]))
			return complain("renicd", p->daemon.error.message);
	}
	for (unsigned i = 0; i < p->options.vfs; i++)
		if (open_guest(p, i, paths[i]))
			return -1;
	return 0;
}

static int open_ports(struct pktgen *p)
{
	if (open_guests(p))
		return -1;
	if (*p->options.far_end && open_far_end(p))
		return -1;
	if (p->daemon.client && daemon_wait_running(&p->daemon))
		return complain("renicd", p->daemon.error.message);
	return 0;
}

static void close_ports(struct pktgen *p)
{
	for (unsigned i = 0; i < p->field.n_guests; i++)
		p->field.guests[i]->ops->close(p->field.guests[i]);
	if (p->field.far_end)
		p->field.far_end->ops->close(p->field.far_end);
}

/* ---- runs ---- */

struct trials {
	struct pktgen *p;
	struct run_result result, best;
	bool failed; /* to run, not to pass */
};

static int run_at(struct pktgen *p, double rate_pps, struct run_result *result)
{
	if (traffic_run(&p->field, &p->daemon, &p->options, rate_pps, result))
		return complain("renicd", p->daemon.error.message);
	return 0;
}

/* Passed: all arrived, and the rate was kept. */
static bool trial(void *arg, double rate_pps)
{
	struct trials *t = arg;
	char broken[256];

	if (traffic_stop || t->failed)
		return false;
	t->failed = run_at(t->p, rate_pps, &t->result) != 0;
	report_broken(&t->p->options, &t->result, broken, sizeof(broken));
	if (t->failed || *broken || t->result.tx_pps < 0.99 * rate_pps)
		return false;
	t->best = t->result;
	return true;
}

static int search_rate(
	struct pktgen *p, struct search *search, struct run_result *result, double *best_pps)
{
	struct trials trials = {.p = p};

	if (run_at(p, 0, result))
		return -1;
	trials.best = *result;
	*search = (struct search){.top_pps = result->judged && result->rx_pps < result->tx_pps
						     ? result->rx_pps
						     : result->tx_pps,
		.resolution = p->options.resolution_percent / 100,
		.trial = trial,
		.arg = &trials};
	*best_pps = search_run(search);
	*result = trials.best;
	return trials.failed ? -1 : 0;
}

static int write_report(const struct options *o, json_t *report)
{
	bool to_stdout = !strcmp(o->json, "-");

	if (!to_stdout)
		report_text(report);
	if (to_stdout)
		json_dumpf(report, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(8));
	else if (*o->json &&
		 json_dump_file(report, o->json, JSON_INDENT(1) | JSON_REAL_PRECISION(8)))
		return complain(o->json, "cannot be written");
	if (to_stdout)
		putchar('\n');
	if (*o->arrivals && !report_arrivals(o->arrivals))
		return complain(o->arrivals, "cannot be written");
	return 0;
}

static int run_and_report(struct pktgen *p)
{
	struct search search;
	struct run_result result;
	double best_pps = 0;
	bool searching = p->options.search;
	int error = searching ? search_rate(p, &search, &result, &best_pps)
			      : run_at(p, p->options.rate_pps, &result);
	json_t *report;

	if (error)
		return STATUS_FAILED;
	report = report_json(
		&p->field, &p->daemon, &p->options, &result, searching ? &search : NULL, best_pps);
	error = write_report(&p->options, report);
	searching = *json_string_value(json_object_get(report, "broken"));
	json_decref(report);
	if (error)
		return STATUS_FAILED;
	return searching ? STATUS_BROKEN : STATUS_HELD;
}

static void on_signal(int number)
{
	traffic_stop = true;
}

static int run(struct pktgen *p)
{
	const struct options *o = &p->options;
	int status = STATUS_FAILED;

	/* Long options with --listen and DPDK's own threads write to sockets that may be gone. */
	signal(SIGPIPE, SIG_IGN);
	if (start_eal(o) || make_pool(p))
		return status;
	frame_init();
	if (!judge_init(*o->arrivals))
		complain("memory", "not enough for the verdict");
	else if (*o->control && daemon_connect(&p->daemon, o))
		complain(o->control, p->daemon.error.message);
	else if (!open_ports(p)) {
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		status = run_and_report(p);
	}
	close_ports(p);
	daemon_close(&p->daemon);
	rte_eal_cleanup();
	return status;
}

int main(int argc, char **argv)
{
	static struct pktgen pktgen;
	char error[256];

	if (!options_parse(&pktgen.options, argc, argv, error, sizeof(error))) {
		fprintf(stderr, "renic-pktgen: %s\n", error);
		return STATUS_USAGE;
	}
	if (pktgen.options.help) {
		options_help(stdout);
		return STATUS_HELD;
	}
	return run(&pktgen);
}
