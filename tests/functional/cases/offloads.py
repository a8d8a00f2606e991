# SPDX-License-Identifier: BSD-3-Clause
"""Checksums and segments that a guest leaves to its VF, also by headers that lie."""
import base64
import struct

from cases.standby import restore, snapshots_of
from lib import frame
from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import OUTSIDE, mac_of
from lib.raw_guest import RING_PACKED, RawGuest

# virtio 1.2, section 5.1.3
CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6 = (
    1 << bit for bit in (0, 1, 7, 8, 11, 12))
OFFLOADS = CSUM | GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | HOST_TSO4 | HOST_TSO6
REFUSED = 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14  # ECN and UFO, of either side
NEEDS_CSUM, GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_ECN = 1, 0, 1, 3, 4, 0x80
HEADERS, MSS, SOURCE_PORT = 14 + 20 + 20, 1000, 0x1234
E_UNSUPPORTED = -7


def checksum(data):
    """RFC 1071; of data that has its checksum in it: 0."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(packet):
    """Of an IPv4 packet with a 20-byte header."""
    return packet[12:20] + struct.pack(">BBH", 0, packet[9], len(packet) - 20)


def tcp(guest, payload, to=OUTSIDE):
    """A frame of the guest's whose TCP checksum is the pseudo-header's, as virtio wants it."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 7, 0x4000, 64, 6, 0,
                     bytes([10, 9, 0, 2]), bytes([10, 9, 0, 1]))
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    head = struct.pack(">HHIIBBHHH", SOURCE_PORT, 80, 1000, 1, 5 << 4, 0x18, 512, 0, 0)
    partial = ~checksum(pseudo_header(ip + head + payload)) & 0xFFFF
    head = head[:16] + struct.pack(">H", partial) + head[18:]
    return frame.mac_bytes(to) + frame.mac_bytes(guest.mac) + b"\x08\x00" + ip + head + payload


