/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of captures, and the lcores' part in them; see capture.h. A capture's thread is in
 * capture_file.c.
 *
 * Taps are hung up and taken down by message, so a tap is freed when no lcore knows it any more;
 * the thread ends before its rings do. Files are made in one folder, new ones only, under names
 * without a slash: whoever may drive renicd may not thereby write elsewhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bpf.h>
#include <rte_cycles.h>

#include "capture.h"
#include "capture_file.h"
#include "filter.h"
#include "log.h"
#include "vf_config.h"

struct capture {
	TAILQ_ENTRY(capture) next;
	struct capture_config config;
	struct vf *vf;
	struct rte_bpf *bpf;
	bool hung; /* the VF's queue pairs have the taps */
	struct capture_file file;
	struct capture_tap *taps[VF_QPS_MAX];
};

static TAILQ_HEAD(, capture) captures = TAILQ_HEAD_INITIALIZER(captures);

/* ---- the owner lcore ---- */

static bool write_frame(
	struct capture_tap *tap, enum capture_seen seen, struct rte_mbuf *m, uint64_t tsc)
{
	const struct capture_record like = {.tsc = tsc, .seen = seen, .queue = tap->queue};

	if (tap->filter && !tap->filter(m))
		return false;
	return capture_ring_write(&tap->ring, m, tap->snaplen, &like);
}

void capture_take(
	struct capture_tap *tap, enum capture_seen seen, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t tsc = rte_rdtsc();

	if (!(tap->wanted & 1u << seen))
		return;
	for (uint16_t i = 0; i < n; i++)
		write_frame(tap, seen, pkts[i], tsc);
	capture_ring_publish(&tap->ring, tap->ring.written);
}

void capture_stage(struct capture_tap *tap, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t tsc = rte_rdtsc();

	tap->n_staged = 0;
	if (!(tap->wanted & 1u << CAPTURE_LEAVING))
		return;
	for (uint16_t i = 0; i < n; i++) {
		write_frame(tap, CAPTURE_LEAVING, pkts[i], tsc);
		tap->staged[i] = tap->ring.written;
	}
	tap->n_staged = n;
}

void capture_publish(struct capture_tap *tap, uint16_t n)
{
	if (tap->n_staged)
		capture_ring_publish(&tap->ring, n ? tap->staged[n - 1] : tap->ring.tail);
	tap->n_staged = 0;
}

static void hang_tap(struct vf_qp *qp, void *arg)
{
	const struct capture *c = arg;

	qp->tap = c->taps[qp->index];
}

static void take_tap(struct vf_qp *qp, void *arg)
{
	qp->tap = NULL;
}

/* ---- control thread ---- */

static struct capture *find(const struct vf *vf)
{
	struct capture *c;

	TAILQ_FOREACH (c, &captures, next)
		if (c->vf == vf)
			return c;
	return NULL;
}

static void take_down(struct capture *c)
{
	if (c->hung)
		vf_for_each_qp(c->vf, take_tap, NULL);
	c->hung = false;
}

static void free_capture(struct capture *c)
{
	for (uint16_t q = 0; q < VF_QPS_MAX; q++)
		if (c->taps[q]) {
			capture_ring_fini(&c->taps[q]->ring);
			free(c->taps[q]);
		}
	if (c->bpf)
		rte_bpf_destroy(c->bpf);
	free(c);
}

static unsigned wanted(const struct capture_config *config)
{
	unsigned bits = 0;

	if (config->direction != CAPTURE_INGRESS)
		bits |= 1u << (config->after_hold ? CAPTURE_LEAVING : CAPTURE_FROM_GUEST);
	if (config->direction != CAPTURE_EGRESS)
		bits |= 1u << CAPTURE_TO_GUEST;
	return bits;
}

