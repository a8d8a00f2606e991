/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core it runs on writes to memory that no cache holds, in bytes a second: huge pages
 * filled again and again, once with ordinary stores (memset) and once with stores that go past
 * the caches. The bound of what a core can hold of frames. Prints {"memset": ..., "stream": ...};
 * pin it with taskset.
 *
 * usage: dram_write [SECONDS_EACH]
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { BYTES = 256 << 20, PIECE = 1 << 20 };

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void fill_plain(uint8_t *piece, int value)
{
	memset(piece, value, PIECE);
}

static void fill_stream(uint8_t *piece, int value)
{
	__m128i bytes = _mm_set1_epi8((char)value);

	for (size_t i = 0; i < PIECE; i += sizeof(bytes))
		_mm_stream_si128((__m128i *)(piece + i), bytes);
	_mm_sfence();
}

static double rate(uint8_t *memory, void (*fill)(uint8_t *piece, int value), double seconds)
{
	double start = now_s(), end = start + seconds, now;
	uint64_t pieces = 0;

	do {
		fill(memory + pieces % (BYTES / PIECE) * PIECE, (int)pieces);
		pieces++;
		now = now_s();
	} while (now < end);
	return (double)pieces * PIECE / (now - start);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 0.5;
	uint8_t *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED || seconds <= 0) {
		fprintf(stderr, "dram_write: needs %d MiB of huge pages, and a time in seconds\n",
			BYTES >> 20);
		return 1;
	}
	printf("{\"memset\": %.0f, \"stream\": %.0f}\n", rate(memory, fill_plain, seconds),
		rate(memory, fill_stream, seconds));
	return 0;
}