def header(flags=0, gso_type=GSO_NONE, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
    """struct virtio_net_hdr_mrg_rxbuf."""
    return struct.pack("<BBHHHHH", flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, 0)


SEGMENTS = {"flags": NEEDS_CSUM, "gso_type": GSO_TCPV4, "hdr_len": HEADERS, "gso_size": MSS,
            "csum_start": 34, "csum_offset": 16}


def send(guest, head, data):
    """One frame in buffers of its own, which may be long."""
    at, data = guest.next_at, head + data
    guest.next_at += (len(data) + 4095) & ~4095
    guest.peer.memory[at:at + len(data)] = data
    guest.transmit.collect()
    check(guest.transmit.post([(at, len(data))]), "no room in the ring")
    guest.kick()


def raw_guest(env, daemon, features=OFFLOADS | REFUSED, number=1, **options):
    """With buffers from next_at on."""
    guest = RawGuest(env, daemon, number, features=features, memory_bytes=16 << 20, **options)
    guest.next_at = 2 << 20
    return guest


def payload_of(capture, count):
    """What the TCP segments on the wire carry."""
    wait_until(lambda: capture.drain() is not None and len(capture.frames) >= count,
               f"{count} segments on the wire")
    return payload_in([data for _, data in capture.frames])


def payload_in(segments):
    """What they carry, if each is whole and they follow each other."""
    carried, seq = b"", 1000
    for data in segments:
        packet = data[14:14 + struct.unpack_from(">H", data, 16)[0]]
        equal(checksum(packet[:20]), 0, "sum over the IP header")
        equal(checksum(pseudo_header(packet) + packet[20:]), 0, "sum over TCP")
        check(len(packet) <= 40 + MSS, f"a segment of {len(packet)} bytes")
        equal(struct.unpack_from(">I", packet, 24)[0], seq, "sequence number")
        seq += len(packet) - 40
        carried += packet[40:]
    return carried


@case(rows={"by-default": {"options": {}, "offered": OFFLOADS},
            "off": {"options": {"offloads": False}, "offered": 0}})
def offloads_are_offered_unless_they_are_off(env, options, offered):
    daemon = env.renicd_alone()
    guest = raw_guest(env, daemon, **options)
    equal(guest.peer.features & (OFFLOADS | REFUSED), offered, "features")
    equal(daemon.vf("vf1")["offloads"], bool(offered), "offloads")


@case(rows={"split": {"features": OFFLOADS}, "packed": {"features": OFFLOADS | RING_PACKED}})
def held_frames_leave_in_segments_after_a_kill(env, features):
    """The request is in the log: nobody is there any more who made it."""
    daemon, namespace, _ = env.renicd_on_tap()
    guest = raw_guest(env, daemon, features)
    daemon.call("protection_start", group="vf1")
    payload = bytes(range(256)) * 100
    send(guest, header(**SEGMENTS), tcp(guest, payload))
    daemon.wait_taken("vf1", 1)
    daemon.kill()
    daemon.restart()
    env.tap_up(daemon, namespace)
    capture = env.capture(namespace, "rnic0")
    equal(daemon.vf("vf1")["held_pkts"], 1, "frames held after the restart")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(payload_of(capture, 26), payload, "the payload")


LONG = 25600
# what the header says, payload bytes; segments on the wire, or the reason of the drop
HOSTILE = [  # what cannot be meant is not looked at, and the frame is one that asks for nothing
    ("honest segments", {}, LONG, 26),
    ("one segment", {"gso_size": LONG}, MSS, 1),
    ("no gso_size", {"gso_size": 0}, MSS, 1),
    ("gso_size of one byte", {"gso_size": 1}, LONG, "bad_offload"),
    ("gso_size beyond the MTU", {"gso_size": 65535}, LONG, "oversize"),
    ("hdr_len of nothing", {"hdr_len": 0}, LONG, 26),
    ("hdr_len beyond the frame", {"hdr_len": 65535}, LONG, 26),
    ("csum_start beyond the frame", {"csum_start": 65000}, LONG, "oversize"),
    ("csum_start in the Ethernet header", {"csum_start": 2}, LONG, 26),
    ("csum_offset beyond the frame", {"csum_offset": 65535}, LONG, 26),
    ("IPv6 said of IPv4", {"gso_type": GSO_TCPV6}, LONG, 26),
    ("UDP fragments", {"gso_type": GSO_UDP}, LONG, "oversize"),
    ("ECN that was not negotiated", {"gso_type": GSO_TCPV4 | GSO_ECN}, LONG, 26),
    ("a type that is none", {"gso_type": 0x7F}, LONG, "oversize"),
    ("segments without a checksum", {"flags": 0}, LONG, 26),
    ("a long frame that asks for nothing", {"flags": 0, "gso_type": 0}, LONG, "oversize"),
]


@case
def headers_that_lie_cost_their_frame_alone(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = raw_guest(env, daemon)
    drops = {}
    for number, (name, lie, size, outcome) in enumerate(HOSTILE):
        guest.next_at = 2 << 20
        capture.clear()
        payload = bytes([number]) * size
        send(guest, header(**{**SEGMENTS, **lie}), tcp(guest, payload))
        daemon.wait_taken("vf1", number + 1)
        if isinstance(outcome, int):
            equal(payload_of(capture, outcome), payload, name)
            continue
        drops[outcome] = drops.get(outcome, 0) + 1
        wait_until(lambda: daemon.drops("vf1") == drops, f"{name}: {drops}")


@case
def frames_that_move_with_a_guest_are_whole(env):
    """A long frame and a blank checksum that wait here for a guest go to another host as segments."""
    daemon = env.renicd_alone()
    sender = raw_guest(env, daemon)
    receiver = raw_guest(env, daemon, number=2)
    daemon.call("protection_start", group="vf2")
    daemon.call("checkpoint_begin", group="vf2")
    long, short = bytes(range(256)) * 40, bytes(500)
    send(sender, header(**SEGMENTS), tcp(sender, long, receiver.mac))
    only_sum = {**SEGMENTS, "gso_type": GSO_NONE, "gso_size": 0}
    send(sender, header(**only_sum), tcp(sender, short, receiver.mac))
    wait_until(lambda: daemon.vf("vf2")["ingress_held_pkts"] == 2, "both wait")
    for ring in range(2):
        receiver.peer.send(vhost.GET_VRING_BASE, struct.pack("<II", ring, 0))
        receiver.peer.socket.recv(20)
    wait_until(lambda: daemon.vf("vf2")["frontend"] == "connected", "its rings are stopped")
    taken = daemon.call("ingress_take", name="vf2")
    records, segments = base64.b64decode(taken["frames"]), []
    while records:
        length, = struct.unpack_from("<H", records)
        segments.append(records[2:2 + length])
        records = records[2 + length:]
    equal((len(segments), taken["left"]), (12, 0), "frames, and what is left")
    equal(payload_in(segments[:11]), long, "the long frame")
    equal(payload_in(segments[11:]), short, "the short one")


@case
def a_standby_without_offloads_refuses_a_guest_that_relies_on_them(env):
    daemon = env.renicd_alone()
    raw_guest(env, daemon)
    for name, offloads in (("plain", False), ("backup", True)):
        daemon.call("vf_create", name=name, mac=mac_of(1), role="server", standby=True,
                    offloads=offloads)
    daemon.call("protection_start", group="vf1")
    snapshot = snapshots_of(daemon, "vf1")[1]["vf1"]
    error = daemon.rpc.refusal("standby_restore", group="plain", snapshots=[
        {"name": "plain", "snapshot": base64.b64encode(snapshot).decode()}])
    equal((error.code, error.data["field"]), (E_UNSUPPORTED, "offloads"), "the error")
    check("given" in error.data and "expected" in error.data, error.data)
    equal(daemon.vf("plain")["restored"], None, "what was loaded")
    restore(daemon, "backup", {"backup": snapshot})
    equal(daemon.vf("backup")["restored"], {"term": 1, "epoch": 1}, "what was loaded")
