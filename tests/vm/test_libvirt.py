# SPDX-License-Identifier: BSD-3-Clause
"""libvirt starts a guest from configs/libvirt-vm1.xml. What the example leaves to its reader is set:
what the guest boots from, where its socket and its console are."""
import os
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import sandbox
import traffic
from daemon import Daemon

EXAMPLE = os.path.join(sandbox.TOP, "configs", "libvirt-vm1.xml")
NAME, ADDRESS, MAC = "vm1", "10.9.0.2", "52:54:00:00:00:02"
BOOT_TIMEOUT_S = 120
START_TIMEOUT_S = 60
# It sees none of the machine's libvirt: its folders are empty ones, and the test's configuration is
# laid into them. QEMU's namespaces and cgroups would want what a namespace has not.
LIBVIRTD = """set -e
for folder in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
	mkdir -p "$folder"
	mount -t tmpfs libvirt "$folder"
done
for file in passwd group; do # of a package that would start a libvirt of the machine's
	{ cat /etc/$file; grep -q ^libvirt-qemu: /etc/$file || echo libvirt-qemu:x:64055:64055::/:/bin/false; } \\
		>/run/$file
	mount --bind /run/$file /etc/$file
done
sed -i 's/64055::.*/64055:/' /run/group
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
END
printf 'unix_sock_dir = "%s"\\nauth_unix_rw = "none"\\n' "$1" >/etc/libvirt/libvirtd.conf
libvirtd -f /etc/libvirt/libvirtd.conf &
wait $! # and reap the QEMUs that it leaves to init
"""


class Libvirt:
    """A daemon, and a libvirtd of the test's own."""

    TEST_TIMEOUT_S = 200

    def __init__(self, run, image, accel):
        self.run, self.image, self.accel = run, image, accel
        self.folder = run.folder("libvirt")
        self.socket = self.folder.join("vm1.sock")
        self.daemon = Daemon(self.folder, [{"name": NAME, "mac": MAC, "socket": self.socket}])
        self.control = self.libvirtd = None

    def start(self):
        self.daemon.start()
        self.control = self.daemon.connect()
        with open(self.folder.join("libvirtd.log"), "wb") as log:
            self.libvirtd = subprocess.Popen(
                ["unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child", "bash", "-c",
                 LIBVIRTD, "bash", self.folder.path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_TIMEOUT_S
        while not os.path.exists(self.folder.join("libvirt-sock")):
            assert self.libvirtd.poll() is None, "libvirtd ended: see libvirtd.log"
            assert time.monotonic() < end, "libvirtd does not listen"
            time.sleep(0.1)

    def virsh(self, *words):
        """Its standard output."""
        uri = f"qemu+unix:///system?socket={self.folder.join('libvirt-sock')}"
        done = subprocess.run(["virsh", "-c", uri, *words], capture_output=True, text=True,
                              check=False, timeout=60)
        assert done.returncode == 0, f"virsh {words[0]}: {done.stderr}"
        return done.stdout

    def domain(self):
        """The example for this machine; its path."""
        domain = ElementTree.parse(EXAMPLE).getroot()
        domain.set("type", "kvm" if self.accel == "kvm" else "qemu")
        domain.find("memory").text = "192"
        boot = domain.find("os")
        cmdline = f"console=ttyS0 quiet panic=-1 pci=nomsi ip={ADDRESS}/24"
        for tag, text in (("kernel", os.path.join(self.image, "vmlinuz")),
                          ("initrd", os.path.join(self.image, "initrd.gz")), ("cmdline", cmdline)):
            ElementTree.SubElement(boot, tag).text = text
        devices = domain.find("devices")
        devices.remove(devices.find("disk"))
        devices.find("interface/source").set("path", self.socket)
        ElementTree.SubElement(devices.find("interface"), "rom", enabled="no")
        console = devices.find("console")
        console.set("type", "file")
        ElementTree.SubElement(console, "source", path=self.folder.join("serial"))
        path = self.folder.join("domain.xml")
        ElementTree.ElementTree(domain).write(path)
        return path

    def restore(self):
        """The test leaves nothing behind."""

    def stop(self):
        """A complaint, or None."""
        if self.libvirtd is not None:
            self.libvirtd.kill()
            self.libvirtd.wait(20)
        if self.control is not None:
            self.control.close()
        status = self.daemon.stop()
        return None if status == 0 else f"renicd ended with status {status}"


WORLD = Libvirt


def test_libvirt_starts_a_guest_from_the_example(world):
    world.virsh("create", world.domain())
    try:
        end = time.monotonic() + BOOT_TIMEOUT_S
        while traffic.ping(ADDRESS, count=1, wait_s=1)[1] != 1:
            assert time.monotonic() < end, "the guest does not answer"
        assert world.control("vf_get", name=NAME)["frontend"] == "running"
    finally:
        world.virsh("destroy", NAME)
