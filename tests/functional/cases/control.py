# SPDX-License-Identifier: BSD-3-Clause
"""The control socket: refusals that say why, hostile clients, events, descriptors."""
import json
import os
import signal
import socket
import struct
import time

from lib import frame
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import mac_of
from lib.rpc import Closed

MIB = 1 << 20


@case
def illegal_states_are_named(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server")
    daemon.call("group_create", name="g", vfs=["vf1"])
    steps = {
        "unprotected": ("protection_stop", "checkpoint_prepare", "checkpoint_begin",
                        "checkpoint_resume", "checkpoint_abort", "checkpoint_commit"),
        "protected": ("protection_start", "checkpoint_resume", "checkpoint_abort"),
        "suspended": ("protection_start", "checkpoint_prepare", "checkpoint_begin", "protection_stop"),
    }
    enter = {"unprotected": None, "protected": "protection_start", "suspended": "checkpoint_begin"}
    for state, refused in steps.items():
        if enter[state]:
            daemon.call(enter[state], group="g")
        for method in ("vf_delete", "group_delete") if enter[state] else ():
            name = "vf1" if method == "vf_delete" else "g"
            error = daemon.rpc.refusal(method, name=name)
            equal((error.code, error.data.get("state")), (-1, state), f"{method} while {state}")
        before = daemon.call("group_get", name="g")
        equal(before["state"], state, "state")
        for method in refused:
            more = {"epoch": 1} if method == "checkpoint_commit" else {}
            error = daemon.rpc.refusal(method, group="g", **more)
            equal((error.code, error.data.get("state")), (-1, state), f"{method} while {state}")
            equal(daemon.call("group_get", name="g"), before, f"group after a refused {method}")


BAD_CALLS = [
    ("no_such_method", {}, -32601, None),
    ("vf_create", {}, -32602, "name"),
    ("vf_create", {"name": ""}, -32602, "name"),
    ("vf_create", {"name": "../x"}, -32602, "name"),
    ("vf_create", {"name": "x" * 40}, -32602, "name"),
    ("vf_create", {"name": 7}, -32602, "name"),
    ("vf_create", {"name": "a", "mac": "02:00:00:00:00"}, -32602, "mac"),
    ("vf_create", {"name": "a", "mac": "ff:ff:ff:ff:ff:ff"}, -32602, "mac"),
    ("vf_create", {"name": "a", "mac": "01:00:5e:00:00:01"}, -32602, "mac"),
    ("vf_create", {"name": "a", "vlan": 4096}, -32602, "vlan"),
    ("vf_create", {"name": "a", "vlan": -1}, -32602, "vlan"),
    ("vf_create", {"name": "a", "vlan": 1.5}, -32602, "vlan"),
    ("vf_create", {"name": "a", "queues": 0}, -32602, "queues"),
    ("vf_create", {"name": "a", "queues": 17}, -32602, "queues"),
    ("vf_create", {"name": "a", "role": "both"}, -32602, "role"),
    ("vf_create", {"name": "a", "packed": "yes"}, -32602, "packed"),
    ("vf_create", {"name": "a", "mtu": 9001}, -32602, "mtu"),
    ("vf_create", {"name": "a", "ingress_hold_pkts": 65537}, -32602, "ingress_hold_pkts"),
    ("vf_create", {"name": "a", "socket": "/" + "x" * 200}, -32602, "socket"),
    ("vf_create", {"name": "a", "hold_exempt": "no such thing ((("}, -32602, "hold_exempt"),
    ("vf_create", {"name": "a", "colour": "red"}, -32602, "colour"),
    ("vf_create", {"name": "vf1", "role": "server"}, -3, "name"),
    ("vf_create", {"name": "b", "mac": mac_of(1), "role": "server"}, -3, "mac"),
    ("vf_set", {"name": "vf1", "queues": 4}, -32602, "queues"),
    ("vf_set", {"name": "vf1", "vlan": 5000}, -32602, "vlan"),
    ("vf_get", {"name": "nobody"}, -2, None),
    ("vf_delete", {"name": "nobody"}, -2, None),
    ("vf_stats", {}, -32602, "name"),
    ("group_create", {"name": "g", "vfs": ["vf1", "nobody"]}, -2, None),
    ("group_create", {"name": "g", "vfs": "vf1"}, -32602, "vfs"),
    ("group_create", {"name": "g", "internal": "maybe"}, -32602, "internal"),
    ("group_get", {"name": "nobody"}, -2, None),
    ("protection_start", {"group": "nobody"}, -2, None),
    ("protection_stop", {"group": "vf1", "held": "keep"}, -32602, "held"),
    ("checkpoint_commit", {"group": "vf1"}, -32602, "epoch"),
    ("checkpoint_commit", {"group": "vf1", "epoch": "one"}, -32602, "epoch"),
    ("events_subscribe", {"types": ["weather"]}, -32602, None),
    ("log_set_level", {"level": "loud"}, -32602, "level"),
    ("version", {"verbose": True}, -32602, "verbose"),
]


@case
def bad_calls_name_the_field_and_change_nothing(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", mac=mac_of(1), role="server")
    before = daemon.call("vf_list"), daemon.call("group_list")
    for method, params, code, field in BAD_CALLS:
        error = daemon.rpc.refusal(method, **params)
        equal(error.code, code, f"code of {method} {params}")
        if field:
            equal(error.data.get("field"), field, f"field of {method} {params}")
        check(error.message, f"{method} {params}: no message")
        equal((daemon.call("vf_list"), daemon.call("group_list")), before,
              f"VFs and groups after {method} {params}")


@case
def malformed_requests_get_an_error_of_json_rpc(env):
    daemon = env.renicd_alone()
    expected = [
        (b"{]\n", -32700), (b"\xff\xfe\n", -32700), (b"[" * 5000 + b"\n", -32700),
        (b"17\n", -32600), (b"[]\n", -32600), (b'{"jsonrpc":"2.0","id":1}\n', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"version"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}\n', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"version"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"version","params":[1]}\n', -32602),
    ]
    for line, code in expected:
        client = daemon.connect()
        client.send_bytes(line)
        equal(client.receive_line()["error"]["code"], code, f"answer to {line[:60]!r}")
        client.close()
    daemon.call("version")


@case
def batches_are_answered_whole_and_notifications_not_at_all(env):
    daemon = env.renicd_alone()
    client = daemon.connect()
    client.send_bytes(b'{"jsonrpc":"2.0","method":"vf_create",'
                      b'"params":{"name":"n","role":"server"}}\n')
    replies = client.batch([("version", {}), ("nothing", {}), ("vf_get", {"name": "n"})])
    check("renicd" in replies[0]["result"], "version in a batch")
    equal(replies[1]["error"]["code"], -32601, "unknown method in a batch")
    equal(replies[2]["result"]["name"], "n", "the VF that the notification made")
    client.send_bytes(b'[{"jsonrpc":"2.0","method":"version"}]\n')
    equal(client.call("version")["protocol"] is not None, True, "the next reply is version's")
    client.send_bytes(b'[3, {"jsonrpc":"2.0","id":"x","method":"version"}]\n')
    answers = client.receive_line()
    equal(sorted("error" in answer for answer in answers), [False, True], "mixed batch")


@case
def an_oversized_request_ends_its_connection_only(env):
    daemon = env.renicd_alone()
    client = daemon.connect()
    try:
        client.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (2 * MIB))
    except OSError:
        pass
    try:
        equal(client.receive_line()["error"]["code"], -32700, "answer to 2 MiB without a newline")
        client.receive_line()
        check(False, "the connection is still open")
    except (Closed, ConnectionError):
        pass
    daemon.call("version")


