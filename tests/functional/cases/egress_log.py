# SPDX-License-Identifier: BSD-3-Clause
"""The egress log as a file: what a replicator gets by egress_log_get."""
import mmap
import os
import struct

from lib import frame
from lib.case import case
from lib.check import check, equal

MIB = 1 << 20
RECORD = struct.Struct("<IHHQ")
RECORD_END, RECORD_OFFLOAD = 1, 2
RECORD_ALIGN = 16


def records(data):
    """(epoch, frame) of each record in a run of the egress log."""
    at = 0
    while at < len(data):
        length, flags, _, epoch = RECORD.unpack_from(data, at)
        if flags & RECORD_END:
            return
        start = at + RECORD.size + (16 if flags & RECORD_OFFLOAD else 0)
        yield epoch, data[start:start + length]
        at += -(-(start + length - at) // RECORD_ALIGN) * RECORD_ALIGN


@case(rows={"hugepages": {}, "plain-file": {"egress_log": {"size_mb": 64, "hugepages": False}}})
def the_egress_log_can_be_read_by_a_client(env, **config):
    daemon, _, capture = env.renicd_on_tap(**config)
    guest = env.guest(daemon, env.framegen(), 1, queues=2)
    daemon.call("protection_start", group="vf1")
    for queue in (0, 1):
        guest.send("mix", 500, queue=queue, stream=queue, size="60-1514")
    daemon.wait_taken("vf1", 1000)
    daemon.checkpoint("vf1")
    guest.send("mix", 2500, stream=2, size=1514)
    daemon.wait_taken("vf1", 3500)
    reply = daemon.call("egress_log_get", name="vf1")
    equal(len(daemon.rpc.fds), 1, "descriptors received")
    log = daemon.rpc.fds.pop()
    try:
        _check_log(log, reply["extents"], guest)
    finally:
        os.close(log)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    capture.wait(3500)
    equal(daemon.call("egress_log_get", name="vf1")["extents"], [], "extents of an empty log")
    os.close(daemon.rpc.fds.pop())


def _check_log(log, extents, guest):
    seen = {0: [], 1: [], 2: []}
    with mmap.mmap(log, 0, prot=mmap.PROT_READ) as view:
        for extent in sorted(extents, key=lambda e: (e["queue"], e["log_offset"])):
            data = view[extent["file_offset"]:extent["file_offset"] + extent["bytes"]]
            for epoch, held in records(data):
                stamp, good, _ = frame.parse(held)
                check(stamp and good, "a held frame differs from what was sent")
                equal(held[6:12], frame.mac_bytes(guest.mac), "source of a held frame")
                equal((extent["queue"], epoch),
                      {0: (0, 1), 1: (1, 1), 2: (0, 2)}[stamp.stream], "queue and epoch")
                seen[stamp.stream].append(stamp.seq)
    equal({stream: seqs == list(range(len(seqs))) and len(seqs) for stream, seqs in seen.items()},
          {0: 500, 1: 500, 2: 2500}, "frames found in the log")
    try:
        os.pwrite(log, b"x", 0)
        check(False, "the descriptor can be written to")
    except OSError:
        pass
    try:
        mmap.mmap(log, 2 * MIB, prot=mmap.PROT_WRITE).close()
        check(False, "the descriptor can be mapped for writing")
    except (OSError, ValueError):
        pass
