/* SPDX-License-Identifier: BSD-3-Clause */
/* The option table and its decoding; see options.h. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

enum type {
	TYPE_UINT,
	TYPE_TIME,
	TYPE_RATE,
	TYPE_PERCENT,
	TYPE_TEXT,
	TYPE_CHOICE,
	TYPE_FLAG,
	TYPE_SIZES,
	TYPE_EAL
};

struct option {
	const char *name, *placeholder; /* NULL placeholder: takes no value */
	enum type type;
	size_t offset;
	double min, max; /* in the type's unit: time in microseconds */
	const char *otherwise;
	const char *const *choices;
	const char *help;
};

#define AT(member) offsetof(struct options, member)
#define SECTION(title)                                                                             \
	{                                                                                          \
		.name = NULL, .help = title                                                        \
	}

static const char *const flow_names[] = {"out", "in", "both", "pair", NULL};
static const char *const driver_names[] = {"direct", "virtio-user", NULL};
static const char *const boundary_names[] = {"exact", "sent", NULL};
static const char *const fault_names[] = {"none", "skip", "repeat", "swap", NULL};

static const struct option options_table[] = {
	SECTION("Guests"),
	{"vfs", "N", TYPE_UINT, AT(vfs), 1, VFS_MAX, "1", NULL,
		"how many guests to play; 31 at most with --driver virtio-user"},
	{"sockets", "PATTERN", TYPE_TEXT, AT(sockets), 0, 0, "", NULL,
		"path of their vhost-user sockets, with one %d for the guest's number. Needed "
		"without --control, and with --listen"},
	{"listen", NULL, TYPE_FLAG, AT(listen), 0, 0, "", NULL,
		"listen on the sockets, as a VF of role client and dpdkvhostuserclient want it; "
		"else connect to them"},
	{"driver", "NAME", TYPE_CHOICE, AT(driver), 0, 0, "direct", driver_names,
		"direct: a split-ring driver of this program, with no limit by DPDK on the number "
		"of guests; virtio-user: DPDK's net_virtio_user, 31 at most"},
	{"ring-size", "N", TYPE_UINT, AT(ring_size), 64, 4096, "1024", NULL,
		"descriptors in each ring of a guest; a power of two"},
	{"mergeable", NULL, TYPE_FLAG, AT(mergeable), 0, 0, "", NULL,
		"driver direct: negotiate mergeable receive buffers, as Linux guests do"},
	{"virtio-args", "ARGS", TYPE_TEXT, AT(virtio_args), 0, 0, "in_order=1", NULL,
		"driver virtio-user: further devargs"},
	{"far-end", "DEVICE", TYPE_TEXT, AT(far_end), 0, 0, "", NULL,
		"a DPDK device that is the other end of the uplink, with its devargs: "
		"net_memif0,role=client,socket=/tmp/u.sock,socket-abstract=no,id=0. Without one, "
		"frames to the uplink are sent and not judged"},
	SECTION("Traffic"),
	{"flow", "NAME", TYPE_CHOICE, AT(flow), 0, 0, "out", flow_names,
		"out: guests to the far end; in: far end to guests; both: out and in; pair: guest "
		"0 to guest 1 and back, 2 to 3 and back, ..."},
	{"size", "LIST", TYPE_SIZES, AT(sizes_text), SIZE_MIN, SIZE_MAX_BYTES, "64", NULL,
		"bytes in a frame, without FCS; several with commas are sent in turn; imix: 7 x "
		"64, 4 x 594, 1 x 1518"},
	{"rate", "PPS", TYPE_RATE, AT(rate_pps), 1, 1e9, "0", NULL,
		"frames a second of all senders together (k, M); default: flat out"},
	{"burst", "N", TYPE_UINT, AT(burst), 1, 256, "32", NULL, "frames given to a port at once"},
	{"time", "TIME", TYPE_TIME, AT(duration_us), 1e3, 3600e6, "2s", NULL,
		"how long to send, warm-up included (us, ms, s)"},
	{"warm-up", "TIME", TYPE_TIME, AT(warmup_us), 0, 60e6, "200ms", NULL,
		"rates and latencies are taken after that"},
	{"drain", "TIME", TYPE_TIME, AT(drain_us), 1e3, 60e6, "1s", NULL,
		"what has not arrived when nothing came for so long is lost"},
	{"count", "N", TYPE_UINT, AT(count), 1, 1e15, "0", NULL,
		"end when each sender has sent so many; default: by time alone"},
	{"search", NULL, TYPE_FLAG, AT(search), 0, 0, "", NULL,
		"find the highest rate without loss (RFC 2544, 26.1): trials of --time each, the "
		"first at what went through flat out"},
	{"resolution", "PERCENT", TYPE_PERCENT, AT(resolution_percent), 0.1, 50, "1", NULL,
		"where the search ends"},
	SECTION("Daemon"),
	{"control", "SOCKET", TYPE_TEXT, AT(control), 0, 0, "", NULL,
		"renicd's control socket: VFs that are missing are created there and deleted "
		"at the end, and the daemon's own counters are reported"},
	{"prefix", "NAME", TYPE_TEXT, AT(prefix), 0, 0, "gen", NULL,
		"VFs are called NAME0, NAME1, ...; their group, where there are several, NAME"},
	{"epoch", "TIME", TYPE_TIME, AT(epoch_us), 500, 60e6, "0", NULL,
		"protect the guests, with a checkpoint (begin, resume) that often; they send "
		"nothing in between, as paused guests"},
	{"commit-after", "TIME", TYPE_TIME, AT(commit_after_us), 0, 60e6, "0", NULL,
		"commit each checkpoint so long after its resume; default: at once"},
	{"last-commit", "N", TYPE_UINT, AT(no_commit_after), 1, 1e9, "0", NULL,
		"commit no checkpoint after the Nth, to the very end: what comes then is early, "
		"and frames held are not counted as lost"},
	{"boundary", "NAME", TYPE_CHOICE, AT(boundary), 0, 0, "exact", boundary_names,
		"which frames belong to an epoch. exact: those that the daemon had taken at "
		"the seal (asked for while it is suspended); sent: those sent until then, which "
		"costs no call and lets early frames of one ring go unnoticed"},
	SECTION("Verdict and report"),
	{"allow-lost", "N", TYPE_UINT, AT(allow_lost), 0, 1e15, "0", NULL,
		"frames in all that may be lost without breaking the rule"},
	{"allow-repeated", "N", TYPE_UINT, AT(allow_repeated), 0, 1e15, "0", NULL,
		"frames in all that may come twice"},
	{"json", "FILE", TYPE_TEXT, AT(json), 0, 0, "", NULL,
		"write the report as JSON too; - : to standard output, in place of the text"},
	{"arrivals", "FILE", TYPE_TEXT, AT(arrivals), 0, 0, "", NULL,
		"write `microseconds frames` for each millisecond in which frames arrived"},
	{"fault", "NAME", TYPE_CHOICE, AT(fault), 0, 0, "none", fault_names,
		"number one frame in 1000 wrongly, to see the judge notice"},
	SECTION("Machine"),
	{"cpu", "N", TYPE_UINT, AT(cpu), 0, 1023, "0", NULL, "the core to run on"},
	{"memory", "MIB", TYPE_UINT, AT(memory_mb), 16, 65536, "128", NULL,
		"DPDK's memory, in huge pages; guests' memory comes on top"},
	{"eal", "ARG", TYPE_EAL, AT(eal_args), 0, 0, "", NULL,
		"a further argument for DPDK; may be repeated"},
	{"help", NULL, TYPE_FLAG, AT(help), 0, 0, "", NULL, "this text"},
};

