/* SPDX-License-Identifier: BSD-3-Clause */
/* A Xen host without Xen; see xen_host.h. */
#include <errno.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "xen_host.h"

struct xen_host host;

static char handle; /* of both interfaces */

void xen_host_reset(void)
{
	host = (struct xen_host){.there = true,
		.max_kib = 96 << 10,
		.target_kib = 80 << 10,
		.xch = (xc_interface *)&handle,
		.xs = (struct xs_handle *)&handle};
}

/* ---- the hypervisor ---- */

/* The next domain that there is; ESRCH where there is none. */
int __wrap_xc_domain_getinfo(
	xc_interface *xch, uint32_t first_domid, unsigned max_doms, xc_dominfo_t *info);
int __wrap_xc_domain_getinfo(
	xc_interface *xch, uint32_t first_domid, unsigned max_doms, xc_dominfo_t *info)
{
	memset(info, 0, sizeof(*info));
	if (host.late && host.reason == SHUTDOWN_suspend && !--host.late)
		host.shutdown = true;
	errno = host.failing ? host.failing : ESRCH;
	if (!host.failing && host.there && first_domid <= HOST_DOMID)
		info->domid = HOST_DOMID;
	else if (!host.failing && first_domid <= host.next_domid)
		info->domid = (uint16_t)host.next_domid;
	else
		return -1;
	info->dying = host.dying;
	info->crashed = host.crashed;
	info->shutdown = host.shutdown;
	info->shutdown_reason = host.reason;
	info->max_memkb = host.max_kib;
	info->nr_pages = host.pages;
	return 1;
}

int __wrap_xc_domain_pause(xc_interface *xch, uint32_t domid);
int __wrap_xc_domain_pause(xc_interface *xch, uint32_t domid)
{
	assert_int_equal(domid, HOST_DOMID);
	host.paused++;
	return 0;
}

int __wrap_xc_domain_destroy(xc_interface *xch, uint32_t domid);
int __wrap_xc_domain_destroy(xc_interface *xch, uint32_t domid)
{
	if (domid != HOST_DOMID) /* one that was made */
		return 0;
	host.destroyed++;
	host.there = false;
	return 0;
}

int __wrap_xc_domain_resume(xc_interface *xch, uint32_t domid, int fast);
int __wrap_xc_domain_resume(xc_interface *xch, uint32_t domid, int fast)
{
	assert_int_equal(domid, HOST_DOMID);
	assert_true(host.shutdown && fast);
	host.shutdown = false;
	host.resumed++;
	return 0;
}

int __wrap_xc_shadow_control(
	xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb, unsigned int mode);
int __wrap_xc_shadow_control(
	xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb, unsigned int mode)
{
	return 0;
}

/* ---- making a domain ---- */

int __wrap_xc_domain_create(
	xc_interface *xch, uint32_t *domid, struct xen_domctl_createdomain *config);
int __wrap_xc_domain_create(
	xc_interface *xch, uint32_t *domid, struct xen_domctl_createdomain *config)
{
	assert_int_equal(*domid, HOST_FREE_DOMID);
	return 0;
}

int __wrap_xc_domain_max_vcpus(xc_interface *xch, uint32_t domid, unsigned int max);
int __wrap_xc_domain_max_vcpus(xc_interface *xch, uint32_t domid, unsigned int max)
{
	return 0;
}

int __wrap_xc_domain_setmaxmem(xc_interface *xch, uint32_t domid, uint64_t max_kib);
int __wrap_xc_domain_setmaxmem(xc_interface *xch, uint32_t domid, uint64_t max_kib)
{
	host.made_max_kib = max_kib;
	return 0;
}

int __wrap_xc_domain_set_memmap_limit(xc_interface *xch, uint32_t domid, unsigned long map_kib);
int __wrap_xc_domain_set_memmap_limit(xc_interface *xch, uint32_t domid, unsigned long map_kib)
{
	return 0;
}

xc_evtchn_port_or_error_t __wrap_xc_evtchn_alloc_unbound(
	xc_interface *xch, uint32_t domid, uint32_t remote);
xc_evtchn_port_or_error_t __wrap_xc_evtchn_alloc_unbound(
	xc_interface *xch, uint32_t domid, uint32_t remote)
{
	return 1;
}

/* ---- libxenguest ---- */

static int put(int fd, size_t bytes)
{
	static const char chunk[64 << 10];

	while (bytes) {
		ssize_t n = write(fd, chunk, bytes < sizeof(chunk) ? bytes : sizeof(chunk));

		if (n < 0)
			return -1;
		bytes -= (size_t)n;
	}
	return 0;
}

int __wrap_xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
	struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd);
int __wrap_xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
	struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd)
{
	if (put(io_fd, host.live_bytes))
		return -1;
	while (callbacks->suspend(callbacks->data) && !put(io_fd, host.epoch_bytes) &&
		callbacks->postcopy(callbacks->data) && callbacks->checkpoint(callbacks->data))
		;
	return -1;
}

