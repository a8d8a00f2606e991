/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow way of a number that is out of turn; see tracker.h. */
#include <string.h>

#include "tracker.h"

void tracker_reset(struct tracker *t, uint64_t first)
{
	memset(t, 0, sizeof(*t));
	t->next = first;
	t->allowed = t->free_from = TRACKER_ALL;
}

static uint64_t *word_of(struct tracker *t, uint64_t seq)
{
	return &t->seen[seq % TRACKER_WINDOW / 64];
}

static void mark(struct tracker *t, uint64_t seq)
{
	*word_of(t, seq) |= UINT64_C(1) << seq % 64;
}

/* The numbers next..seq-1 are skipped: not seen yet. Their places still say what was there a
 * window ago; the bits of next's own word that lie beyond it were cleared with that word. */
static void skip_to(struct tracker *t, uint64_t seq)
{
	uint64_t first = (t->next + 63) / 64, last = seq / 64;

	if (last - t->next / 64 >= TRACKER_WINDOW / 64)
		memset(t->seen, 0, sizeof(t->seen));
	else
		for (uint64_t word = first; word <= last; word++)
			*word_of(t, word * 64) = 0;
	t->next = seq + 1;
	mark(t, seq);
}

void tracker_take_other(struct tracker *t, uint64_t seq)
{
	if (seq > t->next) {
		skip_to(t, seq);
		return;
	}
	/* Its word may have been taken over by newer numbers already. */
	if (t->next - seq > TRACKER_WINDOW - 64 || (*word_of(t, seq) >> seq % 64 & 1)) {
		t->repeated++;
		return;
	}
	t->reordered++;
	mark(t, seq);
}
