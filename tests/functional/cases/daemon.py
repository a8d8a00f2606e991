# SPDX-License-Identifier: BSD-3-Clause
"""Start and end of the daemon itself, and config files that it must refuse."""
import json
import os
import signal
import socket
import subprocess
import time

from lib import frame
from lib.case import case
from lib.check import check, equal
from lib.env import RENICD, mac_of
from lib.rpc import Closed, RpcError


def mappings(pid):
    """Files that a process has mapped."""
    with open(f"/proc/{pid}/maps") as maps:
        return {line.split(maxsplit=5)[5].strip() for line in maps if len(line.split()) > 5}


def log_files(pid):
    """Files of the egress log among them: those under a run directory or on hugetlbfs."""
    return {path for path in mappings(pid) if path.startswith("/") and "renic" in path
            and not path.startswith(("/usr", "/work", "/memfd")) and not path.endswith(".so")
            # These stay: VFs come back from them, and their packed rings.
            and not path.endswith(("/journal", "/rings"))
            and os.path.isfile(path) and not os.access(path, os.X_OK)}


@case
def sigterm_ends_cleanly_and_leaves_nothing_behind(env):
    for number, ending in enumerate((signal.SIGTERM, signal.SIGINT)):
        # the daemon's own choice of a place for the log
        daemon = env.renicd_alone(name=f"renicd{number}", egress_log={"size_mb": 64})
        for vf in daemon.call("vf_list"):  # back from the journal
            daemon.call("vf_delete", name=vf["name"])
        guest = env.guest(daemon, env.framegen(), 1, role="server")
        daemon.call("vf_create", name="idle", role="server")
        daemon.call("protection_start", group="vf1")
        guest.send("mix", 1000, size=1514)
        daemon.wait_taken("vf1", 1000)
        daemon.call("protection_stop", group="vf1", held="discard")
        logs = log_files(daemon.process.pid)
        check(logs, "the egress log's file was not found among the daemon's mappings")
        daemon.signal_end(ending)
        left = [path for path in logs if os.path.exists(path)]
        equal(left, [], "files of the egress log left behind")
        left = [name for _, _, names in os.walk(daemon.run_dir) for name in names
                if name.endswith(".sock")]
        equal(left, [], "sockets left behind in the run directory")
        check(not os.path.exists(env.socket_of("vf1")), "the VF's socket is left behind")


@case
def a_second_daemon_does_not_take_the_place_of_the_first(env):
    daemon = env.renicd_alone()
    second = env.renicd_unstarted(name="second")
    second.spawn()
    second.ended = True
    check(second.process.wait(15) > 0, "a second daemon on the same socket did not refuse")
    check(daemon.call("version")["pid"] == daemon.process.pid, "the first one still answers")