/* Takes all, and is content with nothing. */
int __wrap_xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom, unsigned int store_evtchn,
	unsigned long *store_mfn, uint32_t store_domid, unsigned int console_evtchn,
	unsigned long *console_mfn, uint32_t console_domid, xc_stream_type_t stream_type,
	struct restore_callbacks *callbacks, int send_back_fd);
int __wrap_xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom, unsigned int store_evtchn,
	unsigned long *store_mfn, uint32_t store_domid, unsigned int console_evtchn,
	unsigned long *console_mfn, uint32_t console_domid, xc_stream_type_t stream_type,
	struct restore_callbacks *callbacks, int send_back_fd)
{
	char bytes[4096];

	while (read(io_fd, bytes, sizeof(bytes)) > 0)
		;
	return -1;
}

/* ---- xenstore, and xl, which is not there ---- */

static const char request_path[] = "/local/domain/7/control/shutdown";

struct xs_handle *__wrap_xs_open(unsigned long flags);
struct xs_handle *__wrap_xs_open(unsigned long flags)
{
	return host.xs;
}

void __wrap_xs_close(struct xs_handle *h);
void __wrap_xs_close(struct xs_handle *h)
{
}

bool __wrap_xs_watch(struct xs_handle *h, const char *path, const char *token);
bool __wrap_xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	return true;
}

bool __wrap_xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	unsigned int len);
bool __wrap_xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	unsigned int len)
{
	if (strcmp(path, request_path)) {
		struct xen_host_node *node = &host.nodes[host.n_nodes++];

		assert_true(host.n_nodes <= HOST_NODES_MAX);
		snprintf(node->path, sizeof(node->path), "%s", path);
		snprintf(node->value, sizeof(node->value), "%.*s", (int)len, (const char *)data);
		return true;
	}
	assert_true(len < sizeof(host.request));
	host.failing = host.failing_after_request;
	memcpy(host.request, data, len);
	host.request[len] = '\0';
	if (!len || host.deaf)
		return true;
	host.request[0] = '\0';
	host.shutdown = !host.late;
	host.reason = SHUTDOWN_suspend;
	return true;
}

const char *xen_host_node(const char *path)
{
	for (unsigned i = host.n_nodes; i-- > 0;)
		if (!strcmp(host.nodes[i].path, path))
			return host.nodes[i].value;
	return NULL;
}

void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len);
void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	char value[24], *found = NULL;

	snprintf(value, sizeof(value), "%llu", (unsigned long long)host.target_kib);
	if (!strcmp(path, request_path))
		found = strdup(host.request);
	else if (!strcmp(path, "/local/domain/7/name"))
		found = strdup("web");
	else if (!strcmp(path, "/local/domain/7/memory/target") && host.target_kib)
		found = strdup(value);
	*len = found ? (unsigned)strlen(found) : 0;
	return found;
}

bool __wrap_xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
	struct xs_permissions *perms, unsigned int num_perms);
bool __wrap_xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
	struct xs_permissions *perms, unsigned int num_perms)
{
	return true;
}

bool __wrap_xs_introduce_domain(
	struct xs_handle *h, unsigned int domid, unsigned long mfn, unsigned int eventchn);
bool __wrap_xs_introduce_domain(
	struct xs_handle *h, unsigned int domid, unsigned long mfn, unsigned int eventchn)
{
	return true;
}

/* The domain's number, and no vifs. */
char **__wrap_xs_directory(
	struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num);
char **__wrap_xs_directory(
	struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	char **ids = calloc(1, sizeof(*ids) + 2);

	*num = !strcmp(path, "/local/domain");
	assert_non_null(ids);
	ids[0] = (char *)(ids + 1);
	snprintf(ids[0], 2, "%d", HOST_DOMID);
	return ids;
}

bool __wrap_xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path);
bool __wrap_xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return true;
}

bool __wrap_xs_is_domain_introduced(struct xs_handle *h, unsigned int domid);
bool __wrap_xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
	return false;
}

int __wrap_xs_fileno(struct xs_handle *h);
int __wrap_xs_fileno(struct xs_handle *h)
{
	return -1;
}

char **__wrap_xs_check_watch(struct xs_handle *h);
char **__wrap_xs_check_watch(struct xs_handle *h)
{
	return NULL;
}

xs_transaction_t __wrap_xs_transaction_start(struct xs_handle *h);
xs_transaction_t __wrap_xs_transaction_start(struct xs_handle *h)
{
	return 1;
}

bool __wrap_xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort);
bool __wrap_xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	return true;
}

bool __wrap_xs_resume_domain(struct xs_handle *h, unsigned int domid);
bool __wrap_xs_resume_domain(struct xs_handle *h, unsigned int domid)
{
	return true;
}

int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return ENOENT;
}
