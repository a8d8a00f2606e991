# SPDX-License-Identifier: BSD-3-Clause
"""
What a guest's receive ring gets, whatever the shape of its buffers: frames whole and in order, and
none once the ring is disabled (vhost-user.rst, "Ring states").
"""
import random
import struct

from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, settled, wait_until
from lib.frame import mac_bytes
from lib.raw_guest import HEADER, INDIRECT, MRG_RXBUF, RING_PACKED, RawGuest

EVENT_IDX = 1 << 29
FRAMES, BURST_MAX, ENABLES, SLOT_BYTES = 600, 13, 5, 10240
SIZES = (60, 61, 64, 127, 590, 1514, 1515, 4000, 9014)
AREA_AT = 2 << 20


def frame(to, source, number, size):
    """A frame that says which it is, filled with what no other has."""
    head = mac_bytes(to.mac) + mac_bytes(source.mac) + struct.pack(">HI", 0x88B5, number)
    return (head + random.Random(number).randbytes(size))[:size]


def transmit(source, frames):
    """Post frames, and signal."""
    source.transmit.collect()
    for n, data in enumerate(frames):
        at, data = AREA_AT + n * SLOT_BYTES, HEADER + data
        source.peer.memory[at:at + len(data)] = data
        check(source.transmit.post([(at, len(data))]), "no room to send")
    source.kick()


class Receiver:
    """Posts buffers of any shape, and puts frames together again (virtio 1.2, 5.1.6.4)."""

    def __init__(self, guest, chance):
        self.guest, self.chance = guest, chance
        self.slot, self.frames, self.rest, self.wanted = 0, [], [], 0

    def chain(self):
        """One buffer: small or large, of one descriptor or some."""
        whole = not self.guest.features & MRG_RXBUF
        size = 9200 if whole else self.chance.choice((80, 600, 1526, 2048, 9200))
        parts = self.chance.choice((1, 1, 1, 3))
        at = AREA_AT + self.slot % 400 * SLOT_BYTES
        self.slot += 1
        share = size // parts + 1
        return [(at + n * share, share) for n in range(parts)]

    def offer(self, count=vhost.DESCRIPTORS):
        """Post so many buffers, as far as there is room."""
        for _ in range(count):
            indirect = self.guest.features & INDIRECT and self.chance.random() < 0.3
            chain = self.chain()
            if self.guest.features & RING_PACKED and not indirect:
                chain = [(chain[0][0], sum(size for _, size in chain))]
            if not self.guest.receive.post(chain, indirect):
                return

    def collect(self):
        """Frames that came since the last time are in `frames`."""
        memory = self.guest.peer.memory
        for chain, length in self.guest.receive.collect()[0]:
            data = b"".join(memory[at:at + size] for at, size in chain)[:length]
            if self.rest:
                self.rest.append(data)
            else:
                self.wanted, = struct.unpack_from("<H", data, 10)
                if not self.guest.features & MRG_RXBUF:
                    self.wanted = 1  # librte_vhost leaves the field as it was
                self.rest = [data[len(HEADER):]]
            if len(self.rest) == self.wanted:
                self.frames.append(b"".join(self.rest))
                self.rest = []
        return len(self.frames)


FEATURES = {"": 0, "mergeable": MRG_RXBUF, "event": MRG_RXBUF | EVENT_IDX,
            "indirect": INDIRECT, "mergeable, indirect": MRG_RXBUF | INDIRECT}
ROWS = {f"{layout}{', ' if name else ''}{name}": {"features": features | ring}
        for layout, ring in (("split", 0), ("packed", RING_PACKED))
        for name, features in FEATURES.items()}


def pair(env, daemon, features):
    """One that receives, one that sends."""
    return [RawGuest(env, daemon, n, wanted, memory_bytes=8 << 20, spoofchk=False,
                     without=MRG_RXBUF & ~wanted) for n, wanted in ((1, features), (2, 0))]


@case(rows=ROWS)
def frames_come_whole_and_in_order_whatever_the_buffers_are(env, features):
    chance = random.Random(features)
    guest, source = pair(env, env.renicd_alone(mbufs=16384), features)
    receiver, first = Receiver(guest, chance), 0
    sent = [frame(guest, source, n, chance.choice(SIZES)) for n in range(FRAMES)]
    while first < FRAMES:
        some = sent[first:first + chance.randrange(1, BURST_MAX)]
        first += len(some)
        receiver.offer()
        transmit(source, some)
        wait_until(lambda: receiver.collect() == first,  # pylint: disable=W0640
                   f"{first} frames", interval=0.001)
    equal(receiver.frames, sent, "frames")


@case(rows={"split": {"features": MRG_RXBUF}, "packed": {"features": RING_PACKED}})
def a_disabled_ring_gets_its_frames_when_it_is_enabled(env, features):
    daemon = env.renicd_alone()
    guest, source = pair(env, daemon, features)
    receiver = Receiver(guest, random.Random(1))
    receiver.offer()
    sent = [frame(guest, source, n, 200) for n in range(20 * ENABLES)]
    for first in range(0, len(sent), 20):
        guest.peer.enable(0, False)
        guest.peer.ask_u64(vhost.GET_FEATURES)  # answered when all before it is done
        transmit(source, sent[first:first + 10])
        daemon.wait_taken("vf2", first + 10)
        equal(settled(receiver.collect), first, "frames in a disabled ring")
        guest.peer.enable(0)
        receiver.offer()
        transmit(source, sent[first + 10:first + 20])
        wait_until(lambda: receiver.collect() == first + 20,  # pylint: disable=W0640
                   "frames in an enabled ring")
    equal(receiver.frames, sent, "frames")


@case(rows={"split": {"features": 0}, "packed": {"features": RING_PACKED}})
def a_frame_longer_than_the_guests_buffers_holds_nobody_up(env, features):
    daemon = env.renicd_alone()
    guest, source = pair(env, daemon, features)
    small, large = [(AREA_AT, 1526)], [(AREA_AT + 2048, 9200)]
    sizes = (60, 4000, 1514, 1515, 9014, 200)  # 1526 bytes with a header are 1514 without
    sent = [frame(guest, source, n, size) for n, size in enumerate(sizes)]
    got = []

    def collect():
        for chain, length in guest.receive.collect()[0]:
            at = chain[0][0]
            got.append(bytes(guest.peer.memory[at + len(HEADER):at + length]))
            guest.receive.post(small)  # never two: one holds one frame
        return len(got)

    transmit(source, sent[1:2])
    daemon.wait_taken("vf2", 1)
    guest.receive.post(large)
    wait_until(collect, "a long frame in a buffer that came late")
    transmit(source, sent)
    wait_until(lambda: collect() == 4, "the frames that are short enough")
    equal(got, [sent[n] for n in (1, 0, 2, 5)], "frames")
    equal(daemon.drops("vf1"), {"oversize": 3}, "drops")
