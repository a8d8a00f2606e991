# SPDX-License-Identifier: BSD-3-Clause
"""
A vhost-user front-end of a few lines (QEMU docs/interop/vhost-user.rst), for what virtio-user
would never do. Guest memory is one memfd, a 64 KiB slice of it for each ring.
"""
import array
import ctypes
import mmap
import os
import socket
import struct

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
VERSION, NEED_REPLY = 1, 1 << 3
WANTED_FEATURES = 1 << 32 | 1 << 30 | 1 << 22 | 1 << 15
RING_BYTES, DESCRIPTORS = 0x10000, 256
MAP_FIXED = 0x10


class VhostFrontEnd:
    """Connects to a listening renicd; setup() makes the rings run."""

    def __init__(self, path, queue_pairs=1, memory_bytes=4 << 20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.memory_bytes, self.queue_pairs = memory_bytes, queue_pairs
        self.memfd = os.memfd_create("guest")
        os.ftruncate(self.memfd, memory_bytes)
        self.memory = mmap.mmap(self.memfd, memory_bytes)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.descriptors, self.kick, self.call, self.features = [self.memfd], {}, {}, 0
        self.wanted, self.ring_base, self.default_flags = WANTED_FEATURES, 0, VERSION

    def close(self):
        """Hang up."""
        self.socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []

    def let_go_of_memory(self, start):
        """From `start` on we have memory of our own, in which nobody else looks."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [
            ctypes.c_long]
        at = self.address + start
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED
        assert libc.mmap(at, self.memory_bytes - start, mmap.PROT_READ | mmap.PROT_WRITE, flags,
                         -1, 0) == at

    def send(self, request, payload=b"", descriptors=(), flags=None):
        """Send one message."""
        flags = self.default_flags if flags is None else flags
        rights = array.array("i", descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
        header = struct.pack("<III", request, flags, len(payload))
        self.socket.sendmsg([header + payload], ancillary)

    def send_header_alone(self, request, announced_bytes):
        """A header that announces a payload, and nothing more."""
        self.socket.send(struct.pack("<III", request, VERSION, announced_bytes))

    def send_u64(self, request, value, descriptors=()):
        """A message whose payload is one number."""
        self.send(request, struct.pack("<Q", value), descriptors)

    def ask_u64(self, request):
        """The number that a request is answered with."""
        self.send(request)
        return struct.unpack("<IIIQ", self.socket.recv(20, socket.MSG_WAITALL))[3]

    def set_features(self):
        """Negotiate what is wanted and the back-end have in common."""
        self.send_u64(SET_FEATURES, self.features)

    def set_memory(self, size=None):
        """The memory table: one region, of this many bytes."""
        region = struct.pack("<4Q", 0, size or self.memory_bytes, self.address, 0)
        self.send(SET_MEM_TABLE, struct.pack("<II", 1, 0) + region, [self.memfd])

    def set_ring(self, ring):
        """Set up one ring and enable it."""
        base = self.address + ring * RING_BYTES
        kick, call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
        self.descriptors += [kick, call]
        self.kick[ring], self.call[ring] = kick, call
        self.send(SET_VRING_NUM, struct.pack("<II", ring, DESCRIPTORS))
        self.send(SET_VRING_BASE, struct.pack("<II", ring, self.ring_base))
        self.send(SET_VRING_ADDR, struct.pack("<II4Q", ring, 0, base, base + 0x8000,
                                              base + 0x4000, 0))
        self.send_u64(SET_VRING_CALL, ring, [call])
        self.send_u64(SET_VRING_KICK, ring, [kick])
        self.enable(ring)

    def enable(self, ring, on=True):
        """Enable or disable a ring."""
        self.send(SET_VRING_ENABLE, struct.pack("<II", ring, on))

    def setup(self):
        """From the connection to running rings."""
        self.send(SET_OWNER)
        self.features = self.ask_u64(GET_FEATURES) & self.wanted
        self.set_features()
        self.send_u64(SET_PROTOCOL_FEATURES, self.ask_u64(GET_PROTOCOL_FEATURES) & 1)
        self.set_memory()
        for ring in range(2 * self.queue_pairs):
            self.set_ring(ring)
