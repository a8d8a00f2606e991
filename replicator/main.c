/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renic-remus: copies VMs to a backup, checkpoint by checkpoint, and takes over from it. `primary`
 * and `standby` are the two sides and run until they are told to end; the other commands talk to
 * one of them over its control socket. The table below is the program's help too.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <renic.h>

#include "clock.h"
#include "control.h"
#include "event.h"
#include "primary.h"
#include "standby.h"

enum {
	EXIT_YES = 0,
	EXIT_NO = 1,
	EXIT_USAGE = 2,
	EXIT_NO_SOCKET = 3,
	ANSWER_WAIT_MS = 30000, /* of a command; of a first copy: for its next megabyte */
	LOOK_MS = 500,
	PROGRESS_BYTES = 1 << 20, /* more than heartbeats are */
};

struct options {
	const char *config, *socket;
	uint32_t interval_us;
	const char *peer, *listen, *group;
	bool json, fenced, test;
};

static int run_side(const struct options *o);
static int run_standby(const struct options *o);
static int run_status(const struct options *o);
static int run_events(const struct options *o);
static int run_failover(const struct options *o);
static int run_stop(const struct options *o);
static int run_protect(const struct options *o);

static const struct {
	const char *name, *help;
	int (*run)(const struct options *o);
} commands[] = {
	{"primary", "protect the VMs that run here", run_side},
	{"standby", "hold their checkpoints, and take over", run_standby},
	{"status", "how it is (-j: as JSON)", run_status},
	{"events", "what happened last (-j: as JSON)", run_events},
	{"failover", "primary: switch over, planned; standby, with --fenced: take over now",
		run_failover},
	{"stop", "primary: end protection; what is held leaves", run_stop},
	{"protect", "standby that took over: become the primary of `peer`", run_protect},
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"socket", required_argument, NULL, 's'},
	{"interval", required_argument, NULL, 'i'},
	{"peer", required_argument, NULL, 'p'},
	{"listen", required_argument, NULL, 'l'},
	{"group", required_argument, NULL, 'g'},
	{"json", no_argument, NULL, 'j'},
	{"fenced", no_argument, NULL, 'F'},
	{"test", no_argument, NULL, 't'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void print_help(FILE *f)
{
	fprintf(f, "usage: renic-remus COMMAND -c FILE [options]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(f,
		"\n"
		"  -c, --config FILE    the config file (docs/replication.md)\n"
		"  -s, --socket PATH    the control socket, in the place of the file's\n"
		"  -i, --interval TIME  between checkpoints: 25ms, 500us\n"
		"  -p, --peer HOST:PORT, -l, --listen HOST:PORT, -g, --group NAME\n"
		"                       in the place of the file's\n"
		"  -t, --test           primary, standby: only check the config file\n"
		"  -j, --json           answers as JSON\n"
		"      --fenced         failover: you made sure that the primary's VMs do not run\n"
		"      --version        versions and drivers\n");
}

/* "25ms", "500us", "1s"; 0: none of them. */
static uint32_t parse_interval(const char *text)
{
	char *unit;
	unsigned long n = strtoul(text, &unit, 10);
	unsigned long factor = !strcmp(unit, "us")   ? 1
			       : !strcmp(unit, "ms") ? 1000
			       : !strcmp(unit, "s")  ? 1000000
						     : 0;

	return unit == text || n > 10000000 || n * factor < 1000 || n * factor > 10000000
		       ? 0
		       : (uint32_t)(n * factor);
}

static int load_config(const struct options *o, struct remus_config *config, struct nic_error *err)
{
	int rc;

	if (!o->config)
		return nic_fail(err, RENIC_E_PARAMS, "config", "no config file: say -c FILE");
	rc = remus_config_load(o->config, config, err);
	if (rc)
		return rc;
	if (o->interval_us)
		config->interval_us = o->interval_us;
	if (o->peer)
		snprintf(config->peer, sizeof(config->peer), "%s", o->peer);
	if (o->listen)
		snprintf(config->listen, sizeof(config->listen), "%s", o->listen);
	if (o->group)
		snprintf(config->group, sizeof(config->group), "%s", o->group);
	if (o->socket)
		snprintf(config->control, sizeof(config->control), "%s", o->socket);
	return 0;
}

/* ---- the two sides ---- */

static int quit_fd(void)
{
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int play(const struct remus_config *config, enum remus_side side, struct nic_error *err)
{
	struct control *control = NULL;
	struct role role;
	int rc;

	if (role_init(&role))
		return nic_fail(err, RENIC_E_RESOURCES, "", "no eventfd");
	role.quit_fd = quit_fd();
	role.status.side = side;
	rc = control_start(config, &role, &control, err);
	if (!rc)
		rc = side == REMUS_PRIMARY ? primary_run(config, &role, err)
					   : standby_run(config, &role, err);
	/* The standby that took over becomes the primary of another one. */
	if (rc == 1 && side == REMUS_STANDBY) {
		rc = remus_config_check(config, REMUS_PRIMARY, err);
		if (!rc)
			rc = primary_run(config, &role, err);
	}
	control_stop(control);
	role_fini(&role);
	return rc;
}

static int run_either(const struct options *o, enum remus_side side)
{
	static struct remus_config config;
	struct nic_error err = {0};
	int rc = load_config(o, &config, &err);

	if (!rc)
		rc = remus_config_check(&config, side, &err);
	if (!rc && !o->test)
		rc = play(&config, side, &err);
	if (rc < 0)
		fprintf(stderr, "renic-remus: %s\n", err.message);
	remus_config_free(&config);
	return rc ? EXIT_NO : EXIT_YES;
}

static int run_side(const struct options *o)
{
	return run_either(o, REMUS_PRIMARY);
}

static int run_standby(const struct options *o)
{
	return run_either(o, REMUS_STANDBY);
}

/* ---- its clients ---- */

static struct renic_client *connect_to(const struct options *o)
{
	static struct remus_config config;
	struct nic_error err = {0};
	struct renic_error why;
	struct renic_client *client;

	if (!o->socket && load_config(o, &config, &err)) {
		fprintf(stderr, "renic-remus: %s\n", err.message);
		return NULL;
	}
	client = renic_connect(o->socket ? o->socket : config.control, &why);
	if (!client)
		fprintf(stderr, "renic-remus: %s\n", why.message);
	remus_config_free(&config);
	return client;
}

/* The answer, or NULL with a line on stderr. */
static json_t *ask(struct renic_client *client, const char *method, json_t *params)
{
	struct renic_error why;
	json_t *result;

	if (!renic_call(client, method, params, &result, &why))
		return result;
	fprintf(stderr, "renic-remus: %s: %s\n", method, why.message);
	return NULL;
}

static void print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	printf("\n");
}

static int run_status(const struct options *o)
{
	struct renic_client *client = connect_to(o);
	json_t *status = client ? ask(client, "status", NULL) : NULL;

	if (status && o->json)
		print_json(status);
	else if (status)
		status_print(status);
	renic_close(client);
	if (!status)
		return client ? EXIT_NO : EXIT_NO_SOCKET;
	json_decref(status);
	return EXIT_YES;
}

static void print_events(const json_t *list)
{
	const json_t *e;
	size_t i;

	json_array_foreach (list, i, e) {
		json_int_t us = json_integer_value(json_object_get(e, "time_us"));
		time_t s = us / 1000000;
		char text[32];

		strftime(text, sizeof(text), "%F %T", gmtime(&s));
		printf("%s.%03lld  %-16s %s\n", text, (long long)(us / 1000 % 1000),
			json_string_value(json_object_get(e, "type")),
			json_string_value(json_object_get(e, "detail")));
	}
}

static int run_events(const struct options *o)
{
	struct renic_client *client = connect_to(o);
	json_t *list = client ? ask(client, "events", NULL) : NULL;

	if (list && o->json)
		print_json(list);
	else if (list)
		print_events(list);
	renic_close(client);
	if (!list)
		return client ? EXIT_NO : EXIT_NO_SOCKET;
	json_decref(list);
	return EXIT_YES;
}

static json_int_t last_event(struct renic_client *client)
{
	json_t *list = ask(client, "events", NULL);
	json_int_t id = 0;

	if (json_array_size(list))
		id = json_integer_value(
			json_object_get(json_array_get(list, json_array_size(list) - 1), "id"));
	json_decref(list);
	return id;
}

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(*words, word))
		words++;
	return *words;
}

