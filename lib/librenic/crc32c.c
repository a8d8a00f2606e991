/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CRC32C; see crc32c.h. A checkpoint makes one snapshot a VF while VMs are paused, so that where
 * the processor knows this CRC (SSE 4.2), it is asked; else four bits at a time, by a table that
 * needs no set-up.
 */
#include <string.h>

#include "crc32c.h"

/* The CRC of the four low bits, polynomial 0x82f63b78 (0x1edc6f41, reflected). */
static const uint32_t nibble_crcs[16] = {
	0x00000000,
	0x105ec76f,
	0x20bd8ede,
	0x30e349b1,
	0x417b1dbc,
	0x5125dad3,
	0x61c69362,
	0x7198540d,
	0x82f63b78,
	0x92a8fc17,
	0xa24bb5a6,
	0xb21572c9,
	0xc38d26c4,
	0xd3d3e1ab,
	0xe330a81a,
	0xf36e6f75,
};

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (; bytes; bytes--) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibble_crcs[crc & 15];
		crc = crc >> 4 ^ nibble_crcs[crc & 15];
	}
	return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(
	uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint64_t sum = (uint32_t)~crc, word;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	for (; bytes; bytes--)
		sum = __builtin_ia32_crc32qi((uint32_t)sum, *p++);
	return ~(uint32_t)sum;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, data, bytes)
						: crc32c_portable(crc, data, bytes);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	return crc32c_portable(crc, data, bytes);
}

#endif
