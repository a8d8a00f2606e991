# SPDX-License-Identifier: BSD-3-Clause
"""What a standby of renic-remus may not say: that it holds what it could not take over, and that
it did not take over when perhaps it did."""
import os
import re
import socket
import struct
import threading

from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import mac_of
from lib.remus import Hosts, WAIT_S
from lib.rpc import Rpc


def group_of(host):
    """State and term of the host's group."""
    group = host.daemon.call("group_get", name="vf1")
    return group["state"], group["term"]


@case(timeout=60)
def what_the_standbys_vf_would_refuse_is_never_held(env):
    """One queue pair there, two here. Had it been held, the next hello would tell, and its frames
    leave."""
    hosts = Hosts(env, start=False)
    hosts.a.daemon.call("vf_delete", name="vf1")
    hosts.a.daemon.call("vf_create", name="vf1", mac="02:00:00:00:00:01", queues=2,
                        socket=hosts.a.path("vf1.sock"))
    hosts.b.start("standby")
    hosts.a.start("primary")
    refused = "disconnected: .*: got 2 queue pairs"
    wait_until(lambda: len(re.findall(refused, hosts.b.log())) >= 3, "refused again and again", WAIT_S)
    check("with its checkpoint" not in hosts.a.log(), f"the primary: {hosts.a.log()}")
    equal(hosts.b.status()["epoch"], 0, "the epoch that the standby holds")
    equal(group_of(hosts.b), ("standby", 1), "the standby's group")
    check("-> protected" not in hosts.a.log(), f"the primary: {hosts.a.log()}")


@case(timeout=60)
def what_a_guest_agrees_on_later_is_shown_to_the_standbys_vf_too(env):
    """In firmware it has no driver; with one its rings are packed, which the VF here has not."""
    hosts = Hosts(env, start=False)
    for host in (hosts.a, hosts.b):
        standby = host is hosts.b
        host.daemon.call("vf_delete", name="vf1")
        host.daemon.call("vf_create", name="vf1", mac=mac_of(1), packed=not standby, standby=standby,
                         socket=host.path("vf1.sock") if standby else env.socket_of("vf1"))
    hosts.b.start("standby")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    env.reattach(hosts.a.daemon, env.framegen(), 1, "vf1")
    wait_until(lambda: hosts.b.log().count("rings are packed") >= 2, "refused again and again", WAIT_S)
    hosts.a.wait_state("backup_lost", "syncing")
    hosts.b.wait_state("ready")


@case(timeout=60)
def a_failover_that_got_past_the_activation_is_not_answered_with_a_no(env):
    """The VM there does not run, but frames are heard there: it must not go on here."""
    no_run = os.path.join(env.directory, "no_run")
    hosts = Hosts(env, standby={"fake": {"no_run": no_run}})
    with open(no_run, "w"):
        pass
    Rpc(hosts.a.path("remus.sock")).call("failover")
    equal(hosts.a.remus.wait(WAIT_S), 0, "status of the primary")
    check("switching -> protected" not in hosts.a.log(), f"the VM ran on here: {hosts.a.log()}")
    equal(group_of(hosts.a), ("standby", 2), "the old primary's group")
    hosts.b.wait_state("failed")
    equal(group_of(hosts.b), ("unprotected", 2), "the standby's group")
    os.unlink(no_run)
    equal(hosts.b.command("failover", "--fenced").returncode, 0, "status of another attempt")
    hosts.b.wait_state("active")


class Cut:
    """Between a replicator and its renicd. It lets renicd carry out `activate`, and is gone with
    the answer, until heal()."""

    def __init__(self, path, target):
        self.path, self.target, self.cut = path, target, threading.Event()
        self.heal()

    def heal(self):
        """Accept connections; from the second time on all of them are left alone."""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def serve(self, listener):
        """Accept until the listener is shut down."""
        try:
            while True:
                near = listener.accept()[0]
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.target)
                threading.Thread(target=self.answer, args=(near, far), daemon=True).start()
        except OSError:
            listener.close()

    def answer(self, near, far):
        """One request after the other, each with its answer."""
        with near, far, near.makefile("rb") as requests, far.makefile("rb") as answers:
            for request in requests:
                far.sendall(request)
                answer = answers.readline()
                if b'"activate"' in request and not self.cut.is_set():
                    os.unlink(self.path)
                    self.listener.shutdown(socket.SHUT_RDWR)
                    self.cut.set()
                    return
                near.sendall(answer)


@case(timeout=60)
def an_activation_whose_answer_was_lost_counts(env):
    """The primary waits, its VM paused, until the standby knows; then there is one VM."""
    hosts = Hosts(env, start=False)
    cut = Cut(hosts.b.path("cut.sock"), hosts.b.daemon.socket)
    hosts.b.configure(hosts.a.port, renicd=cut.path)
    hosts.b.start("standby")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    Rpc(hosts.a.path("remus.sock")).call("failover")
    check(cut.cut.wait(WAIT_S), "renicd was asked to activate")
    hosts.b.wait_state("failed")
    equal(group_of(hosts.b), ("unprotected", 2), "the standby's group")
    hosts.a.wait_state("switch_lost")
    cut.heal()
    done = hosts.b.command("failover", "--fenced")
    equal(done.returncode, 0, f"status of another attempt ({done.stdout} {done.stderr})")
    hosts.b.wait_state("active")
    equal(hosts.a.remus.wait(WAIT_S), 0, "status of the primary")
    equal(group_of(hosts.a), ("standby", 2), "the old primary's group")


# ---- a standby that cannot take over ----

