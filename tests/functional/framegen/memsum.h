/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sum over every byte of the memory that framegen shares with the back-end: rings and buffers.
 * While framegen itself is quiet (receiving off, no job), it changes only if the back-end wrote.
 */
#ifndef FRAMEGEN_MEMSUM_H
#define FRAMEGEN_MEMSUM_H

#include <stdint.h>

uint64_t memsum(void);

#endif
