/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How other threads ask the control thread: the device's functions (nic.h) are for it alone, so
 * whoever wants to know something (metrics, DPDK's telemetry) has it run a function and waits.
 * Not for data lcores, which wait for nobody, nor for the port's thread, which lcores wait for.
 */
#ifndef RENICD_CONTROL_ASK_H
#define RENICD_CONTROL_ASK_H

/*
 * Run fn(arg) on the control thread, between two requests of clients, and wait until it has run.
 * Keep fn short: checkpoints wait meanwhile. Any thread but those named above.
 * Returns 0; -EAGAIN: the control thread does not serve (yet, or any more), fn was not run.
 */
int ask_control(void (*fn)(void *arg), void *arg);

/* ---- the control thread's side: server.c ---- */

/* Readable when ask_run() has something to do; from now on questions are taken. < 0: -errno. */
int ask_open(void);

void ask_run(void);

/* Questions that wait are sent away, later ones too. */
void ask_close(void);

#endif
