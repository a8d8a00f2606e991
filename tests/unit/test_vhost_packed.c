/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a packed ring goes on when the daemon was killed (renicd/ports/vhost_packed.c): a model of
 * a driver and of a device that writes as librte_vhost does (flags of a burst's first descriptor
 * last), killed between any two stores. Afterwards the driver must get every buffer back, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vhost_packed.h"

enum { SIZE = 16, AVAIL = 1 << 7, USED = 1 << 15, FRESH = PACKED_WRAP };

static struct vring_packed_desc desc[SIZE];
static struct packed_note note;

/* Free-running positions: position n is descriptor n % SIZE, in lap n / SIZE. */
static uint32_t driver_at, /* posts next */
	reaped_at,	   /* looks for a used one next */
	device_at;	   /* uses next */

static bool wrap_of(uint32_t n)
{
	return !(n / SIZE & 1);
}

static uint16_t index_of(uint32_t n)
{
	return (uint16_t)(n % SIZE | (wrap_of(n) ? PACKED_WRAP : 0));
}

static void new_ring(void)
{
	memset(desc, 0, sizeof(desc));
	driver_at = reaped_at = device_at = 0;
}

static void post(uint32_t n)
{
	for (; n && driver_at - reaped_at < SIZE; n--, driver_at++) {
		struct vring_packed_desc *d = &desc[driver_at % SIZE];

		d->id = (uint16_t)driver_at;
		d->len = 2048;
		d->flags = wrap_of(driver_at) ? AVAIL : USED;
	}
}

/* The driver takes back what is used; ids must come in the order of posting. */
static void reap(void)
{
	for (; reaped_at < driver_at; reaped_at++) {
		const struct vring_packed_desc *d = &desc[reaped_at % SIZE];
		bool wrap = wrap_of(reaped_at);

		if (!!(d->flags & AVAIL) != wrap || !!(d->flags & USED) != wrap)
			return;
		assert_int_equal(d->id, (uint16_t)reaped_at);
	}
}

static void set_used(uint32_t n)
{
	desc[n % SIZE].flags = wrap_of(n) ? AVAIL | USED : 0;
}

/* A burst of n in 2n stores (lengths, flags of all but the first, flags of the first), of which
 * only so many are done. */
static void use(uint32_t n, uint32_t stores)
{
	for (uint32_t i = 0; i < n && stores; i++, stores--)
		desc[(device_at + i) % SIZE].len = 60;
	for (uint32_t i = 1; i < n && stores; i++, stores--)
		set_used(device_at + i);
	if (stores)
		set_used(device_at);
}

static void use_all(uint32_t n)
{
	use(n, 2 * n);
	device_at += n;
	packed_note_burst(&note, index_of(device_at), (uint16_t)n);
}

static uint16_t resume_at(uint16_t base)
{
	const struct packed_ring ring = {
		.desc = desc,
		.desc_gpa = 0x1000,
		.owner = 7,
		.size = SIZE,
		.base = base,
	};

	return packed_resume(&note, &ring);
}

