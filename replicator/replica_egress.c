/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A standby's held frames (`replicate_egress`): what came with the next checkpoint waits until that
 * is whole, then joins what has not left yet; see replica.h and held.h.
 *
 * They take this host's memory, as much as the primary's renicd holds. What there is no room for
 * is left out, all records of a message, and the checkpoint counts: a standby that refused it would
 * refuse all that come after, and the primary could let nothing leave.
 */
#include "replica.h"

static int fail(struct nic_error *err, const char *why)
{
	return nic_fail(err, RENIC_E_PARSE, "held", "the stream makes no sense: %s", why);
}

static struct replica_egress *of_vf(const struct replica *r, unsigned vm, unsigned v)
{
	return &r->vms[vm].egress[v];
}

/* ---- a message comes ---- */

/* May so many more bytes be kept, for all VFs and for this one? */
static bool has_room(const struct replica *r, const struct replica_egress *egress, size_t n)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < r->n_vms; i++)
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++)
			all += of_vf(r, i, v)->held.n + of_vf(r, i, v)->next.n;
	return all + n <= r->egress_max_bytes && egress->held.n + egress->next.n + n <= HELD_MAX;
}

/* So many bytes that came, and all records before them. */
static void leave_out(struct replica_egress *egress, size_t n)
{
	egress->left_out_bytes += egress->next.n - HELD_OLDEST_BYTES + n;
	egress->next.n = HELD_OLDEST_BYTES;
}

int replica_egress_take(struct replica *r, unsigned vm, unsigned v, const uint8_t *bytes, size_t n,
	struct nic_error *err)
{
	struct replica_egress *egress = of_vf(r, vm, v);
	size_t have = egress->next.n,
	       head = have < HELD_OLDEST_BYTES ? HELD_OLDEST_BYTES - have : 0;

	if (n > HELD_MESSAGE_MAX - have - egress->left_out_bytes)
		return fail(err, "more held frames than a checkpoint may have");
	r->held_bytes += n;
	head = head < n ? head : n;
	/* The oldest epoch's number is always kept. */
	if (held_append(&egress->next, bytes, head))
		return nic_fail(err, RENIC_E_RESOURCES, "held", "no memory for held frames");
	bytes += head;
	n -= head;
	if (n && (egress->left_out_bytes || !has_room(r, egress, n) ||
			 held_append(&egress->next, bytes, n)))
		leave_out(egress, n);
	return 0;
}

/* ---- the checkpoint is whole ---- */

static uint64_t oldest_of(const struct held_bytes *message)
{
	struct wire_in in = wire_over(message->bytes, message->n);

	return get_u64(&in);
}

/* Are the VF's held frames whole, and none of an epoch that is not sealed? None may have come. */
static bool fits(const struct replica_egress *egress, uint64_t epoch)
{
	const struct held_bytes *next = &egress->next;

	if (!next->n)
		return true;
	return next->n >= HELD_OLDEST_BYTES &&
	       held_check(next->bytes + HELD_OLDEST_BYTES, next->n - HELD_OLDEST_BYTES, 1, epoch);
}

/* What came joins what has not left yet. Frames are of use to this session's epochs only. */
static void join(struct replica *r, struct replica_egress *egress)
{
	if (!egress->next.n || !r->valid || r->session != r->next_session)
		held_empty(&egress->held);
	if (!egress->next.n)
		return;
	held_trim(&egress->held, oldest_of(&egress->next), UINT64_MAX);
	if (!egress->held.n)
		held_empty(&egress->held);
	if (held_append(&egress->held, egress->next.bytes + HELD_OLDEST_BYTES,
		    egress->next.n - HELD_OLDEST_BYTES))
		leave_out(egress, 0);
	r->left_out_bytes += egress->left_out_bytes;
}

int replica_egress_join(struct replica *r, uint64_t epoch, struct nic_error *err)
{
	for (unsigned i = 0; i < r->n_vms; i++)
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++)
			if (!fits(of_vf(r, i, v), epoch))
				return fail(err, "held frames that are none");
	r->left_out_bytes = 0;
	for (unsigned i = 0; i < r->n_vms; i++)
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++)
			join(r, of_vf(r, i, v));
	return 0;
}

/* ---- nothing of it is held ---- */

void replica_egress_end(struct replica *r)
{
	for (unsigned i = 0; i < r->n_vms; i++)
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++) {
			held_empty(&of_vf(r, i, v)->next);
			of_vf(r, i, v)->left_out_bytes = 0;
		}
	r->held_bytes = 0;
}

void replica_egress_forget(struct replica *r)
{
	for (unsigned i = 0; i < r->n_vms; i++)
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++)
			held_empty(&of_vf(r, i, v)->held);
}
