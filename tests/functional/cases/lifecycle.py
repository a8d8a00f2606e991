# SPDX-License-Identifier: BSD-3-Clause
"""VFs and front-ends that come, go, die and come back."""
import time
from itertools import product

from lib import frame
from lib.case import case
from lib.check import equal, wait_until
from lib.env import mac_of

ROLES = {f"{role}-{'packed' if packed else 'split'}": {"role": role, "packed": packed}
         for role, packed in product(("client", "server"), (False, True))}


@case(rows=ROLES)
def a_killed_front_end_comes_back_to_its_frames(env, role, packed):
    """kill -9 of the guest: role, held frames and counters stay; commits and checkpoints go on."""
    daemon, _, capture = env.renicd_on_tap()
    first = env.framegen()
    guest = env.guest(daemon, first, 1, role=role, packed=packed)
    daemon.call("events_subscribe")
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 200, stream=1)
    daemon.wait_taken("vf1", 200)
    daemon.checkpoint("vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 300)
    first.kill()
    daemon.rpc.wait_event("frontend_disconnected", "vf1")
    wait_until(lambda: daemon.vf("vf1")["frontend"] == "none", "nobody is there")
    vf = daemon.vf("vf1")
    equal((vf["role"], vf["held_pkts"], vf["epoch"], vf["frontend"]),
          ("protected", 300, 2, "none"), "role, frames held, epoch, front-end")
    equal(daemon.checkpoint("vf1"), 2, "epoch sealed without a front-end")
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="vf1", epoch=1)
    equal(frame.fault_of(capture.wait(200).stream(1), 0, 200), None, "after the first commit")
    guest = env.reattach(daemon, env.framegen(), 1, "vf1", role=role, packed=packed)
    guest.send("mix", 200, stream=1, seq=300)
    daemon.wait_taken("vf1", 500)
    equal(daemon.vf("vf1")["held_pkts"], 300, "frames held")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(frame.fault_of(capture.wait(500).stream(1), 0, 500), None, "after the last commit")
    capture.send(frame.build(frame.Stamp(7, 0, 200, "ipv4"), frame.mac_bytes(guest.mac), bytes(6)))
    guest.expect_whole(7, 1)
    equal(daemon.stats("vf1")["tx_pkts"], 500, "frames counted")


@case(rows={role: {"role": role} for role in ("client", "server")}, timeout=45)
def front_ends_that_die_again_and_again_lose_no_held_frame(env, role):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, role=role, queues=2)
    daemon.call("protection_start", group="vf1")
    for turn in range(6):
        for queue in (0, 1):
            guest.send("mix", 100, queue=queue, stream=queue, seq=100 * turn, size="60-1514")
        daemon.wait_taken("vf1", 200 * (turn + 1))
        framegen.kill()
        if turn % 2:
            daemon.checkpoint("vf1")
        framegen = env.framegen()
        guest = env.reattach(daemon, framegen, 1, "vf1", role=role, queues=2, packed=turn % 2 == 0)
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    judge = capture.wait(1200)
    for queue in (0, 1):
        equal(frame.fault_of(judge.stream(queue), 0, 600), None, f"queue {queue}")


@case
def a_vf_deleted_under_traffic_harms_nobody(env):
    """By force, with its guest sending and being sent to, again and again."""
    daemon, socket = env.renicd_on_memif()
    framegen, victims = env.framegen(), env.framegen()
    far = env.far_end(daemon, framegen, socket)
    steady = env.guest(daemon, framegen, 1)
    job = steady.send("mix", 0, stream=1, rate=20000)
    noise = steady.send("mix", 0, stream=2, rate=20000, dst=mac_of(2))
    for _ in range(8):
        victim = env.guest(daemon, victims, 2, vf="victim")
        victim.send("mix", 0, stream=3, dst=steady.mac)
        victim.send("mix", 0, stream=4)
        wait_until(lambda: daemon.stats("victim")["tx_pkts"] > 1000, "the victim sends")
        daemon.call("vf_delete", name="victim", force=True)
        victim.close()
    noise.halt()
    sent = job.halt()
    far.expect_whole(1, sent)
    equal([vf["name"] for vf in daemon.call("vf_list")], ["vf1"], "VFs left")


