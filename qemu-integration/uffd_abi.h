/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux >= 6.7 knows of write protection without a handler, for builds on older headers
 * (Linux, Documentation/admin-guide/mm/userfaultfd.rst and pagemap.rst). Kernel ABI: the numbers
 * never change.
 */
#ifndef QEMU_UFFD_ABI_H
#define QEMU_UFFD_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

/* Features of UFFDIO_API. */
enum {
	UFFD_WP_HUGETLBFS_SHMEM = 1 << 12, /* protect pages of shared memory too */
	UFFD_WP_UNPOPULATED = 1 << 13,	   /* and those that are not there yet */
	UFFD_WP_ASYNC = 1 << 15,	   /* a write just takes the protection away */
};

/* Flag of the system call: faults of user mode alone; what an unprivileged process may have. */
enum { UFFD_USER_MODE = 1 };

/* One run of pages that a scan found. */
struct pm_region {
	uint64_t start, end;
	uint64_t categories;
};

/* PAGEMAP_SCAN's argument, on a descriptor of /proc/PID/pagemap. */
struct pm_scan {
	uint64_t size;
	uint64_t flags;
	uint64_t start, end;
	uint64_t walk_end; /* out: where it stopped */
	uint64_t vec;	   /* struct pm_region[vec_len] */
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};

enum {
	PM_WP_MATCHING = 1 << 0,    /* protect again what is reported */
	PM_CHECK_WP_ASYNC = 1 << 1, /* fail where a range is not registered */
	PM_WRITTEN = 1 << 1,	    /* category: written since it was protected */
};

#define PM_SCAN_IOCTL _IOWR('f', 16, struct pm_scan)

#endif