enum { OPTIONS = sizeof(options_table) / sizeof(options_table[0]) };

static const struct {
	const char *suffix;
	double factor;
} time_units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}}, rate_units[] = {{"k", 1e3}, {"M", 1e6}};

struct complaint {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static bool complain(
	const struct complaint *to, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(to->text, to->size, format, ap);
	va_end(ap);
	return false;
}

static double factor_of(enum type type, const char *suffix)
{
	if (type == TYPE_RATE)
		for (size_t i = 0; i < sizeof(rate_units) / sizeof(rate_units[0]); i++)
			if (!strcmp(suffix, rate_units[i].suffix))
				return rate_units[i].factor;
	if (type == TYPE_TIME)
		for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++)
			if (!strcmp(suffix, time_units[i].suffix))
				return time_units[i].factor;
	return *suffix ? 0 : 1;
}

/* A number with the type's suffixes; a whole one where the type is one. */
static bool to_number(enum type type, const char *text, double *number)
{
	char *end;
	double factor;

	errno = 0;
	*number = strtod(text, &end);
	if (errno || end == text || !isfinite(*number))
		return false;
	factor = factor_of(type, end);
	*number *= factor;
	/* A time says its unit: 25 alone could be anything. */
	if (type == TYPE_TIME && !*end && *number != 0)
		return false;
	return factor != 0 && (type != TYPE_UINT || *number == floor(*number));
}

