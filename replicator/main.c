/* SPDX-License-Identifier: BSD-3-Clause */
/* renic-remus: copies a VM to a backup, checkpoint by checkpoint, and takes over from it. */
#include <stdio.h>
#include <string.h>

#include "driver.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--version")) {
		printf("renic-remus %s, drivers: %s\n", RENICD_VERSION, remus_driver_names());
		return 0;
	}
	fprintf(stderr, "usage: renic-remus --version\n");
	return 2;
}
