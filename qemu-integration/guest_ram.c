/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding and mapping a QEMU guest's RAM; see guest_ram.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest_ram.h"

/* ---- what QEMU says ---- */

static int unfit(struct nic_error *err, const char *what)
{
	return nic_fail(
		err, RENIC_E_UNSUPPORTED, "qemu", "this machine cannot be protected: %s", what);
}

/* The machine's one memory backend: id, size; it must be shared. */
static int ask_backend(
	struct guest_ram *ram, struct qmp *qmp, unsigned timeout_ms, struct nic_error *err)
{
	json_t *backends = NULL, *one;
	const char *id;
	int rc = qmp_call(qmp, "query-memdev", NULL, timeout_ms, &backends, err);

	if (rc < 0)
		return rc;
	one = json_array_get(backends, 0);
	id = json_string_value(json_object_get(one, "id"));
	ram->bytes = json_integer_value(json_object_get(one, "size"));
	if (json_array_size(backends) != 1 || !id || strlen(id) >= sizeof(ram->backend))
		rc = unfit(err, "its RAM is not one memory backend (-machine memory-backend=)");
	else if (!json_is_true(json_object_get(one, "share")))
		rc = unfit(err, "its memory backend is not shared (share=on)");
	else if (ram->bytes == 0 || ram->bytes % DIRTY_BYTES)
		rc = unfit(err, "the size of its RAM");
	else
		strcpy(ram->backend, id);
	json_decref(backends);
	return rc;
}

/* A line of the memory tree: "  <from>-<to> (prio 0, ram): <name> @<offset>". */
struct tree_line {
	uint64_t from, to, offset;
	char kind[8];
	char name[64];
};

static bool parse_line(const char *line, struct tree_line *out)
{
	const char *at;

	memset(out, 0, sizeof(*out));
	if (sscanf(line, " %" SCNx64 "-%" SCNx64 " (prio %*d, %7[a-z/]): %63s", &out->from,
		    &out->to, out->kind, out->name) != 4)
		return false;
	at = line + strcspn(line, "@\n");
	if (*at == '@')
		out->offset = strtoull(at + 1, NULL, 16);
	return out->to >= out->from;
}

/* Memory regions of a backend are named by its id, or by its path in newer machines. */
static bool is_backend(const struct guest_ram *ram, const struct tree_line *line)
{
	const char *name = line->name;

	if (!strncmp(name, "/objects/", 9))
		name += 9;
	return !strcmp(name, ram->backend) &&
	       (!strcmp(line->kind, "ram") || !strcmp(line->kind, "rom"));
}

