/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command table: every method of docs/protocol.md as a noun and a verb. Ranges of the
 * daemon's parameters are the daemon's to judge; here is only what is needed to type them and to
 * explain them.
 */
#include <string.h>

#include "run.h"
#include "show.h"

/* Rows by what they are. FLAG and OPTION take further fields by name. */
#define ROW(n, k, t, s, h, ...)                                                                    \
	{                                                                                          \
		.name = n, .kind = k, .type = t, .shown = s, .help = h, __VA_ARGS__                \
	}
#define ARG(n, t, s, h) ROW(n, PARAM_ARG, t, s, h)
#define OPT_ARG(n, t, s, h) ROW(n, PARAM_OPT_ARG, t, s, h)
#define REST(n, s, h) ROW(n, PARAM_REST, VALUE_NAMES, s, h)
#define KEY(n, t, s, h) ROW(n, PARAM_KEY, t, s, h)
#define FLAG(n, h, ...) ROW(n, PARAM_FLAG, VALUE_SWITCH, NULL, h, __VA_ARGS__)
#define OPTION(n, t, s, h, ...) ROW(n, PARAM_OPTION, t, s, h, __VA_ARGS__)
#define END                                                                                        \
	{                                                                                          \
		0                                                                                  \
	}

#define CALLS(n, v, m, p, s, h)                                                                    \
	{                                                                                          \
		.noun = n, .verb = v, .method = m, .params = p, .show = s, .help = h               \
	}
#define RUNS(n, v, m, p, s, r, h, ...)                                                             \
	{                                                                                          \
		.noun = n, .verb = v, .method = m, .params = p, .show = s, .run = r, .help = h,    \
		__VA_ARGS__                                                                        \
	}

static const struct param no_params[] = {END};

static const struct param vf_name[] = {ARG("name", VALUE_TEXT, "NAME", "a VF"), END};
static const struct param group_name[] = {
	ARG("name", VALUE_TEXT, "NAME", "a protection group"),
	END,
};
#define TERM                                                                                       \
	OPTION("term", VALUE_NUMBER, "TERM", "refuse unless the group is in this term",            \
		.option = "term", .min = 1, .max = INT64_MAX)

#define RAISE_TERM                                                                                 \
	OPTION("term", VALUE_NUMBER, "TERM", "the term to be in; not an earlier one",              \
		.option = "term", .min = 1, .max = INT64_MAX)

static const struct param group[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	TERM,
	END,
};

#define POLICY_SETTINGS                                                                            \
	KEY("qos", VALUE_NUMBER, "0-7", "priority in the port VLAN's tag"),                        \
		KEY("proto", VALUE_TEXT, "802.1Q|802.1ad", "of the port VLAN's tag"),              \
		KEY("trust", VALUE_SWITCH, "on|off", "MACs of its own, and the next three"),       \
		KEY("trunks", VALUE_TEXT, "LIST", "VLANs that it may tag, as 0,10,20-29"),         \
		KEY("promisc", VALUE_SWITCH, "on|off", "a copy of all that passes"),               \
		KEY("allmulti", VALUE_SWITCH, "on|off", "multicast for bridges too"),              \
		KEY("state", VALUE_TEXT, "auto|enable|disable", "the guest's carrier"),            \
		KEY("max_tx_rate", VALUE_NUMBER, "MBIT/S", "it may send; 0: no bound"),            \
		KEY("min_tx_rate", VALUE_NUMBER, "MBIT/S", "it gets on the uplink; 0: none")

