# SPDX-License-Identifier: BSD-3-Clause
"""
Promise P4: every guest page that the device wrote is in the VF's DMA dirty log, and no other one.
A front-end of our own compares all of the guest's memory before and after each epoch with the log.
"""
import mmap
import os
import random
import struct
import time
from itertools import product

from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import mac_of
from lib.frame import mac_bytes
from lib.virtio_driver import PAGE, PackedRing, SplitRing, written_pages

MRG_RXBUF, INDIRECT, EVENT_IDX, RING_PACKED = 1 << 15, 1 << 28, 1 << 29, 1 << 34
MEMORY_BYTES, BUFFERS_AT, SLOT_BYTES = 12 << 20, 1 << 20, 16 << 10
HEADER = bytes(12)


class Guest:
    """A front-end and its driver, for one VF."""

    def __init__(self, env, daemon, number, chance, features=0, queue_pairs=1):
        self.vf, self.mac, self.chance = f"vf{number}", mac_of(number), chance
        self.features, self.queue_pairs = features, queue_pairs
        self.packed = bool(features & RING_PACKED)
        daemon.call("vf_create", name=self.vf, mac=self.mac, role="server", queues=queue_pairs,
                    packed=self.packed, spoofchk=False)
        self.peer = vhost.VhostFrontEnd(daemon.vf(self.vf)["socket"], queue_pairs, MEMORY_BYTES)
        env.stack.callback(self.peer.close)
        self.peer.wanted |= features
        if not features & MRG_RXBUF:
            self.peer.wanted &= ~MRG_RXBUF
        self.peer.ring_base = 0x8000 if self.packed else 0
        self.peer.setup()
        self.memory = self.peer.memory
        ring = PackedRing if self.packed else SplitRing
        self.rings = [ring(self.memory, n * vhost.RING_BYTES, vhost.DESCRIPTORS, n % 2 == 0)
                      for n in range(2 * queue_pairs)]
        self.slots = list(range((MEMORY_BYTES - BUFFERS_AT) // SLOT_BYTES))
        wait_until(lambda: daemon.vf(self.vf)["frontend"] == "running", f"{self.vf} runs")
        env.wait_running(daemon, self.vf)

    def chain(self, least, parts):
        """Buffers at random places of a slot of its own, of `least` bytes or more in all."""
        at = BUFFERS_AT + self.slots.pop(0) * SLOT_BYTES
        end, chain = at + SLOT_BYTES, []
        share = least // parts + 1
        for left in range(parts, 0, -1):
            room = end - at - (left * share)
            at += self.chance.randrange(max(min(room, 700), 1))
            size = share + self.chance.randrange(max(min(end - at - left * share, 300), 1))
            chain.append((at, size))
            at += size
        return chain

    def give_buffers(self):
        """Post receive buffers on every queue."""
        for ring in self.rings[::2]:
            for _ in range(self.chance.randrange(24)):
                if len(self.slots) < 40:
                    break
                least = 9100 if not self.features & MRG_RXBUF else self.chance.choice(
                    (60, 500, 1526, 4000))
                indirect = self.features & INDIRECT and self.chance.random() < 0.4
                # librte_vhost takes the descriptors of a packed ring's chain for buffers of
                # their own where frames fit into each: no driver posts such.
                parts = 1 if self.packed and not indirect else self.chance.randint(1, 4)
                chain = self.chain(least, parts)
                if not ring.post(chain, indirect):
                    self.release(chain)
                    break

    def send(self, to, count):
        """Post frames of any size."""
        for _ in range(count):
            ring = self.chance.choice(self.rings[1::2])
            if len(self.slots) < 8:
                return
            size = self.chance.choice((60, 61, 590, 1514, 4096, 9014))
            frame = mac_bytes(to) + mac_bytes(self.mac) + b"\x88\xb5" + os.urandom(size - 14)
            data = HEADER + frame
            chain, at = self.chain(len(data), self.chance.randint(1, 3)), 0
            trimmed = []
            for address, size in chain:
                part = data[at:at + size]
                if part:
                    self.memory[address:address + len(part)] = part
                    trimmed.append((address, len(part)))
                at += size
            indirect = self.features & INDIRECT and self.chance.random() < 0.4
            if not ring.post(trimmed, indirect):
                self.release(trimmed)

    def kick(self):
        """Signal every queue on which the guest sends."""
        for number, descriptor in self.peer.kick.items():
            if number % 2:
                os.eventfd_write(descriptor, 1)

    def release(self, chain):
        """Its slot may be used again."""
        self.slots.append((chain[0][0] - BUFFERS_AT) // SLOT_BYTES)

    def collect(self):
        """All that the device used: pages that it wrote, and frames each way."""
        pages, counts = set(), [0, 0]
        for number, ring in enumerate(self.rings):
            done, ring_pages = ring.collect()
            pages |= ring_pages
            for chain, length in done:
                if number % 2 == 0:
                    pages |= written_pages(chain, length)
                counts[number % 2] += 1
                self.release(chain)
        return pages, counts

    def event_pages(self):
        """Pages that the device may write at any time."""
        return set().union(*(ring.event_pages() for ring in self.rings))


class Area:
    """The checkpoint area, as its descriptor shows it."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def pages(self, log):
        """The set of pages in a VF's log."""
        data = os.pread(self.descriptor, log["bytes"], log["offset"])
        equal(len(data), log["bytes"], "bytes of the bitmap")
        pages = set()
        for index, (word,) in enumerate(struct.iter_unpack("<Q", data)):
            while word:
                low = word & -word
                pages.add(64 * index + low.bit_length() - 1)
                word ^= low
        equal(len(pages), log["pages"], "pages counted")
        return pages


def changed_pages(before, memory):
    """Numbers of the pages that differ."""
    return {at // PAGE for at in range(0, MEMORY_BYTES, PAGE)
            if before[at:at + PAGE] != memory[at:at + PAGE]}


def begin(daemon, group):
    """checkpoint_begin: the VF's log, and the descriptor of the area, which is the caller's."""
    answer = daemon.call("checkpoint_begin", group=group)
    descriptor = daemon.rpc.fds.pop()
    vf, = answer["vfs"]
    return answer["epoch"], vf["dirty"], descriptor


def begin_again(daemon, group, prepared):
    """The same for who has the area already; prepared: as a replicator that is in a hurry."""
    if prepared:
        daemon.call("checkpoint_prepare", group=group)
    answer = daemon.call("checkpoint_begin", group=group, area="keep")
    equal(daemon.rpc.fds, [], "descriptors that came with area: keep")
    vf, = answer["vfs"]
    return answer["epoch"], vf["dirty"]


FEATURES = {"plain": 0, "mergeable": MRG_RXBUF,
            "indirect-event": MRG_RXBUF | INDIRECT | EVENT_IDX}
ROWS = {f"{layout}-{name}-{queues}q":
        {"features": features | (RING_PACKED if layout == "packed" else 0), "queues": queues}
        for layout, (name, features), queues in product(
            ("split", "packed"), FEATURES.items(), (1, 2)) if name != "plain" or queues == 1}
ROUNDS = 300


@case(timeout=60, rows=ROWS)
def the_log_has_exactly_the_pages_that_the_device_wrote(env, features, queues):
    chance = random.Random(features + queues)
    daemon = env.renicd_alone(mbufs=16384)
    guest = Guest(env, daemon, 1, chance, features, queues)
    source = Guest(env, daemon, 2, chance)
    daemon.call("protection_start", group="vf1")
    epoch, _, descriptor = begin(daemon, "vf1")
    area = Area(descriptor)
    totals, logged, seen = [0, 0], 0, 0
    for _ in range(ROUNDS):
        # The guest is paused: only the driver's side changes its memory.
        guest.give_buffers()
        guest.send(source.mac, chance.randrange(6))
        before = bytes(guest.memory)
        daemon.call("checkpoint_resume", group="vf1")
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        guest.kick()
        source.send(guest.mac, chance.randrange(12))
        source.kick()
        if chance.random() < 0.9:
            time.sleep(chance.random() * 0.002)
        epoch, log = begin_again(daemon, "vf1", prepared=chance.random() < 0.5)
        check(log["complete"], "the log says that it is not complete")
        pages = area.pages(log)
        changed = changed_pages(before, guest.memory)
        allowed, counts = guest.collect()
        missing, extra = changed - pages, pages - allowed - guest.event_pages()
        check(not missing, f"{len(missing)} pages were written and are not in the log: "
                           f"{sorted(missing)[:5]}")
        check(not extra, f"{len(extra)} pages are in the log and were not written: "
                         f"{sorted(extra)[:5]}")
        missing = allowed - pages
        check(not missing, f"{len(missing)} pages of used buffers are not in the log: "
                           f"{sorted(missing)[:5]}")
        source.collect()
        totals = [a + b for a, b in zip(totals, counts)]
        logged, seen = logged + len(pages), seen + len(changed)
    os.close(descriptor)
    check(min(totals) > ROUNDS / 2, f"chains received and sent: {totals}")
    env.note(f"{totals[0]} chains received, {totals[1]} sent; {logged} pages logged, "
             f"{seen} changed")
