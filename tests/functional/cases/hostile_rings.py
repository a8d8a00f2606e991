# SPDX-License-Identifier: BSD-3-Clause
"""
Guests whose rings hold nonsense: descriptor loops, bad indices and addresses, tables that lie, and
a thread that scribbles over them while the device reads. The daemon stays, guests beside it lose
nothing, and a guest that was nonsense is one again after a new start of its driver.

HOSTILE_SEED=N repeats a run's ring states (what the device makes of a scribble is not repeated).
"""
import os
import random
import struct
import threading
import time
from itertools import product

from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import equal, wait_until
from lib.env import mac_of
from lib.raw_guest import BUFFERS_AT, RING_PACKED, RawGuest
from lib.virtio_driver import AVAIL_AT, DESCRIPTOR, INDIRECT, NEXT, TABLES_AT, USED_AT, WRITE
from lib.witness import Witness

EVENT_IDX, LOG_ALL = 1 << 29, 1 << 26
STATES, STATES_BETWEEN_STARTS, LOGS = 160, 40, 300
SIZE, BYTES = vhost.DESCRIPTORS, 4 << 20
AVAILABLE, USED = 1 << 7, 1 << 15  # of a packed descriptor


class Scribbler:
    """Writes ring states; every number that it draws is of one seed."""

    def __init__(self, memory, packed, chance):
        self.memory, self.packed, self.chance = memory, packed, chance

    def address(self):
        """In the buffers, at the memory's ends, in the rings themselves, or nowhere."""
        draw = self.chance.randrange
        return self.chance.choice((
            BUFFERS_AT + draw(BYTES - BUFFERS_AT - 4096), BUFFERS_AT + draw(BYTES - BUFFERS_AT),
            BYTES - draw(64), BYTES, draw(2 * vhost.RING_BYTES), 0, (1 << 64) - 1 - draw(5000),
            1 << 63, BYTES + draw(1 << 30)))

    def length(self):
        """Nothing, less than a header, a frame, more than there is."""
        return self.chance.choice((0, 0, 1, 11, 12, 13, 60, 212, 1526, 9014, 65535, BYTES,
                                   0xffffffff, 0xfffffff0, self.chance.randrange(4096)))

    def flags(self):
        """Any, the plausible ones more often."""
        known = sum(bit for bit in (NEXT, WRITE, INDIRECT) if self.chance.random() < 0.3)
        packed = self.chance.choice((AVAILABLE, USED, AVAILABLE | USED, 0)) if self.packed else 0
        return self.chance.randrange(1 << 16) if self.chance.random() < 0.1 else known | packed

    def descriptor(self, at, table):
        """One descriptor; `table` is where an indirect one may point."""
        flags, address = self.flags(), self.address()
        length = self.length()
        if flags & INDIRECT and self.chance.random() < 0.8:
            address = table + 16 * self.chance.randrange(SIZE)
            length = 16 * self.chance.choice((0, 1, 2, 8, SIZE - 1, SIZE, SIZE + 1, 1 << 20)) + \
                self.chance.choice((0, 0, 1, 15))
        last = self.chance.randrange(SIZE) if self.chance.random() < 0.9 else \
            self.chance.randrange(1 << 16)
        # In a packed ring's descriptor the flags come last.
        words = (address, length, last, flags) if self.packed else (address, length, flags, last)
        DESCRIPTOR.pack_into(self.memory, at, *words)

    def table(self, base):
        """Descriptors for indirect ones."""
        for i in range(64):
            self.descriptor(base + TABLES_AT + 16 * i, base + TABLES_AT)

    def ring(self, number):
        """All of one ring: a state that none should be in."""
        base, draw = number * vhost.RING_BYTES, self.chance.randrange
        self.table(base)
        kind = self.chance.choice(("noise", "loop", "empty chains", "all"))
        for i in range(SIZE):
            at = base + 16 * i
            self.descriptor(at, base + TABLES_AT)
            if kind == "loop":
                struct.pack_into("<IHH", self.memory, at + 8, 60, *(
                    (i, NEXT | AVAILABLE) if self.packed else (NEXT, (i + 1) % SIZE)))
            elif kind == "empty chains":
                struct.pack_into("<IHH", self.memory, at + 8, 0, *(
                    (i, AVAILABLE) if self.packed else (0, 0)))
            elif kind == "all" and self.packed:
                struct.pack_into("<H", self.memory, at + 14, self.chance.choice(
                    (AVAILABLE, USED)))
        if self.packed:
            struct.pack_into("<HH", self.memory, base + AVAIL_AT, draw(1 << 16), draw(4))
            return
        for i in range(SIZE):
            struct.pack_into("<H", self.memory, base + AVAIL_AT + 4 + 2 * i,
                             draw(1 << 16) if self.chance.random() < 0.05 else draw(SIZE))
        struct.pack_into("<H", self.memory, base + AVAIL_AT, draw(2))
        struct.pack_into("<H", self.memory, base + AVAIL_AT + 2, draw(1 << 16))
        if self.chance.random() < 0.2:
            struct.pack_into("<H", self.memory, base + USED_AT + 2, draw(1 << 16))

    def scribble(self):
        """One word somewhere in the rings, while they are read."""
        base, draw = self.chance.randrange(2) * vhost.RING_BYTES, self.chance.randrange
        if self.chance.random() < 0.5:
            at = base + 16 * draw(SIZE)
            self.descriptor(at, base + TABLES_AT)
        else:
            at = base + self.chance.choice((AVAIL_AT, TABLES_AT)) + 2 * draw(SIZE)
            struct.pack_into("<H", self.memory, at, draw(1 << 16))


