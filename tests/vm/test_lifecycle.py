# SPDX-License-Identifier: BSD-3-Clause
"""Guests, front-ends and the daemon come and go; the others go on."""
import time

import traffic


def test_the_driver_can_be_reloaded_in_the_guest(world):
    """Rings come back with base 0, on a VF whose counters and MAC stay."""
    before = world.stats()["tx_pkts"]
    for _ in range(3):
        world.vm1.sh("nic down")
        world.wait_vf("vm1", lambda vf: vf["frontend"] == "connected", "rings stopped")
        world.vm1.sh("nic up")
        world.wait_vf("vm1", lambda vf: vf["frontend"] == "running", "rings running")
        traffic.wait_reachable(world.vm1.ip)
    world.pin_neighbours(world.vm1)
    assert world.stats()["tx_pkts"] > before
    traffic.upload(world.vm1.ip, 1 << 20)


def test_frames_held_when_the_driver_is_reloaded_still_leave_with_their_commit(world):
    receiver = traffic.NumberedReceiver()
    try:
        world.control("protection_start", group="vm1")
        world.vm1.sh(f"agent count {world.daemon.ADDRESS} {receiver.port} 50 500")
        world.wait_vf("vm1", lambda vf: vf["held_pkts"] >= 50, "50 frames held")
        world.vm1.sh("nic down; nic up")
        world.wait_vf("vm1", lambda vf: vf["frontend"] == "running", "rings running")
        assert world.vf()["role"] == "protected" and receiver.numbers == []
        world.checkpoint()
        assert receiver.wait(50) == list(range(50)), f"{len(receiver.numbers)} of 50 frames left"
        world.control("protection_stop", group="vm1")
    finally:
        receiver.finish()
    world.pin_neighbours(world.vm1)


def test_a_guest_reboots_and_its_vf_works_again(world):
    world.vm2.qmp("system_reset")
    world.vm2.wait_up(boots=2)
    traffic.wait_reachable(world.vm2.ip)
    world.pin_neighbours(world.vm2)
    traffic.upload(world.vm2.ip, 1 << 20)


def test_a_killed_qemu_takes_its_front_end_down_and_nothing_else(world):
    """kill -9 under traffic: an event, the VF stays, the other guest goes on; a new QEMU on the
    same socket works."""
    pings = traffic.Ping(world.vm2.ip, count=40, interval_s=0.02)
    sender = traffic.NumberedSender(world.vm1.ip, interval_s=0.001)
    try:
        world.vm1.kill()
        world.control.wait_event("frontend_disconnected", "vm1")
    finally:
        sender.finish()
    world.wait_vf("vm1", lambda vf: vf["frontend"] == "none", "no front-end")
    sent, received, _, _ = pings.result()
    assert (sent, received) == (40, 40), f"the other guest answered {received} of {sent} pings"
    traffic.upload(world.vm2.ip, 1 << 20)
    world.vm1.start()
    world.vm1.wait_up()
    traffic.wait_reachable(world.vm1.ip)
    world.pin_neighbours(world.vm1)
    assert world.vf()["frontend"] == "running"


def test_frames_of_a_killed_guest_stay_held_until_their_commit(world):
    receiver = traffic.NumberedReceiver()
    try:
        world.control("protection_start", group="vm1")
        world.vm1.sh(f"agent count {world.daemon.ADDRESS} {receiver.port} 50 500")
        world.wait_vf("vm1", lambda vf: vf["held_pkts"] >= 50, "50 frames held")
        world.vm1.kill()
        world.control.wait_event("frontend_disconnected", "vm1")
        time.sleep(0.2)
        assert receiver.numbers == [], "frames left when their guest died"
        world.checkpoint()
        assert receiver.wait(50) == list(range(50)), f"{len(receiver.numbers)} of 50 frames left"
        world.control("protection_stop", group="vm1")
    finally:
        receiver.finish()
    world.vm1.start()
    world.vm1.wait_up()
    traffic.wait_reachable(world.vm1.ip)
    world.pin_neighbours(world.vm1)


def test_guests_survive_a_restart_of_the_daemon(world):
    """kill -9, then a new renicd: it connects to the waiting QEMUs again, no guest reboots.

    Of split rings QEMU takes the indices from guest memory. Packed rings have none there (virtio
    1.2, section 2.8): renicd's own notes bring them back.
    """
    boots = {guest: guest.sh("cat /proc/sys/kernel/random/boot_id")
             for guest in world.guests.values()}
    world.kill_daemon()
    traffic.wait_reachable(world.vm1.ip, timeout=20)
    traffic.wait_reachable(world.vm2.ip, timeout=20)
    for guest in world.guests.values():
        world.pin_neighbours(guest)
        traffic.upload(guest.ip, 1 << 20)
        traffic.download(guest.ip, 1 << 20)
        assert guest.sh("cat /proc/sys/kernel/random/boot_id") == boots[guest], "it rebooted"


def test_the_guest_sees_its_carrier_as_the_state_says(world):
    """Off and on again, three times; the driver stays, and the network is back without it."""
    carrier = "cat /sys/class/net/eth0/carrier"
    boots = world.vm1.sh("cat /proc/sys/kernel/random/boot_id")
    for _ in range(3):
        world.control("vf_set", name="vm1", state="disable")
        wait_says(world.vm1, carrier, "0")
        world.control("vf_set", name="vm1", state="enable")
        wait_says(world.vm1, carrier, "1")
        world.wait_vf("vm1", lambda vf: vf["frontend"] == "running", "rings running")
        traffic.wait_reachable(world.vm1.ip)
    world.pin_neighbours(world.vm1)
    traffic.upload(world.vm1.ip, 1 << 20)
    assert world.vm1.sh("cat /proc/sys/kernel/random/boot_id") == boots, "it rebooted"


def wait_says(guest, command, expected, timeout=10):
    """Until the command's output in the guest is that."""
    end = time.monotonic() + timeout
    while (said := guest.sh(command).strip()) != expected:
        assert time.monotonic() < end, f"{command}: {said}, not {expected}"
        time.sleep(0.05)
