# SPDX-License-Identifier: BSD-3-Clause
"""A reader of pcapng files (draft-ietf-opsawg-pcapng), strict: what it does not expect is a fault."""
import struct
from dataclasses import dataclass, field

from .check import check, equal

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
INBOUND, OUTBOUND = 1, 2


@dataclass
class Packet:
    """One frame."""
    time_ns: int
    direction: int
    queue: int
    wire_len: int
    data: bytes


@dataclass
class Capture:
    """A whole file."""
    interface: str = ""
    filter: str = ""
    snaplen: int = 0
    packets: list = field(default_factory=list)
    received: int = -1  # no statistics
    dropped: int = -1


def _options(body):
    """{code: value} of a block's options."""
    found, at = {}, 0
    while at < len(body):
        code, length = struct.unpack_from("<HH", body, at)
        if code == 0:
            equal(at + 4, len(body), "options end where the block does")
            return found
        found[code] = body[at + 4:at + 4 + length]
        at += 4 + (length + 3 & ~3)
    return found


def _blocks(data):
    """(type, body) of each block."""
    at = 0
    while at < len(data):
        kind, total = struct.unpack_from("<II", data, at)
        check(total % 4 == 0 and at + total <= len(data), f"length {total} of a block at {at}")
        equal(struct.unpack_from("<I", data, at + total - 4)[0], total, f"length behind block {at}")
        yield kind, data[at + 8:at + total - 4]
        at += total


def read(path):
    """The capture in a file."""
    with open(path, "rb") as file:
        data = file.read()
    capture = Capture()
    for number, (kind, body) in enumerate(_blocks(data)):
        if number == 0:
            equal((kind, struct.unpack_from("<IHH", body)), (SECTION, (0x1A2B3C4D, 1, 0)), "section")
        elif number == 1:
            linktype, _, capture.snaplen = struct.unpack_from("<HHI", body)
            options = _options(body[8:])
            equal((kind, linktype, options[9]), (INTERFACE, 1, b"\x09"), "interface")
            capture.interface = options[2].decode()
            capture.filter = options.get(11, b"\0")[1:].decode()
        elif kind == STATISTICS:
            options = _options(body[12:])
            capture.received, = struct.unpack("<Q", options[4])
            capture.dropped, = struct.unpack("<Q", options[5])
        else:
            interface, high, low, length, wire_len = struct.unpack_from("<5I", body)
            equal((kind, interface), (PACKET, 0), "a packet of the one interface")
            options = _options(body[20 + (length + 3 & ~3):])
            capture.packets.append(Packet(
                high << 32 | low, struct.unpack("<I", options[2])[0] & 3,
                struct.unpack("<I", options[6])[0], wire_len, body[20:20 + length]))
    return capture
