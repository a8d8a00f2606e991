/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_uplink.h. Lcores send at the same time: all state is under the lock. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "fake_uplink.h"
#include "lcore.h"
#include "switch.h"
#include "vf.h"

enum { KEPT_MAX = 1024, TAG_AT = 2 * RTE_ETHER_ADDR_LEN };

struct kept {
	struct rte_mbuf *m;
	uint8_t *bytes; /* as they were when it was taken */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wire_frame *first, **last = &first;
static uint32_t n_frames;
static uint64_t credits = FAKE_UPLINK_ENDLESS;
static uint64_t refused, moved;
static uint64_t random_state = 0x2545f4914f6cdd1d;
static bool random_refusal, up = true, last_told_up = true;
static unsigned asked; /* atomic */
static struct kept kept[KEPT_MAX];
static uint32_t kept_head, kept_tail, slow;
static char violation[128];

uint64_t fake_uplink_drops[DROP_REASONS];

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) % n);
}

static void note(const char *what, const struct rte_mbuf *m)
{
	if (!violation[0])
		snprintf(violation, sizeof(violation), "%s (%u bytes)", what, m->pkt_len);
}

static void copy_bytes(const struct rte_mbuf *m, uint8_t *to)
{
	const void *bytes = rte_pktmbuf_read(m, 0, m->pkt_len, to);

	if (bytes != to)
		memcpy(to, bytes, m->pkt_len);
}

/* As it is on the wire: a tag beside the frame is inserted. */
static struct wire_frame *record(const struct rte_mbuf *m)
{
	bool tag = m->ol_flags & RTE_MBUF_F_TX_VLAN;
	struct wire_frame *f = malloc(sizeof(*f) + m->pkt_len + sizeof(struct rte_vlan_hdr));
	uint16_t words[2] = {RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(m->vlan_tci)};

	f->next = NULL;
	f->lcore = lcore_self();
	f->len = m->pkt_len;
	copy_bytes(m, f->bytes);
	if (tag) {
		note("a tag beside the frame, which software devices cannot insert", m);
		memmove(f->bytes + TAG_AT + sizeof(words), f->bytes + TAG_AT, f->len - TAG_AT);
		memcpy(f->bytes + TAG_AT, words, sizeof(words));
		f->len += sizeof(words);
	}
	if (f->len > fake_uplink_ops.max_frame_bytes)
		note("a frame longer than max_frame_bytes", m);
	return f;
}

static void free_oldest(void)
{
	struct kept *k = &kept[kept_head++ % KEPT_MAX];
	uint8_t *now = malloc(k->m->pkt_len);

	copy_bytes(k->m, now);
	if (memcmp(now, k->bytes, k->m->pkt_len))
		note("bytes changed while the device had the frame", k->m);
	free(now);
	free(k->bytes);
	rte_pktmbuf_free(k->m);
}

static void keep(struct rte_mbuf *m)
{
	struct kept *k = &kept[kept_tail++ % KEPT_MAX];

	k->m = m;
	k->bytes = malloc(m->pkt_len);
	copy_bytes(m, k->bytes);
	while (kept_tail - kept_head > slow)
		free_oldest();
}

static uint16_t how_many(uint16_t n)
{
	uint16_t taken = (uint16_t)RTE_MIN((uint64_t)n, credits);

	if (!up)
		return 0;
	if (random_refusal && taken)
		taken = (uint16_t)random_below(taken + 1u);
	return taken;
}

static uint16_t fake_send(struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	uint16_t taken;

	pthread_mutex_lock(&lock);
	taken = how_many(n);
	for (uint16_t i = 0; i < taken; i++) {
		*last = record(pkts[i]);
		last = &(*last)->next;
		keep(pkts[i]);
	}
	n_frames += taken;
	refused += taken < n;
	moved += taken + (random_refusal && up && credits);
	if (credits != FAKE_UPLINK_ENDLESS)
		credits -= taken;
	pthread_mutex_unlock(&lock);
	return taken;
}