static const struct param vf_create_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "letters, digits, '_', '.', '-'"),
	KEY("mac", VALUE_TEXT, "MAC", "as 52:54:00:12:34:56; default: one is made"),
	KEY("vlan", VALUE_NUMBER, "ID", "port VLAN, 1 to 4094; 0 (default), 4095: none"),
	POLICY_SETTINGS,
	KEY("queues", VALUE_NUMBER, "N", "queue pairs; default 1"),
	KEY("role", VALUE_TEXT, "client|server", "end of the vhost-user socket; default client"),
	KEY("packed", VALUE_SWITCH, "on|off", "offer packed virtqueues; default on"),
	KEY("offloads", VALUE_SWITCH, "on|off", "checksum and segmentation; default on"),
	KEY("spoofchk", VALUE_SWITCH, "on|off", "drop other source MACs; default on"),
	KEY("mtu", VALUE_NUMBER, "BYTES", "largest L3 payload; default 9000"),
	KEY("ingress_hold_pkts", VALUE_NUMBER, "N", "frames kept for a suspended guest"),
	KEY("egress_log_bytes", VALUE_BYTES, "BYTES", "most held per TX queue, as 64M"),
	KEY("socket", VALUE_TEXT, "PATH", "vhost-user socket; default: NAME.sock"),
	KEY("hold_exempt", VALUE_TEXT, "FILTER", "pcap-filter of frames that are not held"),
	KEY("standby", VALUE_SWITCH, "on|off", "a backup's VF: quiet until activated; default off"),
	KEY("transport", VALUE_TEXT, "vhost-user|xen", "how the guest is reached"),
	KEY("xen_domain", VALUE_NUMBER, "DOMID", "transport xen: the guest's domain"),
	KEY("xen_handle", VALUE_NUMBER, "N", "transport xen: which of its vifs; default 0"),
	END,
};

static const struct param vf_set_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a VF"),
	KEY("mac", VALUE_TEXT, "MAC", "as 52:54:00:12:34:56"),
	KEY("vlan", VALUE_NUMBER, "ID", "port VLAN, 1 to 4094; 0, 4095: none"),
	POLICY_SETTINGS,
	KEY("spoofchk", VALUE_SWITCH, "on|off", "drop other source MACs"),
	KEY("mtu", VALUE_NUMBER, "BYTES", "largest L3 payload"),
	KEY("ingress_hold_pkts", VALUE_NUMBER, "N", "frames kept for a suspended guest"),
	KEY("hold_exempt", VALUE_TEXT, "FILTER", "pcap-filter of frames that are not held"),
	END,
};

static const struct param vf_delete_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a VF"),
	FLAG("force", "also when frames wait in its egress log: drop them", .option = "force"),
	END,
};

#define GROUP_SETTINGS                                                                             \
	KEY("internal", VALUE_TEXT, "hold|pass", "frames between its VFs; default hold"),          \
		KEY("replicator_timeout_ms", VALUE_NUMBER, "MS",                                   \
			"silence that means lost; 0: none"),                                       \
		KEY("on_replicator_lost", VALUE_TEXT, "hold|release", "what then; default hold")

static const struct param group_create_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "letters, digits, '_', '.', '-'"),
	REST("vfs", "VF[,VF]", "its VFs"),
	GROUP_SETTINGS,
	KEY("standby", VALUE_SWITCH, "on|off", "a group of standby VFs; default off"),
	END,
};

static const struct param group_set_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a protection group"),
	GROUP_SETTINGS,
	END,
};

static const struct param protection_stop_params[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	FLAG("held", "drop what is not committed; without: it leaves", .option = "discard",
		.set = "discard"),
	TERM,
	END,
};

static const struct param checkpoint_begin_params[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	KEY("area", VALUE_TEXT, "send|keep", "the area's descriptor, which renicctl drops"),
	TERM,
	END,
};

static const struct param raise_params[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	RAISE_TERM,
	END,
};

static const struct param restore_params[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	REST("snapshots", "[VF=]FILE[,...]",
		"a snapshot for each VF; default VF: the one that it names"),
	RAISE_TERM,
	END,
};

static const struct param announce_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a VF"),
	OPTION("rounds", VALUE_NUMBER, "N", "how often, at growing distances; default 5",
		.option = "rounds", .letter = 'n', .min = 1, .max = 100),
	END,
};

static const struct param ingress_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a VF"),
	ARG("frames", VALUE_TEXT, "FILE", "the frames"),
	END,
};

static const struct param commit_params[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	ARG("epoch", VALUE_NUMBER, "EPOCH", "as checkpoint begin answered; earlier ones too"),
	TERM,
	END,
};