/* Note a line's place: parts differ by how far the guest's addresses are from the file's. */
static int note_line(struct guest_ram *ram, const struct tree_line *line, struct nic_error *err)
{
	uint64_t shift = line->from - line->offset;

	if (line->offset >= ram->bytes || line->from < line->offset)
		return unfit(err, "its memory map");
	for (unsigned i = 0; i < ram->n_parts; i++) {
		struct ram_part *part = &ram->parts[i];

		if (part->gpa - part->offset != shift)
			continue;
		if (line->offset < part->offset) {
			part->gpa = line->from;
			part->offset = line->offset;
		}
		return 0;
	}
	if (ram->n_parts == RAM_PARTS_MAX)
		return unfit(err, "its RAM lies in too many places");
	ram->parts[ram->n_parts++] = (struct ram_part){.gpa = line->from, .offset = line->offset};
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct ram_part *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int guest_ram_layout(struct guest_ram *ram, const char *mtree, struct nic_error *err)
{
	struct tree_line line;
	int rc = 0;

	ram->n_parts = 0;
	for (const char *at = mtree; at && rc == 0; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (parse_line(at, &line) && is_backend(ram, &line))
			rc = note_line(ram, &line, err);
	}
	if (rc < 0)
		return rc;
	qsort(ram->parts, ram->n_parts, sizeof(ram->parts[0]), by_offset);
	if (ram->n_parts == 0 || ram->parts[0].offset != 0)
		return unfit(err, "its RAM is not where a PC has it");
	for (unsigned i = 0; i < ram->n_parts; i++) {
		uint64_t next = i + 1 < ram->n_parts ? ram->parts[i + 1].offset : ram->bytes;

		ram->parts[i].bytes = next - ram->parts[i].offset;
		if ((ram->parts[i].gpa | ram->parts[i].bytes) % DIRTY_BYTES)
			return unfit(err, "its memory map");
	}
	return 0;
}

static int ask_layout(
	struct guest_ram *ram, struct qmp *qmp, unsigned timeout_ms, struct nic_error *err)
{
	json_t *text = NULL;
	int rc = qmp_call(qmp, "human-monitor-command",
		json_pack("{s:s}", "command-line", "info mtree -f"), timeout_ms, &text, err);

	if (rc == 0 && !json_is_string(text))
		rc = unfit(err, "QEMU does not tell its memory map");
	if (rc == 0)
		rc = guest_ram_layout(ram, json_string_value(text), err);
	json_decref(text);
	return rc;
}

/* ---- what the kernel says ---- */

/* The file of a line of /proc/PID/maps, when it is a shared writable mapping of the right kind. */
struct map_line {
	uint64_t start, end, offset, inode;
	unsigned major, minor;
};

static bool parse_map(const char *text, struct map_line *map)
{
	char mode[8] = "";

	return sscanf(text, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64, &map->start,
		       &map->end, mode, &map->offset, &map->major, &map->minor, &map->inode) == 7 &&
	       mode[1] == 'w' && mode[3] == 's';
}

static bool same_file(const struct map_line *map, const struct stat *st)
{
	return map->inode == st->st_ino && map->major == major(st->st_dev) &&
	       map->minor == minor(st->st_dev);
}

/* Note where a process has the file mapped; how many bytes in all. */
static uint64_t find_maps(struct guest_ram *ram, pid_t pid, const struct stat *st)
{
	char path[64], line[512];
	struct map_line map;
	uint64_t bytes = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	ram->target = (struct dirty_target){.pid = pid};
	while (maps && fgets(line, sizeof(line), maps)) {
		struct dirty_area *area = &ram->target.areas[ram->target.n_areas];

		if (!parse_map(line, &map) || !same_file(&map, st) || map.offset >= ram->bytes)
			continue;
		if (ram->target.n_areas == DIRTY_AREAS_MAX)
			break;
		if (map.end - map.start > ram->bytes - map.offset)
			map.end = map.start + ram->bytes - map.offset;
		*area = (struct dirty_area){
			.start = map.start, .end = map.end, .page = map.offset >> DIRTY_SHIFT};
		ram->target.n_areas++;
		bytes += map.end - map.start;
	}
	if (maps)
		fclose(maps);
	return bytes;
}

/* Is this file of the process the backend's: as large as the guest's RAM, or a little larger where
 * the page is huge, and mapped whole? */
static bool is_ram_file(struct guest_ram *ram, pid_t pid, int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size >= ram->bytes && find_maps(ram, pid, &st) >= ram->bytes;
}

/* A descriptor of the backend's file, or -1 with errno. */
static int open_ram_file(struct guest_ram *ram, pid_t pid, int flags)
{
	char path[64];
	struct dirent *entry;
	int fd = -1, saved = ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (fd < 0 && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
			!is_ram_file(ram, pid, dirfd(dir), entry->d_name))
			continue;
		fd = openat(dirfd(dir), entry->d_name, flags | O_CLOEXEC);
		saved = errno;
	}
	closedir(dir);
	errno = saved;
	return fd;
}

/* Of a file in a hugetlbfs, which a memfd of huge pages is too, that of its pages. */
static uint64_t page_bytes(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize
								     : DIRTY_BYTES;
}

static int map_ram(struct guest_ram *ram, pid_t pid, bool writable, struct nic_error *err)
{
	int fd = open_ram_file(ram, pid, writable ? O_RDWR : O_RDONLY);
	void *base;

	if (fd < 0)
		return nic_fail(err, RENIC_E_IO, "qemu",
			"guest RAM of process %d cannot be opened: %s", (int)pid, strerror(errno));
	ram->target.page_bytes = page_bytes(fd);
	base = mmap(NULL, ram->bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return nic_fail(err, RENIC_E_RESOURCES, "qemu",
			"guest RAM of process %d cannot be mapped: %s", (int)pid, strerror(errno));
	ram->base = base;
	for (unsigned i = 0; i < ram->target.n_areas; i++) {
		struct dirty_area *area = &ram->target.areas[i];

		area->base = ram->base + (area->page << DIRTY_SHIFT);
	}
	return 0;
}

int guest_ram_open(struct guest_ram *ram, struct qmp *qmp, pid_t pid, bool writable,
	unsigned timeout_ms, struct nic_error *err)
{
	int rc;

	memset(ram, 0, sizeof(*ram));
	rc = ask_backend(ram, qmp, timeout_ms, err);
	if (rc == 0)
		rc = ask_layout(ram, qmp, timeout_ms, err);
	if (rc == 0)
		rc = map_ram(ram, pid, writable, err);
	return rc;
}

void guest_ram_close(struct guest_ram *ram)
{
	if (ram->base)
		munmap(ram->base, ram->bytes);
	memset(ram, 0, sizeof(*ram));
}
