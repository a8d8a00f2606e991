/* SPDX-License-Identifier: BSD-3-Clause */
/* renicctl's command line, a word a line: an object, or words that say what is wrong. */
#include "args.h"
#include "fuzz.h"

enum { WORDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *argv[WORDS_MAX + 1], *save, why[ARGS_WHY_SIZE];
	const struct command *command;
	int argc = 0, used;
	json_t *args;

	FUZZ_REQUIRE(copy);
	memcpy(copy, data, size);
	copy[size] = '\0';
	for (char *w = strtok_r(copy, "\n", &save); w && argc < WORDS_MAX;
		w = strtok_r(NULL, "\n", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	memset(why, 'x', sizeof(why));
	args = args_extract(global_params, &argc, argv, why);
	FUZZ_REQUIRE(args || memchr(why, '\0', sizeof(why)));
	command = args ? command_find(argc, argv, &used) : NULL;
	json_decref(args);
	if (command) {
		memset(why, 'x', sizeof(why));
		args = args_parse(command->params, argc - used, argv + used, why);
		FUZZ_REQUIRE(args || memchr(why, '\0', sizeof(why)));
		json_decref(args);
	}
	free(copy);
	return 0;
}
