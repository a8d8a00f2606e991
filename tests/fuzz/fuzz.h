/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What fuzz targets have in common. A target is a file fuzz_NAME.c with libFuzzer's entry
 * (https://llvm.org/docs/LibFuzzer.html): bytes in, nothing out; what must hold for whatever comes
 * is said with FUZZ_REQUIRE(), the rest is found by the sanitizers. Linked with libFuzzer
 * (-Dfuzz=true), or with seeds.c, which runs each file of the corpus once. One thread.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy in memory of exactly its size, so that a sanitizer sees a read beyond it. Free it. */
static inline void *fuzz_copy(const void *bytes, size_t n)
{
	void *copy = malloc(n ? n : 1);

	FUZZ_REQUIRE(copy);
	memcpy(copy, bytes, n);
	return copy;
}

#endif