def share_a_log(guest):
    """vhost-user's own dirty log, as in QEMU's live migration."""
    log = os.memfd_create("log")
    os.ftruncate(log, 4096)
    guest.peer.descriptors.append(log)
    guest.peer.send(6, struct.pack("<QQ", 4096, 0), [log])
    guest.peer.socket.recv(12)
    guest.peer.send_u64(vhost.SET_FEATURES, guest.peer.features | LOG_ALL)


class Scribbling:
    """A thread that scribbles, while the block runs."""

    def __init__(self, scribbler):
        self.scribbler, self.over = scribbler, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        """Until it is over."""
        while not self.over:
            self.scribbler.scribble()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


def start_anew(guest, logged):
    """The driver is loaded again: a new front-end with a ring that is one."""
    guest.peer.close()
    # A packed ring of empty tables takes the library a while; a busy machine makes that seconds.
    wait_until(lambda: guest.daemon.vf(guest.vf)["frontend"] == "none", f"{guest.vf} is down", 40)
    guest.attach()
    if logged:
        share_a_log(guest)


ROWS = {f"{layout}, {mode}": {"features": EVENT_IDX * (mode != "plain") | (
    RING_PACKED if layout == "packed" else 0), "mode": mode}
        for layout, mode in product(("split", "packed"), ("plain", "protected", "logged"))}


@case(timeout=150, rows=ROWS)
def nonsense_in_rings_harms_nobody_else(env, features, mode):
    seed = int(os.environ.get("HOSTILE_SEED") or random.randrange(1 << 32))
    print(f"HOSTILE_SEED={seed}", flush=True)
    chance = random.Random(seed)
    daemon = env.renicd_alone()
    witness = Witness(env, daemon, rate=1500)
    guest = RawGuest(env, daemon, 1, features | 1 << 28, spoofchk=False)
    flood = witness.ends[0].send("mix", 50_000_000, wait=False, stream=70, rate=3000,
                                 dst=guest.mac)
    if mode == "protected":
        daemon.call("protection_start", group="vf1")
    for state in range(STATES):
        if state % STATES_BETWEEN_STARTS == 0:
            start_anew(guest, mode == "logged")
        scribbler = Scribbler(guest.peer.memory, bool(features & RING_PACKED), chance)
        scribbler.ring(state % 2)
        with Scribbling(Scribbler(guest.peer.memory, scribbler.packed,
                                  random.Random(chance.random()))):
            guest.kick()
            time.sleep(chance.random() * 0.004)
        if mode == "protected" and state % 10 == 0:
            daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    flood.halt()
    start_anew(guest, False)
    taken = daemon.stats("vf1")["tx_pkts"]
    guest.send(witness.ends[1].mac, 71, 0, 50)
    daemon.wait_taken("vf1", taken + 50)
    if mode == "protected":
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    witness.ends[1].expect_whole(71, 50)
    witness.end()
    stats = daemon.stats("vf1")
    env.note(f"seed {seed}; {stats['tx_pkts']} frames taken, {stats['rx_pkts']} given")


@case(timeout=60, rows={"split": {"features": EVENT_IDX}, "packed": {"features": RING_PACKED}})
def a_log_that_is_replaced_under_way_harms_nobody(env, features):
    """As QEMU does when its log must grow; here for ever, which may count as too slow to serve."""
    daemon = env.renicd_alone()
    witness = Witness(env, daemon, rate=1500)
    guest = RawGuest(env, daemon, 1, features, spoofchk=False)
    flood = witness.ends[0].send("mix", 50_000_000, wait=False, stream=70, rate=3000,
                                 dst=guest.mac)
    sent_away = 0
    for _ in range(LOGS):
        try:
            share_a_log(guest)
            guest.offer(16)
            guest.kick()
        except OSError:
            sent_away += 1
            start_anew(guest, True)
    flood.halt()
    start_anew(guest, False)
    taken = daemon.stats("vf1")["tx_pkts"]
    guest.send(witness.ends[1].mac, 71, 0, 50)
    daemon.wait_taken("vf1", taken + 50)
    witness.ends[1].expect_whole(71, 50)
    witness.end()
    env.note(f"sent away {sent_away} times")


def loop_of_two(guest):
    """Descriptors that follow one another for ever."""
    for i in (0, 1):
        DESCRIPTOR.pack_into(guest.peer.memory, vhost.RING_BYTES + 16 * i, guest.buffer(), 60,
                             NEXT, 1 - i)
    struct.pack_into("<HHH", guest.peer.memory, vhost.RING_BYTES + AVAIL_AT, 0, 1, 0)


def nowhere(guest):
    """A descriptor of bytes that are not in the guest's memory."""
    guest.transmit.post([(1 << 40, 60)])


@case(rows={"address": {"spoil": nowhere}, "loop": {"spoil": loop_of_two}})
def a_ring_that_stands_still_is_counted_and_told_once(env, spoil):
    daemon = env.renicd_alone()
    guest = RawGuest(env, daemon, 1, 1 << 28)
    listener = daemon.connect()
    listener.call("events_subscribe", types=["ring_stuck"])
    for times in (1, 2):
        spoil(guest)
        guest.kick()
        listener.wait_event("ring_stuck", "vf1")
        equal(daemon.stats("vf1")["stuck_rings"], times, "rings that stood still")
        equal(daemon.stats("vf1")["queues"][0]["stuck_rings"], times, "of the queue")
        for _ in range(20):
            guest.kick()
            time.sleep(0.005)
        equal(daemon.stats("vf1")["stuck_rings"], times, "rings that stood still, once looked at")
        start_anew(guest, False)
    taken = daemon.stats("vf1")["tx_pkts"]
    guest.send(mac_of(2), 1, 0, 50)
    daemon.wait_taken("vf1", taken + 50)
    equal(daemon.stats("vf1")["stuck_rings"], 2, "rings that stood still")
