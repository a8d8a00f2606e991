/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtual device from devargs to port and back; see device.h. */
#include <errno.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "device.h"

enum { ETHER_OVERHEAD = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN };

static int fail(const char **why, const char *what, int error)
{
	*why = what;
	return error;
}

int device_open(struct device *device, const char *args, const char **why)
{
	struct rte_ether_addr mac;

	if (rte_eal_hotplug_add("vdev", device->name, args))
		return fail(why, "the device cannot be made", -EIO);
	if (rte_eth_dev_get_port_by_name(device->name, &device->ethdev)) {
		rte_eal_hotplug_remove("vdev", device->name);
		return fail(why, "the device has no port", -EIO);
	}
	rte_eth_macaddr_get(device->ethdev, &mac);
	memcpy(device->mac, mac.addr_bytes, sizeof(device->mac));
	return 0;
}

static int set_up_queues(
	const struct device *device, const struct device_setup *setup, const char **why)
{
	for (uint16_t q = 0; q < setup->queues; q++) {
		if (rte_eth_rx_queue_setup(device->ethdev, q, setup->descriptors, SOCKET_ID_ANY,
			    NULL, setup->pool))
			return fail(why, "receive queue refused", -EIO);
		if (rte_eth_tx_queue_setup(
			    device->ethdev, q, setup->descriptors, SOCKET_ID_ANY, NULL))
			return fail(why, "transmit queue refused", -EIO);
	}
	return 0;
}

int device_configure(
	const struct device *device, const struct device_setup *setup, const char **why)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(device->ethdev, &info))
		return fail(why, "no device info", -EIO);
	conf.rxmode.mtu =
		(uint16_t)RTE_MIN((uint32_t)setup->mtu, info.max_rx_pktlen - ETHER_OVERHEAD);
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (rte_eth_dev_configure(device->ethdev, setup->queues, setup->queues, &conf))
		return fail(why, "configuration refused", -EIO);
	return set_up_queues(device, setup, why);
}

int device_start(const struct device *device, const char **why)
{
	int error = rte_eth_dev_start(device->ethdev);

	if (error)
		return fail(why, "start refused", error);
	rte_eth_promiscuous_enable(device->ethdev);
	return 0;
}

int device_stop(const struct device *device, const char **why)
{
	int error = rte_eth_dev_stop(device->ethdev);

	return error ? fail(why, "stop refused", error) : 0;
}

int device_close(const struct device *device, const char **why)
{
	int error;

	rte_eth_dev_close(device->ethdev);
	error = rte_eal_hotplug_remove("vdev", device->name);
	return error ? fail(why, "removal refused", error) : 0;
}
