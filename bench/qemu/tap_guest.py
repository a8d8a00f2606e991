# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose NIC leaves nothing to others, and guests on a tap."""
from guest import Guest

# Beside a filter-buffer both sides move frames of the MTU that are complete. testpmd forwards a guest's
# requests for checksums and segments to nobody: its guest must not make any.
PLAIN = ",".join(f"{feature}=off" for feature in (
    "csum", "guest_csum", "gso", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo",
    "host_tso4", "host_tso6", "host_ecn", "host_ufo"))


class PlainGuest(Guest):
    """A guest that leaves nothing to its NIC."""

    def nic(self):
        return f"{super().nic()},{PLAIN}"


class TapGuest(PlainGuest):
    """A guest on QEMU's virtio-net and a tap."""

    def __init__(self, *arguments, tap, **options):
        super().__init__(*arguments, **options)
        self.tap = tap

    def netdev(self):
        return ["-netdev", f"tap,id=net,ifname={self.tap},script=no,downscript=no"]


class OldNicTapGuest(TapGuest):
    """Of virtio 0.9, as renic-qemu's."""

    def nic(self):
        return f"{super().nic()},disable-modern=on"


class E1000Guest(TapGuest):
    """On an emulated e1000 and a tap; its image is of the kernel that has the driver."""

    def nic(self):
        return f"e1000,netdev=net,mac={self.mac},romfile="


class BondedGuest(E1000Guest):
    """A VF as the fast NIC and an e1000 as the slow one; without `vhost_socket` the slow one alone.

    The fast one's slot comes first, so that it is eth0."""

    def command(self):
        words = super().command()
        if not self.vhost_socket:
            return words
        fast = ["-chardev", f"socket,id=fast,path={self.vhost_socket},server=on,wait=off",
                "-netdev", "vhost-user,id=fast,chardev=fast",
                "-device", f"virtio-net-pci,id=nic,netdev=fast,mac={self.mac},romfile=,vectors=0,"
                           f"addr=3,{PLAIN}"]
        return words + fast

    def nic(self):
        # A bond gives all its NICs one address; until then they need two.
        return f"e1000,netdev=net,mac={self.mac[:-2]}ee,romfile=,addr=4"

    def bond(self):
        """Make the bond of both and give it the address, the fast one in use."""
        self.sh("insmod /lib/modules/tls.ko; "
                "insmod /lib/modules/bonding.ko max_bonds=1 mode=active-backup miimon=10; "
                "ip addr flush dev eth0; ip link set eth0 down; ip link set eth1 down; "
                "ip link set bond0 up; "
                "for nic in eth0 eth1; do echo +$nic >/sys/class/net/bond0/bonding/slaves; done; "
                "echo eth0 >/sys/class/net/bond0/bonding/primary; "
                "ip addr add $(cat /ip) dev bond0")

    def unplug(self):
        """Take the fast NIC away, as before a move; when it is gone."""
        self.qmp("device_del", id="nic")
        self.sh("while [ -e /sys/class/net/bond0/lower_eth0 ]; do sleep 0.02; done")
