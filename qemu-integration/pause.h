/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a running QEMU stands still for a checkpoint, its device state is read, and it goes on.
 * Two ways, chosen at each pause:
 *
 *  - held: one command. `xen-save-devices-state` stops a VM that runs, saves it, and starts it
 *    again. The file it writes is a pipe of ours that has less room than the state takes, so that
 *    QEMU waits in its last write, with the vCPUs stopped, until we empty it. When we die, the
 *    write fails and the VM runs on. QEMU has read the command before all but its last byte.
 *  - by steps: `stop`, `xen-save-devices-state`, `cont`. For a VM that is to stay paused, one that
 *    somebody else paused or that sleeps (S3), and one with disks when it was opened: what they
 *    still read into guest memory is there when `stop` is answered, not when its event says that
 *    the vCPUs stand.
 *
 * One thread at a time; nothing is allocated between pauser_pause() and the end of
 * pauser_resume(). Errors are those of qmp.h.
 */
#ifndef QEMU_PAUSE_H
#define QEMU_PAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"
#include "qmp.h"

enum pauser_way { PAUSER_NONE, PAUSER_HELD, PAUSER_STEPS };

enum { PAUSER_CHUNK_BYTES = 64 << 10 };

struct pauser {
	struct qmp *qmp;
	unsigned timeout_ms;
	bool has_disks;
	int pipe_read, pipe_write;
	size_t plug_bytes;  /* of ours in the pipe, before any of QEMU's */
	size_t room_bytes;  /* that this save may take before it waits; less than its state */
	size_t state_bytes; /* of this save, read so far */
	int64_t deadline;   /* of reading it */
	size_t late_bytes;  /* read after that */
	size_t least_state_bytes, most_state_bytes; /* of the saves so far; 0: none yet */
	char save_args[64];
	enum pauser_way way; /* of the pause under way */
	bool slipped;	     /* it may not have waited in that; valid until the next */
	bool ready;
	/* Commands that are prepared or whose reply is awaited; save: 0: none is. */
	uint64_t stop_id, save_id;
	struct qmp_run before; /* this pause */
	unsigned char chunk[PAUSER_CHUNK_BYTES];
};

/* Make the pipe and hand it to QEMU; ask whether the VM has disks. timeout_ms: of each command
 * later. RENIC_E_RESOURCES. */
int pauser_open(struct pauser *p, struct qmp *qmp, unsigned timeout_ms, unsigned open_timeout_ms,
	struct nic_error *err);

/* Of a zeroed one, nothing. A VM that is held runs on. */
void pauser_close(struct pauser *p);

/* Do ahead what the next pauser_pause() need not. The VM runs. */
int pauser_prepare(struct pauser *p, struct nic_error *err);

/* Stop the vCPUs; `stay`: they do not go on before pauser_resume(). When this returns, guest memory
 * changes no more, and QEMU saves its state. */
int pauser_pause(struct pauser *p, bool stay, struct nic_error *err);

/* The VM may go on when its state is saved. RENIC_E_STATE: it may have run already. By steps it
 * waits for pauser_resume(). */
int pauser_resume_soon(struct pauser *p, struct nic_error *err);

/* Hand the state to the sink. RENIC_E_STATE: somebody else made the VM run meanwhile. */
int pauser_state(struct pauser *p, struct remus_sink *sink, struct nic_error *err);

/* The VM goes on, whatever became of the checkpoint. Of one that does already, nothing. Then
 * `slipped` says whether it may have run before, when it was taken for paused. */
int pauser_resume(struct pauser *p, struct nic_error *err);

#endif