static uint32_t below(uint32_t n)
{
	return n ? (uint32_t)random() % n : 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* So many rounds of posting, using and taking back. */
static void run(uint32_t rounds)
{
	while (rounds--) {
		post(below(SIZE + 1));
		use_all(below(least(driver_at - device_at, SIZE - 1) + 1));
		if (below(3))
			reap();
	}
}

static void begin(void)
{
	new_ring();
	memset(&note, 0, sizeof(note));
	assert_int_equal(resume_at(FRESH), FRESH);
}

static int setup(void **state)
{
	srandom(1);
	begin();
	return 0;
}

static void a_ring_goes_on_where_it_was_though_the_base_is_old(void **state)
{
	for (int i = 0; i < 2000; i++) {
		run(below(4));
		assert_int_equal(resume_at(FRESH), index_of(device_at));
	}
}

static void a_kill_between_any_two_stores_keeps_the_ring_whole(void **state)
{
	for (int i = 0; i < 5000; i++) {
		uint32_t n, stores;
		bool any;

		run(below(4));
		reap();
		post(SIZE);
		n = 1 + below(least(driver_at - device_at, SIZE - 1));
		stores = below(2 * n + 1);
		any = stores > n || (n == 1 && stores == 2);
		use(n, stores);
		if (any && n > 1)
			device_at += least(stores == 2 * n ? n : stores - n + 1, n);
		else if (any)
			device_at += n;
		/* Nothing is used, or all up to the last one whose flags are written. */
		assert_int_equal(resume_at(FRESH), index_of(device_at));
		reap();
		assert_int_equal(reaped_at, device_at);
	}
}

static void a_ring_that_was_set_up_anew_starts_at_its_base(void **state)
{
	for (int i = 0; i < 2000; i++) {
		run(below(6));
		new_ring();
		post(below(SIZE + 1));
		assert_int_equal(resume_at(FRESH), FRESH);
	}
}

/* The VM was paused: the front-end has the index from GET_VRING_BASE. Or it was restored: to an
 * older state of the ring. */
static void a_base_that_the_front_end_knows_is_taken(void **state)
{
	for (int i = 0; i < 2000; i++) {
		struct vring_packed_desc then[SIZE];
		uint32_t at[3];

		run(below(4));
		assert_int_equal(resume_at(index_of(device_at)), index_of(device_at));
		memcpy(then, desc, sizeof(desc));
		at[0] = driver_at;
		at[1] = reaped_at;
		at[2] = device_at;
		run(below(6));
		memcpy(desc, then, sizeof(desc));
		driver_at = at[0];
		reaped_at = at[1];
		device_at = at[2];
		assert_int_equal(resume_at(index_of(device_at)), index_of(device_at));
	}
}

/* QEMU drops what the guest sends while it has no backend, from the base that it knows on, if that
 * descriptor is available. */
static void what_qemu_dropped_meanwhile_keeps_the_ring_whole(void **state)
{
	uint32_t dropped = 0;

	for (int i = 0; i < 3000; i++) {
		uint32_t base, at;

		run(3);
		base = device_at;
		assert_int_equal(resume_at(index_of(base)), index_of(base));
		run(below(8));
		reap();
		post(SIZE);
		/* Its descriptor comes again two laps later, looking the same. */
		at = base + 2 * SIZE * ((device_at - base) / (2 * SIZE));
		while (at < device_at)
			at += 2 * SIZE;
		base = at;
		while (at < driver_at)
			set_used(at++);
		dropped += at > base;
		device_at = at > base ? at : device_at;
		assert_int_equal(
			resume_at(at > base ? index_of(at) : note.base), index_of(device_at));
		reap();
		assert_int_equal(reaped_at, device_at);
	}
	assert_true(dropped > 100);
}

/* What else is in the note, or in a hostile ring, leads to some index of the ring. */
static void nonsense_stays_inside_the_ring(void **state)
{
	for (int i = 0; i < 20000; i++) {
		for (int k = 0; k < SIZE; k++)
			desc[k].flags = (uint16_t)random();
		note = (struct packed_note){
			.desc_gpa = 0x1000,
			.owner = 7,
			.size = SIZE,
			.base = (uint16_t)(below(2) ? FRESH : random()),
			.index = (uint16_t)(below(2) ? below(SIZE) : (uint32_t)random()),
			.chained = (uint16_t)below(2),
		};
		assert_in_range(resume_at(FRESH) & ~PACKED_WRAP, 0, SIZE - 1);
	}
}

static void a_ring_with_chains_goes_on_at_its_note(void **state)
{
	post(8);
	use(4, 8);
	device_at += 4;
	packed_note_burst(&note, index_of(device_at), 2); /* two frames, of two descriptors each */
	assert_int_equal(note.chained, 1);
	use(2, 4);
	assert_int_equal(resume_at(FRESH), index_of(device_at));
	assert_int_equal(note.chained, 1);
	new_ring();
	post(2);
	assert_int_equal(resume_at(FRESH), FRESH);
	assert_int_equal(note.chained, 0);
}

static void another_ring_has_no_part_in_the_note(void **state)
{
	static const struct packed_note others[] = {
		{.desc_gpa = 0x2000, .owner = 7, .size = SIZE},
		{.desc_gpa = 0x1000, .owner = 8, .size = SIZE},
		{.desc_gpa = 0x1000, .owner = 7, .size = 2 * SIZE},
	};

	post(8);
	use_all(5);
	for (int i = 0; i < 3; i++) {
		uint16_t index = note.index;

		note = others[i];
		note.base = FRESH;
		note.index = index;
		assert_int_equal(resume_at(FRESH), FRESH);
		packed_note_burst(&note, index, 5);
	}
	assert_int_equal(resume_at(FRESH), index_of(device_at));
}

/* ---- the file ---- */

static char folder[] = "/tmp/renic-test-rings-XXXXXX";
static char path[sizeof(folder) + 8];

static void notes_outlive_the_process(void **state)
{
	struct packed_note *n;
	struct stat st;

	assert_int_equal(packed_notes_open(path), 0);
	n = packed_notes_of(255, 15);
	assert_int_equal(n[1].size, 0);
	n[1].size = 77;
	packed_notes_close();
	assert_int_equal(packed_notes_of(255, 15)[1].size, 0);
	assert_int_equal(packed_notes_open(path), 0);
	assert_int_equal(packed_notes_of(255, 15)[1].size, 77);
	assert_int_equal(packed_notes_of(255, 15)[0].size, 0);
	packed_notes_close();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_file_of_another_boot_or_version_is_begun_anew(void **state)
{
	static const long spoils[] = {0, 8, 12, 30};

	for (int i = 0; i < 4; i++) {
		FILE *f;

		assert_int_equal(packed_notes_open(path), 0);
		packed_notes_of(3, 0)->size = 5;
		packed_notes_close();
		f = fopen(path, "r+b");
		assert_non_null(f);
		fseek(f, spoils[i], SEEK_SET);
		fputc('?', f);
		fclose(f);
		assert_int_equal(packed_notes_open(path), 0);
		assert_int_equal(packed_notes_of(3, 0)->size, 0);
		packed_notes_close();
	}
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(packed_notes_open(path), 0);
	packed_notes_of(255, 15)[1].size = 1;
	packed_notes_close();
}

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/rings", folder);
	return 0;
}

static int drop_folder(void **state)
{
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_ring_goes_on_where_it_was_though_the_base_is_old, setup),
		cmocka_unit_test_setup(a_kill_between_any_two_stores_keeps_the_ring_whole, setup),
		cmocka_unit_test_setup(a_ring_that_was_set_up_anew_starts_at_its_base, setup),
		cmocka_unit_test_setup(a_base_that_the_front_end_knows_is_taken, setup),
		cmocka_unit_test_setup(what_qemu_dropped_meanwhile_keeps_the_ring_whole, setup),
		cmocka_unit_test_setup(nonsense_stays_inside_the_ring, setup),
		cmocka_unit_test_setup(a_ring_with_chains_goes_on_at_its_note, setup),
		cmocka_unit_test_setup(another_ring_has_no_part_in_the_note, setup),
		cmocka_unit_test(notes_outlive_the_process),
		cmocka_unit_test(a_file_of_another_boot_or_version_is_begun_anew),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
