# SPDX-License-Identifier: BSD-3-Clause
"""
Front-ends that lie: each lie ends its connection, its VF tells the reason and counts it, and two
guests beside it lose nothing.
"""
import array
import os
import socket
import struct

from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, wait_until
from lib.witness import Witness

PACKED = 1 << 34
GET_INFLIGHT_FD, SET_LOG_BASE, POSTCOPY_ADVISE = 31, 6, 28


def ring_message(request, ring, value):
    """SET_VRING_NUM and its like."""
    return lambda peer: peer.send(request, struct.pack("<II", ring, value))


def place_ring(ring, desc, used=0x8000, avail=0x4000, lie=0):
    """SET_VRING_ADDR, relative to the memory's start."""
    def say(peer):
        base = peer.address
        peer.send(vhost.SET_VRING_ADDR, struct.pack(
            "<II4Q", ring, lie, base + desc, base + used, base + avail, 0))
    return say


def memory(*regions, files=None):
    """A memory table; a region is (guest address, bytes, offset from our address, file offset)."""
    def say(peer):
        table = b"".join(struct.pack("<4Q", gpa, size, (peer.address + user) & (1 << 64) - 1, at)
                         for gpa, size, user, at in regions)
        peer.send(vhost.SET_MEM_TABLE, struct.pack("<II", len(regions), 0) + table,
                  [peer.memfd] * (len(regions) if files is None else files))
    return say


def memory_on(descriptor_of):
    """A memory table whose file is what the function opens."""
    def say(peer):
        descriptor = descriptor_of(peer)
        region = struct.pack("<4Q", 0, 4 << 20, peer.address, 0)
        peer.send(vhost.SET_MEM_TABLE, struct.pack("<II", 1, 0) + region, [descriptor])
        os.close(descriptor)
    return say


def disk_file(_):
    """A file on no memory file system."""
    path = "/var/tmp/renic-test-memory"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.unlink(path)
    os.ftruncate(descriptor, 4 << 20)
    return descriptor


def read_only(peer):
    """The guest's own memory, not to be written."""
    return os.open(f"/proc/self/fd/{peer.memfd}", os.O_RDONLY)


def with_pipe(request):
    """A ring's event descriptor that is a pipe, which an lcore could have to wait for."""
    def say(peer):
        ends = os.pipe()
        peer.send_u64(request, 0, [ends[1]])
        for end in ends:
            os.close(end)
    return say


def dirty_log(size, offset, file_bytes):
    """SET_LOG_BASE."""
    def say(peer):
        descriptor = os.memfd_create("log")
        os.ftruncate(descriptor, file_bytes)
        peer.send(SET_LOG_BASE, struct.pack("<QQ", size, offset), [descriptor])
        os.close(descriptor)
    return say


def shrink_under_a_new_size(peer):
    """A ring that stops, and starts again where a packed one of that size cannot be."""
    peer.send(vhost.GET_VRING_BASE, struct.pack("<II", 0, 0))
    peer.socket.recv(20)
    peer.send(vhost.SET_VRING_BASE, struct.pack("<II", 0, 0x8000 | 200))
    peer.send(vhost.SET_VRING_NUM, struct.pack("<II", 0, 64))
    place_ring(0, 0)(peer)


