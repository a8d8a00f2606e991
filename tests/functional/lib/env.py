# SPDX-License-Identifier: BSD-3-Clause
"""What one test gets: daemons, guests, namespaces, all gone again when it ends."""
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack

from .capture import Capture
from .check import wait_until
from .daemon import TAP, Renicd
from .framegen import OUTSIDE, Framegen  # OUTSIDE: for the cases too
from .netns import Netns
from .testpmd import Testpmd

BUILD = os.path.abspath(os.environ.get("RENICD") or
                        os.path.join(os.path.dirname(__file__), "../../../build"))
RENICD = os.path.join(BUILD, "renicd", "renicd")
RENICCTL = os.path.join(BUILD, "cli", "renicctl")
FRAMEGEN = os.path.join(BUILD, "tests", "functional", "framegen")
_namespaces = iter(range(1, 1 << 30))


def mac_of(number):
    """The MAC address of the guest of that number."""
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


class Env:
    """Resources of one test, released in reverse order of their making."""

    def __init__(self):
        self.stack = ExitStack()
        self.directory = tempfile.mkdtemp(prefix="renic-", dir="/tmp")
        self.processes = []
        self.notes = []

    def note(self, text):
        """Something worth telling beside the verdict, such as a rate."""
        self.notes.append(text)

    def close(self):
        """End everything; the logs stay until remove()."""
        self.stack.close()

    def remove(self):
        """Remove the directory, and what a killed daemon left mounted in it."""
        with open("/proc/self/mounts") as mounts:
            points = [line.split()[1] for line in mounts]
        for point in reversed(points):
            if point.startswith(self.directory + "/"):
                subprocess.run(["umount", "-l", point], check=True)
        shutil.rmtree(self.directory)

    def netns(self):
        """A new namespace."""
        namespace = Netns(f"renic-{os.getpid()}-{next(_namespaces)}")
        self.stack.callback(namespace.delete)
        return namespace

    def huge_dir(self):
        """A hugetlbfs of the test's own: the egress log of a killed daemon goes with it."""
        path = os.path.join(self.directory, "hugetlbfs")
        if not os.path.isdir(path):
            os.mkdir(path)
            subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", path],
                           check=True)
        return path

    # ---- the daemon, by the kind of its uplink ----

    def renicd(self, **config):
        """A daemon, started, with this configuration laid over the usual one."""
        daemon = self.renicd_unstarted(**config)
        daemon.start()
        return daemon

    def renicd_unstarted(self, directory=None, **config):
        """The same, not started; its end is taken care of."""
        daemon = Renicd(RENICD, directory or self.directory, self.huge_dir(), **config)
        daemon.on_spawn = self.processes.append
        self.stack.callback(daemon.finish)
        return daemon

    def renicd_on_tap(self, offloads="auto", **config):
        """A daemon with a tap in a namespace for its uplink; (daemon, namespace, capture)."""
        namespace = self.netns()
        uplink = {"devargs": f"net_tap0,iface={TAP}", "offloads": offloads}
        daemon = self.renicd(netns=namespace, uplink=uplink, **config)
        self.tap_up(daemon, namespace)
        return daemon, namespace, self.capture(namespace, TAP)

    def tap_up(self, daemon, namespace):
        """Set up the tap of a daemon that has just started."""
        namespace.link(TAP, "up", "promisc", "on")
        wait_until(lambda: daemon.call("uplink_get")["link"] == "up", "uplink up")

    def renicd_on_memif(self, **config):
        """A daemon with a memif uplink; (daemon, socket for the far end)."""
        socket = os.path.join(self.directory, "uplink.sock")
        daemon = self.renicd(uplink={
            "devargs": f"net_memif0,role=server,socket={socket},socket-abstract=no"}, **config)
        return daemon, socket

    def renicd_alone(self, **config):
        """A daemon without an uplink."""
        return self.renicd(**config)

    def renicd_on_virtio(self, beside, **config):
        """A daemon, in a directory of its own, whose uplink is a VF "wire" of the one beside."""
        directory = os.path.join(self.directory, "inner")
        os.mkdir(directory)
        socket = self.socket_of("wire")
        beside.call("vf_create", name="wire", role="server", socket=socket, spoofchk=False)
        daemon = self.renicd(
            directory=directory, name="inner", eal_args=["--single-file-segments"],
            uplink={"devargs": f"net_virtio_user0,path={socket},queue_size=1024"}, **config)
        self.wait_running(beside, "wire")
        wait_until(lambda: daemon.call("uplink_get")["link"] == "up", "uplink up")
        return daemon

    def capture(self, namespace, interface):
        """Capture what arrives on an interface."""
        capture = Capture(namespace, interface)
        self.stack.callback(capture.close)
        return capture

    # ---- guests ----

    def framegen(self, **options):
        """A framegen process."""
        framegen = Framegen(FRAMEGEN, self.directory, **options)
        self.processes.append(framegen.process)
        self.stack.callback(framegen.quit)
        framegen.wait_ready()
        return framegen

    def testpmd(self, vdevs, *arguments, **options):
        """A dpdk-testpmd process; call wait_ready() once its back-ends are there."""
        testpmd = Testpmd(self.directory, vdevs, *arguments, **options)
        self.processes.append(testpmd.process)
        self.stack.callback(testpmd.quit)
        return testpmd

    def far_end(self, daemon, framegen, socket, queues=1):
        """The far end of a memif uplink, once the daemon has seen its carrier too."""
        port = framegen.add_memif(socket, queues=queues)
        # The daemon ends first: DPDK's driver unmaps a far end that goes, and an lcore may read it.
        self.stack.callback(daemon.finish)
        wait_until(lambda: daemon.call("uplink_get")["link"] == "up", "uplink up")
        return port

    def socket_of(self, vf):
        """A path for a VF's socket."""
        return os.path.join(self.directory, f"{vf}.sock")

    def guest(self, daemon, framegen, number, vf=None, role="client", queues=1, packed=True,
              driver=None, **options):
        """
        A VF with a running guest on it. role: the daemon's on the socket. `options` go to
        vf_create, `driver` (a dict) to virtio-user. Returns framegen's Port.
        """
        vf = vf or f"vf{number}"
        mac = mac_of(number)
        path = self.socket_of(vf)
        create = {"name": vf, "mac": mac, "queues": queues, "role": role, "packed": packed,
                  "socket": path, **options}
        add = {"queues": queues, "packed": packed, "mac": mac, "mtu": options.get("mtu", 9000),
               **(driver or {})}
        if role == "client":
            port = framegen.post_guest(number, path, True, **add)
            wait_until(lambda: os.path.exists(path), f"{path} of the front-end")
            daemon.call("vf_create", **create)
        else:
            daemon.call("vf_create", **create)
            port = framegen.post_guest(number, path, False, **add)
        framegen.reply()
        port.vf = vf
        self.wait_running(daemon, vf)
        return port

    def reattach(self, daemon, framegen, number, vf, role="client", queues=1, packed=True,
                 driver=None):
        """Another front-end for a VF that has lost its own."""
        add = {"queues": queues, "packed": packed, "mac": mac_of(number), **(driver or {})}
        if role == "client" and os.path.exists(self.socket_of(vf)):
            os.unlink(self.socket_of(vf))
        port = framegen.post_guest(number, self.socket_of(vf), role == "client", **add)
        framegen.reply()
        port.vf = vf
        self.wait_running(daemon, vf)
        return port

    def wait_running(self, daemon, vf, timeout=10):
        """Until all of the VF's rings are running."""
        def running():
            state = daemon.vf(vf)
            return (state["frontend"] == "running" and
                    all(ring["enabled"] for ring in state["rings"]))
        wait_until(running, f"{vf} is running", timeout)

    # ---- other programs ----

    def renicctl(self, daemon, *arguments, check=True):
        """Run renicctl; the finished process, with text output."""
        return subprocess.run([RENICCTL, "-s", daemon.socket, *arguments], check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=80)
