/* SPDX-License-Identifier: BSD-3-Clause */
/* See run_files.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "journal.h"
#include "log.h"
#include "log_map.h"
#include "run_files.h"

#define ADVICE "start renicd with --set-aside to keep it under another name and go on without it"

enum { FILE_PATH_SIZE = 512, REASON_SIZE = 160, ASIDE_MAX = 1000 };

static void journal_path(const struct nic_params *params, char path[FILE_PATH_SIZE])
{
	snprintf(path, FILE_PATH_SIZE, "%s/journal", params->run_dir);
}

/* ---- aside ---- */

static int set_aside(const char *path, struct nic_error *err)
{
	char aside[FILE_PATH_SIZE + 16];

	for (int n = 1; n < ASIDE_MAX; n++) {
		snprintf(aside, sizeof(aside), "%s.aside-%d", path, n);
		if (access(aside, F_OK) == 0)
			continue;
		if (rename(path, aside) == 0) {
			LOG_WARN("%s is set aside as %s", path, aside);
			return 0;
		}
		if (errno == ENOENT)
			return 0;
		break;
	}
	return nic_fail(
		err, RENIC_E_IO, "run_dir", "%s cannot be set aside: %s", path, strerror(errno));
}

/* ---- the journal ---- */

static int open_journal(
	const struct nic_params *params, enum journal_found *found, struct nic_error *err)
{
	char path[FILE_PATH_SIZE], reason[sizeof(err->message)];
	int rc;

	journal_path(params, path);
	rc = journal_open(path, found, err);
	if (rc != RENIC_E_STATE)
		return rc;
	if (params->set_aside) {
		LOG_WARN("%s", err->message);
		rc = set_aside(path, err);
		return rc ? rc : journal_open(path, found, err);
	}
	snprintf(reason, sizeof(reason), "%s", err->message);
	return nic_fail(err, RENIC_E_STATE, "run_dir", "%s; " ADVICE, reason);
}

/* ---- the logs' file ---- */

static int fail_size(const struct nic_params *params, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_RESOURCES, "egress_log", "%u MiB of log at %s: %s",
		2 * params->log_segments, params->log_path, strerror(errno));
}

static int make_log(const struct nic_params *params, struct nic_error *err)
{
	uint64_t instance = 0;

	while (!instance)
		if (getrandom(&instance, sizeof(instance), 0) < 0)
			return nic_fail(err, RENIC_E_IO, NULL, "getrandom: %s", strerror(errno));
	nic.log_pool = log_pool_create(
		params->log_path, params->log_segments, instance, params->register_dma);
	if (!nic.log_pool)
		return fail_size(params, err);
	journal_set_log_instance(instance);
	return 0;
}

/* The file as it is, when it can be used: a word of why else, in reason. */
static int try_log(const struct nic_params *params, char reason[REASON_SIZE], struct nic_error *err)
{
	uint64_t expected = journal_log_instance();

	reason[0] = '\0';
	nic.log_pool = log_pool_open(params->log_path, params->register_dma, reason, REASON_SIZE);
	if (!nic.log_pool && errno == EBADMSG)
		return 0;
	if (!nic.log_pool && errno == ENOENT) {
		if (expected)
			snprintf(reason, REASON_SIZE, "the journal knows of it, but it is missing");
		return 0;
	}
	if (!nic.log_pool)
		return fail_size(params, err);
	if (log_pool_instance(nic.log_pool) == expected || !log_pool_holds(nic.log_pool))
		return 0;
	snprintf(reason, REASON_SIZE, "it holds frames, but the journal is not of this file");
	log_pool_close(nic.log_pool);
	nic.log_pool = NULL;
	return 0;
}

/* The file has been opened. One that holds nothing need not be kept. */
static int settle_log(const struct nic_params *params, struct nic_error *err)
{
	uint32_t segments = log_pool_size(nic.log_pool);

	if (log_pool_holds(nic.log_pool)) {
		if (segments != params->log_segments)
			LOG_WARN("%s holds frames: it keeps its %u MiB until a start without them",
				params->log_path, 2 * segments);
		return 0;
	}
	log_pool_destroy(nic.log_pool);
	nic.log_pool = NULL;
	return make_log(params, err);
}

static int open_log(const struct nic_params *params, struct nic_error *err)
{
	char reason[REASON_SIZE];
	int rc = try_log(params, reason, err);

	if (rc)
		return rc;
	if (nic.log_pool)
		return settle_log(params, err);
	if (reason[0] && !params->set_aside)
		return nic_fail(
			err, RENIC_E_STATE, "run_dir", "%s: %s; " ADVICE, params->log_path, reason);
	if (reason[0]) {
		LOG_WARN("%s: %s", params->log_path, reason);
		rc = set_aside(params->log_path, err);
	}
	return rc ? rc : make_log(params, err);
}

int run_files_open(const struct nic_params *params, struct nic_error *err)
{
	enum journal_found found = JOURNAL_NEW;
	int rc = params->run_dir ? open_journal(params, &found, err) : 0;

	if (rc)
		return rc;
	if (log_map_is_in_use(params->log_path)) /* /run/a_b and /run/a/b have one name for it */
		return nic_fail(err, RENIC_E_EXISTS, "run_dir",
			"%s: a running renicd of another run directory has this file",
			params->log_path);
	if (found == JOURNAL_OTHER_BOOT) {
		LOG_NOTICE("%s: the host was started anew since; what its files held is gone",
			params->run_dir);
		if (unlink(params->log_path) < 0 && errno != ENOENT)
			return nic_fail(err, RENIC_E_IO, "egress_log", "%s: %s", params->log_path,
				strerror(errno));
	}
	return open_log(params, err);
}

void run_files_close(void)
{
	if (nic.log_pool && log_pool_holds(nic.log_pool)) {
		LOG_NOTICE("frames are held: they stay in the egress log for the next start");
		log_pool_close(nic.log_pool);
	} else if (nic.log_pool) {
		journal_set_log_instance(0);
		log_pool_destroy(nic.log_pool);
	}
	nic.log_pool = NULL;
	journal_close();
}