@case
def settings_change_under_traffic(env):
    """vf_set of everything, again and again: what is not concerned passes whole."""
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    far = env.far_end(daemon, framegen, socket)
    guest = env.guest(daemon, framegen, 1)
    daemon.call("protection_start", group="vf1")
    job = guest.send("ipv4", 0, stream=1, rate=20000)
    for turn in range(60):
        daemon.call("vf_set", name="vf1", hold_exempt=("", "arp", "tcp port 80 or ether proto 5")[
            turn % 3], mtu=9000 - turn, ingress_hold_pkts=turn * 100, spoofchk=turn % 2 == 0)
        if turn % 3 == 0:
            daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    sent = job.halt()
    daemon.wait_taken("vf1", sent)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    far.expect_whole(1, sent)
    equal(daemon.drops("vf1"), {}, "drops")


@case
def a_front_end_may_die_while_suspended(env):
    daemon, _, capture = env.renicd_on_tap()
    first = env.framegen()
    guest = env.guest(daemon, first, 1)
    daemon.call("events_subscribe")
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 200, stream=1)
    daemon.wait_taken("vf1", 200)
    epoch = daemon.call("checkpoint_begin", group="vf1")["epoch"]
    first.kill()
    daemon.rpc.wait_event("frontend_disconnected", "vf1")
    guest = env.reattach(daemon, env.framegen(), 1, "vf1")
    guest.send("mix", 100, stream=1, seq=200)
    time.sleep(0.2)
    equal(daemon.stats("vf1")["tx_pkts"], 200, "frames taken while suspended")
    daemon.call("checkpoint_resume", group="vf1")
    daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
    daemon.wait_taken("vf1", 300)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(frame.fault_of(capture.wait(300).stream(1), 0, 300), None, "after both commits")


@case
def a_driver_that_restarts_keeps_role_and_frames(env):
    """The guest's driver goes away in an orderly way and comes back: ring base 0 again."""
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, role="server")
    daemon.call("protection_start", group="vf1")
    for turn in range(4):
        guest.send("mix", 100, stream=1)
        daemon.wait_taken("vf1", 100 * (turn + 1))
        guest.close()
        wait_until(lambda: daemon.vf("vf1")["frontend"] == "none", "the front-end is gone")
        guest = env.reattach(daemon, framegen, 1, "vf1", role="server", packed=turn % 2 == 0)
    vf = daemon.vf("vf1")
    equal((vf["role"], vf["held_pkts"]), ("protected", 400), "role and frames held")
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(frame.fault_of(capture.wait(400).stream(1), 0, 400), None, "after the commit")


@case(timeout=45)
def vfs_come_and_go_beside_anothers_traffic(env):
    daemon, socket = env.renicd_on_memif()
    framegen, visitors = env.framegen(), env.framegen()
    far = env.far_end(daemon, framegen, socket)
    steady = env.guest(daemon, framegen, 1)
    daemon.call("protection_start", group="vf1")
    job = steady.send("mix", 0, stream=1, rate=50000)
    for turn in range(6):
        guests = [env.guest(daemon, visitors, n, vf=f"visitor{turn}.{n}",
                            role=("client", "server")[n % 2], queues=1 + n % 2)
                  for n in (2, 3)]
        guests[0].send("mix", 200, stream=2, dst=guests[1].mac)
        guests[1].expect_whole(2, 200, first=200 * turn)
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
        guests[1].close()
        for guest in guests:
            daemon.call("vf_delete", name=guest.vf)
        guests[0].close()
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    sent = job.halt()
    daemon.wait_taken("vf1", sent)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    far.expect_whole(1, sent)
    equal([vf["name"] for vf in daemon.call("vf_list")], ["vf1"], "VFs left")
    equal(daemon.drops("vf1"), {}, "drops")


