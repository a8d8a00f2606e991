# SPDX-License-Identifier: BSD-3-Clause
"""Standby and failover: the backup takes over, and nothing that was not committed is ever seen."""
import base64
import mmap
import os
import struct
import time

from lib import frame
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import mac_of
from lib.frame import mac_bytes
from lib.rpc import RpcError
from lib.verdict import SILENCE_S, expect_nothing, expect_streams

RECORD, RECORD_ALIGN, RECORD_END, RECORD_OFFLOAD = struct.Struct("<IHHQ"), 16, 1, 2
E_EXISTS, E_BUSY, E_TERM, E_PARAMS = -3, -4, -10, -32602
ROWS = {f"{'packed' if packed else 'split'}": {"packed": packed} for packed in (False, True)}


def snapshots_of(daemon, group):
    """A checkpoint's snapshots, read through the descriptor as a replicator does; the VFs go on."""
    begun = daemon.call("checkpoint_begin", group=group)
    area, = daemon.rpc.fds
    found = {vf["name"]: os.pread(area, vf["snapshot"]["bytes"], vf["snapshot"]["offset"])
             for vf in begun["vfs"]}
    daemon.call("checkpoint_resume", group=group)
    return begun, found


def restore(daemon, group, snapshots):
    """Load {VF: bytes} into a standby group."""
    return daemon.call("standby_restore", group=group, snapshots=[
        {"name": name, "snapshot": base64.b64encode(data).decode()}
        for name, data in snapshots.items()])


def announced(mac, address):
    """RARP for the MAC, gratuitous ARP for the address."""
    head = b"\xff" * 6 + mac
    arp = struct.pack(">HHBB", 1, 0x0800, 6, 4)
    return {head + b"\x80\x35" + arp + b"\0\3" + mac + bytes(4) + mac + bytes(4 + 18),
            head + b"\x08\x06" + arp + b"\0\1" + mac + address + bytes(6) + address + bytes(18)}


def expect_announcement(capture, mac, address):
    """All of it on the wire, several times."""
    wanted = announced(mac, address)

    def seen():
        capture.drain()
        frames = [data for _, data in capture.frames]
        return all(frames.count(data) >= 2 for data in wanted)
    wait_until(seen, "announcements on the wire")


@case
def a_trusted_guests_own_mac_goes_along_with_a_failover(env):
    daemon, _, capture = env.renicd_on_tap()
    primary = env.guest(daemon, env.framegen(), 1, trust=True, allmulti=True)
    backup = env.guest(daemon, env.framegen(), 1, vf="backup", standby=True)
    own = mac_of(0x500)
    primary.raw(mac_bytes(frame.BROADCAST) + mac_bytes(own) + b"\x88\xb5" + bytes(50))
    wait_until(lambda: daemon.vf("vf1")["own_macs"] == [own], "the MAC is learned")
    daemon.call("protection_start", group="vf1")
    _, snapshots = snapshots_of(daemon, "vf1")
    restore(daemon, "backup", {"backup": snapshots["vf1"]})
    vf = daemon.vf("backup")
    equal([vf[key] for key in ("trust", "allmulti", "own_macs")], [True, True, [own]], "standby")
    daemon.call("protection_stop", group="vf1", held="discard")
    daemon.call("vf_delete", name="vf1")
    daemon.call("activate", group="backup")
    rarp = b"\xff" * 6 + mac_bytes(own) + b"\x80\x35"

    def announced_and_reached():
        capture.send(frame.build(frame.Stamp(1, 0, 100, "ipv4"), mac_bytes(own),
                                 mac_bytes("02:00:00:00:99:99")))
        capture.drain()
        return backup.received() and any(data[:14] == rarp for _, data in capture.frames)
    wait_until(announced_and_reached, "RARP for its own MAC, and frames for it")