class Short(Cut):
    """From arm() on a standby_restore is not passed to renicd: the connection ends."""

    def __init__(self, path, target):
        self.armed = threading.Event()
        super().__init__(path, target)

    def answer(self, near, far):
        with near, far, near.makefile("rb") as requests, far.makefile("rb") as answers:
            for request in requests:
                if b'"standby_restore"' in request and self.armed.is_set():
                    self.armed.clear()
                    return
                far.sendall(request)
                near.sendall(answers.readline())


class Deaf:
    """A proxy before a standby. What that answers to a handover does not get through: the connection
    ends, and while `shut` is set there is no other."""
    TAKEN, HEADER = 11, struct.Struct("<III")

    def __init__(self, env, target, shut=False):
        self.target, self.shut, self.dropped = target, shut, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        env.stack.callback(self.listener.close)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Accept until the listener is closed."""
        try:
            while True:
                near = self.listener.accept()[0]
                if self.shut and self.dropped.is_set():
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target))
                for copy in (self.there, self.back):
                    threading.Thread(target=copy, args=(near, far), daemon=True).start()
        except OSError:
            self.listener.close()

    @staticmethod
    def end(*sockets):
        """Both ends see it."""
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def there(self, near, far):
        """As it comes."""
        try:
            while data := near.recv(65536):
                far.sendall(data)
        except OSError:
            pass
        self.end(near, far)

    def back(self, near, far):
        """Frame by frame."""
        try:
            with far.makefile("rb") as frames:
                while len(head := frames.read(self.HEADER.size)) == self.HEADER.size:
                    kind, n, _ = self.HEADER.unpack(head)
                    if kind == self.TAKEN and not self.dropped.is_set():
                        self.dropped.set()
                        break
                    near.sendall(head + frames.read(n))
        except OSError:
            pass
        self.end(near, far)


def runs(host):
    """Until the host's VM has written into its RAM."""
    def ram():
        with open(host.path("ram"), "rb") as f:
            return f.read()
    before = ram()
    wait_until(lambda: ram() != before, f"the VM of {host.name} runs", WAIT_S)


def short_of_renicd(env, deaf=False, shut=False):
    """Hosts whose standby fails at its first takeover, before it has loaded anything; the proxy
    between them, and the one before the standby's renicd."""
    hosts = Hosts(env, start=False)
    proxy = Deaf(env, hosts.b.port, shut) if deaf else None
    short = Short(hosts.b.path("short.sock"), hosts.b.daemon.socket)
    hosts.a.configure(proxy.port if deaf else hosts.b.port)
    hosts.b.configure(hosts.a.port, renicd=short.path)
    hosts.b.start("standby")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    short.armed.set()
    Rpc(hosts.a.path("remus.sock")).call("failover")
    return hosts, proxy


@case(timeout=60, rows={"heard": {"deaf": False}, "lost": {"deaf": True}})
def a_standby_that_failed_before_it_loaded_is_one_again(env, deaf):
    """The VM goes on at the primary, whether that hears the no or the connection is lost with it."""
    hosts, _ = short_of_renicd(env, deaf)
    wait_until(lambda: "failed -> ready" in hosts.b.log(), "the standby is one again", WAIT_S)
    hosts.a.wait_state("protected")
    check(("switch_lost -> syncing" in hosts.a.log()) == deaf, f"the primary: {hosts.a.log()}")
    runs(hosts.a)
    hosts.epochs()
    equal(group_of(hosts.b), ("standby", 1), "the standby's group")
    equal(hosts.b.status()["error"], "", "what the standby says is wrong")
    equal(hosts.a.command("failover").returncode, 0, "status of another failover")
    equal(hosts.b.verdict()[0], "ok", "what was loaded")
    equal(group_of(hosts.b), ("unprotected", 2), "the standby's group")


@case(timeout=60)
def a_standby_that_loaded_but_activated_nothing_says_no(env):
    """Its VM is of no more use. The primary's goes on, though the no to its handover was lost, and
    what it sends is held."""
    hosts = Hosts(env, start=False)
    proxy = Deaf(env, hosts.b.port)
    hosts.a.configure(proxy.port)
    hosts.b.start("standby")
    hosts.a.start("primary")
    hosts.a.wait_state("protected")
    hosts.b.daemon.call("vf_create", name="other", mac=mac_of(1), socket=hosts.b.path("other.sock"))
    Rpc(hosts.a.path("remus.sock")).call("failover")
    hosts.a.wait_state("backup_lost")
    check("switch_lost -> backup_lost" in hosts.a.log(), f"the primary: {hosts.a.log()}")
    runs(hosts.a)
    equal(hosts.a.daemon.call("group_get", name="vf1")["state"], "protected", "the primary's group")
    equal(hosts.b.state(), "failed", "the standby")
    equal(group_of(hosts.b), ("standby", 1), "the standby's group")
    hosts.a.kill()
    hosts.b.daemon.call("vf_delete", name="other")
    equal(hosts.b.command("failover", "--fenced").returncode, 0, "status of another attempt")
    hosts.b.wait_state("active")


@case(timeout=60)
def a_standby_started_anew_lets_the_primary_go_on(env):
    """It has activated nothing, nor has the one before it."""
    hosts, proxy = short_of_renicd(env, deaf=True, shut=True)
    hosts.a.wait_state("switch_lost")
    hosts.b.wait_state("failed")
    hosts.b.kill()
    hosts.b.start("standby")
    proxy.shut = False
    hosts.a.wait_state("protected")
    check("switch_lost -> syncing" in hosts.a.log(), f"the primary: {hosts.a.log()}")
    runs(hosts.a)