@case(timeout=45)
def sixty_four_vfs_live_side_by_side(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guests = [env.guest(daemon, framegen, n) for n in range(8)]
    for number in range(8, 64):
        daemon.call("vf_create", name=f"vf{number}", mac=mac_of(number),
                    role=("client", "server")[number % 2], socket=env.socket_of(f"vf{number}"))
    names = [f"vf{number}" for number in range(64)]
    equal([vf["name"] for vf in daemon.call("vf_list")], names, "VFs listed")
    equal(len({vf["id"] for vf in daemon.call("vf_list")}), 64, "different ids")
    daemon.call("group_create", name="all", vfs=names)
    daemon.call("protection_start", group="all")
    for turn in range(1, 4):
        for guest in guests:
            to = guests[(guest.number + 1) % 8]
            guest.send("mix", 100, stream=guest.number, dst=to.mac)
        for guest in guests:
            daemon.wait_taken(guest.vf, 100 * turn)
            equal(guest.received(), 100 * (turn - 1), "frames at a guest before the commit")
        begun = daemon.call("checkpoint_begin", group="all")
        equal((begun["held_pkts"], len(begun["vfs"])), (800, 64), "frames held, VFs sealed")
        daemon.call("checkpoint_resume", group="all")
        daemon.call("checkpoint_commit", group="all", epoch=begun["epoch"])
        for guest in guests:
            guest.expect_whole((guest.number - 1) % 8, 100 * turn)
    daemon.call("protection_stop", group="all")
    daemon.call("group_delete", name="all")
    for name in names:
        daemon.call("vf_delete", name=name)
    equal(daemon.call("vf_list"), [], "VFs left")


@case
def a_vf_that_holds_frames_is_deleted_only_by_force(env):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    for more in ({}, {"force": True}):
        error = daemon.rpc.refusal("vf_delete", name="vf1", **more)
        equal((error.code, error.data.get("state")), (-1, "protected"),
              f"delete of a protected VF {more}")
    namespace.link("rnic0", "down")
    wait_until(lambda: daemon.call("uplink_get")["link"] == "down", "uplink down")
    daemon.call("protection_stop", group="vf1", held="release")
    error = daemon.rpc.refusal("vf_delete", name="vf1")
    equal(error.code, -4, "delete of a VF whose frames wait for the uplink")
    equal(daemon.vf("vf1")["held_pkts"], 100, "frames held")
    daemon.call("vf_delete", name="vf1", force=True)
    equal(daemon.call("vf_list"), [], "VFs left")
    namespace.link("rnic0", "up")
    time.sleep(0.2)
    equal(capture.judge().total(), 0, "frames of the deleted VF on the wire")


@case
def the_config_file_makes_vfs_and_groups(env):
    socket = env.socket_of("vf1")
    daemon = env.renicd_alone(
        vfs=[{"name": "vf1", "mac": mac_of(1), "role": "server", "queues": 2, "socket": socket,
              "hold_exempt": "arp", "mtu": 1500},
             {"name": "vf2", "vlan": 7, "spoofchk": False, "role": "server"}],
        groups=[{"name": "both", "vfs": ["vf1", "vf2"], "internal": "pass",
                 "replicator_timeout_ms": 5000, "on_replicator_lost": "release"}])
    vf1, vf2 = daemon.call("vf_list")
    equal((vf1["mac"], vf1["queues"], vf1["hold_exempt"], vf1["mtu"], vf1["socket"]),
          (mac_of(1), 2, "arp", 1500, socket), "vf1")
    equal((vf2["vlan"], vf2["spoofchk"], vf2["group"]), (7, False, "both"), "vf2")
    group = daemon.call("group_get", name="both")
    equal((group["vfs"], group["internal"], group["replicator_timeout_ms"],
           group["on_replicator_lost"], group["state"]),
          (["vf1", "vf2"], "pass", 5000, "release", "unprotected"), "group")
