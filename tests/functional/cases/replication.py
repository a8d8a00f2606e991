# SPDX-License-Identifier: BSD-3-Clause
"""renic-remus on two hosts with a renicd each: what it holds, when it takes over, and when not.
The VM is a thread that knows whether its memory is one whole checkpoint."""
import os
import random
import signal
import socket
import subprocess
import threading
import time

from lib.case import case
from lib.check import check, equal, wait_until
from lib.remus import Hosts, free_port, read
from lib.verdict import expect_nothing, expect_streams


def script(path, text):
    """A program in a file."""
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return {"command": [path]}


def fence(env, name, text):
    """A fence command."""
    return {"fence": script(os.path.join(env.directory, name), text)}


def expect_taken_over(hosts, term=2):
    """b runs the VM from one whole checkpoint, and its VF is active."""
    hosts.b.wait_state("active")
    equal(hosts.b.verdict()[0], "ok", "what was loaded")
    group = hosts.b.daemon.call("group_get", name="vf1")
    equal((group["state"], group["term"]), ("unprotected", term), "the standby's group")


def fail_over_by_hand(hosts):
    """kill -9 of a, and an operator who says that it is dead."""
    hosts.a.kill()
    hosts.b.wait_state("needs_fence")
    equal(hosts.b.command("failover", "--fenced").returncode, 0, "failover")


# ---- the primary is lost ----

@case(timeout=60, rows={f"{n}": {"seed": n} for n in (1, 2, 3)})
def a_killed_primary_leaves_one_whole_checkpoint(env, seed):
    """kill -9 at any instant; an operator says that it is dead."""
    hosts = Hosts(env, fake={"mb": 32})
    hosts.epochs(10)
    time.sleep(random.Random(seed).uniform(0, 0.2))
    hosts.a.kill()
    hosts.b.wait_state("needs_fence")
    equal(hosts.b.daemon.call("group_get", name="vf1")["state"], "standby", "before anybody says so")
    equal(hosts.b.command("failover").returncode, 1, "status of a failover without --fenced")
    done = hosts.b.command("failover", "--fenced")
    equal(done.returncode, 0, f"status of failover --fenced ({done.stdout} {done.stderr})")
    expect_taken_over(hosts)
    check(hosts.b.status()["stats"]["failover_us"] > 0, "the failover's time is told")


@case(timeout=60)
def a_fence_command_that_says_yes_makes_the_standby_take_over(env):
    """By itself, and knowing whom it was to fence."""
    out = os.path.join(env.directory, "fenced")
    hosts = Hosts(env, standby=fence(
        env, "fence", f'echo "$RENIC_GROUP $RENIC_SIDE $RENIC_PEER $RENIC_TERM" >{out}\n'))
    hosts.a.kill()
    expect_taken_over(hosts)
    group, side, peer, term = read(out).split()
    equal((group, side, term), ("vf1", "primary", "1"), "the fence command's environment")
    check(peer.startswith("127.0.0.1:"), f"RENIC_PEER: {peer}")


@case(timeout=60, rows={
    "no": {"text": "exit 1\n"}, "killed": {"text": "kill -9 $$\n"}, "late": {"text": "sleep 60\n"},
})
def a_fence_command_that_does_not_say_yes_changes_nothing(env, text):
    """An operator is needed; and the primary may come back."""
    options = fence(env, "fence", text)
    options["fence"]["timeout_ms"] = 300
    hosts = Hosts(env, standby=options)
    hosts.a.remus.signal(signal.SIGSTOP)
    hosts.b.wait_state("needs_fence")
    equal(hosts.b.daemon.call("group_get", name="vf1")["state"], "standby", "the standby's group")
    hosts.a.remus.signal(signal.SIGCONT)
    hosts.b.wait_state("ready")
    hosts.a.wait_state("protected")
    hosts.epochs()


def stop_between_checkpoints(host):
    """SIGSTOP at an instant at which its VFs are not suspended, so that they go on holding."""
    def stopped():
        host.remus.signal(signal.SIGSTOP)
        time.sleep(0.02)
        if host.daemon.call("group_get", name="vf1")["state"] == "protected":
            return True
        host.remus.signal(signal.SIGCONT)
        return False
    wait_until(stopped, "stopped between two checkpoints")


