/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renicd/nic/journal.c: what is put is there after a crash, whatever the instant of it, and a file
 * that is not as it was written is refused.
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

#include "journal.h"

static char dir[64], path[96];

static void open_as(enum journal_found expected)
{
	enum journal_found found;
	struct nic_error err = {0};

	assert_int_equal(journal_open(path, &found, &err), 0);
	assert_int_equal(found, expected);
}

static void refused(const char *word)
{
	enum journal_found found;
	struct nic_error err = {0};
	struct stat before, after;

	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(journal_open(path, &found, &err), RENIC_E_STATE);
	assert_non_null(strstr(err.message, path));
	assert_non_null(strstr(err.message, word));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

static struct journal_vf vf_of(uint16_t number)
{
	struct journal_vf vf = {.file_hash = number};

	snprintf(vf.config.name, sizeof(vf.config.name), "vf%u", number);
	vf.config.vlan = number;
	return vf;
}

static struct journal_fsm fsm_of(uint64_t epoch)
{
	struct journal_fsm fsm = {.fsm = {.state = GROUP_PROTECTED, .epoch = epoch}};

	fsm.fsm.committed_epoch = epoch - 1;
	memset(fsm.fsm.aborted, epoch & 1, sizeof(fsm.fsm.aborted));
	return fsm;
}

static size_t read_file(uint8_t **bytes)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*bytes = malloc((size_t)st.st_size);
	assert_non_null(*bytes);
	assert_int_equal(fread(*bytes, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	return (size_t)st.st_size;
}

static void write_at(size_t offset, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "r+b");

	assert_non_null(f);
	assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/renic-journal-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/journal", dir);
	return 0;
}

static int teardown(void **state)
{
	journal_close();
	unlink(path);
	return rmdir(dir);
}

static void entries_are_there_after_a_restart(void **state)
{
	struct journal_vf vf = vf_of(3), got;
	struct journal_group group = {.lone = true}, got_group;
	struct journal_fsm fsm, got_fsm;

	open_as(JOURNAL_NEW);
	assert_false(journal_get_vf(3, &got));
	journal_put_vf(3, &vf);
	journal_put_vf(4, &vf);
	journal_drop_vf(4);
	snprintf(group.config.name, sizeof(group.config.name), "g");
	for (uint64_t epoch = 1; epoch < 1000; epoch++) {
		fsm = fsm_of(epoch);
		journal_put_fsm(0, &fsm);
	}
	assert_int_equal(journal_free_slot(), 0);
	journal_put_group(0, &group);
	assert_int_equal(journal_free_slot(), 1);
	journal_set_log_instance(77);
	journal_close();
	assert_false(journal_get_vf(3, &got));
	open_as(JOURNAL_KEPT);
	assert_int_equal(journal_log_instance(), 77);
	assert_true(journal_get_vf(3, &got));
	assert_memory_equal(&got, &vf, sizeof(vf));
	assert_false(journal_get_vf(4, &got));
	assert_true(journal_get_group(0, &got_group));
	assert_memory_equal(&got_group, &group, sizeof(group));
	assert_true(journal_get_fsm(0, &got_fsm));
	assert_memory_equal(&got_fsm, &fsm, sizeof(fsm));
}

static void nothing_is_noted_once_frozen(void **state)
{
	struct journal_vf vf = vf_of(1), got;

	open_as(JOURNAL_NEW);
	journal_put_vf(1, &vf);
	journal_freeze();
	journal_drop_vf(1);
	journal_put_vf(2, &vf);
	journal_set_log_instance(5);
	journal_close();
	open_as(JOURNAL_KEPT);
	assert_true(journal_get_vf(1, &got));
	assert_false(journal_get_vf(2, &got));
	assert_int_equal(journal_log_instance(), 5);
}

/* The bytes that a put changes, written one after the other and stopped after each: the entry is
 * the old one or the new one. The sequence number, written first and last, is the place's first 8
 * bytes. */
static void a_put_that_is_cut_short_is_no_put_at_all(void **state)
{
	struct journal_fsm old = fsm_of(41), new = fsm_of(42), got;
	uint8_t *before, *after;
	size_t bytes, first = 0, last = 0, olds = 0;

	open_as(JOURNAL_NEW);
	for (uint64_t epoch = 39; epoch < 42; epoch++) {
		old = fsm_of(epoch);
		journal_put_fsm(7, &old);
	}
	bytes = read_file(&before);
	journal_put_fsm(7, &new);
	assert_int_equal(read_file(&after), bytes);
	journal_close();
	while (before[first] == after[first])
		first++;
	first = first / 64 * 64; /* where the copy begins */
	for (size_t i = first; i < bytes; i++)
		if (before[i] != after[i])
			last = i;
	for (size_t cut = 0; cut <= last + 1 - first; cut++) {
		static const uint8_t no_seq[8];

		write_at(first, before + first, last + 1 - first);
		write_at(first, after + first, cut);
		write_at(first, no_seq, sizeof(no_seq));
		if (cut > last - first) /* all of it, the number too */
			write_at(first, after + first, 8);
		open_as(JOURNAL_KEPT);
		assert_true(journal_get_fsm(7, &got));
		if (!memcmp(&got, &old, sizeof(old)))
			olds++;
		else
			assert_memory_equal(&got, &new, sizeof(new));
		journal_close();
	}
	assert_int_equal(olds, last + 1 - first);
	free(before);
	free(after);
}

static void damage_is_refused(void **state)
{
	struct journal_vf vf = vf_of(9);
	uint8_t *bytes, flipped;
	size_t n, at = 0;

	open_as(JOURNAL_NEW);
	journal_put_vf(9, &vf);
	journal_close();
	n = read_file(&bytes);
	for (size_t i = 4096; i < n && !at; i++)
		if (!memcmp(&bytes[i], "vf9", 4))
			at = i;
	assert_true(at > 0);
	for (size_t i = at - 8; i < at + 32; i++) {
		flipped = bytes[i] ^ 0x10;
		write_at(i, &flipped, 1);
		refused("VF 9");
		write_at(i, &bytes[i], 1);
	}
	write_at(0, "X", 1);
	refused("journal");
	write_at(0, bytes, 1);
	write_at(8, "\x05", 1);
	refused("version");
	write_at(8, &bytes[8], 1);
	write_at(12, "\x05", 1);
	refused("build");
	write_at(12, &bytes[12], 1);
	open_as(JOURNAL_KEPT);
	journal_close();
	assert_int_equal(truncate(path, (off_t)n - 1), 0);
	refused("size");
	free(bytes);
}

static void a_file_that_was_never_begun_is_new(void **state)
{
	uint8_t *bytes, *zero;
	size_t n;

	open_as(JOURNAL_NEW);
	journal_close();
	n = read_file(&bytes);
	zero = calloc(1, n);
	assert_non_null(zero);
	write_at(0, zero, 8); /* killed just before the magic was written */
	open_as(JOURNAL_NEW);
	journal_close();
	write_at(0, zero, n);
	open_as(JOURNAL_NEW);
	free(bytes);
	free(zero);
}

static void another_boot_begins_anew(void **state)
{
	struct journal_vf vf = vf_of(9), got;

	open_as(JOURNAL_NEW);
	journal_put_vf(9, &vf);
	journal_close();
	write_at(24, "0000", 4);
	open_as(JOURNAL_OTHER_BOOT);
	assert_false(journal_get_vf(9, &got));
	journal_close();
	open_as(JOURNAL_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries_are_there_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_noted_once_frozen, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_put_that_is_cut_short_is_no_put_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_was_never_begun_is_new, setup, teardown),
		cmocka_unit_test_setup_teardown(another_boot_begins_anew, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