@case(rows=ROWS)
def a_standby_takes_over_and_uncommitted_frames_are_never_seen(env, packed):
    """Both on one daemon: the primary's VF, and its standby with the same MAC."""
    daemon, _, capture = env.renicd_on_tap()
    primary = env.guest(daemon, env.framegen(), 1, packed=packed)
    backup = env.guest(daemon, env.framegen(), 1, vf="backup", packed=packed, standby=True)
    mac = mac_bytes(mac_of(1))
    daemon.call("protection_start", group="vf1", term=1)
    primary.send("arp", 50, stream=7)
    primary.send("mix", 50, stream=1)
    daemon.wait_taken("vf1", 100)
    begun, snapshots = snapshots_of(daemon, "vf1")
    equal((begun["term"], begun["epoch"]), (1, 1), "term and epoch")
    daemon.call("checkpoint_commit", group="vf1", epoch=1, term=1)
    expect_streams(capture.wait(100), [1, 7], 50)
    primary.send("mix", 80, stream=2)
    backup.send("mix", 30, stream=3)
    daemon.wait_taken("vf1", 180)
    restore(daemon, "backup", {"backup": snapshots["vf1"]})
    vf = daemon.vf("backup")
    equal((vf["role"], vf["mac"], vf["restored"]), ("standby", mac_of(1), {"term": 1, "epoch": 1}),
          "the standby")
    equal(daemon.stats("backup")["tx_pkts"], 100, "counters that were restored")
    equal(daemon.rpc.refusal("activate", group="backup").code, E_EXISTS, "with the primary there")
    time.sleep(SILENCE_S)
    equal(capture.judge().total(), 100, "frames on the wire before the failover")
    equal(backup.received(), 0, "frames that the standby got")
    # The primary's end. What it held is dropped: it was never committed.
    daemon.call("protection_stop", group="vf1", held="discard", term=1)
    daemon.call("vf_delete", name="vf1")
    capture.clear()
    equal(daemon.call("activate", group="backup")["term"], 2, "term")
    expect_streams(capture.wait(30), [3], 30)
    expect_announcement(capture, mac, bytes([10, 0, 0, 7]))
    daemon.call("protection_start", group="backup")
    backup.send("mix", 20, stream=4)
    daemon.wait_taken("backup", 150)
    daemon.checkpoint("backup")
    refused = daemon.rpc.refusal("checkpoint_commit", group="backup", epoch=1, term=1)
    equal((refused.code, refused.data["field"], refused.data["given"]), (E_TERM, "term", "1"),
          "the old replicator's commit")
    time.sleep(SILENCE_S)
    judge = capture.judge()
    equal((judge.stream(2).times, judge.stream(4).times), ([], []), "uncommitted frames")
    daemon.call("checkpoint_commit", group="backup", epoch=1, term=2)
    expect_streams(capture.wait(30 + 20), [4], 20)