@case(timeout=60)
def a_stale_primary_releases_nothing(env):
    """It is stopped, failed over from, and wakes up."""
    hosts = Hosts(env, with_guest=True, standby=fence(env, "fence", "exit 0\n"))
    stop_between_checkpoints(hosts.a)
    expect_taken_over(hosts)
    hosts.guest.send("mix", 60, stream=1)
    hosts.a.daemon.wait_taken("vf1", 60)
    hosts.a.remus.signal(signal.SIGCONT)
    equal(hosts.a.remus.wait(WAIT_END_S), 1, "status of the stale primary")
    check("-> stale" in hosts.a.log(), "it says that it is stale")
    expect_nothing(hosts.a.capture)
    equal(hosts.a.daemon.vf("vf1")["held_pkts"], 60, "frames held")
    equal(hosts.b.state(), "active", "the new primary")


WAIT_END_S = 20


@case(timeout=60)
def a_lost_vm_is_taken_over_without_a_fence(env):
    """The primary itself says that it is dead."""
    hosts = Hosts(env)
    hosts.epochs()
    with open(hosts.a.path("die"), "w"):
        pass
    expect_taken_over(hosts)
    equal(hosts.a.remus.wait(WAIT_END_S), 0, "status of the primary")
    check('vm_lost: VM "vm" is gone' in hosts.a.log(), f"it says why: {hosts.a.log()}")
    equal(hosts.a.daemon.call("group_get", name="vf1")["state"], "standby", "the old primary's group")


# ---- the standby is lost ----

@case(timeout=60)
def frames_wait_for_a_standby_that_does_not_answer(env):
    """Stopped, missed, held; awake again it goes on from its checkpoint, and they leave."""
    hosts = Hosts(env, with_guest=True)
    hosts.guest.send("mix", 40, stream=1)
    expect_streams(hosts.a.capture.wait(40), [1], 40)
    hosts.a.capture.clear()
    hosts.b.remus.signal(signal.SIGSTOP)
    time.sleep(0.1)  # what it acknowledged before is committed by now
    hosts.guest.send("mix", 60, stream=2)
    hosts.a.daemon.wait_taken("vf1", 100)
    hosts.a.wait_state("backup_lost")
    expect_nothing(hosts.a.capture)
    hosts.b.remus.signal(signal.SIGCONT)
    hosts.a.wait_state("protected")
    expect_streams(hosts.a.capture.wait(60), [2], 60)
    check("with its checkpoint" in hosts.a.log(), "it goes on where it was")
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=60)
def a_new_standby_gets_everything_while_frames_wait(env):
    """Killed and started again it holds nothing: what was sent meanwhile leaves only then."""
    hosts = Hosts(env, with_guest=True)
    hosts.b.kill()
    hosts.a.wait_state("backup_lost")
    hosts.guest.send("mix", 50, stream=1)
    hosts.a.daemon.wait_taken("vf1", 50)
    expect_nothing(hosts.a.capture)
    hosts.b.start("standby")
    hosts.a.wait_state("protected")
    expect_streams(hosts.a.capture.wait(50), [1], 50)
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=60, rows={"yes": {"answer": 0}, "no": {"answer": 1}})
def a_lost_backup_lets_frames_go_only_when_it_is_fenced(env, answer):
    """on_backup_lost: release."""
    hosts = Hosts(env, with_guest=True, primary={
        "on_backup_lost": "release", **fence(env, "fence", f"sleep 0.2; exit {answer}\n")})
    hosts.b.kill()
    hosts.guest.send("mix", 50, stream=1)
    hosts.a.daemon.wait_taken("vf1", 50)
    if answer:
        wait_until(lambda: "fencing -> backup_lost" in hosts.a.log(), "the fence command said no")
        expect_nothing(hosts.a.capture)
        return
    hosts.a.wait_state("released")
    expect_streams(hosts.a.capture.wait(50), [1], 50)
    hosts.b.start("standby")
    hosts.a.wait_state("protected")
    hosts.epochs()


def expect_good_failover(hosts):
    """20 more epochs, and b runs the VM from one of them once a is dead."""
    hosts.epochs()
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=60)
def a_checkpoint_of_before_the_vm_sent_unheld_is_forgotten(env):
    """The fence command said yes, but the standby's process lives: nobody may run what it has."""
    hosts = Hosts(env, with_guest=True, primary={
        "on_backup_lost": "release", **fence(env, "fence", "exit 0\n")})
    hosts.b.remus.signal(signal.SIGSTOP)
    hosts.a.wait_state("released")
    hosts.guest.send("mix", 50, stream=1)
    expect_streams(hosts.a.capture.wait(50), [1], 50)
    hosts.b.remus.signal(signal.SIGCONT)
    wait_until(lambda: " is void" in hosts.a.log(), "the standby is told to forget")
    wait_until(lambda: "ended protection" in hosts.b.log(), "and does")
    hosts.a.wait_state("protected")
    expect_good_failover(hosts)


