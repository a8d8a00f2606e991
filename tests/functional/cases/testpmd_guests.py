# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as the guest: another program's count against the daemon's."""
from itertools import product

from lib.case import case
from lib.check import check, equal, settled, wait_until
from lib.env import mac_of

import os
import time

ROWS = {f"{role}-{'packed' if packed else 'split'}-{queues}q":
        {"role": role, "packed": packed, "queues": queues}
        for role, packed, queues in product(("client", "server"), (False, True), (1, 4))}


def testpmd_guest(env, daemon, number, mode, role, queues, packed, *arguments):
    """A VF vfN whose guest is testpmd in that forwarding mode, not started yet."""
    vf, path, mac = f"vf{number}", env.socket_of(f"vf{number}"), mac_of(number)
    create = {"name": vf, "mac": mac, "queues": queues, "role": role, "packed": packed,
              "socket": path}
    vdev = (f"net_virtio_user{number},path={path},server={int(role == 'client')},"
            f"queues={queues},packed_vq={int(packed)},mac={mac},queue_size=1024")
    if role == "server":
        daemon.call("vf_create", **create)
    guest = env.testpmd([vdev], f"--forward-mode={mode}", *arguments, queues=queues)
    if role == "client":
        wait_until(lambda: os.path.exists(path), f"{path} of testpmd")
        daemon.call("vf_create", **create)
    guest.wait_ready()
    env.wait_running(daemon, vf)
    return guest


@case(rows=ROWS)
def testpmd_counts_what_the_daemon_counts(env, role, packed, queues):
    """txonly under protection: nothing leaves before the commit, then all of it, as counted."""
    daemon = env.renicd_alone(uplink={"devargs": "net_null0"})
    guest = testpmd_guest(env, daemon, 1, "txonly", role, queues, packed)
    daemon.call("protection_start", group="vf1")
    guest.command("start")
    wait_until(lambda: daemon.stats("vf1")["tx_pkts"] > 20000, "traffic")
    equal(daemon.call("uplink_get")["tx_pkts"], 0, "frames on the wire before the commit")
    for _ in range(10):
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        time.sleep(0.02)
    guest.command("stop")
    deadline = time.monotonic() + 40
    while daemon.stats("vf1")["tx_pkts"] < guest.port_stats()["tx"]:
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        check(time.monotonic() < deadline, "the guest's ring is not read to its end")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    sent = guest.port_stats()["tx"]
    stats = settled(lambda: daemon.stats("vf1"))
    equal((stats["tx_pkts"], stats["released_pkts"]), (sent, sent), "frames taken and released")
    equal(daemon.call("uplink_get")["tx_pkts"], sent, "frames on the wire")
    equal(daemon.drops("vf1"), {}, "drops")
    env.note(f"{sent} frames")


@case(timeout=45)
def testpmd_receives_what_testpmd_sends(env):
    """VF to VF between two testpmds: received and dropped add up to what was sent."""
    daemon = env.renicd_alone()
    receiver = testpmd_guest(env, daemon, 2, "rxonly", "server", 2, True)
    sender = testpmd_guest(env, daemon, 1, "txonly", "client", 2, False,
                           f"--eth-peer=0,{mac_of(2)}")
    receiver.command("start")
    sender.command("start")
    wait_until(lambda: daemon.stats("vf1")["tx_pkts"] > 10000, "traffic")
    sender.command("stop")
    sent = sender.port_stats()["tx"]
    daemon.wait_taken("vf1", sent)
    lost = settled(lambda: daemon.drops("vf2")).get("rx_no_buffer", 0)
    given = daemon.stats("vf2")["rx_pkts"]
    equal(given + lost, sent, "frames given and dropped")
    wait_until(lambda: receiver.port_stats()["rx"] == given, "testpmd has received what was given")
    env.note(f"{sent} frames sent, {lost} dropped for want of buffers")
