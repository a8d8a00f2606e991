/* SPDX-License-Identifier: BSD-3-Clause */
/* See view.h. Copying a VF takes a few microseconds of the control thread; what is done with the
 * copy takes none of it. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/ask.h"
#include "view.h"

struct taking {
	struct view *view;
	bool failed; /* out of memory */
};

/* Room for one element more. */
static void *grow(void *list, unsigned n, size_t size, bool *failed)
{
	void *more = *failed ? NULL : reallocarray(list, n + 1, size);

	*failed = !more;
	return more ? more : list;
}

static void take_vf(const struct vf_info *info, void *arg)
{
	struct taking *t = arg;
	struct view *view = t->view;

	view->vfs = grow(view->vfs, view->n_vfs, sizeof(*info), &t->failed);
	if (!t->failed)
		view->vfs[view->n_vfs++] = *info;
}

static void take_group(const struct group_info *info, void *arg)
{
	struct taking *t = arg;
	struct view *view = t->view;

	view->groups = grow(view->groups, view->n_groups, sizeof(*info), &t->failed);
	if (!t->failed)
		view->groups[view->n_groups++] = *info;
}

/* The control thread. */
static void take_all(void *arg)
{
	struct taking *t = arg;

	nic_vf_foreach(take_vf, t);
	nic_group_foreach(take_group, t);
	nic_uplink_get(&t->view->uplink);
}

int view_take(struct view *view)
{
	struct taking t = {.view = view};
	int rc;

	memset(view, 0, sizeof(*view));
	rc = ask_control(take_all, &t);
	if (!rc && !t.failed)
		return 0;
	view_free(view);
	return rc ? rc : -ENOMEM;
}

void view_free(struct view *view)
{
	free(view->vfs);
	free(view->groups);
	memset(view, 0, sizeof(*view));
}
