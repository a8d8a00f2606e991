/* SPDX-License-Identifier: BSD-3-Clause */
/* The hypervisor drivers that are built in: a row each. */
#include <string.h>

#include "driver.h"

#ifdef REMUS_QEMU
extern const struct remus_driver remus_qemu_driver;
#endif

#ifdef REMUS_XEN
extern const struct remus_driver remus_xen_driver;
#endif

static const struct remus_driver *const drivers[] = {
#ifdef REMUS_QEMU
	&remus_qemu_driver,
#endif
#ifdef REMUS_XEN
	&remus_xen_driver,
#endif
	NULL,
};

const struct remus_driver *remus_driver_find(const char *name)
{
	for (size_t i = 0; drivers[i]; i++)
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

const char *remus_driver_names(void)
{
	static char names[128];

	if (names[0])
		return names;
	for (size_t i = 0; drivers[i]; i++) {
		strncat(names, i ? ", " : "", sizeof(names) - strlen(names) - 1);
		strncat(names, drivers[i]->name, sizeof(names) - strlen(names) - 1);
	}
	return names;
}
