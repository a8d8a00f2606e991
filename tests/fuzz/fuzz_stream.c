/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A primary's stream, as a standby takes it: hello, VMs, then checkpoints. The sums are put right
 * first when the first byte says so. What must hold: what is refused changes neither RAM nor
 * what is held, once a checkpoint is; memory stays bounded; messages that decode, encode to the
 * same.
 */
#include "../unit/remus_guest.h"
#include "crc32c.h"
#include "fuzz.h"

static struct guest guest;

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return le32toh(n);
}

/* Each frame's sum, as far as the frames can be followed. */
static void mend(uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (n - at >= STREAM_HEADER_BYTES) {
		uint32_t payload = u32_at(bytes + at + 4);

		if (payload > n - at - STREAM_HEADER_BYTES)
			return;
		stream_seal(bytes + at, u32_at(bytes + at), payload);
		at += STREAM_HEADER_BYTES + payload;
	}
}

#define TRY(kind, f)                                                                               \
	do {                                                                                       \
		static uint8_t again[STREAM_FRAME_MAX];                                            \
		struct nic_error why = {0};                                                        \
		struct msg_##kind m;                                                               \
                                                                                                   \
		memset(&m, 0, sizeof(m));                                                          \
		if (stream_get_##kind(f, &m, &why)) {                                              \
			FUZZ_REQUIRE(why.message[0]);                                              \
			break;                                                                     \
		}                                                                                  \
		FUZZ_REQUIRE(stream_put_##kind(again, &m) == STREAM_HEADER_BYTES + (f)->bytes);    \
		FUZZ_REQUIRE(!memcmp(again + STREAM_HEADER_BYTES, (f)->payload, (f)->bytes));      \
	} while (0)

static void try_message(const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		TRY(hello, f);
		break;
	case FRAME_VM:
		TRY(vm, f);
		break;
	case FRAME_ACK:
		TRY(ack, f);
		break;
	case FRAME_REFUSE:
		TRY(refuse, f);
		break;
	case FRAME_HANDOVER:
		TRY(handover, f);
		break;
	case FRAME_TAKEN:
		TRY(taken, f);
		break;
	default:
		break;
	}
}

/* A frame that is refused, once something is held, leaves RAM as it was. */
static int take(struct replica *r, const struct frame *f)
{
	uint32_t before = r->valid ? crc32c(0, stub.ram, sizeof(stub.ram)) : 0;
	uint64_t epoch = r->epoch;
	struct nic_error why = {0};
	bool held = r->valid;
	int rc;

	rc = f->type == FRAME_END ? replica_commit(r, f, &why) : replica_take(r, f, &why);
	if (rc)
		FUZZ_REQUIRE(why.message[0]);
	for (unsigned i = 0; i < r->n_vms; i++) {
		const struct held_bytes *e = &r->vms[i].egress[0].held;

		FUZZ_REQUIRE(held_check(e->bytes, e->n, 1, r->epoch));
	}
	if (held && (rc || f->type != FRAME_END)) {
		FUZZ_REQUIRE(r->valid && r->epoch == epoch);
		FUZZ_REQUIRE(crc32c(0, stub.ram, sizeof(stub.ram)) == before);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct replica replica;
	struct nic_error err = {0};
	struct frame f;
	uint8_t *bytes;
	size_t at = 0;
	long n;

	if (!size)
		return 0;
	guest_make(&guest);
	FUZZ_REQUIRE(!replica_init(&replica, &guest, 1, &err));
	FUZZ_REQUIRE(!replica_begin(&replica, 1, 3, &err));
	bytes = fuzz_copy(data + 1, --size);
	if (data[0] & 1)
		mend(bytes, size);
	while ((n = stream_frame(bytes + at, size - at, &f, &err)) > 0) {
		try_message(&f);
		if (f.type >= FRAME_PAGES && f.type <= FRAME_END && take(&replica, &f))
			break;
		at += (size_t)n;
	}
	if (n < 0)
		FUZZ_REQUIRE(err.message[0]);
	replica_fini(&replica);
	free(bytes);
	return 0;
}
