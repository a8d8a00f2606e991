/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One epoch of a VF's life, by hand: protect it, let its guest send for a while, seal the epoch,
 * say what is held, commit it, and stop protecting. A replicator does the same many times a
 * second, with the guest paused and its state copied between begin and resume.
 *
 *   cc hold_one_epoch.c $(pkg-config --cflags --libs renic) -o hold_one_epoch
 *   ./hold_one_epoch VF [MILLISECONDS]
 *
 * Creates nothing: the VF exists (renicctl vf create NAME). Exit status 0 when all went well.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <renic.h>

static int fail(const char *what, const struct renic_error *err)
{
	fprintf(stderr, "%s: %s\n", what, err->message);
	return 1;
}

static int hold_one_epoch(struct renic_client *renic, const char *vf, unsigned milliseconds)
{
	struct renic_checkpoint checkpoint;
	struct renic_error err;

	/* The guest is paused here, and its memory copied between begin and resume. */
	usleep(milliseconds * 1000);
	if (renic_checkpoint_begin(renic, vf, &checkpoint, &err))
		return fail("checkpoint_begin", &err);
	if (renic_checkpoint_resume(renic, vf, &err))
		return fail("checkpoint_resume", &err);
	printf("epoch %" PRIu64 ": %" PRIu64 " frames (%" PRIu64 " bytes) held, sealed in %" PRIu64
	       " us\n",
		checkpoint.epoch, checkpoint.held_pkts, checkpoint.held_bytes,
		checkpoint.duration_us);

	/* The backup has acknowledged the copy: now, and not before, its frames may leave. */
	if (renic_checkpoint_commit(renic, vf, checkpoint.epoch, &err))
		return fail("checkpoint_commit", &err);
	printf("epoch %" PRIu64 ": committed\n", checkpoint.epoch);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned milliseconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100;
	struct renic_client *renic;
	struct renic_error err;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: %s VF [MILLISECONDS]\n", argv[0]);
		return 2;
	}
	renic = renic_connect(NULL, &err); /* $RENIC_SOCKET, or the default path */
	if (!renic)
		return fail("connect", &err);

	if (renic_protection_start(renic, argv[1], &err)) {
		status = fail("protection_start", &err);
	} else {
		status = hold_one_epoch(renic, argv[1], milliseconds);
		if (renic_protection_stop(renic, argv[1], RENIC_HELD_RELEASE, &err))
			status = fail("protection_stop", &err);
	}
	renic_close(renic);
	return status;
}