static void range_of(const struct option *o, char *text, size_t size)
{
	if (o->type == TYPE_TIME)
		snprintf(text, size, "a time from %gms to %gs", o->min / 1e3, o->max / 1e6);
	else
		snprintf(text, size, "a %snumber from %.15g to %.15g",
			o->type == TYPE_UINT ? "whole " : "", o->min, o->max);
}

static bool set_number(struct options *options, const struct option *o, const char *value,
	const struct complaint *to)
{
	char *at = (char *)options + o->offset;
	char range[96];
	double number;

	if (!to_number(o->type, value, &number) || number < o->min || number > o->max) {
		range_of(o, range, sizeof(range));
		return complain(to, "--%s=%s: expected %s", o->name, value, range);
	}
	if (o->type == TYPE_RATE || o->type == TYPE_PERCENT)
		*(double *)at = number;
	else
		*(uint64_t *)at = (uint64_t)number;
	return true;
}

static bool set_choice(struct options *options, const struct option *o, const char *value,
	const struct complaint *to)
{
	char list[96] = "";

	for (uint64_t i = 0; o->choices[i]; i++) {
		if (!strcmp(o->choices[i], value)) {
			*(uint64_t *)((char *)options + o->offset) = i;
			return true;
		}
		strncat(list, " ", sizeof(list) - strlen(list) - 1);
		strncat(list, o->choices[i], sizeof(list) - strlen(list) - 1);
	}
	return complain(to, "--%s=%s: expected one of%s", o->name, value, list);
}

static bool set_sizes(struct options *options, const struct option *o, const char *value,
	const struct complaint *to)
{
	static const uint16_t imix[] = {64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594};
	const char *at = value;

	options->sizes_text = value;
	options->n_sizes = sizeof(imix) / sizeof(imix[0]);
	memcpy(options->sizes, imix, sizeof(imix));
	if (!strcmp(value, "imix"))
		return true;
	for (options->n_sizes = 0; options->n_sizes < SIZES_MAX;) {
		char *end;
		unsigned long size = strtoul(at, &end, 10);

		if (end == at || size < SIZE_MIN || size > SIZE_MAX_BYTES || (*end && *end != ','))
			break;
		options->sizes[options->n_sizes++] = (uint16_t)size;
		if (!*end)
			return true;
		at = end + 1;
	}
	return complain(to, "--%s=%s: expected imix, or 1 to %d sizes from %d to %d with commas",
		o->name, value, SIZES_MAX, SIZE_MIN, SIZE_MAX_BYTES);
}