static int make_taps(struct capture *c, uint64_t (*filter)(void *), struct nic_error *err)
{
	for (uint16_t q = 0; q < c->vf->n_qps; q++) {
		struct capture_tap *tap = aligned_alloc(64, sizeof(*tap));

		if (!tap || capture_ring_init(&tap->ring)) {
			free(tap);
			return nic_fail(err, RENIC_E_RESOURCES, "name", "no memory for a capture");
		}
		tap->wanted = wanted(&c->config);
		tap->snaplen = c->config.snaplen;
		tap->filter = filter;
		tap->queue = q;
		tap->n_staged = 0;
		c->taps[q] = tap;
		c->file.rings[c->file.n_rings++] = &tap->ring;
	}
	return 0;
}

static int open_capture(struct capture *c, struct nic_error *err)
{
	uint64_t (*filter)(void *) = NULL;
	int rc = filter_compile(c->config.filter, "filter", &filter, &c->bpf, err);

	if (!rc)
		rc = make_taps(c, filter, err);
	if (!rc && !c->config.file[0])
		snprintf(c->config.file, sizeof(c->config.file), "%s.pcapng", c->config.vf);
	return rc ? rc : capture_file_start(&c->file, &c->config, nic.capture_dir, err);
}

static void fill_info(const struct capture *c, struct capture_info *info)
{
	memset(info, 0, sizeof(*info));
	info->config = c->config;
	snprintf(info->path, sizeof(info->path), "%s/%s", nic.capture_dir, c->config.file);
	capture_file_info(&c->file, info);
	for (uint16_t q = 0; q < c->vf->n_qps; q++)
		info->dropped += counter_read(&c->taps[q]->ring.dropped);
}

int nic_capture_start(
	const struct capture_config *config, struct capture_info *info, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(config->vf, err);
	struct capture *c;
	int rc;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	if (find(vf))
		return nic_fail(err, RENIC_E_EXISTS, "name",
			"a capture of \"%s\" is there: capture_stop ends it", config->vf);
	c = calloc(1, sizeof(*c));
	if (!c)
		return nic_fail(err, RENIC_E_RESOURCES, "name", "no memory for a capture");
	c->config = *config;
	c->vf = vf;
	rc = open_capture(c, err);
	if (rc) {
		free_capture(c);
		return rc;
	}
	TAILQ_INSERT_TAIL(&captures, c, next);
	vf_for_each_qp(vf, hang_tap, c);
	c->hung = true;
	fill_info(c, info);
	LOG_INFO("VF %s: capture into %s", config->vf, info->path);
	return 0;
}

/* All that the taps have is in the file when this returns. */
static void stop(struct capture *c, struct capture_info *info)
{
	take_down(c);
	capture_file_stop(&c->file);
	fill_info(c, info);
	TAILQ_REMOVE(&captures, c, next);
	LOG_INFO("VF %s: capture ended", c->config.vf);
	free_capture(c);
}

int nic_capture_stop(const char *name, struct capture_info *info, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	struct capture *c = vf ? find(vf) : NULL;

	if (!vf)
		return RENIC_E_NOT_FOUND;
	if (!c)
		return nic_fail(
			err, RENIC_E_NOT_FOUND, "name", "there is no capture of \"%s\"", name);
	stop(c, info);
	return 0;
}

void nic_capture_foreach(void (*visit)(const struct capture_info *info, void *arg), void *arg)
{
	struct capture_info info;
	struct capture *c;

	TAILQ_FOREACH (c, &captures, next) {
		fill_info(c, &info);
		visit(&info, arg);
	}
}

void capture_end_of_vf(struct vf *vf)
{
	struct capture *c = find(vf);
	struct capture_info info;

	if (c)
		stop(c, &info);
}

void capture_tick(void)
{
	struct capture_info info;
	struct capture *c;

	TAILQ_FOREACH (c, &captures, next) {
		if (!c->hung || !capture_file_ended(&c->file))
			continue;
		take_down(c);
		fill_info(c, &info);
		nic_post_event(EVENT_CAPTURE_ENDED, c->config.vf, "%s: %s", info.state, info.path);
	}
}
