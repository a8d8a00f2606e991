# SPDX-License-Identifier: BSD-3-Clause
"""
The numbered frames of framegen (framegen/frame.h), built and judged in Python: the same bytes,
written a second time, so that what the generator thinks it sent is checked by another's code.
"""
import struct
from dataclasses import dataclass, field

KINDS = ("ipv4", "ipv6", "arp", "vlan", "unknown")
MIN, MAX = 60, 9018
BROADCAST = "ff:ff:ff:ff:ff:ff"
MULTICAST = "01:00:5e:00:00:05"
MAGIC = 0xFD52
# kind -> ethertype, offset of the stamp, offset of the pattern
_LAYOUT = {"ipv4": (0x0800, 42, 58), "ipv6": (0x86DD, 22, 54), "arp": (0x0806, 42, 58),
           "vlan": (0x8100, 38, 54), "unknown": (0x88B5, 14, 30)}
_BY_ETHERTYPE = {layout[0]: (kind, layout[1]) for kind, layout in _LAYOUT.items()}
_OFFSETS = 32768


def _make_pattern():
    pattern, x = bytearray(), 1
    for _ in range(_OFFSETS + 9216):
        x = (x * 1103515245 + 12345) & 0xFFFFFFFF
        pattern.append(x >> 16 & 0xFF)
    return bytes(pattern)


_PATTERN = _make_pattern()


def mac_bytes(text):
    """6 bytes of "aa:bb:cc:dd:ee:ff"."""
    return bytes.fromhex(text.replace(":", ""))


@dataclass
class Stamp:
    """What a frame says of itself."""
    stream: int
    seq: int
    length: int
    kind: str
    origin: int = 0
    tci: int = 0


def _sum(data):
    total = 0x5A5A
    for byte in data:
        total = (total * 31 + byte) & 0xFFFF
    return total


def _ipv4(length, ident, proto, stream):
    def header(checksum):
        return struct.pack(">BBHHHBBHII", 0x45, 0, length, ident, 0, 64, proto, checksum,
                           0x0A000000 | stream, 0x0AFF0001)
    total = sum(struct.unpack(">10H", header(0)))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return header(~total & 0xFFFF)


def _headers(stamp, src, packed):
    """From the ethertype's end on, up to the pattern."""
    if stamp.kind == "ipv4":
        return (_ipv4(stamp.length - 14, stamp.seq & 0xFFFF, 17, stamp.stream) +
                struct.pack(">HHHH", 7, 9, stamp.length - 34, 0) + packed)
    if stamp.kind == "ipv6":
        return (struct.pack(">IHBB", 0x60000000, stamp.length - 54, 59, 64) + packed +
                bytes([0xFD] + [0] * 14 + [1]))
    if stamp.kind == "arp":
        return (struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + src +
                struct.pack(">I6xI", 0x0A000000 | stamp.stream, 0x0AFF0001) + packed)
    if stamp.kind == "vlan":
        return (struct.pack(">HH", stamp.tci, 0x0800) +
                _ipv4(stamp.length - 18, stamp.seq & 0xFFFF, 253, stamp.stream) + packed)
    return packed


def build(stamp, dst, src):
    """The frame of that stamp from src to dst (6 bytes each)."""
    packed = struct.pack(">HHIHBBH", MAGIC, stamp.stream, stamp.seq, stamp.length,
                         KINDS.index(stamp.kind), stamp.origin, stamp.tci)
    packed += struct.pack(">H", _sum(dst + src + packed))
    ethertype, _, pattern = _LAYOUT[stamp.kind]
    at = (stamp.seq * 2654435761 + stamp.stream * 40503 & 0xFFFFFFFF) % _OFFSETS
    return (dst + src + struct.pack(">H", ethertype) + _headers(stamp, src, packed) +
            _PATTERN[at:at + stamp.length - pattern])


def _find_stamp(data):
    if len(data) < MIN:
        return None
    known = _BY_ETHERTYPE.get(struct.unpack_from(">H", data, 12)[0])
    if not known:
        return None
    magic, stream, seq, length, kind, origin, tci, _ = struct.unpack_from(">HHIHBBHH", data,
                                                                         known[1])
    if magic != MAGIC or kind >= len(KINDS) or KINDS[kind] != known[0]:
        return None
    return Stamp(stream, seq, length, KINDS[kind], origin, tci)


def parse(data):
    """(stamp or None, bytes are as sent, outer tag or None)."""
    tag = None
    stamp = _find_stamp(data)
    if not stamp and data[12:14] == b"\x81\x00":
        tag = struct.unpack_from(">H", data, 14)[0]
        data = data[:12] + data[16:]
        stamp = _find_stamp(data)
    if not stamp:
        return None, False, None
    good = stamp.length == len(data) and build(stamp, data[:6], data[6:12]) == data
    return stamp, good, tag


@dataclass
class Stream:
    """Frames of one stream in the order of their arrival."""
    seqs: list = field(default_factory=list)
    times: list = field(default_factory=list)
    tags: set = field(default_factory=set)
    corrupt: int = 0

    @property
    def received(self):
        """All frames, good or not."""
        return len(self.seqs) + self.corrupt


class Judge:
    """Sorts captured frames into streams."""

    def __init__(self):
        self.streams = {}
        self.foreign = []

    def take(self, frames):
        """frames: [(time, bytes)]; returns self."""
        for when, data in frames:
            stamp, good, tag = parse(data)
            if not stamp:
                self.foreign.append(data)
                continue
            stream = self.streams.setdefault(stamp.stream, Stream())
            stream.tags.add(tag)
            if good:
                stream.seqs.append(stamp.seq)
                stream.times.append(when)
            else:
                stream.corrupt += 1
        return self

    def stream(self, number):
        """That stream, empty if nothing of it came."""
        return self.streams.get(number, Stream())

    def total(self):
        """Numbered frames of all streams."""
        return sum(stream.received for stream in self.streams.values())


def fault_of(stream, first, count):
    """
    Why the stream is not exactly the numbers first..first+count-1, each once, in order, with
    their bytes unharmed; None if it is.
    """
    if stream.corrupt:
        return f"{stream.corrupt} frames corrupt"
    if stream.seqs == list(range(first, first + count)):
        return None
    seen = set(stream.seqs)
    wanted = set(range(first, first + count))
    missing, extra = sorted(wanted - seen), sorted(seen - wanted)
    repeated = len(stream.seqs) - len(seen)
    inversions = sum(1 for a, b in zip(stream.seqs, stream.seqs[1:]) if b < a)
    return (f"{len(stream.seqs)} frames of {count}: {len(missing)} lost (first {missing[:5]}), "
            f"{len(extra)} unexpected (first {extra[:5]}), {repeated} repeated, "
            f"{inversions} out of order")
