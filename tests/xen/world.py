# SPDX-License-Identifier: BSD-3-Clause
"""What a Xen test gets: a Xen host whose wire is a tap here, and two PV guests on renicd."""
import subprocess

import traffic
from xenhost import XenError, XenHost

ADDRESS, TAP, MAC = "10.9.0.1", "wire0", "02:00:00:00:09:01"
GUESTS = {"web": ("10.9.0.2", "00:16:3e:00:00:02"), "db": ("10.9.0.3", "00:16:3e:00:00:03")}

# vif-renic's options: web makes its checksums and segments itself, the others leave them.
VIFS = ["web offloads=off", "wide queues=2"]


class World:
    def __init__(self, run, images):
        self.host = XenHost(run, images, "xen1", TAP)

    @staticmethod
    def ip(name="web"):
        return GUESTS[name][0]

    def start(self):
        for words in (f"tuntap add dev {TAP} mode tap", f"link set {TAP} address {MAC}",
                      f"addr add {ADDRESS}/24 dev {TAP}", f"link set {TAP} up"):
            subprocess.run(["ip", *words.split()], check=True)
        self.host.start()
        self.host.wait_up()
        self.host.start_renicd()
        self.host.sh(f"printf '%s\\n' {' '.join(map(repr, VIFS))} >/etc/xen/renic-vifs")
        for name, (ip, mac) in GUESTS.items():
            self.host.create(name, f"{ip}/24", mac)
            traffic.wait_reachable(ip)

    def vf(self, name="web"):
        return self.host.renicctl("vf", "get", name)

    def stats(self, name="web"):
        return self.host.renicctl("vf", "stats", name)

    def checkpoint(self, group="web"):
        """One checkpoint, without a VM's copy; its epoch."""
        epoch = self.host.renicctl("checkpoint", "begin", group)["epoch"]
        self.host.renicctl("checkpoint", "resume", group)
        self.host.renicctl("checkpoint", "commit", group, str(epoch))
        return epoch

    def restore(self):
        """Back to where every test begins; raises if that cannot be."""
        for name, (ip, mac) in GUESTS.items():
            for words in (("checkpoint", "resume", name), ("protection", "stop", name)):
                try:
                    self.host.renicctl(*words)
                except XenError:
                    pass  # not suspended, not protected: as it should be
            try:
                self.host.domid(name)
            except XenError:
                self.host.create(name, f"{ip}/24", mac)
            traffic.wait_reachable(ip, timeout=30)

    def stop(self):
        self.host.kill()