@case(timeout=60)
def protection_that_somebody_ended_begins_anew(env):
    """By hand, in renicd: epochs count from 1 again, and are not taken for those the standby has."""
    hosts = Hosts(env)
    hosts.epochs()
    hosts.a.daemon.call("protection_stop", group="vf1", held="release")
    wait_until(lambda: " is void" in hosts.a.log(), "the standby is told to forget")
    hosts.a.wait_state("protected")
    equal(hosts.a.daemon.call("group_get", name="vf1")["state"] in ("protected", "suspended"), True,
          "renicd holds again")
    expect_good_failover(hosts)


@case(timeout=60)
def a_new_standby_is_no_reason_to_lose_the_replicator(env):
    """Where the group's policy is to release then: the connection that drives it stays."""
    hosts = Hosts(env, with_guest=True, start=False, group="g")
    hosts.a.daemon.call("group_create", name="g", vfs=["vf1"], on_replicator_lost="release")
    hosts.b.daemon.call("group_create", name="g", vfs=["vf1"], standby=True)
    hosts.b.start("standby")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    for _ in range(2):
        hosts.b.kill()
        hosts.a.wait_state("backup_lost")
        hosts.b.start("standby")
        hosts.a.wait_state("protected")
        hosts.epochs()
    check("the group is unprotected" not in hosts.a.log(), "renicd held all the time")


@case(timeout=60)
def a_daemon_that_is_away_during_the_first_copy_costs_no_vm(env):
    """Nobody could run it elsewhere yet."""
    hosts = Hosts(env, start=False, primary={"renicd_timeout_ms": 300}, fake={"mb": 256})
    hosts.b.start("standby")
    hosts.a.start("primary")
    wait_until(lambda: hosts.a.state() == "syncing", "the first copy goes on", interval=0.002)
    hosts.a.daemon.kill()
    time.sleep(1.5)
    hosts.a.daemon.restart()
    hosts.a.wait_state("protected")
    expect_good_failover(hosts)


@case(timeout=60)
def a_standby_that_could_not_take_over_acknowledges_nothing(env):
    """Its renicd is gone, and comes back; then its VM is, and does not."""
    hosts = Hosts(env, with_guest=True, standby=fence(env, "fence", "exit 0\n"))
    hosts.b.daemon.kill()
    hosts.a.wait_state("backup_lost")
    hosts.guest.send("mix", 40, stream=1)
    hosts.a.daemon.wait_taken("vf1", 40)
    expect_nothing(hosts.a.capture)
    equal(hosts.b.state(), "ready", "a standby without renicd fences nobody")
    hosts.b.daemon.restart()
    hosts.a.wait_state("protected")
    expect_streams(hosts.a.capture.wait(40), [1], 40)
    hosts.a.capture.clear()
    with open(hosts.b.path("die"), "w"):
        pass
    equal(hosts.b.remus.wait(WAIT_END_S), 1, "status of a standby without a VM")
    hosts.a.wait_state("backup_lost")
    hosts.guest.send("mix", 40, stream=2)
    hosts.a.daemon.wait_taken("vf1", 80)
    expect_nothing(hosts.a.capture)


@case(timeout=60)
def a_slow_standby_bounds_what_is_in_flight(env):
    """No more checkpoints than `in_flight`, however slow it is."""
    hosts = Hosts(env, standby={"fake": {"slow_apply_ms": 60}}, in_flight=3)
    seen = []
    wait_until(lambda: seen.append(hosts.a.status()["in_flight"]) or len(seen) > 60, "a while")
    check(max(seen) <= 3, f"checkpoints in flight: {max(seen)}")
    wait_until(lambda: hosts.a.status()["stats"]["kept_open"] > 0, "ticks are skipped")


@case(timeout=60)
def a_checkpoint_that_outgrows_staging_is_counted_and_whole(env):
    """Staging of 1 MiB, and the VM's pages many between two checkpoints."""
    hosts = Hosts(env, staging_mb=1, interval_us=400000, fake={"mb": 32})
    wait_until(lambda: hosts.a.status()["stats"]["overflowed"] > 0, "one that outgrew staging")
    hosts.epochs(2)
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=90)
def memory_is_flat_over_5000_checkpoints(env):
    """On neither side anything stays of each."""
    hosts = Hosts(env, interval_us=1000)
    hosts.epochs(500)
    before = [host.resident_kib() for host in (hosts.a, hosts.b)]
    hosts.epochs(5000, timeout=80)
    grown = [host.resident_kib() - kib for host, kib in zip((hosts.a, hosts.b), before)]
    check(max(grown) < 1024, f"KiB that primary and standby gained: {grown}")


