/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DPDK virtual device as a port: made from its devargs, configured, started, and removed again,
 * in the order that ethdev wants the calls. Shared by framegen and renic-pktgen. One thread.
 */
#ifndef FRAMEGEN_DEVICE_H
#define FRAMEGEN_DEVICE_H

#include <stdint.h>

struct rte_mempool;

struct device {
	char name[64]; /* "net_memif0" */
	uint16_t ethdev;
	uint8_t mac[6];
};

struct device_setup {
	uint16_t queues, descriptors;
	uint16_t mtu; /* cut down to what the device can */
	struct rte_mempool *pool;
};

/*
 * Each returns 0, or -errno with *why set to a few words.
 * device_open: name and devargs, as in --vdev=NAME,ARGS. device_close: stop it first.
 */
int device_open(struct device *device, const char *args, const char **why);
int device_configure(
	const struct device *device, const struct device_setup *setup, const char **why);
int device_start(const struct device *device, const char **why);
int device_stop(const struct device *device, const char **why);
int device_close(const struct device *device, const char **why);

#endif
