# SPDX-License-Identifier: BSD-3-Clause
"""Front-ends that do what none should: their VF goes down with a reason, the others go on."""
import os
import socket
import threading

from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, wait_until
from lib.raw_guest import RawGuest
from lib.witness import Witness


def front_end(env, daemon, vf, **options):
    """A front-end with running rings on a VF that renicd serves."""
    peer = vhost.VhostFrontEnd(daemon.call("vf_get", name=vf)["socket"], **options)
    env.stack.callback(peer.close)
    peer.setup()
    wait_until(lambda: daemon.call("vf_get", name=vf)["frontend"] == "running", f"{vf} runs")
    return peer


def expect_thrown_out(daemon, vf):
    """The VF is down, and it is told that its front-end was the reason."""
    wait_until(lambda: daemon.call("vf_get", name=vf)["frontend"] == "none", f"{vf} is down")
    equal(daemon.call("vf_get", name=vf)["frontend_errors"], 1, "frontend_errors")


def two_vfs(env):
    """A daemon that listens for two front-ends, and the second one, well-behaved."""
    daemon = env.renicd_alone()
    for vf in ("vf1", "vf2"):
        daemon.call("vf_create", name=vf, role="server")
    return daemon, front_end(env, daemon, "vf2")


def expect_others_go_on(daemon, other):
    """Another front-end is answered, its VF protected, and the first VF can be deleted."""
    check(other.ask_u64(vhost.GET_FEATURES), "the other front-end is not answered")
    daemon.call("protection_start", group="vf2")
    epoch = daemon.call("checkpoint_begin", group="vf2")["epoch"]
    daemon.call("checkpoint_resume", group="vf2")
    daemon.call("checkpoint_commit", group="vf2", epoch=epoch)
    daemon.call("vf_delete", name="vf1")


@case
def half_a_message_holds_nobody_up(env):
    daemon, other = two_vfs(env)
    peer = front_end(env, daemon, "vf1")
    peer.send_header_alone(vhost.SET_VRING_ENABLE, 8)
    expect_thrown_out(daemon, "vf1")
    expect_others_go_on(daemon, other)


@case
def a_vf_can_be_deleted_in_the_middle_of_a_message(env):
    daemon, other = two_vfs(env)
    peer = front_end(env, daemon, "vf1")
    peer.send_header_alone(vhost.SET_VRING_ENABLE, 8)
    expect_others_go_on(daemon, other)


@case
def replies_that_are_not_read_hold_nobody_up(env):
    daemon, other = two_vfs(env)
    peer = front_end(env, daemon, "vf1")
    try:
        for _ in range(5000):
            peer.send(vhost.SET_OWNER, flags=vhost.VERSION | vhost.NEED_REPLY)
    except (BrokenPipeError, ConnectionResetError):
        pass
    expect_thrown_out(daemon, "vf1")
    expect_others_go_on(daemon, other)


@case
def a_malformed_header_is_counted(env):
    daemon, other = two_vfs(env)
    peer = front_end(env, daemon, "vf1")
    peer.send_header_alone(vhost.SET_OWNER, 0xffffffff)
    expect_thrown_out(daemon, "vf1")
    expect_others_go_on(daemon, other)


@case
def memory_that_its_file_does_not_hold_is_refused(env):
    daemon, other = two_vfs(env)
    peer = front_end(env, daemon, "vf1")
    peer.set_memory(64 << 20)
    os.eventfd_write(peer.kick[1], 1)
    expect_thrown_out(daemon, "vf1")
    expect_others_go_on(daemon, other)


def fill_for_good(eventfd):
    """Nothing more fits into it, and who writes all the same waits for its reader."""
    while True:
        try:
            os.eventfd_read(eventfd)
        except BlockingIOError:
            pass
        try:
            os.eventfd_write(eventfd, (1 << 64) - 2)
            break
        except BlockingIOError:  # it was signalled in between
            pass
    os.set_blocking(eventfd, True)


@case
def signals_that_are_not_read_hold_nobody_up(env):
    """The front-end makes the eventfds that renicd signals blocking again, and full."""
    daemon = env.renicd_alone()
    witness = Witness(env, daemon)
    guest = RawGuest(env, daemon, 1, 1 << 28)
    for times in (1, 2):
        for call in guest.peer.call.values():
            fill_for_good(call)
        guest.transmit.post([(guest.buffer(), 60)])
        guest.kick()
        wait_until(lambda: daemon.vf("vf1")["frontend"] == "none", "vf1 is down")
        equal(daemon.vf("vf1")["frontend_errors"], times, "frontend_errors")
        guest.peer.close()
        guest.attach()
    witness.end()


@case
def a_second_front_end_is_turned_away(env):
    daemon, _ = two_vfs(env)
    first = front_end(env, daemon, "vf1")
    second = vhost.VhostFrontEnd(daemon.call("vf_get", name="vf1")["socket"])
    env.stack.callback(second.close)
    try:
        second.send(vhost.GET_FEATURES)
        equal(second.socket.recv(20), b"", "what the second front-end is answered")
    except (BrokenPipeError, ConnectionResetError, socket.timeout):
        pass
    check(first.ask_u64(vhost.GET_FEATURES), "the first front-end is not answered")
    equal(daemon.call("vf_get", name="vf1")["frontend"], "running", "front-end of vf1")


@case
def memory_may_be_mapped_anew_under_a_protected_vf(env):
    """As QEMU does when memory is plugged: the rings run on meanwhile."""
    daemon, _ = two_vfs(env)
    peer = front_end(env, daemon, "vf1")
    daemon.call("protection_start", group="vf1")
    for round_number in range(3000):
        os.eventfd_write(peer.kick[1], 1)
        peer.set_memory(peer.memory_bytes - round_number % 2 * 4096)
    check(peer.ask_u64(vhost.GET_FEATURES), "the front-end is not answered")
    equal(daemon.call("vf_get", name="vf1")["role"], "protected", "role")


@case(timeout=60)
def vfs_are_deleted_beside_another_front_ends_requests(env):
    daemon, other = two_vfs(env)
    going = threading.Event()

    def request_features():
        while not going.is_set():
            other.set_features()
            os.eventfd_write(other.kick[1], 1)

    thread = threading.Thread(target=request_features)
    thread.start()
    try:
        for _ in range(30):
            front_end(env, daemon, "vf1", queue_pairs=1)
            daemon.call("vf_delete", name="vf1")
            daemon.call("vf_create", name="vf1", role="server")
    finally:
        going.set()
        thread.join()
    check(other.ask_u64(vhost.GET_FEATURES), "the other front-end is not answered")


@case
def a_new_front_end_does_not_inherit_enabled_queues(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server", queues=4)
    first = front_end(env, daemon, "vf1", queue_pairs=4)
    equal([ring["enabled"] for ring in daemon.call("vf_get", name="vf1")["rings"]], [True] * 4,
          "enabled queue pairs")
    first.close()
    wait_until(lambda: daemon.call("vf_get", name="vf1")["frontend"] == "none", "vf1 is down")
    front_end(env, daemon, "vf1")
    wait_until(lambda: [ring["enabled"] for ring in daemon.call("vf_get", name="vf1")["rings"]]
               == [True, False, False, False], "only queue pair 0 is enabled")