# ---- the daemon is lost ----

@case(timeout=60)
def a_daemon_that_comes_back_is_taken_up(env):
    """kill -9 of renicd, and a restart: all RAM goes over again, epochs go on."""
    hosts = Hosts(env)
    hosts.epochs()
    hosts.a.daemon.kill()
    time.sleep(0.2)
    hosts.a.daemon.restart()
    wait_until(lambda: "renicd: back after" in hosts.a.log(), "renicd is taken up")
    hosts.a.wait_state("protected")
    hosts.epochs()
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=60)
def a_daemon_that_stays_away_is_a_reason_to_give_the_vm_up(env):
    """The VM has no network here; there it has."""
    hosts = Hosts(env, primary={"renicd_timeout_ms": 500})
    hosts.a.daemon.kill()
    expect_taken_over(hosts)


# ---- planned ----

@case(timeout=60)
def a_planned_failover_loses_nothing_and_can_be_undone(env):
    """a to b; then a is b's standby, and b hands it back."""
    hosts = Hosts(env, with_guest=True)
    hosts.guest.send("mix", 100, stream=1)
    hosts.a.daemon.wait_taken("vf1", 100)
    done = hosts.a.command("failover")
    equal(done.returncode, 0, f"status of failover ({done.stdout} {done.stderr})")
    expect_streams(hosts.a.capture.wait(100), [1], 100)
    expect_taken_over(hosts)
    equal(hosts.a.remus.wait(WAIT_END_S), 0, "status of the old primary")
    equal(hosts.a.daemon.call("group_get", name="vf1")["state"], "standby", "its group")
    os.rename(hosts.b.path("verdict"), hosts.b.path("verdict.1"))
    hosts.a.start("standby")
    equal(hosts.b.command("protect").returncode, 0, "status of protect")
    hosts.b.wait_state("protected")
    equal(hosts.b.command("failover").returncode, 0, "status of the failover back")
    hosts.a.wait_state("active")
    equal(hosts.a.verdict()[0], "ok", "what came back")
    equal(hosts.a.daemon.call("group_get", name="vf1")["term"], 3, "term")


@case(timeout=60)
def protection_ends_when_the_standby_has_forgotten(env):
    """renic-remus stop: frames leave, and nobody takes over afterwards."""
    hosts = Hosts(env, with_guest=True, standby=fence(env, "fence", "exit 0\n"))
    equal(hosts.a.command("stop").returncode, 0, "status of stop")
    equal(hosts.a.remus.wait(WAIT_END_S), 0, "status of the primary")
    hosts.guest.send("mix", 30, stream=1)
    expect_streams(hosts.a.capture.wait(30), [1], 30)
    time.sleep(1)
    equal(hosts.b.state(), "waiting", "the standby")


# ---- the wire ----