@case
def hostile_clients_delay_nobody(env):
    """Clients that stop in the middle, never read, or vanish; another is served all the time."""
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server")
    deaf = [daemon.connect() for _ in range(4)]
    for client in deaf:
        client.socket.setblocking(False)
        line = json.dumps(client.request("rpc_get_methods")).encode() + b"\n"
        try:
            for _ in range(20000):
                client.socket.send(line)
        except OSError:
            pass
    halves = [daemon.connect() for _ in range(20)]
    for client in halves:
        client.send_bytes(b'{"jsonrpc":"2.0","id":1,"meth')
    for _ in range(50):
        client = daemon.connect()
        client.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"vf_list"}\n{"json')
        client.close()
    for _ in range(50):
        daemon.call("vf_list")
    halves[0].send_bytes(b'od":"version"}\n')
    check("renicd" in halves[0].receive_line()["result"], "a request in two halves")
    for client in deaf + halves:
        client.close()
    daemon.call("version")


@case
def a_garbage_front_end_is_sent_away_with_a_count(env):
    """Nonsense on a VF's socket: that VF reports it, and the others go on."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("events_subscribe")
    daemon.call("vf_create", name="bad", role="server", socket=env.socket_of("bad"))
    job = guest.send("mix", 0, stream=1, rate=5000)
    messages = [struct.pack("<IIIQ", 1, 1, 4000000000, 0), struct.pack("<IIIQ", 200, 1, 8, 1),
                struct.pack("<III", 5, 1, 0), os.urandom(400), b"\x01"]
    for message in messages:
        enemy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        enemy.connect(env.socket_of("bad"))
        enemy.sendall(message)
        time.sleep(0.05)
        enemy.close()
    wait_until(lambda: daemon.vf("bad")["frontend"] == "none", "the enemy is gone")
    check("request" in daemon.rpc.wait_event("frontend_error", "bad")["detail"],
          "the event does not say what was wrong")
    check(daemon.vf("bad")["frontend_errors"] > 0, "errors of the front-end were not counted")
    equal(daemon.vf("vf1")["frontend_errors"], 0, "errors of the other VF's front-end")
    check(daemon.alive(), "renicd has died")
    sent = job.halt()
    equal(frame.fault_of(capture.wait(sent).stream(1), 0, sent), None, "the other VF's frames")
    good = env.guest(daemon, env.framegen(), 2, vf="good", role="server")
    good.send("mix", 10, stream=2)
    capture.wait(sent + 10)


@case
def events_tell_what_happens(env):
    daemon, namespace, _ = env.renicd_on_tap()
    client = daemon.connect()
    client.call("events_subscribe")
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, role="server", egress_log_bytes=4 * MIB)
    for kind in ("vf_created", "frontend_connected", "frontend_running"):
        event = client.wait_event(kind, "vf1")
        check(abs(event["time_us"] / 1e6 - time.time()) < 60, f"time of {kind}")
    daemon.call("protection_start", group="vf1")
    equal(client.wait_event("group_state", "vf1")["detail"], "protected", "detail")
    guest.send("mix", 10000, stream=1, size=1514, wait=False)
    client.wait_event("log_high_water", "vf1")
    namespace.link("rnic0", "down")
    client.wait_event("uplink_down")
    namespace.link("rnic0", "up")
    client.wait_event("uplink_up")
    framegen.kill()
    client.wait_event("frontend_disconnected", "vf1")
    daemon.call("protection_stop", group="vf1", held="discard")
    equal(client.wait_event("group_state", "vf1")["detail"], "unprotected", "detail")
    daemon.call("vf_delete", name="vf1", force=True)
    client.wait_event("vf_deleted", "vf1")
    client.call("events_unsubscribe")
    client.events.clear()
    daemon.call("vf_create", name="late", role="server")
    client.call("version")
    equal(list(client.events), [], "events after events_unsubscribe")


@case
def subscribers_get_only_what_they_chose(env):
    daemon = env.renicd_alone()
    client = daemon.connect()
    client.call("events_subscribe", types=["vf_deleted"])
    daemon.call("vf_create", name="vf1", role="server")
    daemon.call("vf_delete", name="vf1")
    client.wait_event("vf_deleted", "vf1")
    client.call("version")
    equal(list(client.events), [], "other events")


@case
def others_may_read_and_not_change(env):
    """A peer that is neither root nor the owner, let in by the socket's mode."""
    daemon = env.renicd_alone(control={"socket": os.path.join(env.directory, "c.sock"),
                                       "mode": "0666"})
    os.chmod(env.directory, 0o755)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _as_nobody(daemon, write)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = json.load(pipe)
    os.waitpid(child, 0)
    equal(answer["version"], True, "version for another user")
    equal(answer["vf_create"], -6, "vf_create for another user")
    equal(daemon.call("vf_list"), [], "VFs")


def _as_nobody(daemon, write):
    answer = {"version": False, "vf_create": None}
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        client = daemon.connect()
        answer["version"] = "renicd" in client.call("version")
        answer["vf_create"] = client.refusal("vf_create", name="x", role="server").code
    finally:
        os.write(write, json.dumps(answer).encode())
        os._exit(0)


@case
def every_method_describes_itself(env):
    daemon = env.renicd_alone()
    methods = {method["name"]: method for method in daemon.call("rpc_get_methods")}
    for name in ("version", "rpc_get_methods", "log_set_level", "uplink_get", "vf_create",
                 "vf_delete", "vf_set", "vf_get", "vf_list", "vf_stats", "vf_reset",
                 "group_create", "group_delete", "group_set", "group_get", "group_list",
                 "protection_start", "protection_stop", "checkpoint_prepare", "checkpoint_begin",
                 "checkpoint_resume",
                 "checkpoint_abort", "checkpoint_commit", "egress_log_get", "events_subscribe",
                 "events_unsubscribe"):
        check(methods[name]["help"], f"help of {name}")
        for parameter in methods[name]["params"]:
            check(parameter["help"] and parameter["type"], f"{name}.{parameter['name']}")
            if parameter["required"]:
                error = daemon.rpc.refusal(name)
                equal(error.code, -32602, f"{name} without its parameters")


@case
def vf_reset_restores_defaults_and_clears_counters(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("vf_set", name="vf1", spoofchk=False, mtu=1400, ingress_hold_pkts=5,
                hold_exempt="arp")
    guest.send("mix", 50, stream=1)
    capture.wait(50)
    vf = daemon.call("vf_reset", name="vf1")
    equal((vf["mac"], vf["spoofchk"], vf["mtu"], vf["ingress_hold_pkts"], vf["hold_exempt"]),
          (guest.mac, True, 9000, 4096, ""), "the VF after a reset")
    equal(daemon.stats("vf1")["tx_pkts"], 0, "frames counted")
    guest.send("mix", 50, stream=1)
    equal(frame.fault_of(capture.wait(100).stream(1), 0, 100), None, "frames around the reset")
