/* SPDX-License-Identifier: BSD-3-Clause */
/* See journal.h. Layout: header, then per kind of entry an array of pairs of copies. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "journal.h"

#define JOURNAL_MAGIC "RENICJNL"

enum { JOURNAL_VERSION = 3, BOOT_ID_SIZE = 40, HEADER_BYTES = 4096, COPY_ALIGN = 64 };

enum kind { KIND_VF, KIND_GROUP, KIND_FSM, KINDS };

static const struct {
	const char *name;
	uint32_t bytes, count;
} kinds[KINDS] = {
	[KIND_VF] = {"VF", sizeof(struct journal_vf), VF_MAX},
	[KIND_GROUP] = {"group", sizeof(struct journal_group), GROUP_MAX},
	[KIND_FSM] = {"group state", sizeof(struct journal_fsm), GROUP_MAX},
};

struct journal_header {
	char magic[8]; /* JOURNAL_MAGIC, without a NUL; written last */
	uint32_t version;
	uint32_t entry_bytes[KINDS]; /* another build's structs are another version */
	char boot_id[BOOT_ID_SIZE];
	uint64_t log_instance;
};

/* One of the two copies of an entry; the entry's bytes follow. */
struct copy {
	uint64_t seq; /* 0: being written, or never was */
	uint32_t crc; /* CRC32C of seq, in_use and the entry */
	uint32_t in_use;
};

static struct {
	struct journal_header *header;
	uint8_t *map;
	int fd; /* locked: nobody else's while we have it */
	bool frozen;
} journal = {.fd = -1};

/* ---- layout ---- */

static uint64_t copy_bytes(enum kind kind)
{
	return (sizeof(struct copy) + kinds[kind].bytes + COPY_ALIGN - 1) / COPY_ALIGN * COPY_ALIGN;
}

static uint64_t kind_offset(enum kind kind)
{
	uint64_t offset = HEADER_BYTES;

	for (int k = 0; k < (int)kind; k++)
		offset += 2 * copy_bytes(k) * kinds[k].count;
	return offset;
}

static struct copy *copy_at(enum kind kind, uint16_t index, unsigned which)
{
	return (struct copy *)(journal.map + kind_offset(kind) +
			       (2 * (uint64_t)index + which) * copy_bytes(kind));
}

static uint32_t copy_crc(const struct copy *copy, enum kind kind)
{
	uint32_t crc = rte_hash_crc(&copy->seq, sizeof(copy->seq), 0);

	crc = rte_hash_crc(&copy->in_use, sizeof(copy->in_use), crc);
	return rte_hash_crc(copy + 1, kinds[kind].bytes, crc);
}

/* The newest copy that was written to its end; NULL: none ever was. */
static struct copy *newest(enum kind kind, uint16_t index)
{
	struct copy *a = copy_at(kind, index, 0), *b = copy_at(kind, index, 1);

	if (!a->seq && !b->seq)
		return NULL;
	return a->seq > b->seq ? a : b;
}

/* ---- entries ---- */

static void put(enum kind kind, uint16_t index, const void *entry)
{
	const struct copy *now;
	struct copy *to;
	uint64_t seq;

	if (!journal.map || journal.frozen)
		return;
	now = newest(kind, index);
	seq = now ? now->seq + 1 : 1;
	to = copy_at(kind, index, now == copy_at(kind, index, 0));
	__atomic_store_n(&to->seq, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	to->in_use = entry != NULL;
	if (entry)
		memcpy(to + 1, entry, kinds[kind].bytes);
	else
		memset(to + 1, 0, kinds[kind].bytes);
	/* The sum is that of the copy as it will be. */
	to->crc = rte_hash_crc(to + 1, kinds[kind].bytes,
		rte_hash_crc(&to->in_use, sizeof(to->in_use), rte_hash_crc(&seq, sizeof(seq), 0)));
	__atomic_store_n(&to->seq, seq, __ATOMIC_RELEASE);
}

static bool get(enum kind kind, uint16_t index, void *entry)
{
	const struct copy *from = journal.map ? newest(kind, index) : NULL;

	if (!from || !from->in_use)
		return false;
	memcpy(entry, from + 1, kinds[kind].bytes);
	return true;
}

void journal_put_vf(uint16_t id, const struct journal_vf *vf)
{
	put(KIND_VF, id, vf);
}

void journal_drop_vf(uint16_t id)
{
	put(KIND_VF, id, NULL);
}

bool journal_get_vf(uint16_t id, struct journal_vf *vf)
{
	return get(KIND_VF, id, vf);
}

void journal_put_group(uint16_t slot, const struct journal_group *group)
{
	put(KIND_GROUP, slot, group);
}

void journal_put_fsm(uint16_t slot, const struct journal_fsm *fsm)
{
	put(KIND_FSM, slot, fsm);
}

void journal_drop_group(uint16_t slot)
{
	put(KIND_GROUP, slot, NULL);
}

bool journal_get_group(uint16_t slot, struct journal_group *group)
{
	return get(KIND_GROUP, slot, group);
}

bool journal_get_fsm(uint16_t slot, struct journal_fsm *fsm)
{
	return get(KIND_FSM, slot, fsm);
}

int journal_free_slot(void)
{
	for (int slot = 0; slot < GROUP_MAX; slot++) {
		const struct copy *copy = journal.map ? newest(KIND_GROUP, slot) : NULL;

		if (!copy || !copy->in_use)
			return slot;
	}
	return -1;
}

/* ---- the file ---- */

static void read_boot_id(char boot_id[BOOT_ID_SIZE])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	memset(boot_id, 0, BOOT_ID_SIZE);
	if (!f)
		return;
	if (fgets(boot_id, BOOT_ID_SIZE, f))
		boot_id[strcspn(boot_id, "\n")] = '\0';
	fclose(f);
}

