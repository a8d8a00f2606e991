# SPDX-License-Identifier: BSD-3-Clause
"""What monitoring programs see: a scrape as OpenMetrics' own parser reads it, DPDK's telemetry."""
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever python3 comes first

# pylint: disable=wrong-import-position
from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: E402

from lib.case import case
from lib.check import check, equal, wait_until

DASHBOARD = os.path.join(os.path.dirname(__file__), "../../../configs/grafana-dashboard.json")


class UnixHTTP(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def scrape(connection):
    """{family name: family} of a scrape."""
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    equal(response.status, 200, "status of a scrape")
    check(response.headers["Content-Type"].startswith("application/openmetrics-text"),
          response.headers["Content-Type"])
    text = response.read().decode()
    check(text.endswith("# EOF\n"), "the text's end")
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families, name, **labels):
    """The value of the one sample of this name and these labels."""
    found = [sample.value for family in families.values() for sample in family.samples
             if sample.name == name and labels.items() <= sample.labels.items()]
    equal(len(found), 1, f"samples of {name} {labels}")
    return found[0]


def busy_daemon(env):
    """A daemon whose every counter has something to tell; its VFs are vf1 and vf2."""
    path = os.path.join(env.directory, "metrics.sock")
    daemon, _, _ = env.renicd_on_tap(metrics={"socket": path})
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, queues=2)
    env.guest(daemon, framegen, 2)
    guest.send("ipv4", 5, src="02:00:00:00:99:99")
    daemon.call("group_create", name="pair", vfs=["vf1", "vf2"])
    daemon.call("protection_start", group="pair")
    guest.send("ipv4", 100, stream=1)
    daemon.wait_taken("vf1", 105)
    daemon.call("checkpoint_commit", group="pair", epoch=daemon.checkpoint("pair"))
    wait_until(lambda: daemon.call("uplink_get")["tx_pkts"] == 100, "frames on the wire")
    guest.send("ipv4", 7, stream=2)
    daemon.wait_taken("vf1", 112)
    return daemon, path


@case(timeout=40)
def a_scrape_says_what_the_control_socket_says(env):
    daemon, path = busy_daemon(env)
    families = scrape(UnixHTTP(path))
    stats = daemon.stats("vf1")
    for queue in stats["queues"]:
        equal(value(families, "renicd_vf_tx_packets_total", vf="vf1", queue=str(queue["queue"])),
              queue["tx_pkts"], "frames of a queue")
    equal(value(families, "renicd_vf_dropped_packets_total", vf="vf1", reason="spoofed_mac"), 5,
          "drops")
    equal(value(families, "renicd_group_held_packets", group="pair"), 7, "held")
    equal(value(families, "renicd_group_state", group="pair", renicd_group_state="protected"), 1,
          "the group's state")
    equal(value(families, "renicd_group_state", group="pair", renicd_group_state="standby"), 0,
          "no other state")
    equal(value(families, "renicd_group_committed_epoch", group="pair"), 1, "committed epoch")
    equal(value(families, "renicd_group_held_seconds_count", group="pair"), 100, "times held")
    equal(value(families, "renicd_group_held_seconds_bucket", group="pair", le="+Inf"), 100, "all")
    check(value(families, "renicd_group_held_age_seconds", group="pair") > 0, "age of the oldest")
    equal(value(families, "renicd_uplink_tx_packets_total"), 100, "frames on the wire")
    equal(value(families, "renicd_uplink_up"), 1, "the link")
    info = families["renicd_vf"].samples[0].labels
    equal((info["vf"], info["role"], info["frontend"]), ("vf1", "protected", "running"), "info")
    daemon.call("protection_stop", group="pair", held="discard")


@case
def every_metric_of_the_dashboard_is_in_a_scrape(env):
    _, path = busy_daemon(env)
    families = scrape(UnixHTTP(path))
    names = {sample.name for family in families.values() for sample in family.samples}
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    expressions = [target["expr"] for panel in dashboard["panels"]
                   for target in panel.get("targets", [])]
    check(len(expressions) >= 8, f"{len(expressions)} expressions in the dashboard")
    asked = {word for expression in expressions
             for word in "".join(c if c.isalnum() or c == "_" else " "
                                 for c in expression).split() if word.startswith("renicd_")}
    equal(asked - names, set(), "metrics that the dashboard asks for and nobody has")