static const struct param capture_start_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a VF"),
	KEY("file", VALUE_TEXT, "FILE", "a new file in renicd's capture_dir; default NAME.pcapng"),
	KEY("direction", VALUE_TEXT, "both|egress|ingress", "from the guest, to it; default both"),
	KEY("hold", VALUE_TEXT, "before|after",
		"egress as the guest sent it, or as it leaves; default before"),
	KEY("filter", VALUE_TEXT, "FILTER", "pcap-filter of frames that are wanted; default all"),
	KEY("snaplen", VALUE_NUMBER, "BYTES", "most of a frame; default all"),
	KEY("max_bytes", VALUE_BYTES, "BYTES", "most of the file; default 64M"),
	END,
};

static const struct param log_level_params[] = {
	ARG("level", VALUE_TEXT, "LEVEL", "debug, info, notice, warning or error"),
	OPT_ARG("module", VALUE_TEXT, "MODULE",
		"DPDK log types by pattern, as lib.vhost.*; default: renicd's own"),
	END,
};

static const struct param events_params[] = {
	REST("types", "TYPE[,TYPE]", "as group_state; default: all"),
	OPTION("count", VALUE_NUMBER, "N", "end after N events", .option = "count", .letter = 'n',
		.min = 1, .max = INT64_MAX),
	END,
};

static const struct param egress_log_params[] = {
	ARG("name", VALUE_TEXT, "NAME", "a VF"),
	OPTION("output", VALUE_TEXT, "FILE", "copy the held records' bytes into FILE",
		.option = "output", .letter = 'o'),
	END,
};

static const struct param snapshot_save_params[] = {
	ARG("name", VALUE_TEXT, "VF", "a VF"),
	ARG("file", VALUE_TEXT, "FILE", "where to; a file of that name is replaced"),
	END,
};

static const struct param snapshot_show_params[] = {
	ARG("file", VALUE_TEXT, "FILE", "a snapshot"),
	END,
};

static const struct param snapshot_diff_params[] = {
	ARG("a", VALUE_TEXT, "A", "a snapshot"),
	ARG("b", VALUE_TEXT, "B", "another one"),
	END,
};

static const struct param config_save_params[] = {
	OPT_ARG("file", VALUE_TEXT, "FILE", "where to; default: stdout"),
	END,
};

static const struct param config_load_params[] = {
	ARG("calls", VALUE_TEXT, "FILE", "as config save wrote it; -: stdin"),
	FLAG("check", "only tell what is wrong with it", .option = "check"),
	END,
};

static const struct param call_params[] = {
	ARG("method", VALUE_TEXT, "METHOD", "its name"),
	OPT_ARG("params", VALUE_OBJECT, "PARAMS", "a JSON object"),
	END,
};

enum { INTERVAL_MIN_US = 100, INTERVAL_MAX_US = 60000000, IN_FLIGHT_MAX = 255 };

static const struct param protect_params[] = {
	ARG("group", VALUE_TEXT, "GROUP", "a protection group, or a lone VF"),
	OPTION("interval", VALUE_MS, "TIME", "length of an epoch; default 25ms",
		.option = "interval", .letter = 'i', .min = INTERVAL_MIN_US,
		.max = INTERVAL_MAX_US),
	OPTION("count", VALUE_NUMBER, "N", "end after N epochs", .option = "count", .letter = 'n',
		.min = 1, .max = INT64_MAX),
	OPTION("commit_delay", VALUE_MS, "TIME",
		"from resume to commit, as if the backup were that far; default 0",
		.option = "commit-delay", .max = INTERVAL_MAX_US),
	OPTION("commit_delay", VALUE_MS, "TIME", "the same", .option = "rtt-delay",
		.max = INTERVAL_MAX_US),
	OPTION("in_flight", VALUE_NUMBER, "N",
		"most sealed, uncommitted epochs; then the epoch stays open; default 16",
		.option = "in-flight", .min = 1, .max = IN_FLIGHT_MAX),
	TERM,
	FLAG("leave_held", "leave the group protected at the end, and held what is held",
		.option = "leave-held"),
	END,
};

