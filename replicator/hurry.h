/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that a paused VM waits for get a CPU soon when they wake up. A thread that wakes up on a
 * CPU where another runs waits until that one's slice is over, milliseconds, unless its own slice
 * is the shorter one (EEVDF, Linux 6.12; sched_setattr(2)). It gets no more CPU by that than
 * before, and needs no right but to be of the same user. Older kernels do not know it.
 */
#ifndef REMUS_HURRY_H
#define REMUS_HURRY_H

#include <stddef.h>
#include <sys/types.h>

enum { HURRY_SLICE_NS = 100000 }; /* the least that Linux takes */

/* A thread (0: the calling one) gets short slices; policy and nice level stay. 0, or -errno: as
 * -EPERM, and -ENOTSUP where its policy has no slices. */
int hurry_thread(pid_t thread);

/* All threads that a process has now, but for n of them. 0, or what the last one failed with. */
int hurry_process(pid_t process, const pid_t *but, size_t n);

#endif
