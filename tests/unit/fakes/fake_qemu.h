/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A QEMU on a Unix socket that stops, saves and goes on as the real one does, in a thread of the
 * test. Commands are done one after the other, so one that waits lets none pass.
 */
#ifndef FAKE_QEMU_H
#define FAKE_QEMU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FAKE_STATE_BYTES = 310000,  /* of the device state, unless the test says another */
	FAKE_PART_BYTES = 32 << 10, /* of it that QEMU writes at once */
	FAKE_LOG_SIZE = 1024,
};

/* What it says to a command: "qom-get PATH PROPERTY", "query-pci". The last one is {NULL, NULL}. */
struct fake_answer {
	const char *command, *value;
};

struct fake_qemu {
	int listener, fd, given;
	pthread_t thread;
	bool running, has_disks, refuses_save, refuses_cont;
	const char *before_save; /* what it says before it stops for a save */
	const char *after_save;	 /* and between a save and its reply */
	void (*drained)(void);	 /* its disks have done what they were asked for; or NULL */
	uint64_t ram_bytes;	 /* of its memory backend, "mem" */
	const struct fake_answer *answers; /* to these, and it refuses all others; or NULL */
	const char *ends_at;		   /* the command at which it hangs up; or NULL */
	char input[4096];
	size_t used;
	size_t state_bytes, written;
	char log[FAKE_LOG_SIZE]; /* the commands that were done */
	char path[108];
};

/* Begin to listen at q->path; what the caller may change before it connects has its usual value. */
void fake_qemu_start(struct fake_qemu *q);

/* After the client has disconnected. */
void fake_qemu_end(struct fake_qemu *q);

/* Send an event or anything else. */
void fake_qemu_say(struct fake_qemu *q, const char *text);

#endif