@case
def a_port_is_on_loopback_and_answers_nothing_else(env):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = env.renicd_alone(metrics={"port": port})
    check("renicd_build" in scrape(http.client.HTTPConnection("127.0.0.1", port)), "a scrape")
    for method, path, status in (("GET", "/", 404), ("POST", "/metrics", 405),
                                 ("GET", "/metrics/x", 404), ("GET", "/metrics?a=b", 200)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request(method, path)
        equal(connection.getresponse().status, status, f"{method} {path}")
    listening = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], stdout=subprocess.PIPE,
                               text=True, check=True).stdout
    check("127.0.0.1:" in listening and "0.0.0.0:" not in listening.split(str(port))[0], listening)
    daemon.signal_end()


@case
def peers_that_hang_or_flood_delay_a_scrape_at_most(env):
    path = os.path.join(env.directory, "metrics.sock")
    daemon = env.renicd_alone(metrics={"socket": path})
    hanging = UnixHTTP(path)
    hanging.connect()
    hanging.sock.send(b"GET /met")
    flooding = UnixHTTP(path)
    flooding.connect()
    flooding.sock.send(b"GET /" + b"x" * 8000)
    daemon.call("version")
    check("renicd_build" in scrape(UnixHTTP(path)), "a scrape after them")
    gone = UnixHTTP(path)
    gone.request("GET", "/metrics")
    gone.close()  # before the answer
    check("renicd_build" in scrape(UnixHTTP(path)), "a scrape after that")


@case
def the_scrape_socket_has_the_control_sockets_mode_and_goes_with_the_daemon(env):
    path = os.path.join(env.directory, "metrics.sock")
    run = os.path.join(env.directory, "run/control.sock")
    daemon = env.renicd_alone(metrics={"socket": path},
                              control={"socket": run, "mode": "0600"})
    equal(oct(os.stat(path).st_mode & 0o777), "0o600", "mode")
    daemon.kill()
    daemon.restart()
    scrape(UnixHTTP(path))
    daemon.signal_end()
    check(not os.path.exists(path), "the socket is gone")


def telemetry(prefix, *commands):
    """The answers of dpdk-telemetry.py to these commands."""
    done = subprocess.run(["dpdk-telemetry.py", "-f", prefix], input="\n".join(commands) + "\n",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20,
                          check=False)
    check(done.returncode == 0, f"dpdk-telemetry.py: {done.stderr}")
    answers = {}
    for line in done.stdout.splitlines():
        line = line[line.find("{"):]
        try:
            answers.update(json.loads(line))
        except ValueError:
            continue
    return answers


@case(timeout=40)
def dpdk_telemetry_has_commands_of_our_own(env):
    daemon, _, _ = env.renicd_on_tap(telemetry=True)
    prefix = daemon.run_dir.strip("/").replace("/", "_")
    env.stack.callback(shutil.rmtree, f"/run/dpdk/{prefix}", True)
    guest = env.guest(daemon, env.framegen(), 1, queues=2)
    daemon.call("protection_start", group="vf1")
    guest.send("ipv4", 42)
    daemon.wait_taken("vf1", 42)
    answers = telemetry(prefix, "/renic/vf/list", "/renic/vf/stats,vf1", "/renic/group/list",
                        "/renic/group/info,vf1")
    equal(answers["/renic/vf/list"], ["vf1"], "VFs")
    equal(answers["/renic/group/list"], ["vf1"], "groups")
    stats = answers["/renic/vf/stats"]
    expected = daemon.stats("vf1")
    equal({name: stats[name] for name in ("tx_pkts", "tx_bytes", "drops")},
          {name: expected[name] for name in ("tx_pkts", "tx_bytes", "drops")}, "counters")
    equal(sum(stats[f"queue_{q}"]["tx_pkts"] for q in range(2)), 42, "queues")
    info = answers["/renic/group/info"]
    equal((info["state"], info["held_pkts"], info["vfs"]), ("protected", 42, ["vf1"]), "group")
    check(telemetry(prefix, "/renic/vf/stats,nobody")["/renic/vf/stats"] is None, "no such VF")
    daemon.call("protection_stop", group="vf1", held="discard")


@case(timeout=40)
def scrapes_and_telemetry_bear_vfs_that_come_and_go(env):
    path = os.path.join(env.directory, "metrics.sock")
    daemon = env.renicd_alone(metrics={"socket": path})
    end = time.monotonic() + 3
    rounds = 0
    while time.monotonic() < end or rounds <= 10:
        connection = UnixHTTP(path)
        connection.request("GET", "/metrics")
        daemon.call("vf_create", name=f"vf{rounds % 7}", role="server")
        text = connection.getresponse().read().decode()
        list(text_string_to_metric_families(text))
        if rounds >= 5:
            daemon.call("vf_delete", name=f"vf{(rounds - 5) % 7}")
        rounds += 1