@case
def nor_does_one_with_a_socket_of_its_own_in_the_same_run_directory(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server", socket=env.socket_of("vf1"))
    second = env.renicd_unstarted(
        name="second", control={"socket": os.path.join(env.directory, "second.sock")})
    second.spawn()
    second.ended = True
    check(second.process.wait(15) > 0, "a second daemon in the same run directory did not refuse")
    check("a running renicd works in this directory" in second.process.log(), "it does not say why")
    daemon.kill()
    equal([vf["name"] for vf in daemon.restart().call("vf_list")], ["vf1"], "VFs after a restart")


@case
def nor_one_whose_log_would_have_the_same_name(env):
    first, second = (os.path.join(env.directory, name) for name in ("a_b", "a/b"))
    os.makedirs(first)
    os.makedirs(second)
    daemon = env.renicd_alone(run_dir=first)
    other = env.renicd_unstarted(
        name="second", run_dir=second, control={"socket": os.path.join(second, "control.sock")})
    other.spawn()
    other.ended = True
    check(other.process.wait(15) > 0, "a second daemon with the same log did not refuse")
    check("of another run directory has this file" in other.process.log(), "it does not say why")
    daemon.call("version")


@case
def a_socket_that_is_somebodys_is_refused_and_left_alone(env):
    """Also where that one accepts nobody, or is of another kind: none that waits stops the daemon."""
    daemon = env.renicd_alone()
    path = env.socket_of("vf1")
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as other:
            other.bind(path)
            if kind != socket.SOCK_DGRAM:
                other.listen(0)
            for _ in range(3):  # the first ones fill what may wait
                try:
                    daemon.call("vf_create", name="vf1", role="server", socket=path)
                except RpcError as error:
                    check(path in str(error), f"the socket is not named: {error}")
                else:
                    raise AssertionError(f"{path} was taken from a socket of {kind!r}")
            check(os.path.exists(path), "the socket of another one was removed")
        os.unlink(path)
    equal(daemon.call("vf_list"), [], "VFs")


@case
def a_daemon_killed_leaves_no_stale_socket_in_the_way(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server", socket=env.socket_of("vf1"))
    daemon.kill()
    check(os.path.exists(daemon.socket), "the killed daemon's socket is there")
    daemon.restart()
    equal(daemon.vf("vf1")["socket"], env.socket_of("vf1"), "socket of the VF that came back")
    guest = env.framegen().post_guest(1, env.socket_of("vf1"), False)
    guest.framegen.reply()
    env.wait_running(daemon, "vf1")


BAD_CONFIGS = {
    "not json": ('{"run_dir": ', [":1:"]),
    "not an object": ("[]", ["object"]),
    "unknown key": ({"colour": 1}, ["colour"]),
    "unknown key in a vf": ({"vfs": [{"name": "a", "colour": 1}]}, ["vfs[0].colour"]),
    "mac of the third vf": (
        {"vfs": [{"name": "a"}, {"name": "b"}, {"name": "c", "mac": "02:00:zz:00:00:00"}]},
        ["vfs[2].mac", "02:00:zz:00:00:00"]),
    "type of queues": ({"vfs": [{"name": "a", "queues": "two"}]}, ["vfs[0].queues", "two"]),
    "range of vlan": ({"vfs": [{"name": "a", "vlan": 4096}]}, ["vfs[0].vlan", "4096", "4095"]),
    "the same mac twice": (
        {"vfs": [{"name": "a", "mac": mac_of(1)}, {"name": "b", "mac": mac_of(1)}]},
        ["vfs[1].mac", mac_of(1), "vfs[0].mac"]),
    "member of a group": (
        {"vfs": [{"name": "a"}], "groups": [{"name": "g", "vfs": ["a", "x"]}]},
        ["groups[0].vfs[1]", "x"]),
    "policy of a group": (
        {"groups": [{"name": "g", "on_replicator_lost": "panic"}]},
        ["groups[0].on_replicator_lost", "panic", "hold"]),
    "size of the log": ({"egress_log": {"size_mb": 1}}, ["egress_log.size_mb", "1"]),
    "cpus": ({"data_cpus": [1, -3]}, ["data_cpus[1]", "-3"]),
    "uplink without devargs": ({"uplink": {}}, ["uplink.devargs"]),
    "two places for metrics": ({"metrics": {"socket": "/tmp/renic-no.sock", "port": 9100}},
                               ["metrics.socket or metrics.port", "9100"]),
    "exempt filter": ({"vfs": [{"name": "a", "hold_exempt": "(("}]}, ["vfs[0].hold_exempt"]),
}


@case
def bad_configs_name_file_path_value_and_what_was_expected(env):
    for name, (content, wanted) in BAD_CONFIGS.items():
        path = os.path.join(env.directory, "bad.json")
        if isinstance(content, dict):
            content = {"run_dir": os.path.join(env.directory, "run"), **content}
        with open(path, "w") as f:
            f.write(content if isinstance(content, str) else json.dumps(content))
        done = subprocess.run([RENICD, "-c", path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=15, check=False)
        check(done.returncode > 0, f"{name}: status {done.returncode}")
        for word in [path, *wanted]:
            check(word in done.stderr, f"{name}: no {word!r} in: {done.stderr}")


@case
def a_config_that_cannot_be_read_is_named(env):
    path = os.path.join(env.directory, "missing.json")
    done = subprocess.run([RENICD, "-c", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=15, check=False)
    check(done.returncode > 0 and path in done.stderr, f"{done.returncode}: {done.stderr}")


@case
def an_uplink_that_does_not_exist_is_named(env):
    daemon = env.renicd_unstarted(uplink={"devargs": "net_nonsense0"})
    daemon.spawn()
    daemon.ended = True
    check(daemon.process.wait(15) > 0, "renicd started without its uplink")
    check("net_nonsense0" in daemon.process.log(), "the uplink is not named")


@case
def an_idle_daemon_sleeps_and_wakes_for_the_first_frame(env):
    """Adaptive polling loses no wake-up: single frames after pauses arrive, both ways."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    for seq in range(8):
        time.sleep(0.15)
        guest.send("ipv4", 1, stream=1)
        equal(frame.fault_of(capture.wait(seq + 1, 3).stream(1), 0, seq + 1), None, "to the wire")
        time.sleep(0.15)
        capture.send(frame.build(frame.Stamp(2, seq, 100, "ipv4"), frame.mac_bytes(guest.mac),
                                 bytes([2] * 6)))
        guest.expect_whole(2, seq + 1, timeout=3)
    daemon.call("protection_start", group="vf1")
    for epoch in range(1, 6):
        time.sleep(0.15)
        guest.send("ipv4", 1, stream=3)
        daemon.wait_taken("vf1", 8 + epoch)
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        capture.wait(8 + epoch, 3)
    equal(frame.fault_of(capture.judge().stream(3), 0, 5), None, "released")


def cpu_seconds(pid):
    """Processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@case(rows={"adaptive": {"poll": "adaptive"}, "busy": {"poll": "busy"}})
def idle_lcores_sleep_unless_told_to_poll(env, poll):
    """64 VFs, 8 of them with guests, no traffic: far from what a polling lcore takes."""
    daemon, _, _ = env.renicd_on_tap(poll=poll)
    framegen = env.framegen()
    for number in range(8):
        env.guest(daemon, framegen, number)
    for number in range(8, 64):
        daemon.call("vf_create", name=f"vf{number}", role="server")
    time.sleep(0.2)
    before, start = cpu_seconds(daemon.process.pid), time.monotonic()
    time.sleep(1.5)
    share = (cpu_seconds(daemon.process.pid) - before) / (time.monotonic() - start)
    env.note(f"{100 * share:.1f} % of a core")
    if poll == "adaptive":
        check(share < 0.25, f"an idle daemon takes {100 * share:.0f} % of a core")
    else:
        check(share > 0.1, f"a polling daemon takes {100 * share:.0f} % of a core")


@case
def clients_are_hung_up_when_the_daemon_ends(env):
    daemon = env.renicd_alone()
    client = daemon.connect()
    daemon.signal_end()
    try:
        client.receive_line()
        check(False, "something came instead of the end of the connection")
    except (Closed, ConnectionError):
        pass


def thread_statuses(pid):
    """/proc/PID/task/*/status, as dictionaries."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status") as status:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


CAP_DAC_OVERRIDE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE = 1 << 1, 1 << 12, 1 << 13, 1 << 23
CONTROL_NICE = -10


def check_capabilities(pid, allowed):
    """No thread has more than `allowed` in any set, nor can it gain any."""
    statuses = list(thread_statuses(pid))
    check(len(statuses) >= 3, f"{len(statuses)} threads: control, data and vhost are expected")
    for status in statuses:
        sets = {name: int(status[name], 16)
                for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        more = {name: hex(value & ~allowed) for name, value in sets.items() if value & ~allowed}
        equal(more, {}, f"capabilities of thread {status['Name'].strip()} that are not needed")
        equal(status["NoNewPrivs"].strip(), "1", f"no_new_privs of {status['Name'].strip()}")


@case
def no_thread_keeps_capabilities_that_are_not_needed(env):
    """And VFs of both roles can be created and used afterwards."""
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, role="server")
    other = env.guest(daemon, framegen, 2)
    check_capabilities(daemon.process.pid, CAP_DAC_OVERRIDE)
    guest.send("ipv4", 10, stream=1, dst=other.mac)
    other.expect_whole(1, 10)
    daemon.call("vf_delete", name="vf2", force=True)


@case
def a_tap_uplink_keeps_what_its_interface_needs(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    check_capabilities(daemon.process.pid, CAP_DAC_OVERRIDE | CAP_NET_ADMIN | CAP_NET_RAW)
    guest.send("ipv4", 10, stream=1)
    capture.wait(10, 3)


@case
def drop_privileges_off_keeps_them(env):
    daemon = env.renicd_alone(drop_privileges=False)
    kept = [int(s["CapEff"], 16) for s in thread_statuses(daemon.process.pid)]
    mine = [int(s["CapEff"], 16) for s in thread_statuses(os.getpid())]
    equal(set(kept), set(mine), "capabilities of the daemon's threads, and of who started it")


class WithoutCapability:
    """Runs a command as root that has all but one capability."""

    def __init__(self, name):
        self.name = name

    def command(self, *argv):
        """The command line."""
        return ["setpriv", "--bounding-set", f"-{self.name}", *argv]


@case
def a_control_thread_that_gets_no_priority_is_told_of(env):
    may = [int(s["CapEff"], 16) & CAP_SYS_NICE for s in thread_statuses(os.getpid())][0]
    for keeps in (True, False):
        daemon = env.renicd_unstarted(name=f"renicd{keeps}")
        daemon.netns = None if keeps else WithoutCapability("sys_nice")
        daemon.start()
        has = os.getpriority(os.PRIO_PROCESS, daemon.process.pid) == CONTROL_NICE
        equal(has, bool(may and keeps), "the control thread goes before others")
        equal(daemon.process.log().count("the control thread has no priority"), int(not has),
              "lines that say so")
        daemon.signal_end()
