# SPDX-License-Identifier: BSD-3-Clause
"""Captures: what is in the file is what went through, and traffic never waits for it."""
import os
import shutil
import subprocess
import time

from lib import frame, pcapng
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import mac_of
from lib.process import Process


def judge_of(packets):
    """The judge of these packets' frames, all of them whole."""
    for packet in packets:
        equal(len(packet.data), packet.wire_len, "bytes of a frame")
    judge = frame.Judge()
    judge.take((packet.time_ns, packet.data) for packet in packets)
    return judge


def tcpdump_counts(path):
    """How many packets another reader finds in the file."""
    said = subprocess.run(["tcpdump", "-nr", path, "--count"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=True).stdout
    return int(said.split()[0])


def stop(daemon, vf="vf1"):
    """End the capture; its answer and what is in the file."""
    done = daemon.call("capture_stop", name=vf)
    capture = pcapng.read(done["path"])
    equal(len(capture.packets), done["pkts"], "packets in the file")
    equal((capture.received, capture.dropped), (done["pkts"], done["dropped"]), "statistics")
    return done, capture


@case
def both_directions_are_captured_whole(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guest, other = (env.guest(daemon, framegen, n, queues=2) for n in (1, 2))
    started = daemon.call("capture_start", name="vf1")
    equal((started["state"], os.path.dirname(started["path"])),
          ("running", os.path.join(daemon.run_dir, "captures")), "state and folder")
    begun = time.time_ns()
    for queue in range(2):
        guest.send("mix", 500, stream=1 + queue, queue=queue, size=1514, dst=other.mac)
        other.send("ipv4", 500, stream=11 + queue, queue=queue, dst=guest.mac)
    for stream in (11, 12):
        guest.expect_whole(stream, 500)
    for stream in (1, 2):
        other.expect_whole(stream, 500)
    done, capture = stop(daemon)
    equal(done["dropped"], 0, "frames that the file was too slow for")
    equal(capture.interface, "vf1", "name of the interface")
    for direction, streams in ((pcapng.OUTBOUND, (1, 2)), (pcapng.INBOUND, (11, 12))):
        packets = [p for p in capture.packets if p.direction == direction]
        judge = judge_of(packets)
        for stream in streams:
            equal(frame.fault_of(judge.stream(stream), 0, 500), None, f"stream {stream}")
        if direction == pcapng.OUTBOUND:
            equal({p.queue for p in packets}, {0, 1}, "queues")
        for packet in packets:
            check(begun - 1e9 < packet.time_ns < time.time_ns() + 1e9, f"time {packet.time_ns}")
    equal(tcpdump_counts(done["path"]), 2000, "packets that tcpdump reads")
    mode = os.stat(done["path"]).st_mode & 0o777
    equal(oct(mode), "0o640", "mode of the file")


@case
def before_the_hold_is_what_the_guest_sent_and_after_it_what_left(env):
    daemon, _, wire = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, vlan=7)
    daemon.call("protection_start", group="vf1")
    daemon.call("capture_start", name="vf1", direction="egress", file="before")
    guest.send("ipv4", 100, stream=1)
    guest.send("ipv4", 3, src="02:00:00:00:99:99")
    daemon.wait_taken("vf1", 103)
    _, capture = stop(daemon)
    equal(len(capture.packets), 103, "held frames, and such as the filter dropped")
    daemon.call("capture_start", name="vf1", direction="egress", hold="after", file="after")
    time.sleep(0.1)
    equal(daemon.call("capture_list")[0]["pkts"], 0, "before the commit")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    wire.wait(100)
    _, capture = stop(daemon)
    equal(len(capture.packets), 100, "what left")
    for packet in capture.packets:
        equal(packet.data[12:16], b"\x81\x00\x00\x07", "the port VLAN's tag")
    judge = frame.Judge()
    judge.take((p.time_ns, p.data[:12] + p.data[16:]) for p in capture.packets)
    equal(frame.fault_of(judge.stream(1), 0, 100), None, "without it")
    guest.send("ipv4", 20, stream=2)
    daemon.wait_taken("vf1", 123)
    daemon.call("capture_start", name="vf1", hold="after", file="discarded")
    daemon.call("protection_stop", group="vf1", held="discard")
    time.sleep(0.1)
    _, capture = stop(daemon)
    equal(len(capture.packets), 0, "what was discarded")


@case
def a_filter_and_a_snaplen_narrow_it(env):
    daemon, _, wire = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("capture_start", name="vf1", filter="arp", snaplen=20, max_bytes=100000)
    guest.send("ipv4", 50, stream=1)
    guest.send("arp", 10, stream=2)
    wire.wait(60)
    _, capture = stop(daemon)
    equal((capture.filter, capture.snaplen), ("arp", 20), "what the file says of itself")
    equal({(p.data[12:14], len(p.data)) for p in capture.packets}, {(b"\x08\x06", 20)}, "ARP alone")
    equal(len(capture.packets), 10, "all of it")


@case
def a_full_file_ends_the_capture_and_not_the_traffic(env):
    daemon, _, wire = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    client = daemon.connect()
    client.call("events_subscribe", types=["capture_ended"])
    daemon.call("capture_start", name="vf1", max_bytes=4096)
    guest.send("ipv4", 300, stream=1, size=200)
    equal(frame.fault_of(wire.wait(300).stream(1), 0, 300), None, "traffic")
    check(client.wait_event("capture_ended", "vf1")["detail"].startswith("full"), "the event")
    guest.send("ipv4", 100, stream=2)
    equal(frame.fault_of(wire.wait(400).stream(2), 0, 100), None, "traffic afterwards")
    equal(daemon.call("capture_list")[0]["state"], "full", "state")
    done, capture = stop(daemon)
    size = os.path.getsize(done["path"])
    check(3500 < done["bytes"] <= 4096 < size + 600 and size < 4800, f"{done} in {size} bytes")
    equal(frame.fault_of(judge_of(capture.packets).stream(1), 0, len(capture.packets)), None,
          "the first frames")


REFUSED = {
    "no such VF": ({"name": "nobody"}, -2, "name"),
    "a path": ({"name": "vf1", "file": "../x"}, -32602, "file"),
    "a hidden name": ({"name": "vf1", "file": ".."}, -32602, "file"),
    "a bad filter": ({"name": "vf1", "filter": "(("}, -32602, "filter"),
    "no such direction": ({"name": "vf1", "direction": "up"}, -32602, "direction"),
    "too small": ({"name": "vf1", "max_bytes": 100}, -32602, "max_bytes"),
    "a file that is there": ({"name": "vf1", "file": "there"}, -3, "file"),
    "a link that is there": ({"name": "vf1", "file": "link"}, -3, "file"),
}


@case
def what_cannot_be_captured_is_refused_and_leaves_no_file(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server")
    folder = os.path.join(daemon.run_dir, "captures")
    os.mkdir(folder)
    with open(os.path.join(folder, "there"), "w") as file:
        file.write("precious")
    os.symlink("/tmp/elsewhere", os.path.join(folder, "link"))
    for what, (params, code, field) in REFUSED.items():
        error = daemon.rpc.refusal("capture_start", **params)
        equal((error.code, error.data["field"]), (code, field), what)
    equal(sorted(os.listdir(folder)), ["link", "there"], "files")
    daemon.call("capture_start", name="vf1")
    equal(daemon.rpc.refusal("capture_start", name="vf1", file="two").code, -3, "two of one VF")
    daemon.call("capture_stop", name="vf1")
    equal(daemon.rpc.refusal("capture_stop", name="vf1").code, -2, "none is there")


@case
def a_capture_ends_with_its_vf_and_with_the_daemon(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guest, other = (env.guest(daemon, framegen, n) for n in (1, 2))
    paths = [daemon.call("capture_start", name=vf)["path"] for vf in ("vf1", "vf2")]
    guest.send("ipv4", 50, stream=1, dst=mac_of(2))
    other.expect_whole(1, 50)
    daemon.call("vf_delete", name="vf1")
    equal(daemon.call("capture_list")[0]["name"], "vf2", "captures left")
    daemon.signal_end()
    for path in paths:
        capture = pcapng.read(path)
        equal((len(capture.packets), capture.received), (50, 50), path)


@case(timeout=40)
def captures_come_and_go_under_traffic_that_loses_nothing(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guest, other = (env.guest(daemon, framegen, n) for n in (1, 2))
    sending = guest.send("mix", 200000, wait=False, stream=1, dst=other.mac)
    rounds = 0
    while not sending.done() or rounds < 5:
        daemon.call("capture_start", name="vf1", file=f"a{rounds}", max_bytes=1 << 20)
        daemon.call("capture_start", name="vf2", file=f"b{rounds}", hold="after", filter="ip")
        time.sleep(0.03)
        for vf in ("vf1", "vf2"):
            done = daemon.call("capture_stop", name=vf)
            os.unlink(done["path"])
        rounds += 1
    sending.wait(20)
    wait_until(lambda: daemon.stats("vf1")["tx_pkts"] == 200000, "all was taken", 20)
    stats = daemon.stats("vf2")
    lost = {reason: n for reason, n in {**daemon.drops("vf1"), **daemon.drops("vf2")}.items()
            if reason not in ("rx_no_buffer",)}
    equal(lost, {}, "drops")
    env.note(f"{rounds} rounds, {stats['rx_pkts']} frames received")


@case(timeout=60)
def dpdk_dumpcap_sees_the_wire_when_pdump_is_on(env):
    daemon, _, wire = env.renicd_on_tap(pdump=True)
    prefix = daemon.run_dir.strip("/").replace("/", "_")
    env.stack.callback(shutil.rmtree, f"/run/dpdk/{prefix}", True)
    guest = env.guest(daemon, env.framegen(), 1)
    path = os.path.join(env.directory, "wire.pcapng")
    dumpcap = Process("dumpcap", ["dpdk-dumpcap", f"--file-prefix={prefix}", "-i", "0", "-c", "50",
                                  "-w", path], env.directory)
    env.processes.append(dumpcap)
    env.stack.callback(dumpcap.kill)
    taken = 0
    while dumpcap.alive():
        guest.send("ipv4", 50, stream=1, seq=taken)
        taken += 50
        equal(frame.fault_of(wire.wait(taken).stream(1), 0, taken), None, "traffic meanwhile")
    equal(dumpcap.popen.returncode, 0, "status of dpdk-dumpcap")
    check(tcpdump_counts(path) >= 50, "packets that tcpdump reads")
    begun = time.monotonic()
    daemon.signal_end(timeout=40)
    env.note(f"end after {time.monotonic() - begun:.1f} s")
