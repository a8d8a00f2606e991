/* SPDX-License-Identifier: BSD-3-Clause */
/* The local renicd's held frames: read out of the egress log's file on a primary, given to it on a
 * standby; see daemon.h. Nothing that the daemon says may lead out of the mapping. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <renic_snapshot.h>

#include "daemon.h"

enum { EXTENTS_MORE = 64 };

void daemon_log_close(struct daemon_log *log)
{
	if (log->file)
		munmap((void *)log->file, log->file_bytes);
	free(log->extents);
	*log = (struct daemon_log){0};
}

/* One file for the daemon's life, and so for the connection's. */
static int map_file(struct daemon_log *log, int fd, struct nic_error *err)
{
	struct stat st;
	void *file;

	if (log->file)
		return 0;
	if (fd < 0 || fstat(fd, &st))
		return nic_fail(err, RENIC_E_IO, "", "renicd sent no egress log");
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (file == MAP_FAILED)
		return nic_fail(err, RENIC_E_RESOURCES, "", "renicd's egress log: no mapping");
	log->file = file;
	log->file_bytes = (size_t)st.st_size;
	return 0;
}

static uint64_t number(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* As many as an answer of renicd's may have: there is one in each 2 MiB that are held. */
static int make_room(struct daemon_log *log, size_t n)
{
	log->n_extents = 0;
	if (log->extents && n <= log->room)
		return 0;
	free(log->extents);
	log->room = n + EXTENTS_MORE;
	log->extents = calloc(log->room, sizeof(*log->extents));
	return log->extents ? 0 : -ENOMEM;
}

static int read_extents(struct daemon_log *log, const json_t *list, struct nic_error *err)
{
	const json_t *one;
	size_t i;

	if (make_room(log, json_array_size(list)))
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory for renicd's egress log");
	json_array_foreach ((json_t *)(uintptr_t)list, i, one) {
		struct daemon_extent e = {
			.queue = (uint16_t)number(one, "queue"),
			.log_offset = number(one, "log_offset"),
			.file_offset = number(one, "file_offset"),
			.bytes = number(one, "bytes"),
		};

		if (e.file_offset > log->file_bytes || e.bytes > log->file_bytes - e.file_offset)
			return nic_fail(err, RENIC_E_PROTOCOL, "",
				"renicd: held frames lie outside of the egress log");
		log->extents[log->n_extents++] = e;
	}
	return 0;
}

int daemon_log_look(struct daemon *d, const char *vf, struct nic_error *err)
{
	struct renic_error why;
	json_t *result = NULL;
	size_t n_fds = 1;
	int fd = -1, rc = daemon_connect(d, err);

	if (rc)
		return rc;
	rc = renic_call_fds(d->client, "egress_log_get", json_pack("{s:s}", "name", vf), &result,
		&fd, &n_fds, &why);
	if (rc)
		return daemon_done(d, rc, "egress_log_get", &why, err);
	rc = map_file(&d->log, n_fds ? fd : -1, err);
	if (!rc)
		rc = read_extents(&d->log, json_object_get(result, "extents"), err);
	if (n_fds)
		close(fd);
	json_decref(result);
	return rc;
}

int daemon_log_load(
	struct daemon *d, const char *vf, const uint8_t *records, size_t n, struct nic_error *err)
{
	size_t size = RENIC_BASE64_SIZE(n);
	char *text = malloc(size);
	struct renic_error why;
	json_t *params;
	int rc = text ? daemon_connect(d, err) : nic_fail(err, RENIC_E_RESOURCES, "", "no memory");

	if (!rc) {
		renic_base64_encode(records, n, text, size);
		params = json_pack("{s:s s:s}", "name", vf, "frames", text);
		rc = renic_call(d->client, "egress_load", params, NULL, &why);
		rc = daemon_done(d, rc, "egress_load", &why, err);
	}
	free(text);
	return rc;
}
