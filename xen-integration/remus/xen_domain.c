/* SPDX-License-Identifier: BSD-3-Clause */
/* See xen_domain.h; making a domain is in xen_make.c. */
#include "xen_domain.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xenguest.h>

#include "clock.h"
#include "driver.h"

enum {
	LOOK_MS = 1,	     /* at a domain that is to suspend, when xenstored says nothing */
	WITHDRAWN_MS = 2000, /* for a guest that had taken up a request already */
	SETTLE_MS = 1000,    /* for the same, at the end */
	END_MS = 10000,	     /* for xl to take a domain away */
	END_LOOK_US = 20 * 1000,
};

extern char **environ;

static pthread_once_t logger_once = PTHREAD_ONCE_INIT;
static xentoollog_logger *logger; /* as long as the process */

static void make_logger(void)
{
	logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
}

xc_interface *xen_hypervisor(void)
{
	pthread_once(&logger_once, make_logger);
	return xc_interface_open(logger, logger, 0);
}

int xen_domain_connect(struct xen_domain *d, const char *vm, struct nic_error *err)
{
	*d = (struct xen_domain){.vm = vm};
	d->xch = xen_hypervisor();
	if (!d->xch)
		return nic_fail(err, RENIC_E_UNSUPPORTED, "xen",
			"VM %s: the hypervisor cannot be reached (%s): is this dom0 of a Xen host?",
			vm, strerror(errno));
	d->xs = xs_open(0);
	if (!d->xs || !xs_watch(d->xs, "@releaseDomain", "release"))
		return nic_fail(err, RENIC_E_UNSUPPORTED, "xen", "VM %s: no xenstore: %s", vm,
			strerror(errno));
	return 0;
}

void xen_domain_disconnect(struct xen_domain *d)
{
	if (d->xs)
		xs_close(d->xs);
	if (d->xch)
		xc_interface_close(d->xch);
	d->xs = NULL;
	d->xch = NULL;
}

/* ---- looking ---- */

/* 1: there is that domain; 0: there is none; RENIC_E_IO: the hypervisor does not say. */
static int get_info(struct xen_domain *d, uint32_t domid, xc_dominfo_t *info, struct nic_error *err)
{
	int n = xc_domain_getinfo(d->xch, domid, 1, info);

	if (n == 1)
		return info->domid == domid; /* it tells of the next one that there is */
	if (n == 0 || errno == ESRCH)
		return 0;
	return nic_fail(err, RENIC_E_IO, "domain", "VM %s: domain %u cannot be looked at: %s",
		d->vm, domid, strerror(errno));
}

static bool has_name(struct xen_domain *d, const char *domid, const char *name)
{
	char path[64], *found;
	unsigned len;
	bool same;

	snprintf(path, sizeof(path), "/local/domain/%.12s/name", domid);
	found = xs_read(d->xs, XBT_NULL, path, &len);
	same = found && !strcmp(found, name);
	free(found);
	return same;
}

/* Its number; -1: there is none. Domains that xl saves or restores have other names meanwhile. */
static int64_t find_by_name(struct xen_domain *d, const char *name)
{
	unsigned n = 0;
	char **ids = xs_directory(d->xs, XBT_NULL, "/local/domain", &n);
	int64_t found = -1;

	for (unsigned i = 0; ids && i < n && found < 0; i++)
		if (has_name(d, ids[i], name))
			found = strtol(ids[i], NULL, 10);
	free(ids);
	return found;
}

/* A PVH guest has a local APIC of all that a PC is made of; what else there is emulated. */
static bool has_device_model(struct xen_domain *d, uint32_t domid)
{
	xc_domaininfo_t info;

	return xc_domain_getinfolist(d->xch, domid, 1, &info) != 1 || info.domain != domid ||
	       (info.arch_config.emulation_flags & ~(uint32_t)XEN_X86_EMU_LAPIC);
}

int xen_domain_find(struct xen_domain *d, const char *name, struct nic_error *err)
{
	int64_t domid = find_by_name(d, name);
	xc_dominfo_t info;
	int rc = domid > 0 ? get_info(d, (uint32_t)domid, &info, err) : 0;

	if (rc < 0)
		return rc;
	if (!rc)
		return nic_fail(err, RENIC_E_NOT_FOUND, "domain",
			"VM %s: there is no domain \"%s\" here", d->vm, name);
	if (info.hvm && has_device_model(d, (uint32_t)domid))
		return nic_fail(err, RENIC_E_UNSUPPORTED, "domain",
			"VM %s: domain \"%s\" is HVM; expected a guest without a device model "
			"(type = \"pv\" or \"pvh\")",
			d->vm, name);
	d->domid = (uint32_t)domid;
	return 0;
}

