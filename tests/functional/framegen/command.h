/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * framegen's commands: a line `name key=value ...` on stdin, one line of JSON back, in order.
 * Lines with an "event" come in between. The table in command.c is the list; `help` prints it.
 */
#ifndef FRAMEGEN_COMMAND_H
#define FRAMEGEN_COMMAND_H

#include <stdbool.h>

#include <jansson.h>

/* Print one line of JSON and flush it; takes the reference. */
void command_print(json_t *line);

/* Read and carry out what stdin has, without waiting. false: `quit`, or stdin was closed. */
bool command_poll(void);

#endif
