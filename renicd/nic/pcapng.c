/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of type, length, body, length again; see pcapng.h. Native byte order, as the format has
 * the reader swap. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "pcapng.h"

enum {
	BLOCK_SECTION = 0x0A0D0D0A,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1A2B3C4D,
	LINKTYPE_ETHERNET = 1,
	OPTION_SHB_USERAPPL = 4,
	OPTION_IF_NAME = 2,
	OPTION_IF_TSRESOL = 9,
	OPTION_IF_FILTER = 11,
	OPTION_EPB_FLAGS = 2,
	OPTION_EPB_QUEUE = 6,
	OPTION_ISB_IFRECV = 4,
	OPTION_ISB_IFDROP = 5,
	BLOCK_FRAME = 12, /* type and both lengths */
	NANOSECONDS = 9,
};

struct option {
	uint16_t code;
	uint16_t len;
	const void *value;
};

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~UINT32_C(3);
}

static uint32_t options_bytes(const struct option *options, unsigned n)
{
	uint32_t bytes = 4; /* the end of options */

	for (unsigned i = 0; i < n; i++)
		bytes += options[i].len ? 4 + padded(options[i].len) : 0;
	return bytes;
}

static void put(FILE *out, const void *bytes, uint32_t len)
{
	static const char zeros[4];

	if (!len)
		return;
	fwrite(bytes, 1, len, out);
	fwrite(zeros, 1, padded(len) - len, out);
}

static void put_options(FILE *out, const struct option *options, unsigned n)
{
	const uint32_t end = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!options[i].len)
			continue;
		put(out, &options[i], 4);
		put(out, options[i].value, options[i].len);
	}
	put(out, &end, sizeof(end));
}

/* A block of a fixed part, bytes, and options. */
static int put_block(FILE *out, uint32_t type, const void *fixed, uint32_t fixed_len,
	const void *bytes, uint32_t len, const struct option *options, unsigned n)
{
	uint32_t total = BLOCK_FRAME + fixed_len + padded(len) + options_bytes(options, n);

	put(out, &type, sizeof(type));
	put(out, &total, sizeof(total));
	put(out, fixed, fixed_len);
	put(out, bytes, len);
	put_options(out, options, n);
	put(out, &total, sizeof(total));
	return ferror(out) ? -(errno ? errno : EIO) : 0;
}

static struct option text_option(uint16_t code, const char *text)
{
	return (struct option){.code = code, .len = (uint16_t)strlen(text), .value = text};
}

int pcapng_begin(
	FILE *out, const char *program, const char *interface, const char *filter, uint32_t snaplen)
{
	static const uint8_t resolution = NANOSECONDS;
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t section_len[2]; /* unknown: all ones */
	} section = {BYTE_ORDER_MAGIC, 1, 0, {UINT32_MAX, UINT32_MAX}};
	const struct {
		uint16_t linktype, reserved;
		uint32_t snaplen;
	} ethernet = {LINKTYPE_ETHERNET, 0, snaplen};
	const struct option section_options[] = {text_option(OPTION_SHB_USERAPPL, program)};
	char program_text[1 + 512]; /* a filter's first byte says that it is a text */
	struct option interface_options[] = {
		text_option(OPTION_IF_NAME, interface),
		{OPTION_IF_TSRESOL, sizeof(resolution), &resolution},
		{OPTION_IF_FILTER, 0, program_text},
	};
	int rc;

	if (filter[0]) {
		program_text[0] = 0;
		snprintf(program_text + 1, sizeof(program_text) - 1, "%s", filter);
		interface_options[2].len = (uint16_t)(1 + strlen(program_text + 1));
	}
	rc = put_block(out, BLOCK_SECTION, &section, sizeof(section), NULL, 0, section_options, 1);
	return rc ? rc
		  : put_block(out, BLOCK_INTERFACE, &ethernet, sizeof(ethernet), NULL, 0,
			    interface_options, 3);
}

static void split(uint64_t time_ns, uint32_t halves[2])
{
	halves[0] = (uint32_t)(time_ns >> 32);
	halves[1] = (uint32_t)time_ns;
}

int pcapng_packet(FILE *out, const struct pcapng_packet *packet)
{
	uint32_t flags = packet->direction;
	struct {
		uint32_t interface, time[2], len, wire_len;
	} fixed = {.len = packet->len, .wire_len = packet->wire_len};
	const struct option options[] = {
		{OPTION_EPB_FLAGS, sizeof(flags), &flags},
		{OPTION_EPB_QUEUE, sizeof(packet->queue), &packet->queue},
	};

	split(packet->time_ns, fixed.time);
	return put_block(
		out, BLOCK_PACKET, &fixed, sizeof(fixed), packet->bytes, packet->len, options, 2);
}

uint64_t pcapng_packet_bytes(uint32_t len)
{
	return BLOCK_FRAME + 20 + padded(len) + 2 * 8 + 4;
}

int pcapng_end(FILE *out, uint64_t time_ns, uint64_t received, uint64_t dropped)
{
	struct {
		uint32_t interface, time[2];
	} fixed = {0};
	const struct option options[] = {
		{OPTION_ISB_IFRECV, sizeof(received), &received},
		{OPTION_ISB_IFDROP, sizeof(dropped), &dropped},
	};

	split(time_ns, fixed.time);
	return put_block(out, BLOCK_STATISTICS, &fixed, sizeof(fixed), NULL, 0, options, 2);
}