int xen_domain_check_log_dirty(struct xen_domain *d, struct nic_error *err)
{
	int rc = xc_shadow_control(d->xch, d->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0);

	if (rc < 0 && errno != EEXIST)
		return nic_fail(err, RENIC_E_UNSUPPORTED, "domain",
			"VM %s: the hypervisor cannot log the dirty pages of PV guests (%s): it "
			"needs "
			"CONFIG_SHADOW_PAGING=y, without which Debian builds it",
			d->vm, strerror(errno));
	xc_shadow_control(d->xch, d->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
	return 0;
}

static int gone(struct xen_domain *d, const char *why, struct nic_error *err)
{
	return nic_fail(
		err, REMUS_E_VM_GONE, "domain", "VM %s: domain %u %s", d->vm, d->domid, why);
}

/* 1: it is suspended; 0: it runs; REMUS_E_VM_GONE; RENIC_E_IO: nobody knows. */
static int is_suspended(struct xen_domain *d, struct nic_error *err)
{
	xc_dominfo_t info;
	int rc = get_info(d, d->domid, &info, err);

	if (rc < 0)
		return rc;
	if (!rc || info.dying)
		return gone(d, "does not exist any more", err);
	if (info.crashed) /* libxenctrl does not count it as shut down */
		return gone(d, "has crashed", err);
	if (!info.shutdown)
		return 0;
	if (info.shutdown_reason == SHUTDOWN_suspend)
		return 1;
	return gone(d, "has shut down", err);
}

int xen_domain_check(struct xen_domain *d, struct nic_error *err)
{
	int rc = is_suspended(d, err);

	if (rc == 1 && d->late && !d->suspended) {
		d->suspended = true;
		d->late = false;
		return xen_domain_resume(d, err);
	}
	return rc == REMUS_E_VM_GONE ? rc : 0;
}

/* ---- suspend and resume ---- */

static void drain_watches(struct xen_domain *d)
{
	char **watch;

	while ((watch = xs_check_watch(d->xs)))
		free(watch);
}

/* It may still suspend. */
static bool is_open(int rc)
{
	return rc == 0 || rc == RENIC_E_IO;
}

/* 1: it is; 0: not until the deadline; or is_suspended()'s codes. */
static int wait_suspended(struct xen_domain *d, int64_t deadline_ns, struct nic_error *err)
{
	struct pollfd ready = {.fd = xs_fileno(d->xs), .events = POLLIN};
	int rc;

	while (is_open(rc = is_suspended(d, err)) && now_ns() < deadline_ns)
		if (poll(&ready, 1, LOOK_MS) > 0)
			drain_watches(d);
	return rc;
}

/* Take the request back; false: the guest has read it already. */
static bool withdraw(struct xen_domain *d, const char *path)
{
	for (;;) {
		xs_transaction_t t = xs_transaction_start(d->xs);
		unsigned len;
		char *value = xs_read(d->xs, t, path, &len);
		bool unread = value && !strcmp(value, "suspend");

		free(value);
		if (unread)
			xs_write(d->xs, t, path, "", 0);
		if (xs_transaction_end(d->xs, t, false))
			return unread;
		if (errno != EAGAIN)
			return false;
	}
}

/* Ask, and wait; what a guest took up that is not done by then, xen_domain_check() meets. */
static int request_suspend(struct xen_domain *d, unsigned timeout_ms, struct nic_error *err)
{
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", d->domid);
	if (!xs_write(d->xs, XBT_NULL, path, "suspend", 7))
		return nic_fail(err, RENIC_E_IO, "domain", "VM %s: xenstore: cannot write %s: %s",
			d->vm, path, strerror(errno));
	rc = wait_suspended(d, now_ns() + timeout_ms * NS_PER_MS, err);
	if (!is_open(rc) || withdraw(d, path))
		return rc;
	rc = wait_suspended(d, now_ns() + WITHDRAWN_MS * NS_PER_MS, err);
	d->late = d->late || is_open(rc);
	return rc;
}

int xen_domain_suspend(struct xen_domain *d, unsigned timeout_ms, struct nic_error *err)
{
	int rc = is_suspended(d, err);

	if (rc == RENIC_E_IO)
		return rc;
	if (rc == 0)
		rc = request_suspend(d, timeout_ms, err);
	d->suspended = rc == 1;
	d->late = d->late && !d->suspended;
	if (rc == 0)
		return nic_fail(err, RENIC_E_TIMEOUT, "domain",
			"VM %s: its guest did not suspend within %u ms", d->vm, timeout_ms);
	return rc < 0 ? rc : 0;
}

int xen_domain_resume(struct xen_domain *d, struct nic_error *err)
{
	if (!d->suspended)
		return 0;
	/* As after a suspend that was cancelled: rings and event channels stay as they are. */
	if (xc_domain_resume(d->xch, d->domid, 1))
		return gone(d, "cannot be resumed", err);
	xs_resume_domain(d->xs, d->domid); /* or the next suspend is not told by @releaseDomain */
	d->suspended = false;
	return 0;
}

void xen_domain_settle(struct xen_domain *d)
{
	struct nic_error ignored = {0};

	if (!d->late)
		return;
	d->late = false;
	d->suspended = wait_suspended(d, now_ns() + SETTLE_MS * NS_PER_MS, &ignored) == 1;
	xen_domain_resume(d, &ignored);
}

/* ---- the end ---- */

/* xl takes along what it and its hotplug scripts made. */
static void destroy_by_xl(uint32_t domid)
{
	char number[16];
	char *argv[] = {(char *)"xl", (char *)"destroy", number, NULL};
	int64_t deadline = now_ns() + END_MS * NS_PER_MS;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", domid);
	if (posix_spawnp(&pid, "xl", NULL, NULL, argv, environ))
		return;
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_ns() > deadline) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return;
		}
		usleep(END_LOOK_US);
	}
}

int xen_domain_end(struct xen_domain *d, struct nic_error *err)
{
	xc_dominfo_t info;
	int rc = get_info(d, d->domid, &info, err);

	if (rc < 0)
		return rc;
	if (!rc || info.dying)
		return 0;
	if (xc_domain_pause(d->xch, d->domid) && errno != ESRCH)
		return nic_fail(err, RENIC_E_IO, "domain", "VM %s: domain %u cannot be paused: %s",
			d->vm, d->domid, strerror(errno));
	d->suspended = d->late = false;
	destroy_by_xl(d->domid);
	if (get_info(d, d->domid, &info, err) && !info.dying) /* paused, in any case */
		xc_domain_destroy(d->xch, d->domid);
	return 0;
}
