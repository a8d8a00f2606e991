# SPDX-License-Identifier: BSD-3-Clause
"""Domains, vifs and daemons that come and go."""
import time

import traffic
from world import ADDRESS, GUESTS
from xenhost import XenError


def states(host):
    return host.sh("xl list")


def wait_gone(host, name, timeout=90):
    end = time.monotonic() + timeout
    while name in (listed := states(host)) or "null" in listed:
        if time.monotonic() > end:
            raise AssertionError(f"{name} is still there:\n{listed}")
        time.sleep(0.3)


def test_a_guest_can_change_the_driver_of_its_vif(world):
    world.host.unbind_netfront("web")
    assert world.vf()["frontend"] != "running", world.vf()
    world.host.bind_netfront("web", f"{world.ip()}/24")
    traffic.wait_reachable(world.ip(), timeout=90)


def test_a_vif_can_be_unplugged_and_plugged(world):
    host = world.host
    host.sh("xl network-detach db 0", timeout=60)
    try:
        host.renicctl("vf", "get", "db")
        raise AssertionError("the VF of a detached vif is still there")
    except XenError:
        pass
    ip, mac = GUESTS["db"]
    host.sh(f"xl network-attach db mac={mac} script=vif-renic vifname=db", timeout=60)
    host.guest_sh("db", "n=0; while [ ! -e /sys/class/net/eth0 ] && [ $n -lt 50 ]; do n=$((n+1)); "
                        f"sleep 0.2; done; ip addr add {ip}/24 dev eth0; ip link set eth0 up")
    traffic.wait_reachable(ip, timeout=90)


def test_a_destroyed_domain_leaves_no_zombie(world):
    world.host.sh("xl destroy db")
    wait_gone(world.host, "db")
    traffic.wait_reachable(world.ip(), timeout=90)
    world.create("db")


def test_a_guest_survives_a_kill_of_renicd(world):
    world.host.kill_renicd()
    world.host.start_renicd()
    traffic.wait_reachable(world.ip(), timeout=90)
    traffic.upload(world.ip(), 100_000)
    world.host.guest_sh("web", f"ping -c 2 {ADDRESS}")


def test_held_frames_outlive_a_kill_of_renicd(world):
    world.host.renicctl("protection", "start", "web")
    ping = traffic.Ping(world.ip(), 5, interval_s=0.2, wait_s=200)
    held = world.wait_held(5)
    world.host.kill_renicd()
    world.host.start_renicd()
    assert world.vf()["held_pkts"] >= held - 1, "held frames were lost"
    assert ping.process.poll() is None, "uncommitted frames left"
    world.checkpoint()
    _, received, order, _ = ping.result()
    assert received >= 5 - 1 and order == sorted(order), (received, order)


def test_guests_survive_a_restart_with_sigterm(world):
    world.host.kill_renicd("TERM")
    world.host.start_renicd()
    traffic.wait_reachable(world.ip(), timeout=90)
    traffic.wait_reachable(world.ip("db"), timeout=90)
