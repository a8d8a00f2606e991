/* SPDX-License-Identifier: BSD-3-Clause */
/* See rest.h. */
#include <stdio.h>
#include <string.h>

#include "rest.h"

int rest_status(
	struct qmp *qmp, unsigned timeout_ms, char status[REST_STATUS_SIZE], struct nic_error *err)
{
	json_t *result = NULL;
	const char *word;
	int rc = qmp_call(qmp, "query-status", NULL, timeout_ms, &result, err);

	if (rc < 0)
		return rc;
	word = json_string_value(json_object_get(result, "status"));
	snprintf(status, REST_STATUS_SIZE, "%s", word ? word : "unknown");
	json_decref(result);
	return 0;
}

/* The vCPUs run, or will when the guest wakes up (S3), for which QEMU keeps it through a `stop`. */
static bool goes_on(const char *status)
{
	return !strcmp(status, "running") || !strcmp(status, "suspended");
}

static int work_stopped(struct pauser *p, int (*work)(void *arg, struct nic_error *err), void *arg,
	bool *ran, struct nic_error *err)
{
	uint64_t resumes = qmp_run(p->qmp).resumes;
	int rc = work(arg, err);

	if (rc == 0)
		rc = qmp_look(p->qmp, err);
	*ran = qmp_run(p->qmp).resumes != resumes;
	return rc;
}

int rest_do(struct pauser *p, int (*work)(void *arg, struct nic_error *err), void *arg, bool *ran,
	struct nic_error *err)
{
	char status[REST_STATUS_SIZE];
	struct nic_error later;
	int rc, on = 0;

	*ran = false;
	if (!p->has_disks)
		return work(arg, err);
	p->ready = false;
	rc = rest_status(p->qmp, p->timeout_ms, status, err);
	if (rc < 0)
		return rc;
	rc = qmp_call(p->qmp, "stop", NULL, p->timeout_ms, NULL, err);
	if (rc == 0)
		rc = work_stopped(p, work, arg, ran, err);
	if (goes_on(status))
		on = qmp_call(p->qmp, "cont", NULL, p->timeout_ms, NULL, rc < 0 ? &later : err);
	return rc < 0 ? rc : on;
}
