# SPDX-License-Identifier: BSD-3-Clause
"""Other uplinks than tap and memif: any DPDK port by its devargs."""
import os
import struct
import time

from lib import frame
from lib.case import case
from lib.check import check, equal, wait_until


def pcap_frames(path):
    """Frames of a pcap file; a record that is not complete yet ends the list."""
    with open(path, "rb") as f:
        data = f.read()
    frames, at = [], 24
    while at + 16 <= len(data):
        _, _, kept, length = struct.unpack_from("<IIII", data, at)
        check(kept == length, f"{kept} of {length} bytes of a frame in the file")
        if at + 16 + kept > len(data):
            break
        frames.append((0, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return frames


def write_pcap(path, frames):
    """A pcap file of these frames."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for data in frames:
            f.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)


@case
def af_packet_on_a_veth_is_an_uplink(env):
    namespace = env.netns()
    namespace.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
    for end in ("near", "far"):
        namespace.link(end, "up", "promisc", "on")
    daemon = env.renicd(netns=namespace, uplink={"devargs": "net_af_packet0,iface=near"})
    capture = env.capture(namespace, "far")
    guest = env.guest(daemon, env.framegen(), 1)
    wait_until(lambda: daemon.call("uplink_get")["link"] == "up", "uplink up")
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 500, stream=1, size="60-1514")
    daemon.wait_taken("vf1", 500)
    time.sleep(0.2)
    equal(capture.judge().total(), 0, "frames on the wire before the commit")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(frame.fault_of(capture.wait(500).stream(1), 0, 500), None, "committed frames")
    for seq in range(200):
        capture.send(frame.build(frame.Stamp(7, seq, 60 + 7 * seq, frame.KINDS[seq % 5], 0, 5),
                                 frame.mac_bytes(guest.mac), bytes([2] * 6)))
    guest.expect_whole(7, 200)


@case
def pcap_files_are_an_uplink(env):
    """What the guest sends is written; what was recorded arrives."""
    source, sink = (os.path.join(env.directory, name) for name in ("in.pcap", "out.pcap"))
    write_pcap(source, [])
    daemon = env.renicd(uplink={"devargs": f"net_pcap0,rx_pcap={source},tx_pcap={sink}"})
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 300, stream=1, size="60-1514")
    daemon.wait_taken("vf1", 300)
    equal(daemon.call("uplink_get")["tx_pkts"], 0, "frames on the wire before the commit")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    wait_until(lambda: daemon.call("uplink_get")["tx_pkts"] == 300, "300 frames sent")
    daemon.signal_end()
    judge = frame.Judge().take(pcap_frames(sink))
    equal(frame.fault_of(judge.stream(1), 0, 300), None, "frames in the file")
