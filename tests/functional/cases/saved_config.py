# SPDX-License-Identifier: BSD-3-Clause
"""A saved configuration brings a fresh daemon to the same state, or changes nothing."""
import json
import os
import shutil

from lib.case import case
from lib.check import check, equal
from lib.env import mac_of


def set_up(env, daemon):
    """VFs, groups and policies, as an operator makes them."""
    def run(*words):
        env.renicctl(daemon, *words)
    run("vf", "create", "web", f"mac={mac_of(1)}", "role=server", "queues=2", "vlan=7",
        "spoofchk=off", "packed=off", "mtu=1500", "ingress_hold_pkts=100", "egress_log_bytes=8M",
        f"socket={env.socket_of('web')}", "hold_exempt=arp or host 192.0.2.1")
    run("vf", "create", "db", "role=server", f"socket={env.socket_of('db')}")
    run("vf", "create", "alone", f"socket={env.socket_of('alone')}")
    run("vf", "create", "spare", "role=server", f"socket={env.socket_of('spare')}")
    run("vf", "set", "db", "hold_exempt=icmp", "mtu=1400")
    run("group", "create", "shop", "web", "db", "internal=pass", "replicator_timeout_ms=60000",
        "on_replicator_lost=release")
    run("group", "create", "empty", "on_replicator_lost=release")
    run("group", "set", "shop", "internal=hold")
    run("protection", "start", "alone")  # its group is made by this
    run("group", "set", "alone", "replicator_timeout_ms=30000")
    run("log", "level", "debug", "lib.eal")
    run("log", "level", "warning")


def save(env, daemon, name):
    """The path of a saved configuration, and its bytes."""
    path = os.path.join(env.directory, name)
    env.renicctl(daemon, "config", "save", path)
    with open(path, "rb") as file:
        return path, file.read()


def fresh(env, daemon):
    """The daemon ended, its run directory gone, and another one in its place."""
    daemon.close_clients()
    daemon.signal_end()
    shutil.rmtree(daemon.run_dir)
    return env.renicd_alone()


@case(timeout=60)
def a_saved_configuration_comes_back_on_a_fresh_daemon(env):
    daemon = env.renicd_alone()
    set_up(env, daemon)
    path, saved = save(env, daemon, "saved")
    vfs, groups = daemon.call("vf_list"), daemon.call("group_list")
    equal(env.renicctl(daemon, "config", "save").stdout.encode(), saved, "config save to stdout")
    daemon = fresh(env, daemon)
    equal(daemon.call("vf_list"), [], "VFs of the fresh daemon")
    env.renicctl(daemon, "config", "load", "--check", path)
    equal(daemon.call("vf_list"), [], "VFs after --check")
    env.renicctl(daemon, "config", "load", path)
    _, again = save(env, daemon, "again")
    equal(again, saved, "the configuration saved again")
    settings = ("name", "mac", "vlan", "queues", "socket", "socket_role", "packed", "spoofchk",
                "mtu", "ingress_hold_pkts", "egress_log_bytes", "hold_exempt", "group")
    for before, after in zip(vfs, daemon.call("vf_list")):
        for member in settings:
            equal(after[member], before[member], f"{member} of {before['name']}")
    equal([group["vfs"] for group in daemon.call("group_list")],
          [group["vfs"] for group in groups], "members")
    # Replayed where all of it is there: no error, and no change.
    done = json.loads(env.renicctl(daemon, "-j", "config", "load", path).stdout)
    equal(done["skipped"], len(vfs) + len(groups), "calls skipped")
    equal(save(env, daemon, "replayed")[1], saved, "the configuration after a replay")


@case
def what_the_device_refuses_leaves_nothing_behind(env):
    """The last VF's socket cannot be: all that came before is taken back."""
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="kept", role="server")
    _, before = save(env, daemon, "before")
    calls = [{"method": "log_set_level", "params": {"level": "error"}},
             *({"method": "vf_create", "params": {"name": f"v{n}", "role": "server"}}
               for n in range(8)),
             {"method": "group_create", "params": {"name": "g", "vfs": ["v1", "v2"]}},
             {"method": "vf_create", "params": {"name": "bad", "role": "server",
                                                "socket": f"{env.directory}/no/such/dir"}}]
    path = os.path.join(env.directory, "calls")
    with open(path, "w") as file:
        json.dump({"calls": calls}, file)
    done = env.renicctl(daemon, "config", "load", path, check=False)
    equal(done.returncode, 1, "status of config load")
    check("calls[10]" in done.stderr, f"it said: {done.stderr}")
    equal(save(env, daemon, "after")[1], before, "the configuration afterwards")
    equal(sorted(name for name in os.listdir(daemon.run_dir) if name.endswith(".sock")),
          ["control.sock", "kept.sock"], "sockets")
    calls.pop()
    with open(path, "w") as file:
        json.dump({"calls": calls}, file)
    env.renicctl(daemon, "config", "load", path)
    equal(daemon.call("group_get", name="g")["vfs"], ["v1", "v2"], "members")


@case
def files_that_are_no_configuration_are_told(env):
    daemon = env.renicd_alone()
    path = os.path.join(env.directory, "file")
    for text, wanted in {"": "line 1", "[]": "object", '{"calls": [': "line 1",
                         '{"calls": 7}': "calls", '{"version": 2, "calls": []}': "version",
                         '{"calls": [{"method": "vf_delete", "params": {}}]}': "calls[0].method",
                         '{"calls": [], "calls": []}': "line 1"}.items():
        with open(path, "w") as file:
            file.write(text)
        done = env.renicctl(daemon, "config", "load", path, check=False)
        equal(done.returncode, 1, f"status for {text!r}")
        check(wanted in done.stderr, f"for {text!r} it said: {done.stderr}")
    done = env.renicctl(daemon, "config", "load", path + ".not", check=False)
    check(done.returncode == 1 and ".not" in done.stderr, f"no such file: {done}")
    done = env.renicctl(daemon, "config", "save", "/nowhere/file", check=False)
    check(done.returncode == 1 and "/nowhere/file" in done.stderr, f"no such directory: {done}")


# what a second call of the file has; what is said of it: member, what was given, what was expected
WRONG = [
    ("vf_create", {"name": "b", "mac": "52:54"}, ("mac", "52:54", "a unicast MAC address")),
    ("vf_create", {"name": "b", "vlan": 4096}, ("vlan", "4096", "0 to 4095")),
    ("vf_create", {"name": "b", "max_tx_rate": 10, "min_tx_rate": 11}, ("min_tx_rate", "11", "10")),
    ("vf_create", {"name": "b", "speed": 1}, ("speed",)),
    ("vf_create", {"name": "a"}, ("name", "a")),
    ("group_create", {"name": "g", "vfs": ["a", "nobody"]}, ("vfs[1]", "nobody")),
]


@case
def a_check_names_what_is_wrong_and_changes_nothing(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="kept", role="server")
    _, before = save(env, daemon, "before")
    path = os.path.join(env.directory, "calls")
    for method, params, said in WRONG:
        calls = [{"method": "vf_create", "params": {"name": "a", "role": "server"}},
                 {"method": method, "params": params}]
        with open(path, "w") as file:
            json.dump({"calls": calls}, file)
        done = env.renicctl(daemon, "config", "load", "--check", path, check=False)
        equal(done.returncode, 1, f"status for {params}")
        for words in ("calls[1]", *said):
            check(words in done.stderr, f"for {params} it said, without {words}: {done.stderr}")
    equal(save(env, daemon, "after")[1], before, "the configuration afterwards")
