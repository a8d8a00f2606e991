# SPDX-License-Identifier: BSD-3-Clause
"""
Guest memory that its front-end pulls away under the running device: the daemon stays, the VF goes
down with the reason, nothing that was held is lost, and the guests beside it lose nothing.
"""
import os
import struct
import threading
from itertools import product

from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, wait_until
from lib.raw_guest import BUFFERS_AT, RING_PACKED, RawGuest
from lib.witness import Witness

LOG_ALL, SET_LOG_BASE, HELD = 1 << 26, 6, 50
LEFT = {"buffers": BUFFERS_AT, "rings and buffers": 0}  # bytes of the file


def keep_busy(guest, direction, to):
    """Traffic for the guest, or of the guest, until the returned function is called."""
    over = threading.Event()

    def post():
        while not over.is_set():
            try:
                if direction == "sends":
                    guest.transmit.collect()
                    guest.transmit.post([(guest.memory_bytes - 4096, 212)])  # to nobody
                    guest.kick()
                else:
                    guest.offer(64)
            except (KeyError, IndexError):
                return  # what a ring that is gone looks like

    thread = threading.Thread(target=post)
    job = None
    if direction == "receives":
        job = to.send("ipv4", 10_000_000, wait=False, stream=60, rate=5000, dst=guest.mac)
    thread.start()

    def end():
        over.set()
        thread.join()
        if job:
            job.halt()
    return end


def share_a_log(guest):
    """What QEMU does when a live migration begins; the log's descriptor."""
    log = os.memfd_create("log")
    os.ftruncate(log, 4096)
    guest.peer.send(SET_LOG_BASE, struct.pack("<QQ", 4096, 0), [log])
    guest.peer.socket.recv(12)
    guest.peer.send_u64(vhost.SET_FEATURES, guest.peer.features | LOG_ALL)
    return log


def expect_loss(daemon, rpc, errors):
    """vf1 is down, and its memory is said to be why."""
    wait_until(lambda: daemon.vf("vf1")["frontend"] == "none", "vf1 is down")
    equal(daemon.vf("vf1")["frontend_errors"], errors + 1, "frontend_errors")
    detail = rpc.wait_event("frontend_error", "vf1")["detail"]
    check("pulled away" in detail, f"the reason is {detail!r}")


ROWS = {f"{layout}, {what}, {direction}": {
    "features": RING_PACKED if layout == "packed" else 0, "what": what, "direction": direction}
        for layout, what, direction in product(
            ("split", "packed"), ("buffers", "rings and buffers", "log"), ("sends", "receives"))
        if what != "log" or direction == "receives"}


@case(rows=ROWS)
def memory_that_is_pulled_away_takes_its_vf_alone(env, features, what, direction):
    daemon = env.renicd_alone()
    rpc = daemon.connect()
    rpc.call("events_subscribe")
    witness = Witness(env, daemon)
    guest = RawGuest(env, daemon, 1, features, spoofchk=False)
    target = witness.ends[0]
    daemon.call("protection_start", group="vf1")
    guest.send(target.mac, 50, 0, HELD)
    daemon.wait_taken("vf1", HELD)
    file, left = guest.peer.memfd, LEFT.get(what, 0)
    if what == "log":
        file = share_a_log(guest)
    end = keep_busy(guest, direction, target)
    try:
        wait_until(lambda: daemon.stats("vf1")["tx_pkts" if direction == "sends" else "rx_pkts"] >
                   HELD * 2, "traffic")
        if what != "log":
            guest.peer.let_go_of_memory(left)  # or we would die of it too
        os.ftruncate(file, left)
        expect_loss(daemon, rpc, 0)
    finally:
        end()
    epoch = daemon.checkpoint("vf1")
    daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
    target.expect_whole(50, HELD)
    guest.attach()
    taken = daemon.stats("vf1")["tx_pkts"]
    guest.send(target.mac, 51, 0, HELD)
    daemon.wait_taken("vf1", taken + HELD)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    target.expect_whole(51, HELD)
    witness.end()
