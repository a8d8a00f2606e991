/* SPDX-License-Identifier: BSD-3-Clause */
/* The replication stream's frames; see stream.h. */
#include <stdio.h>

#include "crc32c.h"
#include "stream.h"

static const uint8_t magic[8] = {'R', 'E', 'N', 'I', 'C', 'R', 'E', 'M'};

static const char *const type_names[FRAME_TYPES] = {
	[FRAME_HELLO] = "hello",
	[FRAME_VM] = "vm",
	[FRAME_PAGES] = "pages",
	[FRAME_BLOB] = "blob",
	[FRAME_SNAPSHOT] = "snapshot",
	[FRAME_HELD] = "held",
	[FRAME_END] = "end",
	[FRAME_ACK] = "ack",
	[FRAME_HEARTBEAT] = "heartbeat",
	[FRAME_HANDOVER] = "handover",
	[FRAME_TAKEN] = "taken",
	[FRAME_REFUSE] = "refuse",
	[FRAME_BYE] = "bye",
	[FRAME_ABORT] = "abort",
};

const char *stream_type_name(unsigned type)
{
	return type < FRAME_TYPES && type_names[type] ? type_names[type] : "unknown";
}

static uint32_t frame_crc(const uint8_t *header, const uint8_t *payload, uint32_t bytes)
{
	return crc32c(crc32c(0, header, 8), payload, bytes);
}

void stream_seal(uint8_t *buf, enum frame_type type, uint32_t bytes)
{
	struct wire_out w = {.p = buf, .end = buf + STREAM_HEADER_BYTES};

	put_u32(&w, type);
	put_u32(&w, bytes);
	put_u32(&w, frame_crc(buf, buf + STREAM_HEADER_BYTES, bytes));
}

long stream_frame(const uint8_t *bytes, size_t n, struct frame *frame, struct nic_error *err)
{
	struct wire_in r = {.p = bytes, .end = bytes + n};
	uint32_t type, length, crc;

	if (n < STREAM_HEADER_BYTES)
		return 0;
	type = get_u32(&r);
	length = get_u32(&r);
	crc = get_u32(&r);
	if (type == 0 || type >= FRAME_TYPES)
		return nic_fail(err, RENIC_E_PARSE, "type", "frame of unknown type %u", type);
	if (length > STREAM_PAYLOAD_MAX)
		return nic_fail(err, RENIC_E_PARSE, "length", "%s frame of %u bytes, at most %d",
			type_names[type], length, STREAM_PAYLOAD_MAX);
	if (get_left(&r) < length)
		return 0;
	if (frame_crc(bytes, r.p, length) != crc)
		return nic_fail(err, RENIC_E_PARSE, "crc", "%s frame with a wrong CRC32C",
			type_names[type]);
	*frame = (struct frame){type, r.p, length};
	return STREAM_HEADER_BYTES + (long)length;
}

/* ---- messages ---- */

static struct wire_out begin(uint8_t *buf)
{
	return (struct wire_out){.p = buf + STREAM_HEADER_BYTES, .end = buf + STREAM_FRAME_MAX};
}

static size_t finish(uint8_t *buf, const struct wire_out *w, enum frame_type type)
{
	uint32_t bytes = (uint32_t)(w->p - buf - STREAM_HEADER_BYTES);

	stream_seal(buf, type, bytes);
	return STREAM_HEADER_BYTES + bytes;
}

static struct wire_in open_frame(const struct frame *f)
{
	return (struct wire_in){.p = f->payload, .end = f->payload + f->bytes};
}

/* Everything was there, nothing is left over, and `ok`. */
static int close_frame(
	const struct wire_in *r, const struct frame *f, bool ok, struct nic_error *err)
{
	if (!r->failed && r->p == r->end && ok)
		return 0;
	return nic_fail(err, RENIC_E_PARSE, stream_type_name(f->type),
		"%s frame that makes no sense", stream_type_name(f->type));
}

