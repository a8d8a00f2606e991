/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `renicctl protect`: checkpoints by the clock, without copying a VM. What a replicator does,
 * less the state: begin, resume, and later commit (design, "Checkpoint protocol").
 *
 * Signals: SIGUSR1 pauses the commits, SIGUSR2 resumes them, SIGINT and SIGTERM end the run. They
 * are read from a descriptor between two calls, so a group is never left suspended, and a
 * commit never follows the line that says "paused".
 *
 * When as many epochs as --in-flight are sealed and uncommitted, the open epoch just stays open:
 * frames go on being held in it, and the daemon's limit is never met.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "protect_stats.h"
#include "run.h"

enum { PENDING_MAX = 256, NS_PER_US = 1000 };

struct pending {
	uint64_t epoch;
	int64_t due_ns; /* when it is to be committed */
};

struct protect {
	struct ctl *ctl;
	const char *group;
	int64_t interval_ns, delay_ns;
	uint64_t count; /* epochs to seal, 0: no end */
	unsigned in_flight;
	bool leave_held;

	int tick_fd, due_fd, signal_fd;
	struct pending pending[PENDING_MAX]; /* ring: sealed, uncommitted, oldest at head */
	unsigned head, n_pending;
	bool paused, stopping;
	struct protect_stats stats;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void arm(int fd, int64_t first_ns, int64_t interval_ns)
{
	struct itimerspec when = {
		.it_value = to_timespec(first_ns), .it_interval = to_timespec(interval_ns)};

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* A line on stdout that a script can wait for. */
static void say(struct protect *p, const char *event, const char *text)
{
	if (p->ctl->json)
		fprintf(p->ctl->out, "{\"event\":\"%s\",\"epoch\":%" PRIu64 "}\n", event,
			p->stats.last_epoch);
	else
		fprintf(p->ctl->out, "%s (last sealed epoch: %" PRIu64 ")\n", text,
			p->stats.last_epoch);
	fflush(p->ctl->out);
}

/* Commit the newest epoch that is due: that covers the older ones. */
static int commit_due(struct protect *p)
{
	int64_t now = now_ns();
	struct renic_error err;
	uint64_t epoch = 0;
	unsigned n = 0;

	if (p->paused)
		return EXIT_OK;
	while (n < p->n_pending && p->pending[(p->head + n) % PENDING_MAX].due_ns <= now)
		epoch = p->pending[(p->head + n++) % PENDING_MAX].epoch;
	if (n > 0 && renic_checkpoint_commit(p->ctl->client, p->group, epoch, &err))
		return ctl_fail("checkpoint_commit", &err);
	p->head = (p->head + n) % PENDING_MAX;
	p->n_pending -= n;
	p->stats.committed += n;
	if (p->n_pending > 0)
		arm(p->due_fd, p->pending[p->head].due_ns, 0);
	return EXIT_OK;
}

static void remember(struct protect *p, uint64_t epoch, int64_t now)
{
	struct pending *pending = &p->pending[(p->head + p->n_pending++) % PENDING_MAX];

	pending->epoch = epoch;
	pending->due_ns = now + p->delay_ns;
	if (p->delay_ns > 0 && p->n_pending == 1)
		arm(p->due_fd, pending->due_ns, 0);
}

/* One checkpoint. Between begin and resume is what the guest would feel, so nothing else is. */
static int checkpoint(struct protect *p)
{
	struct renic_checkpoint checkpoint;
	int64_t start, begun, resumed;
	struct renic_error err;

	if (renic_checkpoint_prepare(p->ctl->client, p->group, &err))
		return ctl_fail("checkpoint_prepare", &err);
	start = now_ns();
	if (renic_checkpoint_begin(p->ctl->client, p->group, &checkpoint, &err))
		return ctl_fail("checkpoint_begin", &err);
	begun = now_ns();
	if (renic_checkpoint_resume(p->ctl->client, p->group, &err))
		return ctl_fail("checkpoint_resume", &err);
	resumed = now_ns();
	protect_stats_add(&p->stats, &checkpoint, (uint64_t)(begun - start) / NS_PER_US,
		(uint64_t)(resumed - start) / NS_PER_US);
	remember(p, checkpoint.epoch, resumed);
	return p->delay_ns == 0 ? commit_due(p) : EXIT_OK;
}

static bool count_reached(const struct protect *p)
{
	return p->count > 0 && p->stats.sealed >= p->count;
}

static int on_tick(struct protect *p)
{
	uint64_t expirations = 0;

	if (read(p->tick_fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return EXIT_OK;
	p->stats.late += expirations - 1;
	if (count_reached(p))
		return EXIT_OK;
	if (p->n_pending >= p->in_flight) {
		p->stats.kept_open++;
		return EXIT_OK;
	}
	return checkpoint(p);
}

static int on_due(struct protect *p)
{
	uint64_t expirations;

	if (read(p->due_fd, &expirations, sizeof(expirations)) < 0)
		return EXIT_OK;
	return commit_due(p);
}

static int on_signal(struct protect *p)
{
	struct signalfd_siginfo info;

	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return EXIT_OK;
	if (info.ssi_signo == SIGUSR1) {
		p->paused = true;
		say(p, "commits_paused", "commits paused");
		return EXIT_OK;
	}
	if (info.ssi_signo == SIGUSR2) {
		int status;

		p->paused = false;
		status = commit_due(p);
		if (!status)
			say(p, "commits_resumed", "commits resumed");
		return status;
	}
	p->stopping = true;
	return EXIT_OK;
}

static int on_client(struct protect *p)
{
	fprintf(stderr, "renicctl: protect: the daemon closed the connection\n");
	return EXIT_NO_DAEMON;
}

static int loop(struct protect *p)
{
	struct pollfd fds[] = {
		{.fd = p->signal_fd, .events = POLLIN},
		{.fd = renic_fd(p->ctl->client), .events = POLLRDHUP},
		{.fd = p->due_fd, .events = POLLIN},
		{.fd = p->tick_fd, .events = POLLIN},
	};
	int (*const handlers[])(struct protect *) = {on_signal, on_client, on_due, on_tick};
	int status = EXIT_OK;

	while (!status && !p->stopping && !(count_reached(p) && p->n_pending == 0)) {
		if (poll(fds, 4, -1) < 0)
			continue;
		for (unsigned i = 0; i < 4 && !status && !p->stopping; i++)
			if (fds[i].revents)
				status = handlers[i](p);
	}
	return status;
}

/* Start protection, or take over a group that is protected already. */
static int start(struct protect *p)
{
	struct renic_error err;
	bool already;

	if (!renic_protection_start(p->ctl->client, p->group, &err)) {
		say(p, "started", "protected");
		return EXIT_OK;
	}
	already = err.code == RENIC_E_STATE && !strcmp(err.state, "protected");
	if (!already)
		return ctl_fail("protection_start", &err);
	say(p, "started", "protected already: going on from there");
	return EXIT_OK;
}

static int stop(struct protect *p)
{
	struct renic_error err;

	if (p->leave_held) {
		say(p, "left_held", "left protected, held what is held");
		return EXIT_OK;
	}
	if (renic_protection_stop(p->ctl->client, p->group, RENIC_HELD_RELEASE, &err))
		return ctl_fail("protection_stop", &err);
	say(p, "stopped", "protection stopped, everything released");
	return EXIT_OK;
}

/* The clock starts when protection has. */
static int run(struct protect *p)
{
	int status = start(p);

	if (status)
		return status;
	arm(p->tick_fd, now_ns() + p->interval_ns, p->interval_ns);
	status = loop(p);
	/* On a failure the group stays as it is: held is the safe side. */
	if (!status)
		status = stop(p);
	protect_stats_print(p->ctl, p->group, &p->stats);
	return status;
}

static int open_clocks(struct protect *p)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	p->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	p->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	p->due_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->signal_fd >= 0 && p->tick_fd >= 0 && p->due_fd >= 0)
		return EXIT_OK;
	fprintf(stderr, "renicctl: protect: no timer: %s\n", strerror(errno));
	return EXIT_REFUSED;
}

static int64_t given(const json_t *args, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(args, name);

	return value ? json_integer_value(value) : otherwise;
}

int run_protect(struct ctl *ctl, const struct command *command, const json_t *args)
{
	struct protect p = {
		.ctl = ctl,
		.group = json_string_value(json_object_get(args, "group")),
		.interval_ns = given(args, "interval", 25000) * NS_PER_US,
		.delay_ns = given(args, "commit_delay", 0) * NS_PER_US,
		.count = (uint64_t)given(args, "count", 0),
		.in_flight = (unsigned)given(args, "in_flight", 16),
		.leave_held = json_is_true(json_object_get(args, "leave_held")),
	};
	uint64_t term = (uint64_t)given(args, "term", 0);
	int status = open_clocks(&p); /* first: from here on no signal ends us half-way */

	if (!status)
		status = ctl_connect(ctl);
	if (!status) {
		renic_set_term(ctl->client, term);
		status = run(&p);
	}
	close(p.signal_fd);
	close(p.tick_fd);
	close(p.due_fd);
	return status;
}
