/* SPDX-License-Identifier: BSD-3-Clause */
/* See guest_memory.h. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "guest_memory.h"
#include "types.h"

struct map {
	uintptr_t start, end; /* atomic; end 0: none */
};

struct guest_memory {
	struct map maps[GUEST_MAPS_MAX];
	int conn_fd;	/* atomic */
	uint32_t state; /* atomic: enum guest_memory_state */
	bool in_use;	/* control thread */
};

static struct guest_memory all[VF_MAX];
static __thread struct guest_memory *expected;

/* ---- the handler: any thread, async-signal-safe calls only ---- */

/* Maps of huge pages can be replaced in huge pages alone. */
static const uintptr_t page_sizes[] = {1UL << 12, 1UL << 21, 1UL << 30};

/* Ours, zeroes, from the page at `at` up to `end` (0: that page alone). */
static bool replace(uintptr_t at, uintptr_t end)
{
	for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
		uintptr_t from = at & ~(page_sizes[i] - 1);
		uintptr_t to = ((end ? end : from + 1) + page_sizes[i] - 1) & ~(page_sizes[i] - 1);

		if (mmap((void *)from, to - from, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			    0) != MAP_FAILED)
			return true;
	}
	return false;
}

static void hang_up(struct guest_memory *memory, enum guest_memory_state state)
{
	int fd = __atomic_load_n(&memory->conn_fd, __ATOMIC_ACQUIRE);

	__atomic_store_n(&memory->state, state, __ATOMIC_RELEASE);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
}

/* Whose it is, and where the map ends. */
static struct guest_memory *find(uintptr_t at, uintptr_t *end)
{
	for (int i = 0; i < VF_MAX; i++) {
		for (int m = 0; m < GUEST_MAPS_MAX; m++) {
			const struct map *map = &all[i].maps[m];

			*end = __atomic_load_n(&map->end, __ATOMIC_ACQUIRE);
			if (at < *end && at >= __atomic_load_n(&map->start, __ATOMIC_RELAXED))
				return &all[i];
		}
	}
	*end = 0;
	return expected;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, end;
	int saved_errno = errno;
	struct guest_memory *memory;

	memory = info->si_code > 0 ? find(at, &end) : NULL; /* <= 0: sent by a process */
	if (memory && replace(at, end))
		hang_up(memory, GUEST_MEMORY_LOST);
	else
		signal(SIGBUS, SIG_DFL); /* and again, for good */
	if (!memory && info->si_code <= 0)
		raise(SIGBUS);
	errno = saved_errno;
}

static bool has_handler;

static void install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	has_handler = sigaction(SIGBUS, &action, NULL) == 0;
}

/* ---- the table ---- */

struct guest_memory *guest_memory_take(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	for (int i = 0; has_handler && i < VF_MAX; i++) {
		if (all[i].in_use)
			continue;
		all[i].in_use = true;
		guest_memory_connect(&all[i], -1);
		return &all[i];
	}
	return NULL;
}

void guest_memory_give(struct guest_memory *memory)
{
	guest_memory_connect(memory, -1);
	memory->in_use = false;
}

void guest_memory_set(struct guest_memory *memory, unsigned which, const void *start, size_t bytes)
{
	struct map *map = &memory->maps[which];

	__atomic_store_n(&map->end, 0, __ATOMIC_SEQ_CST);
	if (!bytes)
		return;
	__atomic_store_n(&map->start, (uintptr_t)start, __ATOMIC_SEQ_CST);
	__atomic_store_n(&map->end, (uintptr_t)start + bytes, __ATOMIC_SEQ_CST);
}

bool guest_memory_has(const struct guest_memory *memory, const void *start)
{
	for (int m = 0; m < GUEST_MAPS_MAX; m++)
		if (memory->maps[m].end && memory->maps[m].start == (uintptr_t)start)
			return true;
	return false;
}

void guest_memory_connect(struct guest_memory *memory, int fd)
{
	for (unsigned m = 0; m < GUEST_MAPS_MAX; m++)
		guest_memory_set(memory, m, NULL, 0);
	__atomic_store_n(&memory->state, GUEST_MEMORY_GOOD, __ATOMIC_RELEASE);
	__atomic_store_n(&memory->conn_fd, fd, __ATOMIC_RELEASE);
}

void guest_memory_expect(struct guest_memory *memory)
{
	expected = memory;
}

void guest_memory_shun(struct guest_memory *memory, enum guest_memory_state why)
{
	hang_up(memory, why);
}

enum guest_memory_state guest_memory_state(const struct guest_memory *memory)
{
	return __atomic_load_n(&memory->state, __ATOMIC_RELAXED);
}