static const struct param top_params[] = {
	OPTION("delay", VALUE_SECONDS, "TIME", "between two looks; default 1s", .option = "delay",
		.letter = 'd', .min = 50000, .max = 3600000000),
	OPTION("count", VALUE_NUMBER, "N", "end after N looks", .option = "count", .letter = 'n',
		.min = 1, .max = INT64_MAX),
	FLAG("batch", "append instead of redrawing; so it is where stdout is no terminal",
		.option = "batch", .letter = 'b'),
	END,
};

const struct param global_params[] = {
	FLAG("json", "print JSON", .option = "json", .letter = 'j'),
	OPTION("socket", VALUE_TEXT, "PATH",
		"control socket; default: $RENIC_SOCKET, else " RENIC_DEFAULT_SOCKET,
		.option = "socket", .letter = 's'),
	OPTION("timeout", VALUE_SECONDS, "TIME", "most that an answer may take; default 10s",
		.option = "timeout", .letter = 't', .min = 1000, .max = 3600000000),
	FLAG("help", "this help", .option = "help", .letter = 'h'),
	FLAG("version", "renicctl's own version", .option = "version", .letter = 'V'),
	END,
};

const struct command commands[] = {
	CALLS("version", NULL, "version", no_params, show_record,
		"What runs: versions of renicd, protocol and DPDK, process id"),
	CALLS("methods", NULL, "rpc_get_methods", no_params, show_methods,
		"The daemon's methods and their parameters"),
	CALLS("vf", "list", "vf_list", no_params, show_vf_list, "All VFs, a line each"),
	CALLS("vf", "get", "vf_get", vf_name, show_vf,
		"All about a VF: settings, front-end, rings, what is held"),
	CALLS("vf", "create", "vf_create", vf_create_params, show_vf_row,
		"Create a VF and its vhost-user socket"),
	CALLS("vf", "set", "vf_set", vf_set_params, show_vf_row,
		"Change a VF under running traffic"),
	CALLS("vf", "delete", "vf_delete", vf_delete_params, show_nothing, "Delete a VF"),
	CALLS("vf", "stats", "vf_stats", vf_name, show_stats,
		"A VF's counters, of each queue too; drops by reason"),
	CALLS("vf", "reset", "vf_reset", vf_name, show_vf_row,
		"Settings back to their defaults, counters to zero"),
	CALLS("group", "list", "group_list", no_params, show_group_list,
		"All protection groups, a line each"),
	CALLS("group", "get", "group_get", group_name, show_group,
		"All about a protection group; how long frames were held"),
	CALLS("group", "create", "group_create", group_create_params, show_group_row,
		"Create a protection group of VFs"),
	CALLS("group", "set", "group_set", group_set_params, show_group_row,
		"Change a protection group"),
	CALLS("group", "delete", "group_delete", group_name, show_nothing,
		"Delete a protection group; its VFs stay"),
	CALLS("protection", "start", "protection_start", raise_params, show_group_row,
		"From now on hold what the group's VFs send"),
	CALLS("protection", "stop", "protection_stop", protection_stop_params, show_group_row,
		"Hold no longer; what is held leaves"),
	CALLS("checkpoint", "prepare", "checkpoint_prepare", group, show_record,
		"Would begin be refused? Before the VMs are paused"),
	CALLS("checkpoint", "begin", "checkpoint_begin", checkpoint_begin_params, show_checkpoint,
		"Suspend the group's VFs and seal the open epoch"),
	CALLS("checkpoint", "resume", "checkpoint_resume", group, show_nothing,
		"The copy is made: the VFs go on"),
	CALLS("checkpoint", "abort", "checkpoint_abort", group, show_nothing,
		"The copy failed: the VFs go on, frames leave with a later commit"),
	CALLS("checkpoint", "commit", "checkpoint_commit", commit_params, show_record,
		"The backup has it: frames up to EPOCH leave"),
	CALLS("standby", "start", "standby_start", raise_params, show_group_row,
		"A backup's group: nothing leaves, nothing enters"),
	CALLS("standby", "stop", "standby_stop", group, show_group_row,
		"A standby no longer, without taking over"),
	RUNS("standby", "restore", "standby_restore", restore_params, show_group_row,
		run_standby_restore, "Load a checkpoint's snapshots into a standby group"),
	CALLS("activate", NULL, "activate", raise_params, show_group_row,
		"The standby takes over: a new term, its guests are announced"),
	CALLS("vf", "announce", "vf_announce", announce_params, show_nothing,
		"Tell the network where the VF's guest is"),
	RUNS("ingress", "take", "ingress_take", ingress_params, show_record, run_ingress_take,
		"Take the frames that wait for a paused guest into a file"),
	RUNS("ingress", "give", "ingress_give", ingress_params, show_record, run_ingress_give,
		"Let the frames of a file wait for the guest, before those that do"),
	RUNS("protect", NULL, NULL, protect_params, NULL, run_protect,
		"Begin, resume and commit by the clock, without copying a VM",
		.note = "Starts protection if need be. Ctrl-C (SIGINT, SIGTERM) ends it: "
			"everything held\n"
			"leaves, and statistics are printed. SIGUSR1 pauses the commits, so that "
			"nothing\n"
			"leaves; SIGUSR2 resumes them; a line on stdout says so each time."),
	RUNS("top", NULL, NULL, top_params, NULL, run_top,
		"A live table of VFs: rates, role, epoch, held frames, drops"),
	CALLS("capture", "start", "capture_start", capture_start_params, show_record,
		"Write a VF's frames into a pcapng file, for tcpdump or Wireshark"),
	CALLS("capture", "stop", "capture_stop", vf_name, show_record,
		"End a VF's capture; the file is whole then"),
	CALLS("capture", "list", "capture_list", no_params, show_capture_list,
		"Captures that run, or that have ended by themselves"),
	CALLS("uplink", "get", "uplink_get", no_params, show_record,
		"The wire side: device, link, counters"),
	RUNS("egress-log", "get", "egress_log_get", egress_log_params, show_extents, run_egress_log,
		"Where a VF's held records lie in the egress log's file"),
	RUNS("config", "save", "config_save", config_save_params, NULL, run_config_save,
		"Write all that is set into a file: VFs, groups, log levels"),
	RUNS("config", "load", "config_load", config_load_params, show_record, run_config_load,
		"Bring back what config save wrote: all of it, or nothing",
		.note = "What is there already, with the same settings, is skipped."),
	RUNS("snapshot", "save", "snapshot_get", snapshot_save_params, NULL, run_snapshot_save,
		"Write a VF's snapshot, as it is now, into a file"),
	RUNS("snapshot", "show", NULL, snapshot_show_params, show_json, run_snapshot_show,
		"Print a snapshot as JSON; needs no daemon"),
	RUNS("snapshot", "diff", NULL, snapshot_diff_params, NULL, run_snapshot_diff,
		"What differs between two snapshots; needs no daemon",
		.note = "Exit status, as diff(1): 0 they are the same, 1 they differ, 2 one cannot "
			"be "
			"read."),
	RUNS("events", NULL, "events_subscribe", events_params, NULL, run_events,
		"Follow events, a line each"),
	CALLS("log", "level", "log_set_level", log_level_params, show_nothing,
		"How much renicd logs"),
	RUNS("call", NULL, NULL, call_params, show_json, run_call,
		"Call any method and print its result as JSON"),
	{0},
};

const struct command *command_find(int argc, char **argv, int *used)
{
	for (const struct command *c = commands; c->noun; c++) {
		if (argc < 1 || strcmp(argv[0], c->noun))
			continue;
		if (c->verb && (argc < 2 || strcmp(argv[1], c->verb)))
			continue;
		*used = c->verb ? 2 : 1;
		return c;
	}
	return NULL;
}

const char *command_name(const struct command *command, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", command->noun, command->verb ? " " : "",
		command->verb ? command->verb : "");
	return buf;
}