/* Has it sent a piece more than when it was looked at last? */
static bool sends(struct renic_client *client, json_int_t *sent)
{
	json_t *status = ask(client, "status", NULL);
	json_int_t now =
		json_integer_value(json_object_get(json_object_get(status, "stats"), "bytes_sent"));
	bool more = now >= *sent + PROGRESS_BYTES;

	if (more)
		*sent = now;
	json_decref(status);
	return more;
}

/* Follow the events after `after` until one says how it went; `copies`: a first copy is part of
 * it, which takes as long as it takes. A side that ends closes the socket: it does that only when
 * it has nothing more to do. */
static int follow(struct renic_client *client, json_int_t after, const char *const *good,
	const char *const *bad, bool copies)
{
	int64_t deadline = in_ms(ANSWER_WAIT_MS), look = in_ms(LOOK_MS);
	json_int_t sent = 0;

	while (now_ns() < deadline) {
		struct renic_error why;
		json_t *list, *e;
		size_t i;

		if (renic_call(client, "events", json_pack("{s:I}", "after", after), &list, &why))
			return why.code == RENIC_E_CLOSED ? EXIT_YES : EXIT_NO;
		json_array_foreach (list, i, e) {
			const char *type = json_string_value(json_object_get(e, "type"));
			const char *detail = json_string_value(json_object_get(e, "detail"));
			bool failed = is_one_of(type, bad) || strstr(detail, "-> failed");
			bool done = false;

			for (const char *const *g = good; *g; g++)
				done = done || (!strcmp(type, "state") && strstr(detail, *g));
			after = json_integer_value(json_object_get(e, "id"));
			fprintf(failed ? stderr : stdout, "%s: %s\n", type, detail);
			if (failed || done) {
				json_decref(list);
				return failed ? EXIT_NO : EXIT_YES;
			}
		}
		json_decref(list);
		if (copies && now_ns() >= look) {
			look = in_ms(LOOK_MS);
			if (sends(client, &sent))
				deadline = in_ms(ANSWER_WAIT_MS);
		}
		usleep(20000);
	}
	fprintf(stderr, "renic-remus: no answer yet; see renic-remus events\n");
	return EXIT_NO;
}