static bool set(struct options *options, const struct option *o, const char *value,
	const struct complaint *to)
{
	char *at = (char *)options + o->offset;

	switch (o->type) {
	case TYPE_FLAG:
		*(bool *)at = true;
		return true;
	case TYPE_TEXT:
		*(const char **)at = value;
		return true;
	case TYPE_CHOICE:
		return set_choice(options, o, value, to);
	case TYPE_SIZES:
		return set_sizes(options, o, value, to);
	case TYPE_EAL:
		if (options->n_eal_args == EAL_ARGS_MAX)
			return complain(
				to, "--%s: expected at most %d times", o->name, EAL_ARGS_MAX);
		options->eal_args[options->n_eal_args++] = value;
		return true;
	default:
		return set_number(options, o, value, to);
	}
}

static void set_default(struct options *options, const struct option *o)
{
	char *at = (char *)options + o->offset;
	double number = 0;

	switch (o->type) {
	case TYPE_FLAG:
	case TYPE_EAL:
		return;
	case TYPE_TEXT:
	case TYPE_CHOICE:
	case TYPE_SIZES:
		set(options, o, o->otherwise, NULL);
		return;
	default:
		to_number(o->type, o->otherwise, &number);
		if (o->type == TYPE_RATE || o->type == TYPE_PERCENT)
			*(double *)at = number;
		else
			*(uint64_t *)at = (uint64_t)number;
	}
}

static const struct option *find(const char *name, size_t len)
{
	for (int i = 0; i < OPTIONS; i++)
		if (options_table[i].name && strlen(options_table[i].name) == len &&
			!strncmp(options_table[i].name, name, len))
			return &options_table[i];
	return NULL;
}

/* One argument, and its value where that is the next one. Returns how many it took, 0: error. */
static int take(struct options *options, int left, char **argv, const struct complaint *to)
{
	const char *name = argv[0] + 2, *equals, *value = NULL;
	const struct option *o;
	int taken = 1;

	if (strncmp(argv[0], "--", 2) || !*name)
		return complain(to, "%s: not an option; see --help", argv[0]);
	equals = strchr(name, '=');
	o = find(name, equals ? (size_t)(equals - name) : strlen(name));
	if (!o)
		return complain(to, "%s: no such option; see --help", argv[0]);
	if (equals)
		value = equals + 1;
	else if (o->placeholder && left > 1)
		value = argv[taken++];
	if (o->placeholder && !value)
		return complain(to, "--%s: expected %s after it", o->name, o->placeholder);
	if (!o->placeholder && value)
		return complain(to, "--%s takes no value", o->name);
	return set(options, o, value, to) ? taken : 0;
}

/* What the options must be to each other. */
static bool check_together(const struct options *o, const struct complaint *to)
{
	const char *number = strstr(o->sockets, "%d");
	bool far_flow = o->flow == FLOW_IN || o->flow == FLOW_BOTH;

	if (o->ring_size & (o->ring_size - 1))
		return complain(to, "--ring-size=%lu: expected a power of two from 64 to 4096",
			o->ring_size);
	if (o->driver == DRIVER_VIRTIO_USER && o->vfs > 31 - !!*o->far_end)
		return complain(to, "--vfs=%lu: expected 1 to %d with --driver virtio-user%s",
			o->vfs, 31 - !!*o->far_end, *o->far_end ? " and --far-end" : "");
	if (!*o->control && !*o->sockets)
		return complain(to, "expected --control, or --sockets with a %%d");
	if (*o->sockets &&
		(!number || strchr(number + 1, '%') || strchr(o->sockets, '%') != number))
		return complain(to, "--sockets=%s: expected a path with one %%d", o->sockets);
	if (far_flow && !*o->far_end)
		return complain(to, "--flow=%s: expected --far-end too", flow_names[o->flow]);
	if (o->flow == FLOW_PAIR && o->vfs % 2)
		return complain(to, "--vfs=%lu: expected an even number with --flow pair", o->vfs);
	if (o->epoch_us && !*o->control)
		return complain(to, "--epoch: expected --control too");
	if (o->no_commit_after && !o->epoch_us)
		return complain(to, "--last-commit: expected --epoch too");
	if (o->epoch_us && o->commit_after_us >= 64 * o->epoch_us)
		return complain(to, "--commit-after: expected less than 64 times --epoch");
	if (o->warmup_us >= o->duration_us)
		return complain(to, "--warm-up: expected less than --time");
	if (o->search && (o->count || o->rate_pps > 0))
		return complain(to, "--search: expected neither --rate nor --count beside it");
	return true;
}

