/* SPDX-License-Identifier: BSD-3-Clause */
/* See vf_macs.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "mac_table.h"
#include "vf.h"
#include "vf_macs.h"

static uint64_t mac_word(const struct rte_ether_addr *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	return word;
}

/* The control thread takes all slots at once, so a write to its eventfd comes once for them. */
static void wake_control(void)
{
	uint64_t one = 1;

	if (write(nic_event_fd(), &one, sizeof(one)) < 0 && errno != EAGAIN)
		return; /* nic_tick() comes anyway */
}

bool vf_macs_note(struct vf *vf, const struct rte_ether_addr *mac)
{
	uint64_t word = mac_word(mac), old;

	for (unsigned i = 0; i < VF_MACS_SEEN; i++) {
		old = __atomic_load_n(&vf->macs.seen[i], __ATOMIC_RELAXED);
		if (old == word)
			return true;
		if (old || !__atomic_compare_exchange_n(&vf->macs.seen[i], &old, word, false,
				   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		wake_control();
		return true;
	}
	return false;
}

void vf_macs_guest_left(struct vf *vf)
{
	__atomic_store_n(&vf->macs.guest_left, true, __ATOMIC_RELAXED);
}

/* ---- control thread ---- */

static int find(const struct vf_macs *macs, const struct rte_ether_addr *mac)
{
	for (uint16_t i = 0; i < macs->n; i++)
		if (rte_is_same_ether_addr(&macs->addrs[i], mac))
			return i;
	return -1;
}

/* Entry i is out of the switch already, if it was there. */
static void drop(struct vf_macs *macs, uint16_t i)
{
	macs->n--;
	memmove(&macs->addrs[i], &macs->addrs[i + 1], (macs->n - i) * sizeof(macs->addrs[0]));
}

static void learn(struct vf *vf, const struct rte_ether_addr *mac)
{
	struct vf_macs *macs = &vf->macs;

	if (!macs->n) {
		macs->vlan = vlan_of_port(&vf->config);
		macs->in_switch = true;
	}
	if (!macs->in_switch || mac_table_lookup(mac, macs->vlan) >= 0)
		return;
	if (macs->n == VF_MACS_MAX) {
		mac_table_remove(&macs->addrs[0], macs->vlan);
		drop(macs, 0);
	}
	if (mac_table_add(mac, macs->vlan, vf->id) == 0)
		macs->addrs[macs->n++] = *mac;
}

void vf_macs_tick(struct vf *vf, bool refill)
{
	struct vf_macs *macs = &vf->macs;

	if (refill)
		macs->budget = VF_MACS_TICK;
	if (__atomic_exchange_n(&macs->guest_left, false, __ATOMIC_RELAXED) && !vf->config.standby)
		vf_macs_clear(vf);
	for (unsigned i = 0; i < VF_MACS_SEEN && macs->budget; i++) {
		struct rte_ether_addr mac;
		uint64_t word = __atomic_load_n(&macs->seen[i], __ATOMIC_RELAXED);

		if (!word)
			continue;
		memcpy(&mac, &word, sizeof(mac));
		macs->budget--;
		if (vf->config.trust && !vf->config.standby)
			learn(vf, &mac);
		__atomic_store_n(&macs->seen[i], 0, __ATOMIC_RELAXED);
	}
}

void vf_macs_leave(struct vf *vf)
{
	struct vf_macs *macs = &vf->macs;

	for (uint16_t i = 0; macs->in_switch && i < macs->n; i++)
		mac_table_remove(&macs->addrs[i], macs->vlan);
	macs->in_switch = false;
}

void vf_macs_enter(struct vf *vf)
{
	struct vf_macs *macs = &vf->macs;
	struct vf_macs all = *macs;

	if (macs->in_switch)
		return;
	macs->n = 0;
	for (uint16_t i = 0; i < all.n; i++)
		learn(vf, &all.addrs[i]);
}

void vf_macs_clear(struct vf *vf)
{
	vf_macs_leave(vf);
	vf->macs.n = 0;
	for (unsigned i = 0; i < VF_MACS_SEEN; i++)
		__atomic_store_n(&vf->macs.seen[i], 0, __ATOMIC_RELAXED);
}

void vf_macs_load(struct vf *vf, const uint8_t (*addrs)[RTE_ETHER_ADDR_LEN], uint16_t n)
{
	vf_macs_clear(vf);
	vf->macs.n = RTE_MIN(n, (uint16_t)VF_MACS_MAX);
	memcpy(vf->macs.addrs, addrs, vf->macs.n * sizeof(vf->macs.addrs[0]));
}

bool vf_macs_give_up(struct vf *vf, const struct rte_ether_addr *mac)
{
	struct vf_macs *macs = &vf->macs;
	int i = macs->in_switch ? find(macs, mac) : -1;

	if (i < 0)
		return false;
	mac_table_remove(mac, macs->vlan);
	drop(macs, (uint16_t)i);
	return true;
}