MIB = 1 << 20
LIES = {  # what is done to running rings, and what of it the reason names
    "an unknown request": (lambda peer: peer.send(99), "request 99"),
    "page faults for the front-end": (lambda peer: peer.send(POSTCOPY_ADVISE), "request 28"),
    "gigabytes of inflight notes": (
        lambda peer: peer.send(GET_INFLIGHT_FD, struct.pack("<QQHH4x", 0, 0, 65535, 65535)),
        "request 31"),
    "a number with half its bytes": (
        lambda peer: peer.send(vhost.SET_VRING_NUM, b"\0\0\0\0"), "request 8 with 4 bytes"),
    "a request without its payload": (lambda peer: peer.send(vhost.SET_FEATURES), "with 0 bytes"),
    "another version": (lambda peer: peer.send(vhost.SET_OWNER, flags=2), "flags 0x2"),
    "half a header": (lambda peer: peer.socket.send(b"\3\0\0\0\1"), "whole header"),
    "descriptors where none belong": (
        lambda peer: peer.send(vhost.SET_OWNER, b"", [peer.memfd] * 8), "with 8 descriptors"),
    "descriptors of rings beyond all": (
        lambda peer: peer.send(vhost.SET_VRING_NUM, struct.pack("<II", 5000, 256),
                               [peer.memfd] * 8), "with 8 descriptors"),
    "more descriptors than fit": (
        lambda peer: peer.send_u64(vhost.SET_VRING_KICK, 0, [peer.memfd] * 40),
        "more than 8 descriptors"),
    "two kicks": (lambda peer: peer.send_u64(vhost.SET_VRING_KICK, 0, [peer.kick[0]] * 2),
                  "with 2 descriptors"),
    "a kick without its descriptor": (lambda peer: peer.send_u64(vhost.SET_VRING_KICK, 0),
                                      "with 0 descriptors"),
    "a pipe to kick": (with_pipe(vhost.SET_VRING_KICK), "no eventfd"),
    "a pipe to call": (with_pipe(vhost.SET_VRING_CALL), "no eventfd"),
    "a ring that is no power of 2": (ring_message(vhost.SET_VRING_NUM, 0, 300), "of 300"),
    "a ring of nothing": (ring_message(vhost.SET_VRING_NUM, 0, 0), "of 0"),
    "a ring of 16": (ring_message(vhost.SET_VRING_NUM, 1, 16), "of 16"),
    "a ring of 65536": (ring_message(vhost.SET_VRING_NUM, 1, 65536), "of 65536"),
    "a running ring that grows": (ring_message(vhost.SET_VRING_NUM, 1, 1024), "size cannot change"),
    "ring 200": (ring_message(vhost.SET_VRING_ENABLE, 200, 1), "ring 200"),
    "ring 2^32 - 1": (ring_message(vhost.SET_VRING_BASE, 0xffffffff, 0), "malformed"),
    "a base beyond all": (ring_message(vhost.SET_VRING_BASE, 0, 1 << 20), "begin at"),
    "descriptors behind the memory": (place_ring(0, 4 * MIB), "outside"),
    "descriptors across its end": (place_ring(1, 4 * MIB - 4080), "outside"),
    "a used ring before the memory": (place_ring(1, 0, used=-64), "outside"),
    "an avail ring at an odd address": (place_ring(0, 0, avail=0x4001), "not aligned"),
    "no memory": (memory(), "0 regions"),
    "a region of nothing": (memory((0, 0, 0, 0)), "region 0"),
    "a region of 2^63 bytes": (memory((0, 1 << 63, 0, 0)), "region 0"),
    "a region that wraps": (memory((0, 4 * MIB, -(1 << 40), (1 << 64) - 4096)), "region 0"),
    "a guest address that wraps": (memory(((1 << 64) - 4096, 4 * MIB, 0, 0)), "region 0"),
    "regions that overlap": (memory((0, 4 * MIB, 0, 0), (MIB, 4 * MIB, 16 * MIB, 0)), "overlap"),
    "regions that overlap for the guest": (
        memory((0, 4 * MIB, 0, 0), (4 * MIB - 1, MIB, 16 * MIB, 0)), "overlap"),
    "fewer files than regions": (
        memory((0, 4 * MIB, 0, 0), (8 * MIB, MIB, 16 * MIB, 0), files=1), "1 descriptors"),
    "more files than regions": (memory((0, 4 * MIB, 0, 0), files=3), "3 descriptors"),
    "memory without the rings": (memory((0, MIB, 2 * MIB, 0)), "ring 0 is outside"),
    "a file that is shorter": (memory((0, 4 * MIB + 4096, 0, 0)), "shorter"),
    "an offset behind the file": (memory((0, 4 * MIB, 0, MIB)), "shorter"),
    "memory that cannot be written": (memory_on(read_only), "cannot be mapped"),
    "memory on a disk": (memory_on(disk_file), "not on tmpfs"),
    "a log behind its file": (dirty_log(1 << 20, 0, 4096), "dirty log"),
    "a log with an offset": (dirty_log(4096, 4096, 1 << 20), "dirty log"),
    "a log of nothing": (dirty_log(0, 0, 4096), "dirty log"),
    "other features": (lambda peer: peer.send_u64(vhost.SET_FEATURES, peer.features ^ 1 << 29),
                       "while ring 0 is set up"),
}
LIES_OF_PACKED_RINGS = {
    "a base beyond a packed ring": (ring_message(vhost.SET_VRING_BASE, 1, 0x8000 | 256),
                                    "cannot begin"),
    "a packed ring that shrinks below its index": (shrink_under_a_new_size, "cannot begin"),
    "split rings of packed ones": (lambda peer: peer.send_u64(
        vhost.SET_FEATURES, peer.features & ~PACKED), "while ring 0 is set up"),
}


