/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hypervisor driver without a hypervisor, in the place of replicator/drivers.c: the VM is RAM in
 * a file and a thread that writes into it, a few pages every millisecond. Its registers, the device
 * state, are a step counter and the sum of all RAM; so what was loaded can be told from a mixture
 * of two checkpoints. load() writes what it found into the file "verdict": "ok STEP" or "torn".
 *
 * Options: {"ram": FILE, "mb": N, "verdict": FILE, "die": FILE: the VM is gone once it exists,
 * "slow_apply_ms": N, "no_run": FILE: it cannot be run while that exists, "machine": TEXT}.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"

enum { WRITES_A_STEP = 24, STEP_US = 1000 };

struct registers {
	uint64_t step, sum, random;
};

struct remus_vm {
	char name[REMUS_NAME_SIZE], verdict[256], die[256], no_run[256], machine[256];
	uint64_t *ram;
	size_t words;
	unsigned slow_apply_ms;
	struct registers regs, applied;
	bool has_applied;
	pthread_t cpu;
	bool cpu_started, power;
	pthread_mutex_t running; /* held by the CPU for a step, by us while it is paused */
	bool paused, tracking;
	uint64_t *dirty; /* written by the CPU, under `running`, which dirty() takes too */
};

static uint64_t next_random(struct registers *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

static void store(struct remus_vm *vm, size_t word, uint64_t value)
{
	size_t page = word * sizeof(uint64_t) >> REMUS_PAGE_SHIFT;

	vm->regs.sum += value - vm->ram[word];
	vm->ram[word] = value;
	vm->dirty[page / 64] |= 1ULL << page % 64;
}

static void step(struct remus_vm *vm)
{
	vm->regs.step++;
	for (unsigned i = 0; i < WRITES_A_STEP; i++) {
		uint64_t r = next_random(&vm->regs);

		/* Now and then a page becomes zero, or random all over. */
		if (r % 97 == 0)
			for (size_t w = 0, at = (r >> 8) % (vm->words / 512) * 512; w < 512; w++)
				store(vm, at + w, r % 194 ? 0 : next_random(&vm->regs));
		else
			store(vm, (r >> 8) % vm->words, vm->regs.step);
	}
}

static void *run_cpu(void *arg)
{
	struct remus_vm *vm = arg;

	while (__atomic_load_n(&vm->power, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&vm->running);
		step(vm);
		pthread_mutex_unlock(&vm->running);
		usleep(STEP_US);
	}
	return NULL;
}

static int start_cpu(struct remus_vm *vm, struct nic_error *err)
{
	vm->power = true;
	if (pthread_create(&vm->cpu, NULL, run_cpu, vm))
		return nic_fail(err, RENIC_E_RESOURCES, "", "VM \"%s\": no thread", vm->name);
	vm->cpu_started = true;
	return 0;
}

static void stop_cpu(struct remus_vm *vm)
{
	__atomic_store_n(&vm->power, false, __ATOMIC_RELEASE);
	if (vm->paused)
		pthread_mutex_unlock(&vm->running);
	vm->paused = false;
	if (vm->cpu_started)
		pthread_join(vm->cpu, NULL);
	vm->cpu_started = false;
}

static int fake_open(const struct remus_vm_config *config, enum remus_side side,
	struct remus_vm **out, struct nic_error *err)
{
	const char *ram = NULL, *verdict = "", *die = "", *no_run = "", *machine = "";
	int mb = 0, slow = 0, fd;
	struct remus_vm *vm;

	if (!config->options ||
		json_unpack((json_t *)config->options, "{s:s s:i s?s s?s s?i s?s s?s}", "ram", &ram,
			"mb", &mb, "verdict", &verdict, "die", &die, "slow_apply_ms", &slow,
			"no_run", &no_run, "machine", &machine))
		return nic_fail(err, RENIC_E_PARAMS, "fake", "fake: expected ram and mb");
	vm = calloc(1, sizeof(*vm));
	snprintf(vm->name, sizeof(vm->name), "%s", config->name);
	snprintf(vm->verdict, sizeof(vm->verdict), "%s", verdict);
	snprintf(vm->die, sizeof(vm->die), "%s", die);
	snprintf(vm->no_run, sizeof(vm->no_run), "%s", no_run);
	snprintf(vm->machine, sizeof(vm->machine), "%s", machine);
	vm->slow_apply_ms = (unsigned)slow;
	vm->words = ((size_t)mb << 20) / sizeof(uint64_t);
	vm->dirty = calloc(((size_t)mb << 20) / REMUS_PAGE_BYTES / 64 + 1, sizeof(uint64_t));
	pthread_mutex_init(&vm->running, NULL);
	fd = open(ram, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)mb << 20) < 0)
		return nic_fail(err, RENIC_E_IO, "fake.ram", "%s: %s", ram, strerror(errno));
	vm->ram = mmap(NULL, (size_t)mb << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	vm->regs.random = 88172645463325252ULL;
	*out = vm;
	if (side == REMUS_STANDBY)
		return 0;
	for (size_t w = 0; w < vm->words; w++)
		vm->regs.sum += vm->ram[w];
	return start_cpu(vm, err);
}

