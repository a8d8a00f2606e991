/* SPDX-License-Identifier: BSD-3-Clause */
/* The staging ring; see staging.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "staging.h"

enum { SLOTS_MIN = 16, POPS_PER_WAKE = 64 };

int staging_init(struct staging *s, size_t bytes)
{
	pthread_condattr_t attr;
	size_t n = SLOTS_MIN;

	while (n * 2 * REMUS_PAGE_BYTES <= bytes)
		n *= 2;
	memset(s, 0, sizeof(*s));
	s->n = n;
	s->slots = calloc(n, sizeof(*s->slots));
	s->data = mmap(NULL, n * REMUS_PAGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!s->slots || s->data == MAP_FAILED) {
		free(s->slots);
		return -ENOMEM;
	}
	madvise(s->data, n * REMUS_PAGE_BYTES, MADV_HUGEPAGE);
	/* Touched now, so that no pause pays for it. */
	memset(s->data, 1, n * REMUS_PAGE_BYTES);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->data_there, &attr);
	pthread_cond_init(&s->space_there, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void staging_fini(struct staging *s)
{
	if (!s->slots)
		return;
	munmap(s->data, s->n * REMUS_PAGE_BYTES);
	free(s->slots);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->data_there);
	pthread_cond_destroy(&s->space_there);
	s->slots = NULL;
}

static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

bool staging_is_dead(const struct staging *s)
{
	return __atomic_load_n(&s->dead, __ATOMIC_ACQUIRE);
}

uint64_t staging_room(const struct staging *s)
{
	return s->n - (s->tail - load(&s->head));
}

uint8_t *staging_next(struct staging *s, struct slot slot)
{
	uint64_t at = s->tail & (s->n - 1);

	if (staging_room(s) == 0)
		return NULL;
	s->slots[at] = slot;
	s->tail++;
	return s->data + at * REMUS_PAGE_BYTES;
}

void staging_publish(struct staging *s)
{
	pthread_mutex_lock(&s->lock);
	__atomic_store_n(&s->published, s->tail, __ATOMIC_RELEASE);
	pthread_cond_signal(&s->data_there);
	pthread_mutex_unlock(&s->lock);
}

uint8_t *staging_next_wait(struct staging *s, struct slot slot)
{
	uint8_t *data = staging_next(s, slot);

	if (data)
		return data;
	s->waits++;
	staging_publish(s);
	pthread_mutex_lock(&s->lock);
	while (staging_room(s) == 0 && !staging_is_dead(s))
		pthread_cond_wait(&s->space_there, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return staging_is_dead(s) ? NULL : staging_next(s, slot);
}

int staging_put(struct staging *s, struct slot slot, const void *data, size_t bytes)
{
	const uint8_t *from = data;

	do {
		size_t n = bytes < REMUS_PAGE_BYTES ? bytes : REMUS_PAGE_BYTES;
		uint8_t *to;

		slot.bytes = (uint16_t)n;
		to = staging_next_wait(s, slot);
		if (!to)
			return -EPIPE;
		if (n)
			memcpy(to, from, n);
		from += n;
		bytes -= n;
	} while (bytes);
	return 0;
}

void staging_reset(struct staging *s)
{
	pthread_mutex_lock(&s->lock);
	s->tail = s->published = s->head = 0;
	__atomic_store_n(&s->dead, false, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->lock);
}

static bool has_data(const struct staging *s)
{
	return load(&s->published) != s->head;
}

const struct slot *staging_peek(struct staging *s, int timeout_ms, const uint8_t **data)
{
	int64_t until = now_ns() + timeout_ms * NS_PER_MS;
	struct timespec ts = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
	uint64_t at = s->head & (s->n - 1);

	if (!has_data(s) && timeout_ms > 0) {
		int rc = 0;

		pthread_mutex_lock(&s->lock);
		while (!has_data(s) && !staging_is_dead(s) && rc == 0)
			rc = pthread_cond_timedwait(&s->data_there, &s->lock, &ts);
		pthread_mutex_unlock(&s->lock);
	}
	if (!has_data(s) || staging_is_dead(s))
		return NULL;
	*data = s->data + at * REMUS_PAGE_BYTES;
	return &s->slots[at];
}

/* A waiting producer is woken for many slots at once. */
void staging_pop(struct staging *s)
{
	uint64_t head = s->head + 1;

	__atomic_store_n(&s->head, head, __ATOMIC_RELEASE);
	if (head % POPS_PER_WAKE && has_data(s))
		return;
	pthread_mutex_lock(&s->lock);
	pthread_cond_signal(&s->space_there);
	pthread_mutex_unlock(&s->lock);
}

void staging_kill(struct staging *s)
{
	pthread_mutex_lock(&s->lock);
	__atomic_store_n(&s->dead, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&s->data_there);
	pthread_cond_broadcast(&s->space_there);
	pthread_mutex_unlock(&s->lock);
}