def descriptors_of(daemon):
    """How many the daemon has open."""
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def tell(env, daemon, rpc, act, reason, wanted, answered):
    """One front-end comes, says it, and is thrown out for it."""
    errors = daemon.vf("vf1")["frontend_errors"]
    peer = vhost.VhostFrontEnd(daemon.vf("vf1")["socket"])
    peer.wanted |= wanted
    peer.ring_base = 0x8000 if wanted & PACKED else 0
    try:
        peer.setup()
        wait_until(lambda: daemon.vf("vf1")["frontend"] == "running", "vf1 runs")
        peer.default_flags |= vhost.NEED_REPLY if answered else 0
        act(peer)
        wait_until(lambda: daemon.vf("vf1")["frontend"] == "none", "vf1 is down")
    finally:
        peer.close()
    equal(daemon.vf("vf1")["frontend_errors"], errors + 1, "frontend_errors")
    detail = rpc.wait_event("frontend_error", "vf1")["detail"]
    check(reason in detail, f"the reason is {detail!r}, not {reason!r}")


@case(timeout=120, rows={"split": {"wanted": 0, "lies": LIES},
                         "split, answered": {"wanted": 0, "lies": LIES, "answered": True},
                         "packed": {"wanted": PACKED, "lies": LIES_OF_PACKED_RINGS}})
def lies_end_the_connection_and_are_counted(env, wanted, lies, answered=False):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server")
    rpc = daemon.connect()
    rpc.call("events_subscribe")
    witness = Witness(env, daemon)
    before = None
    for name, (act, reason) in lies.items():
        try:
            tell(env, daemon, rpc, act, reason, wanted, answered)
        except Exception as problem:
            raise type(problem)(f"{name}: {problem}") from problem
        before = before or descriptors_of(daemon)
    wait_until(lambda: descriptors_of(daemon) <= before, "all descriptors are closed")
    witness.end()


def descriptors_and_nothing_more(peer):
    """Half a header, with memory attached."""
    peer.socket.sendmsg([b"\5\0\0\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                        array.array("i", [peer.memfd] * 8))])


@case(timeout=60)
def ten_thousand_connections_leave_nothing_behind(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server")
    witness = Witness(env, daemon)
    path, before = daemon.vf("vf1")["socket"], descriptors_of(daemon)
    acts = (lambda peer: None, lambda peer: peer.setup(), descriptors_and_nothing_more,
            lambda peer: peer.send(vhost.GET_FEATURES), lambda peer: peer.send(99),
            lambda peer: peer.send_u64(vhost.SET_VRING_KICK, 0, [peer.memfd] * 8))
    for number in range(10_000):
        peer = vhost.VhostFrontEnd(path, memory_bytes=1 << 20)
        try:
            acts[number % 6 if number % 50 < 6 else 0](peer)
        except (BrokenPipeError, ConnectionResetError, struct.error):
            pass  # the one before was not yet gone
        peer.close()
    # Those that wait to be accepted may come and go meanwhile.
    wait_until(lambda: descriptors_of(daemon) <= before and
               daemon.vf("vf1")["frontend"] == "none", "all is closed", interval=0.2)
    peer = vhost.VhostFrontEnd(path)
    env.stack.callback(peer.close)
    peer.setup()
    wait_until(lambda: daemon.vf("vf1")["frontend"] == "running", "vf1 runs")
    witness.end()
