# SPDX-License-Identifier: BSD-3-Clause
"""A Xen host inside QEMU: the real hypervisor, a dom0 with renicd, PV and PVH guests.

Its NIC is a tap of the caller's network namespace, the wire. Commands run in dom0 through a 9p
share (dom0-init). Emulated in software: it shows that things work, not how fast they are.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
import zlib

# mwait panics Xen under emulation, smap kills dom0 in IRET. PVH guests need svm, PV guests do not.
CPU, CPU_SVM = "max,-monitor,-smap,-svm", "EPYC,-monitor,-smap"
BOOT_TIMEOUT_S = 240
GUEST_TIMEOUT_S = 120
RENICD_CONFIG = {
    "data_cpus": [0], "memory_mb": 128, "mbufs": 8192, "eal_args": ["--no-huge"],
    "egress_log": {"size_mb": 32, "hugepages": False},
    "uplink": {"devargs": "net_tap0,iface=wire0"},
}


class XenError(Exception):
    """A command in dom0 failed; its output."""


class XenHost:
    def __init__(self, run, images, name, tap, xen="xen-shadow", cpu=CPU):
        """run: a RunDir; images: the folder of images.sh; tap: an interface that is there; xen:
        the hypervisor, of images."""
        self.images, self.name, self.tap, self.xen = images, name, tap, xen
        self.cpu = cpu
        self.folder = run.join(name)
        self.share = os.path.join(self.folder, "share")
        self.console = os.path.join(self.folder, "console.log")
        # Its own: the bridge inside takes it over, and two hosts are on one wire.
        self.mac = f"52:54:00:00:0a:{zlib.crc32(name.encode()) & 0xff:02x}"
        self.process = None
        self.commands = self.inputs = self.lives = 0
        self.sending = threading.Lock()

    # ---- the machine ----

    def start(self):
        if os.path.exists(self.folder):  # it ran, and died: its logs stay
            self.lives += 1
            os.rename(self.folder, f"{self.folder}.{self.lives}")
        self.commands = 0
        for folder in ("q", "consoles"):
            os.makedirs(os.path.join(self.share, folder))
        for name in ("vmlinux", "domu.cpio.gz"):
            os.link(os.path.join(self.images, name), os.path.join(self.share, name)) \
                if os.stat(self.images).st_dev == os.stat(self.share).st_dev else \
                shutil.copy(os.path.join(self.images, name), self.share)
        with open(os.path.join(self.share, "renicd.json"), "w", encoding="ascii") as file:
            json.dump(RENICD_CONFIG, file)
        xen_args = ("com1=115200,8n1 console=com1 loglvl=all guest_loglvl=all bootscrub=0 noreboot "
                    "dom0_mem=768M,max:768M dom0_max_vcpus=1")
        linux_args = "console=hvc0 loglevel=6 mitigations=off nokaslr"
        vmlinuz = os.path.join(self.images, "vmlinuz")
        dom0 = os.path.join(self.images, "dom0.cpio")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-name", self.name, "-machine", "q35",
             "-accel", "tcg,thread=multi", "-cpu", self.cpu, "-smp", "2", "-m", "2G",
             "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-kernel", os.path.join(self.images, self.xen), "-append", xen_args,
             "-initrd", f"{vmlinuz} {linux_args},{dom0}",
             "-fsdev", f"local,id=share,path={self.share},security_model=none,multidevs=remap",
             "-device", "virtio-9p-pci,fsdev=share,mount_tag=share,disable-legacy=on,"
                        "iommu_platform=on",
             "-netdev", f"tap,id=wire,ifname={self.tap},script=no,downscript=no,vnet_hdr=off",
             "-device", f"virtio-net-pci,netdev=wire,mac={self.mac},romfile=,disable-legacy=on,"
                        "iommu_platform=on",
             "-serial", f"file:{self.console}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(self.folder, "qemu.log"), "wb"))

    def wait_up(self):
        self._wait_text(self.console, r"DOM0-UP", BOOT_TIMEOUT_S)
        text = self._read(self.console)
        if "DOM0-ERROR" in text:
            raise XenError(f"{self.name}: see {self.console}")

    def kill(self):
        """The host dies."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @staticmethod
    def _read(path):
        try:
            with open(path, "rb") as file:
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _wait_text(self, path, pattern, timeout):
        """Wait until the file has the pattern; its match."""
        end = time.monotonic() + timeout
        while True:
            text = self._read(path)
            if match := re.search(pattern, text):
                return match
            if self.process.poll() is not None:
                raise XenError(f"{self.name}: QEMU ended with {self.process.returncode}")
            if "Panic on CPU" in text or "Kernel panic" in text:
                raise XenError(f"{self.name}: panic, see {path}")
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: no {pattern!r} in {path} within {timeout} s")
            time.sleep(0.1)

    # ---- dom0 ----

    def sh(self, command, timeout=60):
        """Run a command in dom0; its output, or XenError."""
        queue = os.path.join(self.share, "q")
        with self.sending:
            self.commands += 1
            n = self.commands
            with open(os.path.join(queue, f"new.{n}"), "w", encoding="utf-8") as file:
                # One that does not end would keep all that come after it from running.
                file.write(f"exec timeout -k 2 {timeout} bash -c {shlex.quote(command)}\n")
            os.rename(os.path.join(queue, f"new.{n}"), os.path.join(queue, f"cmd.{n}"))
        end = time.monotonic() + timeout + 10
        done = os.path.join(queue, f"rc.{n}")
        while not os.path.exists(done):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: '{command}' took more than {timeout} s: "
                                   + self._read(os.path.join(queue, f"out.{n}"))[-500:])
            time.sleep(0.02)
        output = self._read(os.path.join(queue, f"out.{n}"))
        if status := int(self._read(done)):
            raise XenError(f"{self.name}: '{command}' ended with {status}: {output.strip()}")
        return output

    def start_renicd(self):
        """The wire is bridged to renicd's tap: net_af_packet would put IP fragments together, and
        drop what is too long then (docs/troubleshooting.md)."""
        self.sh("ip link add br0 type bridge 2>/dev/null; ip link set eth0 master br0 up; "
                "ip link set br0 up; mkdir -p /run/renicd; "
                "(setsid renicd -c /share/renicd.json >>/share/renicd.log 2>&1 </dev/null "
                "& echo $! >/run/renicd.pid); "
                "for i in $(seq 200); do renicctl version >/dev/null 2>&1 && "
                "ip link set wire0 master br0 up && exit 0; sleep 0.1; done; "
                "tail -n 5 /share/renicd.log; exit 1")

    def kill_renicd(self, signal="KILL"):
        self.sh(f"pid=$(pidof renicd); kill -{signal} $pid; while [ -d /proc/$pid ]; do sleep 0.05; done")

    def renicctl(self, *words):
        """The JSON that a renicctl command prints."""
        text = self.sh("renicctl -j " + " ".join(words))
        return json.loads(text) if text.strip() else None

    # ---- guests ----

    def create(self, name, address, mac, memory_mb=128, vcpus=1, kind="pv",
               script="vif-renic"):
        """xl create of a guest, pv or pvh, whose vif is the script's; its domain number."""
        with open(os.path.join(self.share, f"{name}.cfg"), "w", encoding="ascii") as file:
            file.write(f"""name = "{name}"
type = "{kind}"
tsc_mode = "{'native' if kind == 'pvh' else 'default'}"
kernel = "/tmp/vmlinux"
ramdisk = "/tmp/domu.cpio.gz"
extra = "console=hvc0 loglevel=4 mitigations=off ip={address}"
memory = {memory_mb}
vcpus = {vcpus}
on_crash = "destroy"
on_reboot = "destroy"
vif = [ 'mac={mac},script={script},vifname={name}' ]
""")
        self.sh(f"xl create -q /share/{name}.cfg", timeout=GUEST_TIMEOUT_S)
        self.guest_wait(name, r"GUEST-UP", GUEST_TIMEOUT_S)
        return self.domid(name)

    def domid(self, name):
        return int(self.sh(f"xl domid {name}"))

    def guest_log(self, name):
        return os.path.join(self.share, "consoles", f"guest-{name}.log")

    def guest_wait(self, name, pattern, timeout=30):
        return self._wait_text(self.guest_log(name), pattern, timeout)

    def guest_sh(self, name, command, timeout=60):
        """Run a shell command in a guest by its console; its output, or XenError."""
        self.inputs += 1
        mark = self.inputs
        line = f"echo '<'{mark}'<'; {{ {command}; }} </dev/null; echo '>'{mark}'>'$?'!'"
        with open(os.path.join(self.share, f"input.{mark}"), "w", encoding="utf-8") as file:
            file.write(line + "\n")
        self.sh(f"cat /share/input.{mark} >$(xenstore-read /local/domain/$(xl domid {name})/console/tty)")
        match = self._wait_text(self.guest_log(name),
                                rf"<{mark}<\r?\n(?s:(.*?))>{mark}>(\d+)!", timeout)
        output = match[1].replace("\r", "")
        if int(match[2]):
            raise XenError(f"{name}: '{command}' ended with {match[2]}: {output.strip()}")
        return output

    def unbind_netfront(self, name):
        """The guest's first vif has no driver any more."""
        self.guest_sh(name, "ip link set eth0 down && echo vif-0 >/sys/bus/xen/drivers/vif/unbind && "
                            "[ ! -e /sys/class/net/eth0 ]")

    def bind_netfront(self, name, address):
        """It has one again; address: with /LENGTH."""
        self.guest_sh(name, "[ -e /sys/class/net/eth0 ] || echo vif-0 >/sys/bus/xen/drivers/vif/bind; "
                            "n=0; while [ ! -e /sys/class/net/eth0 ] && [ $n -lt 100 ]; do n=$((n+1)); "
                            f"sleep 0.2; done; ip addr replace {address} dev eth0 && "
                            "ip link set eth0 up")
