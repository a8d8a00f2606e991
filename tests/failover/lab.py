# SPDX-License-Identifier: BSD-3-Clause
"""What a failover test gets: two hosts with a protected VM, clients that watch its services.

`primary` and `standby` are the hosts' present roles. Clients keep their connections over all
failovers of a lab: check() says whether what they saw was right, to the byte.
"""
import os
import subprocess
import time

import network
import traffic
from clients import EchoClient, StreamClient, TickWatcher, WebClient
from host import GUEST_MAC, REMUS, Host
from network import Network

TICK_PORT, TICK_GAP_US = 9999, 5000
GUEST_IP = "10.9.0.2"
PROGRESS_S = 30
# Patient, as the machine may have other things to do; bench/ measures with the defaults.
OPTIONS = {"timeout_ms": 1000, "renicd_timeout_ms": 3000}


class Lab:
    network = Network

    def __init__(self, run, image, accel, load=True, **settings):
        """load: the TCP clients run, beside the ticks. settings: of both hosts (memory,
        hold_exempt, vf_words: more of renic-qemu's --vf), and renic-remus' options."""
        host_settings = {key: settings.pop(key) for key in ("memory", "hold_exempt", "vf_words")
                         if key in settings}
        self.run = run
        self.hosts = {name: Host(run, name, image, accel, **host_settings) for name in "ab"}
        self.primary, self.standby = self.hosts.values()
        for host in self.hosts.values():
            host.options = OPTIONS | settings
        self.load = load
        self.echo = self.stream = self.web = self.watcher = None
        self.page = b""
        self.mark = 0

    # ---- bringing up ----

    def boot(self):
        """Both hosts; the guest and its services are up."""
        self.open_ports()
        self.primary.boot(standby=False)
        self.standby.boot(standby=True)
        self.primary.guest.wait_up()
        traffic.wait_reachable(GUEST_IP)
        self._start_services()

    def start(self):
        """Boot, protect, and begin the load."""
        self.boot()
        self.protect()
        if self.load:
            self._start_clients()

    def _start_services(self):
        shell = self.primary.guest.sh
        self.page = os.urandom(6000).hex().encode()
        shell("mkdir -p /www")
        for at in range(0, len(self.page), 1000):
            shell(f"printf %s {self.page[at:at + 1000].decode()} >>/www/page")
        shell("httpd -p 80 -h /www")
        self.watcher = TickWatcher(TICK_PORT, GUEST_MAC)
        shell(f"agent count {network.CLIENT_IP} {TICK_PORT} 100000000 {TICK_GAP_US} "
              ">/dev/null 2>&1 &")

    def _start_clients(self):
        self.echo = EchoClient(GUEST_IP)
        self.stream = StreamClient(GUEST_IP)
        self.web = WebClient(GUEST_IP, self.page)

    @property
    def clients(self):
        return [client for client in (self.echo, self.stream, self.web) if client]

    def write_fences(self):
        """A host is fenced by its port of the switch."""
        for host in self.hosts.values():
            host.write_fence(
                f"echo fenced >>{self.run.join('fenced')}\n"
                f"exec nsenter --net=/proc/{os.getpid()}/ns/net "
                f"ip link set port-{host.peer} down")

    def protect(self):
        """renic-remus on both sides, until a checkpoint is held."""
        self.write_fences()
        self.standby.start_remus("standby")
        self.primary.start_remus("primary")
        self.wait_protected()

    def wait_protected(self):
        self.primary.wait_state("protected")
        self.standby.wait_state("ready")

    # ---- failover ----

    def wait_taken_over(self):
        """Until the standby runs the VM; then it is the primary. Its status."""
        status = self.standby.wait_state("active")
        self.was_fenced()
        self.primary, self.standby = self.standby, self.primary
        return status

    def lose_primary(self):
        """Kill -9 of all of it: the standby takes over, and no client notices."""
        self.primary.kill()
        self.wait_taken_over()
        self.check()

    def boot_standby(self):
        """The lost host comes back, empty, and waits for a primary."""
        self.standby.close()
        self.open_ports()
        self.standby.boot(standby=True)
        self.write_fences()
        self.standby.start_remus("standby")

    def rebuild(self):
        """The lost host comes back and becomes the standby of the other."""
        self.boot_standby()
        self.standby.wait_state("waiting")
        self.protect_here()

    def rebuild_plain(self):
        """As rebuild(), after a test with options of its own."""
        self.boot_standby()
        self.primary.end_remus()
        self.primary.start_remus("primary")
        self.wait_protected()

    def restart_remus(self, primary_options, standby_options, wait=True):
        """renic-remus of both sides again, with other options."""
        self.primary.end_remus()
        self.standby.end_remus()
        self.standby.start_remus("standby", **standby_options)
        self.primary.start_remus("primary", **primary_options)
        if wait:
            self.wait_protected()

    def switch(self):
        """A planned failover."""
        done = subprocess.run([REMUS, "failover", "-s", self.primary.dir.join("remus.sock")],
                              capture_output=True, text=True, check=False, timeout=40)
        if done.returncode:
            raise RuntimeError(f"renic-remus failover: {done.stderr.strip()}")
        self.wait_taken_over()

    def was_fenced(self):
        """Did a fence command run since the last call?"""
        path = self.run.join("fenced")
        try:
            os.unlink(path)
            return True
        except FileNotFoundError:
            return False

    def protect_here(self):
        """The host that took over begins to protect the VM again."""
        done = subprocess.run([REMUS, "protect", "-s", self.primary.dir.join("remus.sock")],
                              capture_output=True, text=True, check=False, timeout=20)
        if done.returncode:
            raise RuntimeError(f"renic-remus protect: {done.stderr.strip()}")
        self.wait_protected()

    @staticmethod
    def open_ports():
        for host in "ab":
            network.ip("link", "set", f"port-{host}", "up")

    # ---- judging ----

    def check(self):
        """Everything that a client saw was right, and the services go on."""
        before = self._progress()
        end = time.monotonic() + PROGRESS_S
        while True:
            self.check_seen()
            now = self._progress()
            if all(b > a for a, b in zip(before, now)):
                return
            assert time.monotonic() < end, \
                f"a service stands still: (echo, stream, web, ticks) {before} -> {now}"
            time.sleep(0.02)

    def _progress(self):
        return (self.echo.bytes, self.stream.next, self.web.fetched, len(self.watcher.ticks))

    def check_seen(self):
        for client in self.clients:
            assert client.problem is None, client.problem
        backwards = self.watcher.backwards(self.mark)
        assert not backwards, f"ticks ran backwards (seen before, then, from): {backwards[:5]}"

    def ticks_from(self, host, since):
        """Ticks that came out of a host's cable after a moment."""
        return [tick for tick in self.watcher.ticks
                if tick.port == f"port-{host.name}" and tick.time > since]

    def wait_ticks_from(self, host, count=20):
        """Until that many ticks came from a host, since the mark."""
        end = time.monotonic() + PROGRESS_S
        while sum(tick.port == f"port-{host.name}"
                  for tick in self.watcher.ticks[self.mark:]) < count:
            assert time.monotonic() < end, f"no ticks from host {host.name}"
            time.sleep(0.02)

    def first_tick_of(self, host):
        """The first tick since the last one of the other host."""
        ticks, at = self.watcher.ticks, len(self.watcher.ticks)
        while at > 0 and ticks[at - 1].port == f"port-{host.name}":
            at -= 1
        return ticks[at]

    def forget_backwards(self):
        """What was judged already."""
        self.mark = len(self.watcher.ticks)

    # ---- the end ----

    def stop(self):
        """End everything; what a client has to complain about, or None."""
        problems = []
        for client in self.clients:
            client.finish()
            if client.problem:
                problems.append(client.problem)
        if self.watcher is not None:
            self.watcher.finish()
        for host in self.hosts.values():
            host.close()
        return problems[0] if problems else None