static void format(const char boot_id[BOOT_ID_SIZE])
{
	struct journal_header *h = journal.header;

	h->version = JOURNAL_VERSION;
	for (int k = 0; k < KINDS; k++)
		h->entry_bytes[k] = kinds[k].bytes;
	memcpy(h->boot_id, boot_id, BOOT_ID_SIZE);
	h->log_instance = 0;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(h->magic, JOURNAL_MAGIC, sizeof(h->magic));
}

static int fail_damaged(const char *path, const char *what, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_STATE, "run_dir", "%s: %s", path, what);
}

static int check_header(const char *path, struct nic_error *err)
{
	const struct journal_header *h = journal.header;

	if (memcmp(h->magic, JOURNAL_MAGIC, sizeof(h->magic)))
		return fail_damaged(path, "it does not begin as a journal does", err);
	if (h->version != JOURNAL_VERSION)
		return nic_fail(err, RENIC_E_STATE, "run_dir",
			"%s: its version is %" PRIu32 ", this renicd reads %d", path, h->version,
			JOURNAL_VERSION);
	for (int k = 0; k < KINDS; k++)
		if (h->entry_bytes[k] != kinds[k].bytes)
			return fail_damaged(path, "it was written by another build of renicd", err);
	return 0;
}

static int check_entries(const char *path, struct nic_error *err)
{
	for (int k = 0; k < KINDS; k++)
		for (uint32_t i = 0; i < 2 * kinds[k].count; i++) {
			const struct copy *copy = copy_at(k, (uint16_t)(i / 2), i % 2);

			/* One that was being written has no number yet. */
			if (copy->seq && copy->crc != copy_crc(copy, k))
				return nic_fail(err, RENIC_E_STATE, "run_dir",
					"%s: the entry of %s %u is damaged", path, kinds[k].name,
					i / 2);
		}
	return 0;
}

static int map_file(int fd, const char *path, bool *is_new, struct nic_error *err)
{
	const off_t bytes = (off_t)kind_offset(KINDS);
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return nic_fail(err, RENIC_E_IO, "run_dir", "%s: %s", path, strerror(errno));
	*is_new = st.st_size == 0;
	if (!S_ISREG(st.st_mode) || (!*is_new && st.st_size != bytes))
		return fail_damaged(path, "it has not the size of a journal", err);
	if (*is_new && ftruncate(fd, bytes) < 0)
		return nic_fail(err, RENIC_E_IO, "run_dir", "%s: %s", path, strerror(errno));
	map = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return nic_fail(err, RENIC_E_IO, "run_dir", "%s: %s", path, strerror(errno));
	journal.map = map;
	journal.header = map;
	journal.frozen = false;
	return 0;
}

/* A file that a crash left before it had its magic has no entry either. */
static bool is_blank(void)
{
	static const char zero[8];
	bool blank = !memcmp(journal.header->magic, zero, sizeof(zero));

	for (int k = 0; k < KINDS && blank; k++)
		for (uint32_t i = 0; i < kinds[k].count && blank; i++)
			blank = !newest(k, (uint16_t)i);
	return blank;
}

/* A second daemon in the run directory would take up what the first one holds. */
static int open_locked(const char *path, struct nic_error *err)
{
	journal.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal.fd >= 0 && flock(journal.fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (journal.fd >= 0 && errno == EWOULDBLOCK)
		return nic_fail(err, RENIC_E_EXISTS, "run_dir",
			"%s: a running renicd works in this directory", path);
	return nic_fail(err, RENIC_E_IO, "run_dir", "%s: %s", path, strerror(errno));
}

int journal_open(const char *path, enum journal_found *found, struct nic_error *err)
{
	char boot_id[BOOT_ID_SIZE];
	bool is_new = false;
	int rc = open_locked(path, err);

	if (!rc)
		rc = map_file(journal.fd, path, &is_new, err);
	if (rc) {
		journal_close();
		return rc;
	}
	read_boot_id(boot_id);
	*found = JOURNAL_NEW;
	if (!is_new && !is_blank()) {
		rc = check_header(path, err);
		if (!rc && !memcmp(journal.header->boot_id, boot_id, BOOT_ID_SIZE)) {
			*found = JOURNAL_KEPT;
			rc = check_entries(path, err);
		} else if (!rc) {
			*found = JOURNAL_OTHER_BOOT;
			memset(journal.map, 0, kind_offset(KINDS));
		}
	}
	if (rc)
		journal_close();
	else if (*found != JOURNAL_KEPT)
		format(boot_id);
	return rc;
}

uint64_t journal_log_instance(void)
{
	return journal.map ? journal.header->log_instance : 0;
}

void journal_set_log_instance(uint64_t instance)
{
	if (journal.map)
		__atomic_store_n(&journal.header->log_instance, instance, __ATOMIC_RELEASE);
}

void journal_freeze(void)
{
	journal.frozen = true;
}

void journal_close(void)
{
	if (journal.map)
		munmap(journal.map, kind_offset(KINDS));
	if (journal.fd >= 0)
		close(journal.fd);
	journal.map = NULL;
	journal.header = NULL;
	journal.fd = -1;
}
