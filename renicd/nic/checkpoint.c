/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What checkpoint_begin hands over of each VF besides its answer, in the checkpoint area: the VF's
 * snapshot, and its DMA dirty log (dirty_log.h), which has been collected there. The group is
 * suspended: what the lcores own stands still, and is read in place. Control thread.
 */
#include <string.h>

#include "checkpoint_area.h"
#include "group_members.h"
#include "snapshot.h"

_Static_assert((int)RENIC_SNAPSHOT_MAX_BYTES <= (int)CHECKPOINT_SNAPSHOT_BYTES, "slot too small");

static void put_addresses(const struct learn_table *all, struct renic_snapshot *s)
{
	s->n_ipv4 = all->n_ipv4;
	s->n_ipv6 = all->n_ipv6;
	memcpy(s->ipv4, all->ipv4, sizeof(s->ipv4));
	memcpy(s->ipv6, all->ipv6, sizeof(s->ipv6));
}

/* Of a suspended VF: nobody writes the tables. */
static void add_addresses(const struct vf *vf, struct renic_snapshot *s)
{
	struct learn_table all = {0};

	for (uint16_t q = 0; q < vf->n_qps; q++)
		learn_merge(&all, &vf->qps[q]->learned);
	put_addresses(&all, s);
}

void nic_vf_addresses(const char *name, struct renic_snapshot *s)
{
	const struct vf *vf = vf_find(name);
	struct learn_table all;

	if (!vf)
		return;
	vf_learned(vf, &all);
	put_addresses(&all, s);
}

static struct area_extent write_snapshot(const struct vf *vf, const struct vf_info *info)
{
	struct renic_snapshot s;

	nic_snapshot_fill(info, info->term, &s);
	add_addresses(vf, &s);
	return (struct area_extent){
		.offset = checkpoint_area_snapshot_offset(vf->id),
		.bytes = renic_snapshot_encode(
			&s, checkpoint_area_snapshot(vf->id), CHECKPOINT_SNAPSHOT_BYTES),
	};
}

void nic_checkpoint_rehearse(const char *group,
	void (*visit)(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg),
	void *arg)
{
	static uint8_t nowhere[RENIC_SNAPSHOT_MAX_BYTES];
	const struct group *g = group_resolve(group, NULL);
	struct renic_snapshot s = {0}; /* without the addresses: lcores write them now */
	struct vf_info info;

	for (uint16_t i = 0; g && i < g->n_vfs; i++) {
		dirty_log_warm(&g->vfs[i]->dirty);
		__builtin_prefetch(checkpoint_area_snapshot(g->vfs[i]->id), 1);
		vf_fill_info(g->vfs[i], &info);
		nic_snapshot_fill(&info, info.term, &s);
		renic_snapshot_encode(&s, nowhere, sizeof(nowhere));
		visit(&info, &(struct checkpoint_vf){0}, arg);
	}
}

void nic_checkpoint_foreach(const char *group,
	void (*visit)(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg),
	void *arg)
{
	const struct group *g = group_resolve(group, NULL);
	struct vf_info info;

	for (uint16_t i = 0; g && i < g->n_vfs; i++) {
		const struct dirty_info *dirty = &g->vfs[i]->dirty_info;
		struct checkpoint_vf place = {
			.dirty = dirty->bitmap,
			.dirty_pages = dirty->pages,
			.dirty_complete = dirty->complete,
		};

		vf_fill_info(g->vfs[i], &info);
		place.snapshot = write_snapshot(g->vfs[i], &info);
		visit(&info, &place, arg);
	}
}

int nic_checkpoint_fd(struct nic_error *err)
{
	int fd = checkpoint_area_fd();

	return fd < 0 ? nic_fail(err, RENIC_E_IO, NULL, "checkpoint area: %s", strerror(-fd)) : fd;
}