class Meddler:
    """A proxy that changes one byte after `after` bytes of the first connection."""

    def __init__(self, target, after):
        self.target, self.after, self.meddled = target, after, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Accept until the listener is closed."""
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            threading.Thread(target=self.copy, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.copy, args=(far, near, False), daemon=True).start()

    def copy(self, source, sink, meddle):
        """One direction."""
        passed = 0
        try:
            while data := source.recv(65536):
                if meddle and not self.meddled and passed + len(data) > self.after:
                    self.meddled = True
                    data = bytes([data[0] ^ 1]) + data[1:]
                passed += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@case(timeout=60)
def a_corrupted_stream_is_refused_and_begun_again(env):
    """One bit of it differs: the checkpoint is not taken, and nothing is lost."""
    hosts = Hosts(env, start=False)
    meddler = Meddler(hosts.b.port, 12 << 20)
    hosts.a.configure(meddler.port)
    hosts.b.start("standby")
    hosts.a.start("primary")
    wait_until(lambda: meddler.meddled, "a byte was changed")
    wait_until(lambda: "CRC32C" in hosts.b.log() or "makes no sense" in hosts.b.log() or
               "unknown type" in hosts.b.log() or " bytes, at most" in hosts.b.log(),
               "the standby refuses it")
    hosts.a.wait_state("protected")
    hosts.epochs()
    meddler.listener.close()
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=60)
def what_is_no_stream_is_turned_away(env):
    """Noise, half a frame, a connection that says nothing: the standby goes on."""
    hosts = Hosts(env)
    for noise in (b"GET / HTTP/1.0\r\n\r\n", bytes(4096), os.urandom(4096), b"\1\0\0\0\xff\xff\xff\xff"):
        with socket.create_connection(("127.0.0.1", hosts.b.port)) as s:
            s.sendall(noise)
    silent = socket.create_connection(("127.0.0.1", hosts.b.port))
    wait_until(lambda: hosts.b.log().count("turned_away") >= 4, "they are turned away")
    hosts.epochs()
    equal(hosts.a.status()["stats"]["reconnects"], 0, "connections after the first")
    silent.close()


@case(timeout=60)
def who_says_nothing_keeps_nobody_out(env):
    """As many as one likes knock at the standby: the oldest go, and the primary gets in."""
    hosts = Hosts(env, start=False)
    hosts.b.start("standby")
    wait_until(lambda: "listening" in hosts.b.log(), "the standby listens")
    silent = []

    def makes_room():
        silent.append(socket.create_connection(("127.0.0.1", hosts.b.port)))
        return "makes room" in hosts.b.log()
    wait_until(makes_room, "one makes room")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    hosts.epochs()
    hosts.b.remus.signal(signal.SIGTERM)
    equal(hosts.b.remus.wait(WAIT_END_S), 0, "status of the standby, with some still at its door")
    for s in silent:
        s.close()


def authority(directory, name):
    """A CA, and a certificate of it for "a" and for "b"."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.pem")
    tls = {}
    for host in "ab":
        openssl("req", *key, "-subj", f"/CN={host}", "-keyout", f"{name}-{host}.key",
                "-out", f"{name}-{host}.csr")
        openssl("x509", "-req", "-days", "2", "-in", f"{name}-{host}.csr", "-CA", f"{name}.pem",
                "-CAkey", f"{name}.key", "-CAcreateserial", "-out", f"{name}-{host}.pem")
        tls[host] = {"cert": f"{directory}/{name}-{host}.pem", "key": f"{directory}/{name}-{host}.key",
                     "ca": f"{directory}/{name}.pem"}
    return tls


@case(timeout=60)
def tls_protects_and_survives_a_failover(env):
    """Certificates on both sides, each naming the other."""
    tls = authority(env.directory, "ca")
    hosts = Hosts(env, plain=None, primary={"tls": {**tls["a"], "peer_name": "b"}},
                  standby={"tls": {**tls["b"], "peer_name": "a"}})
    hosts.epochs()
    fail_over_by_hand(hosts)
    expect_taken_over(hosts)


@case(timeout=60, rows={
    "of_another_authority": {"wrong": "authority"}, "of_another_name": {"wrong": "name"},
    "none_at_all": {"wrong": "plain"},
})
def a_peer_with_a_wrong_certificate_is_refused(env, wrong):
    """It gets no byte of the stream in, nor out."""
    tls, other = authority(env.directory, "ca"), authority(env.directory, "other")
    primary = {"authority": {"plain": None, "tls": other["a"]}, "name": {"plain": None, "tls": tls["b"]},
               "plain": {"plain": True}}[wrong]
    hosts = Hosts(env, start=False, primary=primary,
                  standby={"plain": None, "tls": {**tls["b"], "peer_name": "a"}})
    hosts.b.start("standby")
    hosts.a.start("primary")
    wait_until(lambda: "TLS with" in hosts.b.log(), "the standby refuses it")
    time.sleep(0.5)
    equal((hosts.a.state(), hosts.b.state()), ("connecting", "waiting"), "states")


@case(timeout=60)
def a_standby_of_another_make_is_refused(env):
    """Less RAM, or another name of the VM: said, and nothing sent."""
    hosts = Hosts(env, start=False, standby={"fake": {"mb": 16}})
    hosts.b.start("standby")
    hosts.a.start("primary")
    wait_until(lambda: "its RAM differs" in hosts.b.log(), "the standby says why")
    wait_until(lambda: "its RAM differs" in (hosts.a.status() or {}).get("error", ""),
               "so does the primary's status")