static void fake_close(struct remus_vm *vm)
{
	stop_cpu(vm);
	munmap(vm->ram, vm->words * sizeof(uint64_t));
	free(vm->dirty);
	free(vm);
}

/* Two regions with a hole between them, as a PC has. */
static unsigned fake_regions(struct remus_vm *vm, struct remus_region *regions)
{
	uint64_t half = vm->words * sizeof(uint64_t) / 2;

	regions[0] = (struct remus_region){"low", 0, half, (uint8_t *)vm->ram};
	regions[1] = (struct remus_region){"high", 1ULL << 32, half, (uint8_t *)vm->ram + half};
	return 2;
}

static const char *fake_engine(struct remus_vm *vm)
{
	return "the fake CPU";
}

static const char *fake_machine(struct remus_vm *vm)
{
	return vm->machine;
}

static int fake_check(struct remus_vm *vm, struct nic_error *err)
{
	if (!vm->die[0] || access(vm->die, F_OK))
		return 0;
	return nic_fail(err, REMUS_E_VM_GONE, "", "VM \"%s\" is gone", vm->name);
}

static int fake_track(struct remus_vm *vm, struct nic_error *err)
{
	pthread_mutex_lock(&vm->running);
	memset(vm->dirty, 0, vm->words * sizeof(uint64_t) / REMUS_PAGE_BYTES / 8);
	pthread_mutex_unlock(&vm->running);
	return 0;
}

static int fake_dirty(struct remus_vm *vm, uint64_t *bitmap, struct nic_error *err)
{
	size_t words = (vm->words * sizeof(uint64_t) / REMUS_PAGE_BYTES + 63) / 64;

	if (!vm->paused)
		pthread_mutex_lock(&vm->running);
	for (size_t w = 0; w < words; w++) {
		bitmap[w] |= vm->dirty[w];
		vm->dirty[w] = 0;
	}
	if (!vm->paused)
		pthread_mutex_unlock(&vm->running);
	return 0;
}

static int fake_pause(struct remus_vm *vm, bool stay, struct nic_error *err)
{
	if (fake_check(vm, err))
		return REMUS_E_VM_GONE;
	pthread_mutex_lock(&vm->running);
	vm->paused = true;
	return 0;
}

static int fake_state(struct remus_vm *vm, struct remus_sink *sink, struct nic_error *err)
{
	return sink->write(sink, &vm->regs, sizeof(vm->regs));
}

static int fake_resume(struct remus_vm *vm, struct nic_error *err)
{
	if (vm->paused)
		pthread_mutex_unlock(&vm->running);
	vm->paused = false;
	return 0;
}

static int fake_stop(struct remus_vm *vm, struct nic_error *err)
{
	stop_cpu(vm);
	return 0;
}

static int fake_apply(
	struct remus_vm *vm, const void *blob, size_t bytes, uint64_t epoch, struct nic_error *err)
{
	if (bytes != sizeof(vm->applied))
		return nic_fail(err, RENIC_E_PARSE, "", "VM \"%s\": no registers", vm->name);
	memcpy(&vm->applied, blob, bytes);
	vm->has_applied = true;
	usleep(vm->slow_apply_ms * 1000);
	return 0;
}

static int fake_reset(struct remus_vm *vm, struct nic_error *err)
{
	vm->has_applied = false;
	return 0;
}

static int fake_load(struct remus_vm *vm, struct nic_error *err)
{
	FILE *f = vm->verdict[0] ? fopen(vm->verdict, "w") : NULL;
	uint64_t sum = 0;
	bool ok;

	for (size_t w = 0; w < vm->words; w++)
		sum += vm->ram[w];
	ok = vm->has_applied && sum == vm->applied.sum;
	if (f) {
		fprintf(f, "%s %llu\n", ok ? "ok" : "torn", (unsigned long long)vm->applied.step);
		fclose(f);
	}
	vm->regs = vm->applied;
	return ok ? 0
		  : nic_fail(err, RENIC_E_IO, "", "VM \"%s\": RAM is not what it was", vm->name);
}

static int fake_run(struct remus_vm *vm, struct nic_error *err)
{
	if (vm->no_run[0] && !access(vm->no_run, F_OK))
		return nic_fail(err, RENIC_E_IO, "", "VM \"%s\" cannot be run", vm->name);
	return start_cpu(vm, err);
}

static const struct remus_driver fake = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.regions = fake_regions,
	.engine = fake_engine,
	.machine = fake_machine,
	.check = fake_check,
	.track = fake_track,
	.dirty = fake_dirty,
	.pause = fake_pause,
	.state = fake_state,
	.resume = fake_resume,
	.stop = fake_stop,
	.apply = fake_apply,
	.reset = fake_reset,
	.load = fake_load,
	.run = fake_run,
};

const struct remus_driver *remus_driver_find(const char *name)
{
	return strcmp(name, fake.name) ? NULL : &fake;
}

const char *remus_driver_names(void)
{
	return fake.name;
}