@case
def nothing_goes_in_or_out_of_a_standby(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    standby = env.guest(daemon, framegen, 1, standby=True)
    other = env.guest(daemon, framegen, 2)
    standby.send("mix", 100, stream=1)
    standby.send("mix", 50, stream=2, dst=other.mac)
    other.send("mix", 50, stream=3, dst=frame.BROADCAST)
    other.send("mix", 50, stream=4, dst=standby.mac)  # it is elsewhere, as far as is known
    expect_streams(capture.wait(100), [3, 4], 50)
    other.expect_silence()
    standby.expect_silence()
    equal((standby.received(), other.received()), (0, 0), "frames at the guests")
    equal((daemon.drops("vf1"), daemon.drops("vf2")), ({}, {}), "drops")
    equal(daemon.stats("vf1")["tx_pkts"], 0, "frames taken from the standby")
    daemon.call("standby_stop", group="vf1")
    expect_streams(capture.wait(200), [1], 100)
    other.expect_whole(2, 50)


@case
def a_vf_becomes_a_standby_once_nothing_waits(env):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    namespace.link(capture.interface, "down")
    wait_until(lambda: daemon.call("uplink_get")["link"] == "down", "uplink down")
    daemon.call("protection_stop", group="vf1")
    equal(daemon.rpc.refusal("standby_start", group="vf1").code, E_BUSY, "with frames waiting")
    namespace.link(capture.interface, "up", "promisc", "on")
    expect_streams(capture.wait(100), [1], 100)
    wait_until(lambda: daemon.vf("vf1")["held_pkts"] == 0, "nothing waits")
    equal(daemon.call("standby_start", group="vf1")["state"], "standby", "state")
    equal(daemon.rpc.refusal("protection_start", group="vf1").data["state"], "standby", "state")


@case
def a_standby_of_the_config_file_never_passes_a_frame(env):
    """From the first moment on: vfs and groups of the file may be standbys; renicctl drives."""
    names = ["vf1", "vf2"]
    daemon = env.renicd(
        vfs=[{"name": name, "mac": mac_of(n + 1), "role": "server", "standby": True,
              "socket": env.socket_of(name)} for n, name in enumerate(names)],
        groups=[{"name": "g", "vfs": names, "standby": True}])
    equal(daemon.call("group_get", name="g")["state"], "standby", "state")
    daemon.call("vf_create", name="p1", mac=mac_of(1), role="server", vlan=5)
    files = []
    for name in names:
        path = os.path.join(env.directory, name)
        env.renicctl(daemon, "snapshot", "save", "p1", path)
        files.append(f"{name}={path}")
    done = env.renicctl(daemon, "standby", "restore", "g", ",".join(files), check=False)
    equal((done.returncode, daemon.vf("vf1")["vlan"]), (0, 5), f"restore: {done.stderr}")
    done = env.renicctl(daemon, "activate", "g", check=False)
    check(done.returncode != 0 and "MAC" in done.stderr, "two VFs with one MAC were activated")
    equal(daemon.call("group_get", name="g")["state"], "standby", "state")
    daemon.call("vf_delete", name="p1")
    daemon.call("vf_set", name="vf2", mac=mac_of(2))
    done = env.renicctl(daemon, "activate", "g", "--term", "12")
    equal(daemon.call("group_get", name="g")["term"], 12, "term")


@case
def what_is_no_checkpoint_of_the_group_is_refused(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server", queues=2)
    daemon.call("vf_create", name="backup", role="server", standby=True)
    daemon.call("protection_start", group="vf1")
    _, snapshots = snapshots_of(daemon, "vf1")
    before = daemon.vf("backup")
    good = snapshots["vf1"]
    for bad in (good[:-1], good + b"x", good[:50] + bytes([good[50] ^ 1]) + good[51:], b"x",
                good):  # the last has two queue pairs
        try:
            restore(daemon, "backup", {"backup": bad})
            check(False, f"{bad[:20]} was taken")
        except RpcError as error:
            equal(error.code, E_PARAMS, "code")
    equal(daemon.vf("backup"), before, "the standby")


def held_records(daemon, vf):
    """What a VF holds, as egress_load takes it: each record of the log with its queue before."""
    reply, held = daemon.call("egress_log_get", name=vf), b""
    log = daemon.rpc.fds.pop()
    try:
        with mmap.mmap(log, 0, prot=mmap.PROT_READ) as view:
            for extent in reply["extents"]:
                at, end = extent["file_offset"], extent["file_offset"] + extent["bytes"]
                while at < end:
                    length, flags = RECORD.unpack_from(view, at)[:2]
                    if flags & RECORD_END:
                        break
                    length += RECORD.size + (16 if flags & RECORD_OFFLOAD else 0)
                    held += struct.pack("<H", extent["queue"]) + view[at:at + length]
                    at += -(-length // RECORD_ALIGN) * RECORD_ALIGN
    finally:
        os.close(log)
    return held


def load(call, records, vf="backup"):
    """egress_load, by daemon.call or daemon.rpc.refusal."""
    return call("egress_load", name=vf, frames=base64.b64encode(records).decode())


@case
def a_standby_sends_what_its_primary_held_first_and_once(env):
    """The frames wait for the activation, leave in order and before the guest's own, and those
    that were given before a restore are forgotten."""
    daemon, _, capture = env.renicd_on_tap()
    primary = env.guest(daemon, env.framegen(), 1, queues=2)
    backup = env.guest(daemon, env.framegen(), 1, vf="backup", queues=2, standby=True)
    daemon.call("protection_start", group="vf1", term=1)
    primary.send("mix", 200, stream=1, queue=0)
    primary.send("mix", 100, stream=2, queue=1)
    daemon.wait_taken("vf1", 300)
    _, snapshots = snapshots_of(daemon, "vf1")
    held = held_records(daemon, "vf1")
    equal(load(daemon.rpc.refusal, held, "vf1").data["state"], "protected", "given to a primary")
    daemon.call("protection_stop", group="vf1", held="discard", term=1)
    daemon.call("vf_delete", name="vf1")
    equal(load(daemon.call, held)["pkts"], 300, "frames that the standby took")
    restore(daemon, "backup", {"backup": snapshots["vf1"]})
    equal(daemon.vf("backup")["held_pkts"], 0, "frames held after a restore")
    load(daemon.call, held)
    backup.send("mix", 30, stream=3)
    time.sleep(SILENCE_S)
    equal(capture.judge().total(), 0, "frames on the wire before the activation")
    daemon.call("activate", group="backup")
    judge = capture.wait(330)
    for stream, count in ((1, 200), (2, 100), (3, 30)):
        equal(frame.fault_of(judge.stream(stream), 0, count), None, f"stream {stream}")
    check(max(judge.stream(1).times) <= min(judge.stream(3).times),
          "the guest's own frames left first")
    equal(daemon.vf("backup")["held_pkts"], 0, "frames held in the end")


@case
def a_standby_whose_daemon_is_killed_sends_nothing_of_what_it_was_given(env):
    """The replicator gives it again before the activation: it leaves once."""
    daemon, namespace, capture = env.renicd_on_tap()
    primary = env.guest(daemon, env.framegen(), 1)
    env.guest(daemon, env.framegen(), 1, vf="backup", standby=True)
    daemon.call("protection_start", group="vf1", term=1)
    primary.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    held = held_records(daemon, "vf1")
    daemon.call("protection_stop", group="vf1", held="discard", term=1)
    daemon.call("vf_delete", name="vf1")
    load(daemon.call, held)
    equal(daemon.vf("backup")["held_pkts"], 100, "frames that wait for the activation")
    daemon.kill()
    daemon.restart()
    env.tap_up(daemon, namespace)
    equal(daemon.vf("backup")["held_pkts"], 0, "frames that wait after the restart")
    equal(daemon.call("group_get", name="backup")["state"], "standby", "the group")
    expect_nothing(capture)
    load(daemon.call, held)
    daemon.call("activate", group="backup")
    expect_streams(capture.wait(100), [1], 100)


@case
def records_that_are_none_change_nothing_in_a_standby(env):
    daemon, _, capture = env.renicd_on_tap()
    env.guest(daemon, env.framegen(), 1, vf="backup", standby=True)
    good = bytes(range(6)) + mac_bytes(mac_of(1)) + b"\x08\x00" + bytes(46)

    def record(queue=0, length=None, flags=0, data=good, offload=b""):
        return struct.pack("<H", queue) + RECORD.pack(
            len(data) if length is None else length, flags, 0, 1) + offload + data

    for what, records in {
            "nothing": b"", "cut off": record()[:-1], "a header": record()[:10],
            "a queue": record(queue=1), "a short frame": record(data=good[:13]),
            "a long frame": record(data=good + bytes(10000)), "flags": record(flags=1 << 9),
            "an END": record(flags=RECORD_END), "a tag's kind": record(flags=1 << 4),
            "a length": record(length=1 << 31),
            "a request": record(flags=RECORD_OFFLOAD, offload=b"\xff" * 16),
            "one of two": record() + record(queue=7)}.items():
        refused = load(daemon.rpc.refusal, records)
        equal((refused.code, refused.data["field"]), (E_PARAMS, "frames"), what)
        equal(daemon.vf("backup")["held_pkts"], 0, f"frames held after {what}")
    load(daemon.call, record())
    daemon.call("standby_stop", group="backup")
    equal(daemon.vf("backup")["held_pkts"], 0, "frames held after standby_stop")
    time.sleep(SILENCE_S)
    equal(capture.judge().total(), 0, "frames on the wire")