@case(timeout=60, rows={
    "short": {"there": "NIC old", "here": "NIC new", "says": ("NIC old", "NIC new")},
    "at_the_end_of_a_long_line": {
        "there": f"PCI 0:02.0 {'x' * 40} 4:io/32", "here": f"PCI 0:02.0 {'x' * 40} 4:io/64",
        "says": ("PCI 0:02.0 ... xx 4:io/32", "PCI 0:02.0 ... xx 4:io/64")},
    "none_there": {"there": "", "here": "NIC", "says": ("", "NIC")},
})
def a_standby_with_another_machine_is_refused(env, there, here, says):
    """The line of it that differs is said on both sides."""
    hosts = Hosts(env, start=False, primary={"fake": {"machine": f"form 1\n{there}\ndisk\n"}},
                  standby={"fake": {"machine": f"form 1\n{here}\ndisk\n"}})
    hosts.b.start("standby")
    hosts.a.start("primary")
    said = f'VM 0: its machine differs: "{says[0]}" there, "{says[1]}" here'
    wait_until(lambda: said in hosts.b.log(), "the standby says why")
    wait_until(lambda: said in (hosts.a.status() or {}).get("error", ""),
               "so does the primary's status")


@case(timeout=60, rows={
    "not_said_there": {"there": "", "here": "form 1\nNIC\n"},
    "not_said_here": {"there": "form 1\nNIC\n", "here": ""},
    "said_in_two_forms": {"there": "form 1\nNIC\n", "here": "form 12\nNIC x\n"},
    "the_same": {"there": "form 1\nNIC\n", "here": "form 1\nNIC\n"},
})
def a_standby_that_may_have_the_same_machine_is_taken(env, there, here):
    """A primary of the first version, say, which knows nothing of machines."""
    hosts = Hosts(env, primary={"fake": {"machine": there}}, standby={"fake": {"machine": here}})
    hosts.epochs()


# ---- what people see ----

@case(timeout=60)
def status_and_metrics_tell_what_happens(env):
    """Text, JSON, events, OpenMetrics."""
    port = free_port()
    path = os.path.join(env.directory, "metrics.sock")
    hosts = Hosts(env, primary={"metrics": {"port": port}},
                  standby={"metrics": {"socket": path}})
    hosts.epochs()
    wait_until(lambda: "state       protected" in hosts.a.command("status").stdout, "status in words")
    stats = hosts.a.status()["stats"]
    check(stats["checkpoints"] >= 20 and stats["pause_us"]["p50"] > 0
          and stats["epoch_bytes"]["p50"] > 0, f"stats: {stats}")
    check(stats["pages_sent"]["xor"] > 0 and stats["pages_sent"]["zero"] > 0, f"pages: {stats}")
    events = hosts.a.command("events").stdout
    check("syncing -> protected" in events, f"events: {events}")

    def scrape(family=socket.AF_INET, address=("127.0.0.1", port)):
        with socket.socket(family) as s:
            s.connect(address)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            with s.makefile() as answer:
                return answer.read()
    metrics = scrape()
    check(metrics.startswith("HTTP/1.1 200") and metrics.endswith("# EOF\n"), "an OpenMetrics answer")
    wait_until(lambda: 'renic_remus_info{group="vf1",side="primary",state="protected"} 1' in scrape(),
               "the state among the metrics")
    check('renic_remus_info{group="vf1",side="standby",state="ready"} 1'
          in scrape(socket.AF_UNIX, path), "the standby's metrics, on a Unix socket")


@case(timeout=60)
def several_vms_are_one_checkpoint(env):
    """Two VMs of one group: both come up, from the same epoch."""
    hosts = Hosts(env, start=False)
    for host, other in ((hosts.a, hosts.b), (hosts.b, hosts.a)):
        standby = host is hosts.b
        host.daemon.call("vf_create", name="vf2", mac="02:00:00:00:00:02", standby=standby,
                         socket=host.path("vf2.sock"))
        host.daemon.call("group_create", name="both", vfs=["vf1", "vf2"], standby=standby)
        host.configure(other.port, group="both", vms=[
            {"name": f"vm{i}", "driver": "fake", "vfs": [f"vf{i}"], "fake": {
                "ram": host.path(f"ram{i}"), "mb": 8 * i, "verdict": host.path(f"verdict{i}")}}
            for i in (1, 2)])
    hosts.b.start("standby")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    hosts.epochs()
    fail_over_by_hand(hosts)
    for i in (1, 2):
        equal(read(hosts.b.path(f"verdict{i}")).split()[0], "ok", f"what was loaded of VM {i}")
    equal(hosts.b.daemon.call("group_get", name="both")["state"], "unprotected", "the group")
