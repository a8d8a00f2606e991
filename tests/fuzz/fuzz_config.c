/* SPDX-License-Identifier: BSD-3-Clause */
/* The config file: refused with a line for the operator that begins with the file's name, or
 * taken, with every number in its range. */
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"

static void check_taken(const struct renicd_config *config)
{
	FUZZ_REQUIRE(config->run_dir[0] == '/');
	FUZZ_REQUIRE(config->n_data_cpus >= 1 && config->n_data_cpus <= CONFIG_CPUS_MAX);
	FUZZ_REQUIRE(config->n_eal_args <= CONFIG_EAL_ARGS_MAX);
	FUZZ_REQUIRE(config->n_vfs <= VF_MAX && config->n_groups <= GROUP_MAX);
	for (unsigned i = 0; i < config->n_vfs; i++) {
		FUZZ_REQUIRE(config->vfs[i].name[0]);
		FUZZ_REQUIRE(config->vfs[i].queues >= 1);
		for (unsigned k = 0; k < i; k++)
			FUZZ_REQUIRE(strcmp(config->vfs[i].name, config->vfs[k].name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct renicd_config config;
	struct nic_error err = {0};
	char path[64];
	int rc, fd = memfd_create("config", MFD_CLOEXEC);

	FUZZ_REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = config_load_file(path, &config, &err);
	if (rc) {
		FUZZ_REQUIRE(rc < 0 && err.code == rc);
		FUZZ_REQUIRE(!strncmp(err.message, path, strlen(path)));
	} else {
		check_taken(&config);
	}
	config_free(&config);
	close(fd);
	return 0;
}
