/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command of renicctl is a row in a table (commands.c): noun, verb, parameters, the method it
 * calls, how its result is shown. Argument parsing (args.c) and help (help.c) are made from it.
 * renicctl is one thread.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <renic.h>

/* Exit statuses; part of the interface, as the messages on stderr are not. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,   /* the daemon said no, or the output could not be written */
	EXIT_USAGE = 2,	    /* the command line is not right; nothing was sent */
	EXIT_NO_DAEMON = 3, /* cannot connect, connection lost, or no answer in time */
};

enum value_type {
	VALUE_TEXT,
	VALUE_NUMBER,  /* a JSON integer; its range is for the daemon to judge, where none is set */
	VALUE_BYTES,   /* a number, K, M or G behind it: powers of 1,024 */
	VALUE_SWITCH,  /* on or off: a JSON boolean */
	VALUE_NAMES,   /* comma-separated: a JSON array of strings */
	VALUE_MS,      /* a time, 25ms, 500us, 1s, a bare number being milliseconds: in us */
	VALUE_SECONDS, /* the same, a bare number being seconds: in us */
	VALUE_OBJECT,  /* a JSON object */
};

enum param_kind {
	PARAM_ARG,     /* by position, required */
	PARAM_OPT_ARG, /* by position, optional */
	PARAM_REST,    /* all further positions, optional; VALUE_NAMES */
	PARAM_KEY,     /* key=value */
	PARAM_FLAG,    /* --option */
	PARAM_OPTION,  /* --option VALUE, --option=VALUE, -o VALUE */
};

struct param {
	const char *name; /* member of the request; NULL ends a table */
	enum param_kind kind;
	enum value_type type;
	const char *shown; /* the value in help: "MAC", "on|off" */
	const char *help;
	const char *option; /* FLAG, OPTION: its spelling without dashes */
	char letter;	    /* its short spelling, 0: none */
	const char *set;    /* FLAG: the text that it stands for; NULL: true */
	int64_t min, max;   /* range, where max is not 0; times in microseconds */
};

struct ctl;

struct command {
	const char *noun;
	const char *verb;   /* NULL: the noun is the whole command */
	const char *help;   /* a sentence without its full stop */
	const char *note;   /* more of it, for the command's own help; may be NULL */
	const char *method; /* what it calls; NULL: run() decides */
	const struct param *params;
	void (*show)(FILE *out, const json_t *result);
	/* NULL: call the method with the arguments and show its result. Returns an exit status. */
	int (*run)(struct ctl *ctl, const struct command *command, const json_t *args);
};

extern const struct command commands[]; /* ended by a row whose noun is NULL */
extern const struct param global_params[];

/* NULL when there is none. *used: how many words of argv named it. */
const struct command *command_find(int argc, char **argv, int *used);

/* "vf create", into buf; returns buf. */
const char *command_name(const struct command *command, char *buf, size_t size);

/* help.c. noun and verb may be NULL: then all commands, or all of the noun's. */
void help_print(FILE *out, const char *noun, const char *verb);

#endif
