/* SPDX-License-Identifier: BSD-3-Clause */
/* framegen's command table and what each command does; see command.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ether.h>

#include "arguments.h"
#include "command.h"
#include "frame.h"
#include "memsum.h"
#include "port.h"
#include "receive.h"
#include "send.h"

enum { LINE_MAX_BYTES = 65536 };

struct command {
	const char *name;
	json_t *(*run)(struct arguments *args); /* NULL: quit */
	const char *help;
};

static json_t *failure(const char *text)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

static json_t *success(void)
{
	return json_pack("{s:b}", "ok", 1);
}

static json_t *result_of(int error, const char *why)
{
	char text[200];

	if (!error)
		return success();
	snprintf(text, sizeof(text), "%s (%s)", why, rte_strerror(-error));
	return failure(text);
}

static struct port *port_argument(struct arguments *args)
{
	return port_by_id((unsigned)argument_need(args, "port", 0, PORTS_MAX - 1));
}

static json_t *run_add(struct arguments *args)
{
	struct port_request request = {
		.id = (unsigned)argument_need(args, "port", 0, PORTS_MAX - 1),
		.driver = argument_text(args, "driver", "net_virtio_user"),
		.args = argument_text(args, "args", ""),
		.queues = (uint16_t)argument_number(args, "queues", 1, PORT_QUEUES_MAX, 1),
		.descriptors = (uint16_t)argument_number(args, "descriptors", 32, 32768, 1024),
		.mtu = (uint16_t)argument_number(args, "mtu", 68, 9000, 9000),
	};
	const char *why = "";
	int error;

	if (!arguments_good(args))
		return failure(args->error);
	error = port_add(&request, &why);
	return result_of(error, why);
}

static json_t *run_on_port(
	struct arguments *args, int (*change)(struct port *port, const char **why))
{
	struct port *port = port_argument(args);
	const char *why = "";

	if (!arguments_good(args) || !port)
		return failure(port ? args->error : "no such port");
	return result_of(change(port, &why), why);
}

static json_t *run_start(struct arguments *args)
{
	return run_on_port(args, port_start);
}

static json_t *run_stop(struct arguments *args)
{
	return run_on_port(args, port_stop);
}

static int stop_jobs_and_close(struct port *port, const char **why)
{
	json_decref(send_stop(port, -1));
	return port_close(port, why);
}

static json_t *run_close(struct arguments *args)
{
	return run_on_port(args, stop_jobs_and_close);
}

static int kind_argument(struct arguments *args)
{
	const char *name = argument_text(args, "kind", "ipv4");

	for (int kind = 0; kind <= FRAME_MIX; kind++)
		if (!strcmp(name, frame_kind_names[kind]))
			return kind;
	snprintf(args->error, sizeof(args->error),
		"kind=%s: expected ipv4 ipv6 arp vlan unknown mix", name);
	return FRAME_IPV4;
}

/* Streams are by default one a (port, queue, kind), so that none mixes what has no order. */
static json_t *run_send(struct arguments *args)
{
	struct port *port = port_argument(args);
	struct send_request req = {.port = port, .size_min = 64, .size_max = 64};
	int job;

	if (!port)
		return failure("no such port");
	req.origin = (uint8_t)(port - ports);
	req.queue = (uint16_t)argument_number(args, "queue", 0, port->queues - 1, 0);
	req.kind = (enum frame_kind)kind_argument(args);
	argument_range(args, "size", FRAME_MIN, FRAME_MAX, &req.size_min, &req.size_max);
	req.count = (uint64_t)argument_number(args, "count", 0, INT64_MAX, 1);
	req.rate_pps = (uint64_t)argument_number(args, "rate", 0, 100000000, 0);
	req.tci = (uint16_t)argument_number(args, "vlan", 0, 0xffff, 100);
	req.seq = argument_number(args, "seq", 0, UINT32_MAX, -1);
	req.seq_step = (int32_t)argument_number(args, "step", -16, 16, 1);
	req.flip = (int32_t)argument_number(args, "flip", 0, FRAME_MAX, -1);
	req.stream = (uint16_t)argument_number(
		args, "stream", 0, 65535, req.origin * 256 + req.queue * 16 + (int)req.kind);
	memset(req.dst, 0xff, sizeof(req.dst));
	memcpy(req.src, port->device.mac, sizeof(req.src));
	argument_mac(args, "dst", req.dst);
	argument_mac(args, "src", req.src);
	if (!arguments_good(args))
		return failure(args->error);
	job = send_start(&req);
	return job < 0 ? failure("too many jobs")
		       : json_pack("{s:b, s:i, s:i}", "ok", 1, "job", job, "stream", req.stream);
}

static json_t *run_halt(struct arguments *args)
{
	int id = (int)argument_number(args, "port", 0, PORTS_MAX - 1, -1);
	int job = (int)argument_number(args, "job", 0, JOBS_MAX - 1, -1);
	struct port *port = id >= 0 ? port_by_id((unsigned)id) : NULL;

	if (!arguments_good(args) || (id >= 0 && !port))
		return failure(args->error[0] ? args->error : "no such port");
	return json_pack("{s:b, s:o}", "ok", 1, "jobs", send_stop(port, job));
}

static json_t *run_jobs(struct arguments *args)
{
	return json_pack("{s:b, s:o}", "ok", 1, "jobs", send_report());
}

