/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pages are where, and pages and state into staging; see primary.h. */
#include "primary.h"

enum { WORD_BITS = 64 };

/* ---- sets of pages ---- */

unsigned primary_next_place(const struct primary *p)
{
	return (p->head + p->n_flights) % p->places;
}

void primary_land(struct primary *p, uint64_t epoch)
{
	while (p->n_flights && p->flights[p->head].epoch <= epoch) {
		for (unsigned i = 0; i < p->config->n_vms; i++) {
			struct guest *g = &p->guests[i];

			memset(g->sent[p->head], 0, g->n_words * sizeof(uint64_t));
		}
		p->head = (p->head + 1) % p->places;
		p->n_flights--;
	}
}

void primary_recall(struct primary *p)
{
	for (unsigned i = 0; i < p->config->n_vms; i++)
		for (unsigned k = 0; k < p->places; k++)
			guest_move(&p->guests[i], p->guests[i].carry, p->guests[i].sent[k]);
	p->n_flights = 0;
	memset(&p->counts, 0, sizeof(p->counts));
}

/* ---- staging ---- */

static int write_state(struct remus_sink *sink, const void *data, size_t bytes)
{
	struct primary_sink *s = (struct primary_sink *)sink;

	if (!bytes)
		return 0;
	if (staging_put(&s->p->staging, (struct slot){.type = SLOT_BLOB, .vm = (uint8_t)s->vm},
		    data, bytes))
		return CHECKPOINT_LINK_LOST;
	s->p->counts.blob_bytes += bytes;
	return 0;
}

struct primary_sink primary_sink(struct primary *p, unsigned vm)
{
	return (struct primary_sink){{write_state}, p, vm};
}

/* Copy the pages `bits` of word w into staging. */
int primary_put_pages(struct primary *p, unsigned vm, uint64_t w, uint64_t bits)
{
	const struct guest *g = &p->guests[vm];

	for (; bits; bits &= bits - 1) {
		uint64_t page = w * WORD_BITS + (unsigned)__builtin_ctzll(bits);
		uint8_t *data = staging_next_wait(&p->staging,
			(struct slot){SLOT_PAGE, (uint8_t)vm, REMUS_PAGE_BYTES, (uint32_t)page});

		if (!data)
			return CHECKPOINT_LINK_LOST;
		memcpy(data, guest_page(g, page), REMUS_PAGE_BYTES);
		p->counts.pages++;
	}
	return 0;
}

int primary_put_carry(struct primary *p)
{
	unsigned place = primary_next_place(p);

	for (unsigned i = 0; i < p->config->n_vms; i++) {
		struct guest *g = &p->guests[i];

		for (uint64_t w = 0; w < g->n_words; w++) {
			uint64_t bits = g->carry[w];

			if (!bits)
				continue;
			g->sent[place][w] |= bits;
			g->carry[w] = 0;
			if (primary_put_pages(p, i, w, bits))
				return CHECKPOINT_LINK_LOST;
		}
	}
	return 0;
}

int primary_add_dirty(struct primary *p, struct nic_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->config->n_vms && !rc; i++)
		if (p->guests[i].driver->dirty)
			rc = p->guests[i].driver->dirty(p->guests[i].vm, p->guests[i].carry, err);
	return rc;
}
