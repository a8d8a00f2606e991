/* SPDX-License-Identifier: BSD-3-Clause */
/* The group's VMs and their pages; see guest.h. */
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

enum { WORD_BITS = 64 };

static int check_regions(struct guest *g, struct nic_error *err)
{
	uint64_t page = 0;

	for (unsigned i = 0; i < g->n_regions; i++) {
		const struct remus_region *r = &g->regions[i];

		if (!r->bytes || (r->bytes | r->gpa) & (REMUS_PAGE_BYTES - 1) || !r->base)
			return nic_fail(err, RENIC_E_INTERNAL, "regions",
				"VM \"%s\": region %u of its RAM is not whole pages",
				g->config->name, i);
		g->first[i] = page;
		page += r->bytes >> REMUS_PAGE_SHIFT;
	}
	g->first[g->n_regions] = page;
	g->n_pages = page;
	g->n_words = (page + WORD_BITS - 1) / WORD_BITS;
	return 0;
}

static int alloc_sets(struct guest *g, unsigned in_flight, struct nic_error *err)
{
	size_t n = g->n_words ? g->n_words : 1;
	bool ok = (g->carry = calloc(n, sizeof(uint64_t))) != NULL;

	for (unsigned i = 0; i < in_flight; i++)
		ok = (g->sent[i] = calloc(n, sizeof(uint64_t))) && ok;
	return ok ? 0 : nic_fail(err, RENIC_E_RESOURCES, "", "no memory for page sets");
}

static int guest_open(struct guest *g, const struct remus_config *config, enum remus_side side,
	struct nic_error *err)
{
	struct remus_vm_config vm = {
		.options = g->config->options, .timeout_ms = g->config->timeout_ms};
	int rc;

	snprintf(vm.name, sizeof(vm.name), "%s", g->config->name);
	g->driver = remus_driver_find(g->config->driver);
	if (!g->driver)
		return nic_fail(err, RENIC_E_NOT_FOUND, "driver", "no driver \"%s\": there is %s",
			g->config->driver, remus_driver_names());
	rc = g->driver->open(&vm, side, &g->vm, err);
	if (rc)
		return rc;
	g->machine = g->driver->machine ? g->driver->machine(g->vm) : "";
	g->n_regions = g->driver->regions(g->vm, g->regions);
	rc = check_regions(g, err);
	return rc || side == REMUS_STANDBY ? rc : alloc_sets(g, config->in_flight + 1, err);
}

int guests_open(struct guest *guests, const struct remus_config *config, enum remus_side side,
	struct nic_error *err)
{
	int rc = 0;

	memset(guests, 0, config->n_vms * sizeof(*guests));
	for (unsigned i = 0; i < config->n_vms && rc == 0; i++) {
		guests[i].config = &config->vms[i];
		rc = guest_open(&guests[i], config, side, err);
	}
	if (rc)
		guests_close(guests, config->n_vms);
	return rc;
}

void guests_close(struct guest *guests, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct guest *g = &guests[i];

		if (g->vm)
			g->driver->close(g->vm);
		free(g->carry);
		for (unsigned k = 0; k < IN_FLIGHT_MAX; k++)
			free(g->sent[k]);
		memset(g, 0, sizeof(*g));
	}
}

bool guests_have_stream(const struct guest *guests, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!guests[i].n_pages)
			return true;
	return false;
}

bool guests_say_machines(const struct guest *guests, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (guests[i].machine[0])
			return true;
	return false;
}

uint8_t *guest_page(const struct guest *g, uint64_t page)
{
	unsigned i = 0;

	while (page >= g->first[i + 1])
		i++;
	return g->regions[i].base + ((page - g->first[i]) << REMUS_PAGE_SHIFT);
}

uint64_t guest_page_of_gfn(const struct guest *g, uint64_t gfn)
{
	for (unsigned i = 0; i < g->n_regions; i++) {
		uint64_t start = g->regions[i].gpa >> REMUS_PAGE_SHIFT;
		uint64_t n = g->regions[i].bytes >> REMUS_PAGE_SHIFT;

		if (gfn >= start && gfn - start < n)
			return g->first[i] + (gfn - start);
	}
	return UINT64_MAX;
}

void guest_add_gfns(const struct guest *g, uint64_t *set, const uint64_t *bitmap, uint64_t words)
{
	for (uint64_t w = 0; w < words; w++)
		for (uint64_t bits = le64toh(bitmap[w]); bits; bits &= bits - 1) {
			uint64_t page = guest_page_of_gfn(
				g, w * WORD_BITS + (unsigned)__builtin_ctzll(bits));

			if (page != UINT64_MAX)
				set[page / WORD_BITS] |= 1ULL << page % WORD_BITS;
		}
}

void guest_set_all(const struct guest *g, uint64_t *set)
{
	memset(set, 0xff, g->n_words * sizeof(*set));
	if (g->n_pages % WORD_BITS)
		set[g->n_words - 1] = (1ULL << g->n_pages % WORD_BITS) - 1;
}

uint64_t guest_count(const struct guest *g, const uint64_t *set)
{
	uint64_t n = 0;

	for (uint64_t w = 0; w < g->n_words; w++)
		n += (unsigned)__builtin_popcountll(set[w]);
	return n;
}

void guest_move(const struct guest *g, uint64_t *to, uint64_t *from)
{
	for (uint64_t w = 0; w < g->n_words; w++) {
		to[w] |= from[w];
		from[w] = 0;
	}
}

void guest_describe(const struct guest *g, unsigned index, struct msg_vm *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->index = (uint8_t)index;
	msg->n_vfs = (uint8_t)g->config->n_vfs;
	msg->n_regions = (uint8_t)g->n_regions;
	snprintf(msg->name, sizeof(msg->name), "%s", g->config->name);
	snprintf(msg->driver, sizeof(msg->driver), "%s", g->config->driver);
	snprintf(msg->machine, sizeof(msg->machine), "%s", g->machine);
	for (unsigned i = 0; i < g->n_regions; i++) {
		msg->regions[i].gpa = g->regions[i].gpa;
		msg->regions[i].bytes = g->regions[i].bytes;
	}
}
