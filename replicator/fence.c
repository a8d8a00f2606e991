/* SPDX-License-Identifier: BSD-3-Clause */
/* The fence command; see fence.h, posix_spawn(3). */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "fence.h"

extern char **environ;

bool fence_is_configured(const struct remus_config *config)
{
	return config->fence.n_args > 0;
}

/* A copy of the environment with n more entries, the strings not copied. */
static char **extend_environ(char *const *more, size_t n)
{
	size_t have = 0;
	char **all;

	while (environ[have])
		have++;
	all = calloc(have + n + 1, sizeof(*all));
	if (!all)
		return NULL;
	memcpy(all, more, n * sizeof(*all));
	memcpy(all + n, environ, have * sizeof(*all));
	return all;
}

int fence_start(struct fence *f, const struct remus_config *config, enum remus_side victim,
	const char *peer, uint64_t term, struct nic_error *err)
{
	char group[64], side[32], address[160], term_text[48];
	char *more[] = {group, side, address, term_text};
	char *argv[CONFIG_FENCE_ARGS_MAX + 1] = {0};
	posix_spawnattr_t attr;
	sigset_t none, all;
	char **env;
	int rc;

	snprintf(group, sizeof(group), "RENIC_GROUP=%s", config->group);
	snprintf(side, sizeof(side), "RENIC_SIDE=%s",
		victim == REMUS_PRIMARY ? "primary" : "standby");
	snprintf(address, sizeof(address), "RENIC_PEER=%s", peer);
	snprintf(term_text, sizeof(term_text), "RENIC_TERM=%llu", (unsigned long long)term);
	for (unsigned i = 0; i < config->fence.n_args; i++)
		argv[i] = (char *)config->fence.args[i];
	env = extend_environ(more, sizeof(more) / sizeof(more[0]));
	if (!env)
		return nic_fail(err, RENIC_E_RESOURCES, "fence", "no memory");
	/* A group of its own, so that a timeout ends all of it; signals as a program expects them.
	 */
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(&f->pid, argv[0], NULL, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	free(env);
	f->deadline_ns = now_ns() + config->fence.timeout_ms * NS_PER_MS;
	if (!rc)
		return 0;
	f->pid = 0;
	return nic_fail(
		err, RENIC_E_IO, "fence.command", "fence command %s: %s", argv[0], strerror(rc));
}

enum fence_answer fence_poll(struct fence *f)
{
	int status = 0;
	pid_t pid;

	if (!f->pid)
		return FENCE_NO;
	pid = waitpid(f->pid, &status, WNOHANG);
	if (pid == 0 && now_ns() < f->deadline_ns)
		return FENCE_RUNNING;
	if (pid == 0) {
		kill(-f->pid, SIGKILL);
		waitpid(f->pid, &status, 0);
	}
	f->pid = 0;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? FENCE_YES : FENCE_NO;
}