static int command(const struct options *o, const char *method, json_t *params,
	const char *const *good, const char *const *bad, bool copies)
{
	struct renic_client *client = connect_to(o);
	json_int_t after;
	json_t *ok;
	int status;

	if (!client) {
		json_decref(params);
		return EXIT_NO_SOCKET;
	}
	after = last_event(client);
	ok = ask(client, method, params);
	status = ok ? follow(client, after, good, bad, copies) : EXIT_NO;
	json_decref(ok);
	renic_close(client);
	return status;
}

static int run_failover(const struct options *o)
{
	static const char *const good[] = {"-> switched", "-> active", NULL};
	static const char *const bad[] = {"failover_failed", "refused", NULL};

	return command(o, "failover", json_pack("{s:b}", "fenced", o->fenced), good, bad, false);
}

static int run_stop(const struct options *o)
{
	static const char *const good[] = {"-> stopped", NULL};
	static const char *const bad[] = {"stop_failed", NULL};

	return command(o, "stop", NULL, good, bad, false);
}

static int run_protect(const struct options *o)
{
	static const char *const good[] = {"-> protected", NULL};
	static const char *const bad[] = {"refused", "error", NULL};

	return command(o, "protect", NULL, good, bad, true);
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:s:i:p:l:g:jth", long_options, NULL)) != -1)
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 's':
			o->socket = optarg;
			break;
		case 'i':
			o->interval_us = parse_interval(optarg);
			if (o->interval_us)
				break;
			fprintf(stderr, "renic-remus: --interval: got %s, expected 1ms to 10s\n",
				optarg);
			return EXIT_USAGE;
		case 'p':
			o->peer = optarg;
			break;
		case 'l':
			o->listen = optarg;
			break;
		case 'g':
			o->group = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'F':
			o->fenced = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'h':
			print_help(stdout);
			exit(EXIT_YES);
		case 'V':
			printf("renic-remus %s, stream version %d, drivers: %s\n", RENICD_VERSION,
				STREAM_VERSION, remus_driver_names());
			exit(EXIT_YES);
		default:
			return EXIT_USAGE;
		}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	int rc = parse(argc, argv, &o);

	if (rc)
		return rc;
	for (size_t i = 0; optind + 1 == argc && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, argv[optind]))
			return commands[i].run(&o);
	print_help(stderr);
	return EXIT_USAGE;
}
