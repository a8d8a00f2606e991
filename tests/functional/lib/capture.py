# SPDX-License-Identifier: BSD-3-Clause
"""
The uplink's wire side: an AF_PACKET socket on the tap inside the test's namespace. The kernel
keeps the frames, whole and stamped with their time of arrival, until the test drains them.
"""
import socket
import struct
import time

from .check import PATIENCE, Failure
from .frame import Judge

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 6, 8, 23
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
RECEIVE_BUFFER_BYTES = 512 << 20


class Capture:
    """
    Frames that came out of the uplink: (CLOCK_REALTIME ns, bytes). The socket is bound to no
    interface: the kernel takes a bound one away from an interface that goes down, and gives it
    back only after the first frames could have come in again. An interface that is gone has no
    name any more, but its frames count: a killed daemon takes its tap with it.
    """

    def __init__(self, netns, interface):
        self.interface = interface
        self.socket = netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setblocking(False)
        self.frames = []

    @staticmethod
    def _with_tag(data, auxdata):
        """Put back the tag that the kernel took out of the frame."""
        status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", auxdata)
        if not status & TP_STATUS_VLAN_VALID:
            return data
        if not status & TP_STATUS_VLAN_TPID_VALID:
            tpid = 0x8100
        return data[:12] + struct.pack(">HH", tpid, tci) + data[12:]

    def _one(self):
        data, ancillary, _, address = self.socket.recvmsg(65536, 256)
        when = 0
        for level, kind, payload in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                data = self._with_tag(data, payload[:20])
            elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", payload[:16])
                when = seconds * 1000000000 + nanoseconds
        return address[0], when, data

    def drain(self):
        """All that arrived since the last call; also appended to self.frames."""
        new = []
        while True:
            try:
                interface, when, data = self._one()
            except BlockingIOError:
                break
            if interface in (self.interface, ""):
                new.append((when, data))
        _, dropped = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        if dropped:
            raise Failure(f"the capture itself lost {dropped} frames: its buffer was too small")
        self.frames += new
        return new

    def wait(self, count, timeout=10.0):
        """Until `count` numbered frames are there in all, or the time is over; the judge of all."""
        deadline = time.monotonic() + timeout * PATIENCE
        judge = Judge()
        judge.take(self.frames)
        while True:
            judge.take(self.drain())
            if judge.total() >= count or time.monotonic() > deadline:
                return judge
            time.sleep(0.01)

    def judge(self):
        """The judge of everything so far."""
        self.drain()
        return Judge().take(self.frames)

    def clear(self):
        """Forget what came."""
        self.drain()
        self.frames = []

    def send(self, data):
        """Put a frame on the wire, towards the uplink."""
        self.socket.setblocking(True)
        try:
            self.socket.sendto(data, (self.interface, 0))
        finally:
            self.socket.setblocking(False)

    def close(self):
        """Stop."""
        self.socket.close()