/* A string in a field of fixed size: NUL at its end, printable, nothing but NULs after it. */
static bool text_is_valid(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && text[i] >= ' ' && text[i] < 0x7f)
		i++;
	if (i == size)
		return false;
	for (; i < size; i++)
		if (text[i])
			return false;
	return true;
}

size_t stream_put_hello(uint8_t *buf, const struct msg_hello *m)
{
	struct wire_out w = begin(buf);

	put_bytes(&w, magic, sizeof(magic));
	put_u16(&w, m->version);
	put_u16(&w, m->compatible);
	put_u8(&w, m->side);
	put_u8(&w, m->n_vms);
	put_u64(&w, m->term);
	put_u64(&w, m->session);
	put_u64(&w, m->epoch);
	put_u32(&w, m->heartbeat_ms);
	put_u32(&w, m->timeout_ms);
	put_bytes(&w, m->group, sizeof(m->group));
	return finish(buf, &w, FRAME_HELLO);
}

int stream_get_hello(const struct frame *f, struct msg_hello *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);
	uint8_t start[sizeof(magic)];

	get_bytes(&r, start, sizeof(start));
	if (memcmp(start, magic, sizeof(magic)))
		return nic_fail(err, RENIC_E_PARSE, "magic", "the peer is no renic-remus");
	m->version = get_u16(&r);
	m->compatible = get_u16(&r);
	if (m->compatible > STREAM_VERSION || m->version < m->compatible)
		return nic_fail(err, RENIC_E_PARSE, "version",
			"the peer speaks version %u of the stream, down to %u; expected %d",
			m->version, m->compatible, STREAM_VERSION);
	m->side = get_u8(&r);
	m->n_vms = get_u8(&r);
	m->term = get_u64(&r);
	m->session = get_u64(&r);
	m->epoch = get_u64(&r);
	m->heartbeat_ms = get_u32(&r);
	m->timeout_ms = get_u32(&r);
	get_bytes(&r, m->group, sizeof(m->group));
	return close_frame(&r, f,
		m->side <= REMUS_STANDBY && m->n_vms > 0 && m->n_vms <= STREAM_VMS_MAX &&
			text_is_valid(m->group, sizeof(m->group)),
		err);
}

size_t stream_put_vm(uint8_t *buf, const struct msg_vm *m)
{
	struct wire_out w = begin(buf);
	size_t machine_bytes;

	put_u8(&w, m->index);
	put_u8(&w, m->n_vfs);
	put_u8(&w, m->n_regions);
	put_bytes(&w, m->name, sizeof(m->name));
	put_bytes(&w, m->driver, sizeof(m->driver));
	for (unsigned i = 0; i < m->n_regions; i++) {
		put_u64(&w, m->regions[i].gpa);
		put_u64(&w, m->regions[i].bytes);
	}
	machine_bytes = strnlen(m->machine, sizeof(m->machine) - 1);
	if (machine_bytes) {
		put_u16(&w, (uint16_t)machine_bytes);
		put_bytes(&w, m->machine, machine_bytes);
	}
	return finish(buf, &w, FRAME_VM);
}

/* u16 bytes, printable and newlines; false: they are not, or too many, or none. Version 1 ends
 * before them. */
static bool get_lines(struct wire_in *r, char *text, size_t size)
{
	size_t n;
	bool ok;

	text[0] = '\0';
	if (!get_left(r))
		return true;
	n = get_u16(r);
	ok = n > 0 && n < size;
	if (!ok)
		return false;
	get_bytes(r, text, n);
	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		ok &= text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f);
	return ok;
}

