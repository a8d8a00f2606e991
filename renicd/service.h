/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a service manager is told: that the daemon is ready, that it ends, and, while its lcores
 * answer, that it lives. See service.c; sd_notify(3). Control thread.
 */
#ifndef RENICD_SERVICE_H
#define RENICD_SERVICE_H

/*
 * Take the manager's socket and the watchdog's period out of the environment ($NOTIFY_SOCKET,
 * $WATCHDOG_USEC, $WATCHDOG_PID). Without them everything below does nothing.
 * @alive  returns when all lcores have answered; called before each sign of life
 */
void service_init(void (*alive)(void));

/* The control socket is served from now on. */
void service_ready(void);

/* From now on the daemon ends. */
void service_stopping(void);

/* The control thread's timer: a sign of life when it is due, a few in each period. */
void service_tick(void);

#endif
