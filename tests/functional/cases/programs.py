# SPDX-License-Identifier: BSD-3-Clause
"""The project's own programs against the daemon: renicctl and the documentation's example."""
import json
import os
import re
import signal
import subprocess
import time

from lib import frame
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import BUILD, RENICCTL, mac_of
from lib.process import Process

EXAMPLE = os.path.join(BUILD, "docs", "hold_one_epoch")


def ask(env, daemon, *arguments):
    """renicctl -j; the decoded answer (None where it prints nothing)."""
    done = env.renicctl(daemon, "-j", *arguments, check=False)
    equal(done.returncode, 0, f"status of renicctl {' '.join(arguments)} ({done.stderr.strip()})")
    return json.loads(done.stdout) if done.stdout.strip() else None


@case(timeout=60)
def renicctl_speaks_every_method(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    equal(ask(env, daemon, "version")["pid"], daemon.process.pid, "pid")
    methods = {method["name"] for method in ask(env, daemon, "methods")}
    equal(ask(env, daemon, "vf", "create", "web", f"mac={mac_of(5)}", "role=server", "queues=2",
              "vlan=7", "spoofchk=off", "egress_log_bytes=4M")["vlan"], 7, "vf create")
    equal([vf["name"] for vf in ask(env, daemon, "vf", "list")], ["vf1", "web"], "vf list")
    web = ask(env, daemon, "vf", "get", "web")
    equal((web["queues"], web["spoofchk"], web["egress_log_bytes"]), (2, False, 4 << 20), "vf get")
    equal(ask(env, daemon, "vf", "set", "web", "vlan=0", "hold_exempt=arp or icmp")["hold_exempt"],
          "arp or icmp", "vf set")
    equal(ask(env, daemon, "vf", "stats", "vf1")["tx_pkts"], 0, "vf stats")
    equal(ask(env, daemon, "vf", "reset", "web")["hold_exempt"], "", "vf reset")
    equal(ask(env, daemon, "group", "create", "g", "vf1", "internal=pass")["vfs"], ["vf1"],
          "group create")
    equal(ask(env, daemon, "group", "set", "g", "internal=hold")["internal"], "hold", "group set")
    equal(ask(env, daemon, "protection", "start", "g")["state"], "protected", "protection start")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    log = os.path.join(env.directory, "held")
    extents = ask(env, daemon, "egress-log", "get", "vf1", "-o", log)
    equal(sum(extent["bytes"] for extent in extents["extents"]), os.path.getsize(log),
          "bytes that egress-log get wrote")
    coming = ask(env, daemon, "checkpoint", "prepare", "g")
    begun = ask(env, daemon, "checkpoint", "begin", "g")
    equal(coming["epoch"], begun["epoch"], "checkpoint prepare")
    equal(begun["held_pkts"], 100, "checkpoint begin")
    ask(env, daemon, "checkpoint", "resume", "g")
    equal(ask(env, daemon, "checkpoint", "commit", "g", str(begun["epoch"]))["committed_epoch"],
          begun["epoch"], "checkpoint commit")
    equal(frame.fault_of(capture.wait(100).stream(1), 0, 100), None, "committed frames")
    ask(env, daemon, "checkpoint", "begin", "g")
    ask(env, daemon, "checkpoint", "abort", "g")
    equal(ask(env, daemon, "group", "get", "g")["sealed_epochs"], 1, "group get")
    equal([group["name"] for group in ask(env, daemon, "group", "list")], ["g"], "group list")
    equal(ask(env, daemon, "protection", "stop", "g", "--discard")["state"], "unprotected",
          "protection stop")
    equal(ask(env, daemon, "uplink", "get")["tx_pkts"], 100, "uplink get")
    snapshot = os.path.join(env.directory, "snapshot")
    ask(env, daemon, "snapshot", "save", "vf1", snapshot)
    equal(ask(env, daemon, "snapshot", "show", snapshot)["tx_pkts"], 100, "snapshot show")
    equal(ask(env, daemon, "standby", "start", "web")["state"], "standby", "standby start")
    web = os.path.join(env.directory, "web")
    ask(env, daemon, "snapshot", "save", "web", web)
    equal(ask(env, daemon, "standby", "restore", "web", f"web={web}")["state"], "standby",
          "standby restore")
    equal(ask(env, daemon, "activate", "web")["term"], 2, "activate")
    ask(env, daemon, "standby", "start", "web")
    equal(ask(env, daemon, "standby", "stop", "web")["state"], "unprotected", "standby stop")
    ask(env, daemon, "vf", "announce", "web")
    frames = os.path.join(env.directory, "frames")
    equal(ask(env, daemon, "ingress", "take", "web", frames)["pkts"], 0, "ingress take")
    equal(ask(env, daemon, "ingress", "give", "web", frames)["pkts"], 0, "ingress give")
    equal(ask(env, daemon, "capture", "start", "vf1", "filter=arp", "max_bytes=1M")["state"],
          "running", "capture start")
    equal(len(ask(env, daemon, "capture", "list")), 1, "capture list")
    equal(ask(env, daemon, "capture", "stop", "vf1")["dropped"], 0, "capture stop")
    ask(env, daemon, "log", "level", "debug")
    config = os.path.join(env.directory, "config")
    ask(env, daemon, "config", "save", config)
    equal(ask(env, daemon, "config", "load", config)["skipped"], 3, "config load")
    equal(ask(env, daemon, "call", "vf_get", '{"name": "web"}')["name"], "web", "call")
    ask(env, daemon, "group", "delete", "g")
    ask(env, daemon, "vf", "delete", "web")
    spoken = {"version", "rpc_get_methods", "log_set_level", "uplink_get", "vf_create",
              "vf_delete", "vf_set", "vf_get", "vf_list", "vf_stats", "vf_reset", "group_create",
              "group_delete", "group_set", "group_get", "group_list", "protection_start",
              "protection_stop", "checkpoint_prepare", "checkpoint_begin", "checkpoint_resume",
              "checkpoint_abort", "checkpoint_commit", "egress_log_get", "snapshot_get", "config_save", "config_load",
              "capture_start", "capture_stop", "capture_list",
              "standby_start", "standby_stop", "standby_restore", "activate", "vf_announce",
              "ingress_take", "ingress_give", "egress_load",
              "events_subscribe", "events_unsubscribe"}
    equal(methods - spoken, set(), "methods that this test does not try")


@case
def renicctl_tells_people_and_scripts_what_went_wrong(env):
    daemon = env.renicd_alone()
    for arguments, wanted in {("vf", "get", "nobody"): "nobody",
                              ("vf", "create", "x", "vlan=5000"): "vlan",
                              ("vf", "create", "x", "colour=red"): "colour",
                              ("checkpoint", "begin", "nobody"): "nobody",
                              ("fly",): "fly"}.items():
        done = env.renicctl(daemon, *arguments, check=False)
        check(done.returncode > 0, f"renicctl {arguments}: status {done.returncode}")
        check(wanted in done.stderr, f"renicctl {arguments}: no {wanted!r} in {done.stderr!r}")
        equal(done.stdout, "", f"stdout of renicctl {arguments}")
    daemon.signal_end()
    done = env.renicctl(daemon, "vf", "list", check=False)
    check(done.returncode > 0 and daemon.socket in done.stderr, f"no daemon: {done.stderr!r}")


@case
def renicctl_prints_tables_for_people(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="web", mac=mac_of(5), role="server")
    daemon.call("group_create", name="shop", vfs=["web"])
    for arguments, wanted in {("vf", "list"): ("web", mac_of(5)), ("vf", "get", "web"): ("mtu",),
                              ("group", "list"): ("shop", "unprotected"), ("--help",): ("protect",),
                              ("uplink", "get"): ("present",), ("vf", "stats", "web"): ("runt",),
                              ("top", "--count", "2", "--delay", "0.1"): ("web",)}.items():
        out = env.renicctl(daemon, *arguments).stdout
        for word in wanted:
            check(word in out, f"renicctl {' '.join(arguments)}: no {word!r} in {out!r}")


@case
def renicctl_follows_events(env):
    daemon = env.renicd_alone()
    follower = Process("events", [RENICCTL, "-s", daemon.socket, "-j", "events", "-n", "2"],
                       env.directory)
    env.stack.callback(follower.kill)
    for number in range(50):
        if not follower.alive():
            break
        daemon.call("vf_create", name=f"v{number}", role="server")
        time.sleep(0.1)
    equal(follower.wait(5), 0, "status of renicctl events")
    events = [json.loads(line) for line in follower.log().splitlines()]
    equal([event["type"] for event in events], ["vf_created"] * 2, "events")


@case
def renicctl_protect_checkpoints_by_the_clock(env):
    """What a user plays with first: traffic flows; commits pause, frames wait; all leave."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    protect = Process("protect", [RENICCTL, "-s", daemon.socket, "protect", "vf1", "--interval",
                                  "5ms"], env.directory)
    env.stack.callback(protect.kill)
    wait_until(lambda: daemon.vf("vf1")["epoch"] > 3, "epochs pass")
    guest.send("mix", 500, stream=1, rate=5000)
    equal(frame.fault_of(capture.wait(500).stream(1), 0, 500), None, "while commits go on")
    protect.signal(signal.SIGUSR1)
    wait_until(lambda: "commits paused" in protect.log(), "protect says that commits are paused")
    guest.send("mix", 500, stream=1, rate=5000)
    daemon.wait_taken("vf1", 1000)
    time.sleep(0.2)
    equal(capture.judge().total(), 500, "frames on the wire while commits are paused")
    protect.signal(signal.SIGUSR2)
    equal(frame.fault_of(capture.wait(1000).stream(1), 0, 1000), None, "after the pause")
    protect.signal(signal.SIGINT)
    equal(protect.wait(5), 0, "status of renicctl protect")
    equal(daemon.call("group_get", name="vf1")["state"], "unprotected", "state after the end")


@case
def the_documentations_example_holds_one_epoch(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("events_subscribe", types=["group_state"])
    example = Process("example", ["env", f"RENIC_SOCKET={daemon.socket}", EXAMPLE, "vf1", "600"],
                      env.directory)
    env.stack.callback(example.kill)
    daemon.rpc.wait_event("group_state", "vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    equal(capture.judge().total(), 0, "frames on the wire during the epoch")
    equal(example.wait(10), 0, f"status of the example ({example.log()})")
    check(re.search(r"epoch 1: 100 frames", example.log()), f"it said: {example.log()}")
    equal(frame.fault_of(capture.wait(100).stream(1), 0, 100), None, "after it")
    done = subprocess.run([EXAMPLE, "nobody", "1"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=10, check=False,
                          env={**os.environ, "RENIC_SOCKET": daemon.socket})
    check(done.returncode > 0 and "nobody" in done.stderr, f"unknown VF: {done}")
