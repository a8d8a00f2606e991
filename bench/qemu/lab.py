#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
QEMU guests beside each other: one on a VF of renicd, one on QEMU's own virtio-net on a tap, or on
testpmd. Prints
one line of JSON: {experiment: {side: [value of each turn]}}.

  lab.py guests TURNS SECONDS    TCP and request/response, free and held at 25 ms (renicd's log;
                                 QEMU's filter-buffer), and host CPU for each Gbit
  lab.py peers TURNS SECONDS [WIRE]  TCP both ways, on a VF and on testpmd's net_vhost, each with
                                 a net_tap, or (WIRE af_packet) a net_af_packet on a veth pair
  lab.py moves TURNS             the client's silence during a live migration (moves.py)

The ReNIC paper's comparisons (ACM TACO 2012) with the means at hand: under software emulation (TCG) the
guest is the slowest part by far, so CPU is counted without the threads that emulate its processors.
Runs in namespaces of its own, as the VM tests do, whose guests and daemons it takes.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../tests/vm"), os.path.join(HERE, "../../tests/lib")]

# pylint: disable=wrong-import-position
import moves  # noqa: E402
import sandbox  # noqa: E402
import traffic  # noqa: E402
from daemon import Daemon  # noqa: E402
from guest import Guest, accelerator  # noqa: E402
from tap_guest import PlainGuest, TapGuest  # noqa: E402

EPOCH_US = 25000
ECHO_BYTES = 64


def ip(*words):
    """Run ip."""
    subprocess.run(["ip", *words], check=True)


def emulation_free_cpu(process):
    """CPU seconds of a process without the threads that emulate a guest's processors."""
    total = 0
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{task}/stat", encoding="ascii") as f:
            name, rest = f.read().split("(", 1)[1].rsplit(") ", 1)
        if not name.startswith("CPU "):
            fields = rest.split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Side:
    """A guest, the address of the host in its network, and how what it sends is held."""

    def __init__(self, guest, host, processes):
        self.guest, self.host, self.processes = guest, host, processes

    def cpu(self):
        """CPU seconds of everything that moves its frames."""
        return sum(map(emulation_free_cpu, self.processes))

    def iperf3(self, *words):
        """Its result. A server for each run: one may be busy with the run before for a while."""
        self.guest.sh("killall iperf3 2>/dev/null; iperf3 -s -1 -D; "
                      "while ! netstat -ltn | grep -q :5201; do sleep 0.1; done")
        out = subprocess.run(["iperf3", "-c", self.guest.ip, *words, "-J"],
                             stdout=subprocess.PIPE, text=True, check=False, timeout=60).stdout
        result = json.loads(out)
        if "error" in result:
            raise RuntimeError(f"iperf3 with {self.guest.name}: {result['error']}")
        return result["end"]["sum_received"]

    def tcp(self, seconds, to_guest=False):
        """Guest to host, or the other way; bits a second and CPU seconds a Gbit."""
        before = self.cpu()
        received = self.iperf3("-t", str(seconds), *([] if to_guest else ["-R"]))
        return received["bits_per_second"], \
            (self.cpu() - before) / (received["bytes"] * 8 / 1e9)

    def request_response(self, seconds):
        """Round trips a second on one TCP connection, one at a time."""
        trips, end = 0, time.monotonic() + seconds
        with traffic.connect(self.guest.ip, traffic.ECHO) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.monotonic() < end:
                peer.sendall(bytes(ECHO_BYTES))
                got = 0
                while got < ECHO_BYTES:
                    got += len(peer.recv(ECHO_BYTES))
                trips += 1
        return trips / seconds


def wire_of(kind, number, far, mac):
    """Devargs of a DPDK port whose other end is the interface `far`; makes both ends if need be."""
    if kind == "tap":
        return f"net_tap0,iface={far},mac={mac}"
    near = f"near{number}"
    ip("link", "add", near, "type", "veth", "peer", "name", far)
    for end in (near, far):  # the driver takes neither segments nor blank checksums
        subprocess.run(["ethtool", "-K", end, "tx", "off", "gso", "off", "tso", "off"], check=True,
                       stdout=subprocess.DEVNULL)
        ip("link", "set", end, "up", "promisc", "on")
    return f"net_af_packet0,iface={near}"


class WireDaemon(Daemon):
    """A daemon whose uplink may be another one than a tap."""

    def __init__(self, run, vfs, wire):
        super().__init__(run, vfs)
        self.devargs = wire_of(wire, 1, self.tap, self.MAC)

    def configuration(self):
        return {**super().configuration(), "uplink": {"devargs": self.devargs}}


class RenicdSide(Side):
    """On a VF."""

    def __init__(self, run, image, accel, offloads=False, wire="tap"):
        self.daemon = WireDaemon(run, [{"name": "vm1", "mac": "52:54:00:00:00:02",
                                        "offloads": offloads, "socket": run.join("vm1.sock")}],
                                 wire)
        self.daemon.start()
        guest = Guest(run, image, "vm1", run.join("vm1.sock"), "10.9.0.2/24",
                      "52:54:00:00:00:02", accel)
        guest.start()
        super().__init__(guest, Daemon.ADDRESS, [self.daemon.process, guest.process])
        self.protector = None

    def hold(self):
        """Checkpoints of the NIC by the clock."""
        self.protector = subprocess.Popen(
            self.daemon.ctl_command("protect", "vm1", "--interval", f"{EPOCH_US // 1000}ms"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(0.3)

    def let_go(self):
        """End that."""
        self.protector.send_signal(signal.SIGINT)
        self.protector.wait(10)


class TapSide(Side):
    """On a tap."""

    TAP, HOST = "tap2", "10.8.0.1"
    GUEST = TapGuest

    def __init__(self, run, image, accel):
        ip("tuntap", "add", self.TAP, "mode", "tap")
        ip("addr", "add", f"{self.HOST}/24", "dev", self.TAP)
        ip("link", "set", self.TAP, "up")
        guest = self.GUEST(run, image, "vm2", "", "10.8.0.2/24", "52:54:00:00:00:03", accel,
                           tap=self.TAP)
        guest.start()
        super().__init__(guest, self.HOST, [guest.process])

    def hold(self):
        """What the guest sends waits in a filter-buffer, which lets all go by the clock."""
        self.guest.qmp("object-add", **{"qom-type": "filter-buffer", "id": "held",
                                        "netdev": "net", "queue": "rx", "interval": EPOCH_US})

    def let_go(self):
        """End that."""
        self.guest.qmp("object-del", id="held")


class TestpmdSide(Side):
    """On net_vhost of a testpmd that forwards between it and the wire, on renicd's processor."""

    TAP, HOST = "uplink1", "10.8.0.1"

    def __init__(self, run, image, accel, wire="tap"):
        socket_path = run.join("vm2.sock")
        self.testpmd = subprocess.Popen(
            ["dpdk-testpmd", "-l", "0,1", "--no-pci", f"--file-prefix=lab{os.getpid()}",
             "--vdev", f"net_vhost0,iface={socket_path},client=1,queues=1",
             "--vdev", wire_of(wire, 2, self.TAP, "02:00:00:00:00:02"), "--",
             "--forward-mode=io", "--auto-start", "--nb-cores=1", "--no-mlockall",
             "--stats-period=3600"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_tap()
        ip("addr", "add", f"{self.HOST}/24", "dev", self.TAP)
        ip("link", "set", self.TAP, "up")
        guest = PlainGuest(run, image, "vm2", socket_path, "10.8.0.2/24", "52:54:00:00:00:03",
                           accel)
        guest.start()
        super().__init__(guest, self.HOST, [self.testpmd, guest.process])

    def wait_tap(self):
        """testpmd has made it."""
        end = time.monotonic() + 30
        while not os.path.exists(f"/proc/sys/net/ipv4/conf/{self.TAP}"):
            if self.testpmd.poll() is not None or time.monotonic() > end:
                raise RuntimeError("testpmd made no tap")
            time.sleep(0.1)

    def stop(self):
        """End it."""
        self.testpmd.kill()
        self.testpmd.wait()


def prepare(sides):
    """The guests are up and have iperf3."""
    for side in sides.values():
        side.guest.wait_up()
        traffic.wait_reachable(side.guest.ip)
        side.guest.install("/usr/bin/iperf3", side.host)


def pause_others(side, sides):
    """Only this side's guest runs."""
    for other in sides.values():
        other.guest.qmp("cont" if other is side else "stop")
    traffic.wait_reachable(side.guest.ip)


def add(results, name, turn):
    """A turn's values to those of the turns before."""
    for experiment, value in turn.items():
        results.setdefault(experiment, {}).setdefault(name, []).append(value)


def peers(run, image, accel, turns, seconds, wire="tap"):
    """TCP with a VF and with net_vhost in turn; neither waits for frames in its sleep meanwhile."""
    sides = {"renicd": RenicdSide(run, image, accel, offloads=True, wire=wire),
             "testpmd": TestpmdSide(run, image, accel, wire)}
    results = {}
    try:
        prepare(sides)
        for _ in range(turns):
            for name, side in sides.items():
                pause_others(side, sides)
                sides["testpmd"].testpmd.send_signal(
                    signal.SIGCONT if name == "testpmd" else signal.SIGSTOP)
                add(results, name, {"tcp_from_guest": side.tcp(seconds)[0],
                                    "tcp_to_guest": side.tcp(seconds, to_guest=True)[0]})
                sides["testpmd"].testpmd.send_signal(signal.SIGCONT)
    finally:
        for side in sides.values():
            side.guest.kill()
        sides["renicd"].daemon.stop()
        sides["testpmd"].stop()
    return results


def turn_of_guests(side, seconds):
    """One turn: {experiment: value}."""
    free_bps, cpu = side.tcp(seconds)
    free_trips = side.request_response(seconds)
    side.hold()
    held_bps, _ = side.tcp(seconds)
    held_trips = side.request_response(seconds)
    side.let_go()
    return {"tcp_free": free_bps, "cpu_per_gbit": cpu, "trips_free": free_trips,
            "tcp_held": held_bps, "trips_held": held_trips}


def guests(run, image, accel, turns, seconds):
    """Both sides in turn, the guest of the other paused."""
    sides = {"renicd": RenicdSide(run, image, accel), "QEMU tap": TapSide(run, image, accel)}
    results = {}
    try:
        prepare(sides)
        for _ in range(turns):
            for name, side in sides.items():
                pause_others(side, sides)
                add(results, name, turn_of_guests(side, seconds))
    finally:
        for side in sides.values():
            side.guest.kill()
        sides["renicd"].daemon.stop()
    return results


def main():
    """Command line."""
    image = os.path.join(sandbox.TOP, "build-vm")
    if not sandbox.inside():
        build = os.path.join(HERE, "../../tests/vm/guest/build.sh")
        subprocess.run([build, image], check=True, stdout=sys.stderr)
        if sys.argv[1] == "moves":
            subprocess.run([build, os.path.join(image, moves.OTHER_KERNEL), moves.OTHER_KERNEL],
                           check=True, stdout=sys.stderr)
    sandbox.enter()
    run = sandbox.RunDir("renic-lab.")
    accel = accelerator(image)
    if sys.argv[1] in ("guests", "peers"):
        measure = guests if sys.argv[1] == "guests" else peers
        results = measure(run, image, accel, int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
    else:
        results = moves.measure(run, image, accel, int(sys.argv[2]))
    print(json.dumps({"accel": accel.split(",", maxsplit=1)[0], **results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
