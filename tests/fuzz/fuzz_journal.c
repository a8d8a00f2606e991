/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal as a daemon finds it: changes (patch.h) to a right one, in a file. Refused with a
 * reason that names the file, or open, and then every entry can be read and written.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "journal.h"
#include "patch.h"

static char path[64];
static uint8_t *map;
static size_t bytes;

static void remove_file(void)
{
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return atexit(remove_file);
}

static void make_file(void)
{
	const struct journal_vf vf = {.config = {.name = "web"}, .file_hash = 1};
	const struct journal_group group = {.config = {.name = "shop"}};
	const struct journal_fsm fsm = {.fsm = {.state = GROUP_PROTECTED, .epoch = 3}};
	enum journal_found found;
	struct nic_error err;
	struct stat st;
	int fd;

	strcpy(path, "/dev/shm/renic-fuzz-XXXXXX");
	fd = mkstemp(path);
	FUZZ_REQUIRE(fd >= 0);
	FUZZ_REQUIRE(!journal_open(path, &found, &err) && found == JOURNAL_NEW);
	journal_put_vf(0, &vf);
	journal_put_fsm(0, &fsm);
	journal_put_group(0, &group);
	journal_close();
	FUZZ_REQUIRE(!fstat(fd, &st));
	bytes = (size_t)st.st_size;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_REQUIRE(map != MAP_FAILED);
	close(fd);
}

static void use(void)
{
	struct journal_vf vf;
	struct journal_group group;
	struct journal_fsm fsm;

	for (uint16_t i = 0; i < VF_MAX; i++)
		journal_get_vf(i, &vf);
	for (uint16_t i = 0; i < GROUP_MAX; i++)
		if (journal_get_group(i, &group))
			journal_get_fsm(i, &fsm);
	FUZZ_REQUIRE(journal_free_slot() < GROUP_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct patch_region regions[] = {{0, 1}, {4096, 8}, {4096, 512}, {4096, 4096}};
	static struct patch_undo undo;
	enum journal_found found;
	struct nic_error err = {0};
	uint8_t *before;

	if (!map)
		make_file();
	before = fuzz_copy(map, 4096);
	patch_apply(map, bytes, regions, 4, data, size, &undo);
	if (journal_open(path, &found, &err)) {
		FUZZ_REQUIRE(err.code == RENIC_E_STATE && strstr(err.message, path));
	} else if (found == JOURNAL_KEPT) {
		use();
	} else { /* taken for another boot's: begun anew, so the right one is made again */
		journal_close();
		munmap(map, bytes);
		remove_file();
		map = NULL;
		free(before);
		return 0;
	}
	journal_close();
	patch_undo(map, &undo);
	FUZZ_REQUIRE(!memcmp(map, before, 4096));
	free(before);
	return 0;
}
