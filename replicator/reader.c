/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames out of a connection; see reader.h. */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "reader.h"

int reader_init(struct reader *r, struct nic_error *err)
{
	*r = (struct reader){.buf = malloc(READER_BYTES)};
	return r->buf ? 0 : nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
}

void reader_fini(struct reader *r)
{
	free(r->buf);
	r->buf = NULL;
}

void reader_clear(struct reader *r)
{
	r->head = r->tail = 0;
}

int reader_next(struct reader *r, struct conn *c, int timeout_ms, struct frame *frame, bool *got,
	struct nic_error *err)
{
	int64_t deadline = now_ns() + timeout_ms * NS_PER_MS;

	*got = false;
	for (;;) {
		long n = stream_frame(r->buf + r->head, r->tail - r->head, frame, err);
		ssize_t read;

		if (n < 0)
			return (int)n;
		if (n > 0) {
			r->head += (size_t)n;
			return 1;
		}
		/* A frame is moved to the front only when the rest of it may not fit. */
		if (READER_BYTES - r->head < STREAM_FRAME_MAX || r->head == r->tail) {
			memmove(r->buf, r->buf + r->head, r->tail - r->head);
			r->tail -= r->head;
			r->head = 0;
		}
		read = conn_read(c, r->buf + r->tail, READER_BYTES - r->tail,
			ms_until(deadline, timeout_ms));
		if (read == -ETIMEDOUT)
			return 0;
		if (read < 0)
			return nic_fail(err, RENIC_E_IO, "", "%s: %s", conn_peer(c),
				read == -EPIPE ? "closed the connection" : strerror((int)-read));
		*got = true;
		r->tail += (size_t)read;
		r->bytes += (uint64_t)read;
	}
}
