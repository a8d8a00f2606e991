/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C (Castagnoli; RFC 3720, section 12.1): reflected, start and end inverted. Any thread. */
#ifndef RENIC_CRC32C_H
#define RENIC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `bytes` bytes that follow those whose CRC is `crc`; 0 for the first. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same without the processor's instruction for it, as it is where there is none. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