unsigned fake_uplink_asked(void)
{
	return __atomic_load_n(&asked, __ATOMIC_ACQUIRE);
}

static bool is_up(void)
{
	__atomic_fetch_add(&asked, 1, __ATOMIC_RELEASE);
	return __atomic_load_n(&up, __ATOMIC_RELAXED);
}

static bool poll_link(void)
{
	bool changed = up != last_told_up;

	last_told_up = up;
	return changed;
}

uint32_t fake_uplink_speed_mbps;

static void info(struct uplink_info *i)
{
	i->present = true;
	i->up = up;
	i->speed_mbps = fake_uplink_speed_mbps;
	i->refused = fake_uplink_refused();
}

struct uplink_ops fake_uplink_ops = {
	.send = fake_send,
	.is_up = is_up,
	.poll_link = poll_link,
	.info = info,
	.max_frame_bytes = 9018,
};

void fake_uplink_reset(void)
{
	struct wire_frame *f;

	while ((f = fake_uplink_take()))
		free(f);
	pthread_mutex_lock(&lock);
	while (kept_head != kept_tail)
		free_oldest();
	credits = FAKE_UPLINK_ENDLESS;
	random_refusal = false;
	up = last_told_up = true;
	slow = 0;
	refused = 0;
	memset(fake_uplink_drops, 0, sizeof(fake_uplink_drops));
	fake_uplink_ops.max_frame_bytes = 9018;
	pthread_mutex_unlock(&lock);
}

void fake_uplink_set_up(bool is)
{
	pthread_mutex_lock(&lock);
	__atomic_store_n(&up, is, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
}

void fake_uplink_set_credits(uint64_t frames)
{
	pthread_mutex_lock(&lock);
	credits = frames;
	pthread_mutex_unlock(&lock);
}

void fake_uplink_refuse_at_random(bool on)
{
	pthread_mutex_lock(&lock);
	random_refusal = on;
	pthread_mutex_unlock(&lock);
}

void fake_uplink_set_slow(uint32_t frames)
{
	pthread_mutex_lock(&lock);
	slow = RTE_MIN(frames, (uint32_t)KEPT_MAX - 1);
	while (kept_tail - kept_head > slow)
		free_oldest();
	pthread_mutex_unlock(&lock);
}

struct wire_frame *fake_uplink_take(void)
{
	struct wire_frame *f;

	pthread_mutex_lock(&lock);
	f = first;
	if (f) {
		first = f->next;
		last = first ? last : &first;
		n_frames--;
	}
	pthread_mutex_unlock(&lock);
	return f;
}

uint32_t fake_uplink_count(void)
{
	uint32_t n;

	pthread_mutex_lock(&lock);
	n = n_frames;
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t fake_uplink_refused(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = refused;
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t fake_uplink_moved(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = moved;
	pthread_mutex_unlock(&lock);
	return n;
}

static void arrive_on_lcore(void *arg)
{
	struct rte_mbuf *m = arg;

	switch_from_uplink(&m, 1, fake_uplink_drops);
}

bool fake_uplink_arrive(const void *bytes, uint32_t len)
{
	struct rte_mbuf *head = NULL, *m;
	uint32_t done = 0, part;

	do {
		m = rte_pktmbuf_alloc(nic.pool);
		if (!m) {
			rte_pktmbuf_free(head);
			return false;
		}
		part = RTE_MIN(len - done, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), (const uint8_t *)bytes + done, part);
		done += part;
		if (head)
			rte_pktmbuf_chain(head, m);
		else
			head = m;
	} while (done < len);
	lcore_call(0, arrive_on_lcore, head);
	return true;
}

void fake_uplink_check(void)
{
	char text[sizeof(violation)];

	pthread_mutex_lock(&lock);
	memcpy(text, violation, sizeof(text));
	violation[0] = '\0';
	pthread_mutex_unlock(&lock);
	if (text[0])
		fail_msg("uplink: %s", text);
}
