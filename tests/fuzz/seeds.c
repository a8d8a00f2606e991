/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer's place in an ordinary build: runs each file of the folders given once through the
 * target. Fails when there are none. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

/* Targets without a start of their own. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;

	FUZZ_REQUIRE(f && !fstat(fileno(f), &st));
	bytes = malloc(st.st_size ? (size_t)st.st_size : 1);
	FUZZ_REQUIRE(bytes && fread(bytes, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, (size_t)st.st_size);
	free(bytes);
}

static unsigned run_folder(const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);
	unsigned run = 0;
	char path[4096];

	if (n < 0)
		perror(folder);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
			fprintf(stderr, "%s\n", path); /* the last one named is the one at fault */
			run_file(path);
			run++;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return run;
}

int main(int argc, char **argv)
{
	unsigned run = 0;

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		unsigned n = run_folder(argv[i]);

		if (!n) {
			fprintf(stderr, "%s: no seeds\n", argv[i]);
			return EXIT_FAILURE;
		}
		run += n;
	}
	printf("%u inputs\n", run);
	return run ? EXIT_SUCCESS : EXIT_FAILURE;
}