int stream_get_vm(const struct frame *f, struct msg_vm *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);
	bool ok;

	m->index = get_u8(&r);
	m->n_vfs = get_u8(&r);
	m->n_regions = get_u8(&r);
	get_bytes(&r, m->name, sizeof(m->name));
	get_bytes(&r, m->driver, sizeof(m->driver));
	ok = m->index < STREAM_VMS_MAX && m->n_vfs <= STREAM_VFS_MAX &&
	     m->n_regions <= REMUS_REGIONS_MAX && text_is_valid(m->name, sizeof(m->name)) &&
	     text_is_valid(m->driver, sizeof(m->driver));
	for (unsigned i = 0; ok && i < m->n_regions; i++) {
		m->regions[i].gpa = get_u64(&r);
		m->regions[i].bytes = get_u64(&r);
	}
	return close_frame(&r, f, ok && get_lines(&r, m->machine, sizeof(m->machine)), err);
}

size_t stream_put_end(uint8_t *buf, const struct msg_end *m)
{
	struct wire_out w = begin(buf);

	put_u64(&w, m->term);
	put_u64(&w, m->epoch);
	put_u64(&w, m->pages);
	put_u64(&w, m->blob_bytes);
	put_u32(&w, m->snapshots);
	put_u64(&w, m->held_bytes);
	return finish(buf, &w, FRAME_END);
}

int stream_get_end(const struct frame *f, struct msg_end *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);

	m->term = get_u64(&r);
	m->epoch = get_u64(&r);
	m->pages = get_u64(&r);
	m->blob_bytes = get_u64(&r);
	m->snapshots = get_u32(&r);
	m->held_bytes = get_u64(&r);
	return close_frame(&r, f, m->epoch > 0, err);
}

size_t stream_put_ack(uint8_t *buf, const struct msg_ack *m)
{
	struct wire_out w = begin(buf);

	put_u64(&w, m->term);
	put_u64(&w, m->epoch);
	return finish(buf, &w, FRAME_ACK);
}

int stream_get_ack(const struct frame *f, struct msg_ack *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);

	m->term = get_u64(&r);
	m->epoch = get_u64(&r);
	return close_frame(&r, f, m->epoch > 0, err);
}

size_t stream_put_refuse(uint8_t *buf, const struct msg_refuse *m)
{
	struct wire_out w = begin(buf);

	put_u8(&w, m->reason);
	put_u64(&w, m->term);
	put_bytes(&w, m->text, sizeof(m->text));
	return finish(buf, &w, FRAME_REFUSE);
}

int stream_get_refuse(const struct frame *f, struct msg_refuse *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);

	m->reason = get_u8(&r);
	m->term = get_u64(&r);
	get_bytes(&r, m->text, sizeof(m->text));
	return close_frame(&r, f,
		m->reason > 0 && m->reason < REFUSE_REASONS &&
			text_is_valid(m->text, sizeof(m->text)),
		err);
}

size_t stream_put_handover(uint8_t *buf, const struct msg_handover *m)
{
	struct wire_out w = begin(buf);

	put_u8(&w, m->lost);
	put_u64(&w, m->term);
	put_u64(&w, m->epoch);
	return finish(buf, &w, FRAME_HANDOVER);
}

int stream_get_handover(const struct frame *f, struct msg_handover *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);

	m->lost = get_u8(&r);
	m->term = get_u64(&r);
	m->epoch = get_u64(&r);
	return close_frame(&r, f, m->lost <= 1, err);
}

size_t stream_put_taken(uint8_t *buf, const struct msg_taken *m)
{
	struct wire_out w = begin(buf);

	put_u8(&w, m->ok);
	put_u64(&w, m->term);
	put_bytes(&w, m->text, sizeof(m->text));
	return finish(buf, &w, FRAME_TAKEN);
}

int stream_get_taken(const struct frame *f, struct msg_taken *m, struct nic_error *err)
{
	struct wire_in r = open_frame(f);

	m->ok = get_u8(&r);
	m->term = get_u64(&r);
	get_bytes(&r, m->text, sizeof(m->text));
	return close_frame(&r, f, m->ok <= 1 && text_is_valid(m->text, sizeof(m->text)), err);
}

size_t stream_put_empty(uint8_t *buf, enum frame_type type)
{
	stream_seal(buf, type, 0);
	return STREAM_HEADER_BYTES;
}