bool options_parse(struct options *options, int argc, char **argv, char *error, size_t size)
{
	struct complaint to = {error, size};

	memset(options, 0, sizeof(*options));
	for (int i = 0; i < OPTIONS; i++)
		if (options_table[i].name)
			set_default(options, &options_table[i]);
	for (int i = 1; i < argc;) {
		int taken = take(options, argc - i, argv + i, &to);

		if (!taken)
			return false;
		i += taken;
	}
	return options->help || check_together(options, &to);
}

/* A paragraph, indented and broken at 78 columns. */
static void print_wrapped(FILE *out, const char *text)
{
	enum { INDENT = 10, WIDTH = 78 };
	int column = fprintf(out, "%*s", INDENT - 1, "");

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column + 1 + len > WIDTH)
			column = fprintf(out, "\n%*s", INDENT - 1, "") - 1;
		column += fprintf(out, " %.*s", len, text);
		text += len;
		text += *text == ' ';
	}
	fputc('\n', out);
}

static void print_option(FILE *out, const struct option *o)
{
	char range[96];

	if (!o->name) {
		fprintf(out, "\n%s\n", o->help);
		return;
	}
	fprintf(out, "  --%s%s%s", o->name, o->placeholder ? " " : "",
		o->placeholder ? o->placeholder : "");
	if (o->max > 0 && o->type != TYPE_SIZES) {
		range_of(o, range, sizeof(range));
		fprintf(out, "   (%s", range);
	}
	if (o->placeholder && *o->otherwise && strcmp(o->otherwise, "0"))
		fprintf(out, "%sdefault %s)", o->max > 0 && o->type != TYPE_SIZES ? ", " : "   (",
			o->otherwise);
	else if (o->max > 0 && o->type != TYPE_SIZES)
		fputc(')', out);
	fputc('\n', out);
	print_wrapped(out, o->help);
}

void options_help(FILE *out)
{
	fputs("renic-pktgen: plays many guests at once on vhost-user sockets, and checks that "
	      "what\n"
	      "they send arrives: all of it, once, in order, and not before its checkpoint is\n"
	      "committed. Each frame carries its number and the time it was sent.\n"
	      "\n"
	      "usage: renic-pktgen --control SOCKET [--vfs N] [--far-end DEVICE] [--epoch TIME] "
	      "...\n"
	      "       renic-pktgen --sockets PATTERN ...      a peer that is not renicd\n",
		out);
	for (int i = 0; i < OPTIONS; i++)
		print_option(out, &options_table[i]);
	fputs("\nThe rule: no frame is lost, repeated, reordered, changed, received by the wrong "
	      "port,\nor let out early. SIGINT ends the sending; the report follows all the same.\n"
	      "\nExit status\n"
	      "  0 the rule held     1 it was broken     2 usage     3 could not run\n"
	      "\nExamples\n"
	      "  renic-pktgen --control /run/renicd/control.sock --vfs 2 --flow pair --time 5s\n"
	      "  renic-pktgen --control /run/renicd/control.sock --epoch 25ms --rate 1M \\\n"
	      "    --far-end net_memif0,role=client,socket=/run/u.sock,socket-abstract=no,id=0\n",
		out);
}