static int nibble(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

static json_t *run_raw(struct arguments *args)
{
	static uint8_t bytes[FRAME_MAX];
	struct port *port = port_argument(args);
	const char *hex = argument_text(args, "hex", NULL);
	uint16_t queue = (uint16_t)argument_number(args, "queue", 0, PORT_QUEUES_MAX - 1, 0);
	uint16_t n = 0;

	if (!arguments_good(args) || !port)
		return failure(port ? args->error : "no such port");
	for (; hex[0] && hex[1] && n < FRAME_MAX; hex += 2) {
		int high = nibble(hex[0]), low = nibble(hex[1]);

		if (high < 0 || low < 0)
			break;
		bytes[n++] = (uint8_t)(high << 4 | low);
	}
	if (hex[0])
		return failure("hex=: expected pairs of hexadecimal digits, one frame at most");
	return result_of(send_raw(port, queue, bytes, n), "not sent");
}

static json_t *run_stats(struct arguments *args)
{
	struct port *port = port_argument(args);
	char mac[18];

	if (!arguments_good(args) || !port)
		return failure(port ? args->error : "no such port");
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", port->device.mac[0], port->device.mac[1],
		port->device.mac[2], port->device.mac[3], port->device.mac[4], port->device.mac[5]);
	return json_pack("{s:b, s:s, s:b, s:b, s:I, s:I, s:o}", "ok", 1, "mac", mac, "started",
		port->started, "link", port_link_up(port), "tx_pkts", (json_int_t)port->tx_pkts,
		"tx_bytes", (json_int_t)port->tx_bytes, "rx", receiver_report(port->receiver));
}

static int clear(struct port *port, const char **why)
{
	receiver_clear(port->receiver);
	return 0;
}

static json_t *run_clear(struct arguments *args)
{
	return run_on_port(args, clear);
}

static json_t *run_rx(struct arguments *args)
{
	struct port *port = port_argument(args);
	bool on = argument_need(args, "on", 0, 1);

	if (!arguments_good(args) || !port)
		return failure(port ? args->error : "no such port");
	port->receiving = on;
	return success();
}

static json_t *run_note(struct arguments *args)
{
	struct port *port = port_argument(args);
	bool on = argument_need(args, "on", 0, 1);

	if (!arguments_good(args) || !port)
		return failure(port ? args->error : "no such port");
	receiver_note_arrivals(port->receiver, on);
	return success();
}

static json_t *run_arrivals(struct arguments *args)
{
	struct port *port = port_argument(args);
	const char *file = argument_text(args, "file", NULL);
	int n;

	if (!arguments_good(args) || !port)
		return failure(port ? args->error : "no such port");
	n = receiver_write_arrivals(port->receiver, file);
	return n < 0 ? result_of(n, "not written")
		     : json_pack("{s:b, s:i}", "ok", 1, "arrivals", n);
}

static json_t *run_memsum(struct arguments *args)
{
	char text[32];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)memsum());
	return json_pack("{s:b, s:s}", "ok", 1, "sum", text);
}

static json_t *run_help(struct arguments *args);

static const struct command commands[] = {
	{"add", run_add, "port= driver= args= queues= descriptors= mtu=: make and start a port"},
	{"start", run_start, "port=: start a stopped port"},
	{"stop", run_stop, "port=: stop it"},
	{"close", run_close, "port=: remove it"},
	{"send", run_send,
		"port= queue= kind= size=N[-M] count= rate= dst= src= vlan= stream= seq= "
		"step= flip=: numbered frames; an event tells when they are sent"},
	{"halt", run_halt, "[port= | job=]: end jobs; tells how far each was"},
	{"jobs", run_jobs, "running jobs"},
	{"raw", run_raw, "port= queue= hex=: one frame of these bytes"},
	{"stats", run_stats, "port=: sent, received, verdict by stream"},
	{"clear", run_clear, "port=: forget what was received"},
	{"rx", run_rx, "port= on=0|1: leave the receive rings alone, or poll them"},
	{"note", run_note, "port= on=0|1: note arrival times"},
	{"arrivals", run_arrivals, "port= file=: write the noted arrivals"},
	{"memsum", run_memsum, "a sum over all memory that is shared with the back-end"},
	{"help", run_help, "this list"},
	{"quit", NULL, "end"},
};

static json_t *run_help(struct arguments *args)
{
	json_t *list = json_object();

	for (size_t i = 0; i < RTE_DIM(commands); i++)
		json_object_set_new(list, commands[i].name, json_string(commands[i].help));
	return json_pack("{s:b, s:o}", "ok", 1, "commands", list);
}

void command_print(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static bool run_line(char *line)
{
	struct arguments args;
	const char *name = arguments_split(line, &args);

	if (!name)
		return true;
	for (size_t i = 0; i < RTE_DIM(commands); i++) {
		if (strcmp(name, commands[i].name))
			continue;
		if (!commands[i].run)
			return false;
		command_print(commands[i].run(&args));
		return true;
	}
	command_print(failure("no such command; try help"));
	return true;
}

bool command_poll(void)
{
	static char buffer[LINE_MAX_BYTES];
	static size_t used;
	ssize_t n = read(STDIN_FILENO, buffer + used, sizeof(buffer) - 1 - used);
	char *newline;

	if (n == 0)
		return false;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	used += (size_t)n;
	while ((newline = memchr(buffer, '\n', used))) {
		size_t line = (size_t)(newline - buffer) + 1;

		*newline = '\0';
		if (!run_line(buffer))
			return false;
		used -= line;
		memmove(buffer, buffer + line, used);
	}
	return used < sizeof(buffer) - 1;
}
