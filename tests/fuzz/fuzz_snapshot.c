/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A snapshot from a backup's peer. What decodes, encodes, and decodes to the same; what does not
 * leaves the struct as it was and names a field. The sums are put right first when the first byte
 * says so: no fuzzer guesses a CRC32C. And base64: text that decodes is what its bytes encode to.
 */
#include <jansson.h>
#include <renic_snapshot.h>

#include "crc32c.h"
#include "fuzz.h"

enum {
	HEADER_BYTES = 20,
	LENGTH_AT = 12,
	HEADER_CRC_AT = 16,
	SECTION_BYTES = 12,
	CRC_AT = 8,
};

static uint32_t u32_at(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u32(uint8_t *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(n >> 8 * i);
}

/* Total length, the header's sum and every section's, as far as the sections can be followed. */
static void mend(uint8_t *bytes, size_t n)
{
	size_t at = HEADER_BYTES;

	if (n < HEADER_BYTES)
		return;
	put_u32(bytes + LENGTH_AT, (uint32_t)n);
	put_u32(bytes + HEADER_CRC_AT, crc32c(0, bytes, HEADER_CRC_AT));
	while (n - at >= SECTION_BYTES) {
		size_t payload = u32_at(bytes + at + 4);
		uint32_t crc;

		if (payload > n - at - SECTION_BYTES)
			return;
		crc = crc32c(0, bytes + at, CRC_AT);
		put_u32(bytes + at + CRC_AT, crc32c(crc, bytes + at + SECTION_BYTES, payload));
		at += SECTION_BYTES + payload;
	}
}

static void check_taken(const struct renic_snapshot *snapshot)
{
	uint8_t again[RENIC_SNAPSHOT_MAX_BYTES], twice[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot decoded;
	size_t n = renic_snapshot_encode(snapshot, again, sizeof(again));
	json_t *json = renic_snapshot_json(snapshot);

	FUZZ_REQUIRE(n > 0 && json);
	FUZZ_REQUIRE(!renic_snapshot_decode(again, n, &decoded, NULL));
	FUZZ_REQUIRE(renic_snapshot_encode(&decoded, twice, sizeof(twice)) == n);
	FUZZ_REQUIRE(!memcmp(again, twice, n));
	json_decref(json);
}

static void try_snapshot(const uint8_t *bytes, size_t n)
{
	struct renic_snapshot snapshot, before;
	struct renic_snapshot_error err = {0};

	memset(&snapshot, 0xa5, sizeof(snapshot));
	before = snapshot;
	if (!renic_snapshot_decode(bytes, n, &snapshot, &err)) {
		check_taken(&snapshot);
		return;
	}
	FUZZ_REQUIRE(err.field[0] && err.message[0]);
	FUZZ_REQUIRE(!memcmp(&snapshot, &before, sizeof(before)));
}

static void try_base64(const uint8_t *bytes, size_t n)
{
	char *text = malloc(n + 1), *again = malloc(RENIC_BASE64_SIZE(n));
	uint8_t *out = malloc(n + 1);
	size_t decoded;

	FUZZ_REQUIRE(text && again && out);
	memcpy(text, bytes, n);
	text[n] = '\0';
	if (!renic_base64_decode(text, out, n + 1, &decoded)) {
		renic_base64_encode(out, decoded, again, RENIC_BASE64_SIZE(n));
		FUZZ_REQUIRE(!strcmp(again, text));
	}
	FUZZ_REQUIRE(!n || renic_base64_encode(bytes, n, again, RENIC_BASE64_SIZE(n)));
	if (n) {
		FUZZ_REQUIRE(!renic_base64_decode(again, out, n + 1, &decoded) && decoded == n);
		FUZZ_REQUIRE(!memcmp(out, bytes, n));
	}
	free(text);
	free(again);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;

	if (!size)
		return 0;
	bytes = fuzz_copy(data + 1, size - 1);
	if (data[0] & 1)
		mend(bytes, size - 1);
	try_snapshot(bytes, size - 1);
	try_base64(bytes, size - 1);
	free(bytes);
	return 0;
}
