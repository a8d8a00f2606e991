# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest in QEMU with one vhost-user NIC.

KVM where it works, else software emulation (TCG). QEMU listens on the vhost-user socket and
renicd connects, so that the guest outlives a restart of the daemon.
"""
import mmap
import os
import re
import select
import socket
import subprocess
import time

from qmp import Qmp

# Not a multiple of 256 KiB: QEMU 7.2 then takes the dirty-page path that is right under TCG.
MEMORY = "196616K"
TCG = "tcg,thread=multi,tb-size=128"
BOOT_TIMEOUT_S = 120  # it takes 4 s where nothing else runs


def accelerator(image):
    """KVM only if the guest's kernel really runs on it: /dev/kvm may be there and not work.

    RENIC_ACCEL overrides. The answer is kept beside the image until the machine's next boot.
    """
    if "RENIC_ACCEL" in os.environ:
        return os.environ["RENIC_ACCEL"]
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return TCG
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    kept = os.path.join(image, f"accelerator.{boot}")
    if not os.path.exists(kept):
        try:
            probe = subprocess.run(
                ["qemu-system-x86_64", "-M", "pc", "-accel", "kvm", "-cpu", "host", "-m", "192M",
                 "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
                 "-kernel", os.path.join(image, "vmlinuz"),
                 "-initrd", os.path.join(image, "initrd.gz"),
                 "-append", "console=ttyS0 quiet probe"],
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=8)
            works = b"GUEST-PROBED" in probe.stdout
        except subprocess.TimeoutExpired:
            works = False
        with open(kept, "w", encoding="ascii") as file:
            file.write("kvm" if works else TCG)
    with open(kept, encoding="ascii") as file:
        return file.read()


class Guest:
    def __init__(self, run, image, name, vhost_socket, address, mac, accel, queues=1,
                 packed=False, incoming=False, environment=None):
        """incoming: it does not boot, but waits for another QEMU's state; "paused": and is paused
        when it has it."""
        self.run, self.image, self.name = run, image, name
        self.queues, self.packed, self.incoming = queues, packed, incoming
        self.environment = environment
        self.vhost_socket, self.address, self.mac, self.accel = vhost_socket, address, mac, accel
        self.process = self.serial = self.qmp = None
        self.received = b""
        self.commands = 0

    @property
    def ip(self):
        return self.address.split("/")[0]

    def path(self, suffix):
        return self.run.join(f"{self.name}.{suffix}")

    def nic(self):
        """The device's options."""
        options = ["virtio-net-pci", "netdev=net", f"mac={self.mac}", "romfile="]
        if self.queues > 1:
            options += ["mq=on"]
        if self.packed:
            options += ["packed=on"]
        if self.accel != "kvm":
            # With MSI-X, vhost-user and no KVM QEMU 7.2 crashes when the guest loads its driver.
            options += ["vectors=0"]
        return ",".join(options)

    def software(self):
        """What boots, and its serial line: QEMU's arguments."""
        return [
            "-smp", str(self.queues), "-kernel", os.path.join(self.image, "vmlinuz"),
            "-initrd", os.path.join(self.image, "initrd.gz"),
            "-append", f"console=ttyS0 quiet panic=-1 ip={self.address}",
            "-chardev", f"socket,id=serial,path={self.path('serial')},server=on,wait=off,"
                        f"logfile={self.path('serial.log')}",
            "-serial", "chardev:serial",
        ]

    def command(self):
        """How QEMU is started."""
        command = [
            "qemu-system-x86_64", "-name", self.name, "-M", "pc", "-accel", self.accel,
            "-cpu", "host" if self.accel == "kvm" else "max", "-m", MEMORY,
            "-object", f"memory-backend-memfd,id=mem,size={MEMORY},share=on",
            "-machine", "memory-backend=mem", "-nodefaults", "-no-user-config",
            "-display", "none", *self.software(),
            "-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
            *self.netdev(), "-device", self.nic(),
        ]
        command += ["-incoming", "defer"] if self.incoming else []
        return command + (["-S"] if self.incoming == "paused" else [])

    def netdev(self):
        """What the device is connected to: the options of the netdev "net"."""
        return ["-chardev", f"socket,id=vhost,path={self.vhost_socket},server=on,wait=off",
                "-netdev", f"vhost-user,id=net,chardev=vhost,queues={self.queues}"]

    def start(self):
        """Start QEMU; wait_up() tells when the guest serves."""
        for suffix in ("qmp", "serial", "serial.log"):
            if os.path.exists(self.path(suffix)):
                os.unlink(self.path(suffix))
        with open(self.path("qemu.log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment)

    def attach(self):
        """Connect to QMP and the serial line, once QEMU has them."""
        if self.qmp is None:
            self.qmp = Qmp(self.path("qmp"))
            self.serial = socket.socket(socket.AF_UNIX)
            self.serial.connect(self.path("serial"))

    def memory(self):
        """The guest's RAM, mapped to be read: bytes-like."""
        descriptors = f"/proc/{self.process.pid}/fd"
        for number in os.listdir(descriptors):
            path = os.path.join(descriptors, number)
            if os.readlink(path).startswith("/memfd:memory-backend-memfd"):
                with open(path, "rb") as file:
                    return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        raise RuntimeError(f"{self.name}: QEMU has no memory of the guest's")

    def wait_up(self, boots=1):
        """Wait until the guest has booted `boots` times since start()."""
        end = time.monotonic() + BOOT_TIMEOUT_S
        while True:
            try:
                with open(self.path("serial.log"), "rb") as log:
                    text = log.read()
            except FileNotFoundError:
                text = b""
            if text.count(b"GUEST-UP") >= boots:
                break
            if self.process.poll() is not None:
                raise RuntimeError(f"QEMU of {self.name} ended with {self.process.returncode}: "
                                   f"see {self.path('qemu.log')}")
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} did not boot within {BOOT_TIMEOUT_S} s: "
                                   f"see {self.path('serial.log')}")
            time.sleep(0.05)
        if b"GUEST-ERROR" in text:
            raise RuntimeError(f"{self.name}: see {self.path('serial.log')}")
        self.attach()

    def sh(self, command, timeout=30):
        """Run a shell command in the guest over its serial line; its output, or an error."""
        self.commands += 1
        # Quotes keep the marks from being found in an echo of the command itself.
        begin, end = f"<{self.commands}<", f">{self.commands}>"
        closing = "" if command.endswith("&") else ";"
        line = f"echo '<'{self.commands}'<'; {{ {command}{closing} }} </dev/null; " \
               f"echo '>'{self.commands}'>'$?'!'\n"
        self.serial.sendall(line.encode())
        deadline = time.monotonic() + timeout
        while True:
            text = self.received.decode(errors="replace").replace("\r", "")
            start, stop = text.find(begin), text.find(end)
            if start >= 0 and stop >= 0 and "!" in text[stop:]:
                break
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.serial], [], [], left)[0]:
                raise TimeoutError(f"{self.name}: '{command}' said nothing for {timeout} s")
            data = self.serial.recv(65536)
            if not data:
                raise ConnectionError(f"{self.name}: QEMU closed the serial line")
            self.received += data
        self.received = b""
        status = text[stop + len(end):].split("!")[0]
        output = text[start + len(begin):stop].strip("\n")
        if status != "0":
            raise RuntimeError(f"{self.name}: '{command}' ended with {status}: {output}")
        return output

    def install(self, program, host):
        """Put a program of this machine, with its libraries, into the running guest: over its
        network, so that no other test's guest has to carry it."""
        libraries = re.findall(r"(/\S+)", subprocess.run(
            ["ldd", program], check=True, capture_output=True, text=True).stdout)
        packed = subprocess.run(["tar", "-ch", "--absolute-names", program, *libraries],
                                check=True, capture_output=True).stdout
        with socket.create_server((host, 0)) as server:
            server.settimeout(30)
            self.sh(f"nc {host} {server.getsockname()[1]} >/tmp/{self.name}.tar &")
            peer, _ = server.accept()
            with peer:
                peer.sendall(packed)
        self.sh(f"while [ $(stat -c %s /tmp/{self.name}.tar) -lt {len(packed)} ]; do sleep 0.1; "
                f"done; tar x -C / -f /tmp/{self.name}.tar; rm /tmp/{self.name}.tar")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, as a crash of QEMU."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for link in (self.qmp, self.serial):
            if link is not None:
                link.close()
        self.process = self.qmp = self.serial = None
        self.received = b""
