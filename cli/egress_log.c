/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl egress-log get`: where a VF's held records lie in the log's file, and, with --output,
 * their bytes, read through the descriptor that the daemon passes (docs/protocol.md).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

static int copy_failed(const char *what, int error)
{
	fprintf(stderr, "renicctl: egress-log get: %s: %s\n", what, strerror(error));
	return EXIT_REFUSED;
}

/* Append `left` bytes at `offset` of fd to out. */
static int copy_extent(int fd, uint64_t offset, uint64_t left, FILE *out)
{
	char buf[64 << 10];

	while (left > 0) {
		size_t want = left < sizeof(buf) ? (size_t)left : sizeof(buf);
		ssize_t n = pread(fd, buf, want, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return copy_failed("cannot read the log", n < 0 ? errno : ENODATA);
		if (fwrite(buf, 1, (size_t)n, out) != (size_t)n)
			return copy_failed("cannot write the copy", errno);
		offset += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return EXIT_OK;
}

static int copy_extents(int fd, const json_t *extents, const char *path)
{
	FILE *out = fopen(path, "wbe");
	int status = EXIT_OK;

	if (!out)
		return copy_failed(path, errno);
	for (size_t i = 0; i < json_array_size(extents) && !status; i++) {
		const json_t *extent = json_array_get(extents, i);
		json_int_t offset = json_integer_value(json_object_get(extent, "file_offset"));
		json_int_t bytes = json_integer_value(json_object_get(extent, "bytes"));

		status = copy_extent(fd, (uint64_t)offset, (uint64_t)bytes, out);
	}
	if (fclose(out) && !status)
		status = copy_failed(path, errno);
	return status;
}

int run_egress_log(struct ctl *ctl, const struct command *command, const json_t *args)
{
	json_t *name = json_object_get(args, "name"), *result;
	const char *output = json_string_value(json_object_get(args, "output"));
	int fd, status = ctl_connect(ctl);
	struct renic_error err;
	size_t n_fds = 1;

	if (status)
		return status;
	if (renic_call_fds(ctl->client, command->method, json_pack("{s:O}", "name", name), &result,
		    &fd, &n_fds, &err))
		return ctl_fail(command->method, &err);
	if (ctl->json)
		ctl_dump(ctl, result, false);
	else
		command->show(ctl->out, result);
	if (output)
		status = n_fds ? copy_extents(fd, json_object_get(result, "extents"), output)
			       : copy_failed("no log came with the answer", ENODATA);
	if (n_fds)
		close(fd);
	json_decref(result);
	return status;
}
