# SPDX-License-Identifier: BSD-3-Clause
"""A guest without a driver worth the name: a front-end of our own, and its rings in our hands."""
import os

from . import vhost_front_end as vhost
from .check import wait_until
from .env import mac_of
from .frame import Stamp, build, mac_bytes
from .virtio_driver import PackedRing, SplitRing

RING_PACKED, MRG_RXBUF, INDIRECT = 1 << 34, 1 << 15, 1 << 28
BUFFERS_AT, BUFFER_BYTES, HEADER = 1 << 20, 2048, bytes(12)


class RawGuest:
    """
    Ring 0 receives, ring 1 sends. The VF is made if need be, with renicd listening. `without`: of
    the features that front-ends of ours negotiate, those that this one does not.
    """

    def __init__(self, env, daemon, number, features=0, memory_bytes=4 << 20, without=0,
                 **options):
        self.env, self.daemon, self.features, self.without = env, daemon, features, without
        self.vf, self.mac, self.memory_bytes = f"vf{number}", mac_of(number), memory_bytes
        daemon.call("vf_create", name=self.vf, mac=self.mac, role="server",
                    packed=bool(features & RING_PACKED), **options)
        self.attach()

    def attach(self):
        """A new front-end, with new memory."""
        self.peer = peer = vhost.VhostFrontEnd(self.daemon.vf(self.vf)["socket"],
                                               memory_bytes=self.memory_bytes)
        self.env.stack.callback(peer.close)
        peer.wanted = peer.wanted & ~self.without | self.features
        peer.ring_base = 0x8000 if self.features & RING_PACKED else 0
        peer.setup()
        kind = PackedRing if self.features & RING_PACKED else SplitRing
        self.receive, self.transmit = (
            kind(peer.memory, n * vhost.RING_BYTES, vhost.DESCRIPTORS, n == 0) for n in (0, 1))
        self.next_buffer = 0
        wait_until(lambda: self.daemon.vf(self.vf)["frontend"] == "running", f"{self.vf} runs")
        self.env.wait_running(self.daemon, self.vf)

    def buffer(self):
        """The address of the next buffer, over and over."""
        count = (self.memory_bytes - BUFFERS_AT) // BUFFER_BYTES
        self.next_buffer += 1
        return BUFFERS_AT + self.next_buffer % count * BUFFER_BYTES

    def offer(self, count):
        """Post receive buffers; fewer when the ring is full."""
        self.receive.collect()
        while count and self.receive.post([(self.buffer(), BUFFER_BYTES)]):
            count -= 1

    def kick(self):
        """There is something to send."""
        os.eventfd_write(self.peer.kick[1], 1)

    def send(self, to, stream, first, count):
        """Send numbered frames; all of them are taken."""
        for seq in range(first, first + count):
            frame = HEADER + build(Stamp(stream, seq, 200, "ipv4"), mac_bytes(to),
                                   mac_bytes(self.mac))
            at = self.buffer()
            self.peer.memory[at:at + len(frame)] = frame
            wait_until(lambda: self.transmit.collect() and
                       self.transmit.post([(at, len(frame))]),  # pylint: disable=W0640
                       "room in the ring", interval=0.001)
            self.kick()
