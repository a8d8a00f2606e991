# SPDX-License-Identifier: BSD-3-Clause
"""A network namespace of the test's own, and sockets inside it."""
import ctypes
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Netns:
    """A namespace without IPv6, so that the kernel itself stays silent on its interfaces."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                 "net.ipv6.conf.default.disable_ipv6=1")

    def command(self, *argv):
        """argv, to be run inside."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, *argv):
        """Run a command inside; its output."""
        return subprocess.run(self.command(*argv), check=True, stdout=subprocess.PIPE,
                              text=True).stdout

    def link(self, interface, *settings):
        """ip link set INTERFACE SETTINGS."""
        self.run("ip", "link", "set", interface, *settings)

    def has_link(self, interface):
        """Is there such an interface?"""
        return os.path.exists(f"/run/netns/{self.name}") and subprocess.run(
            self.command("ip", "link", "show", interface), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False).returncode == 0

    def socket(self, *args):
        """socket.socket(*args), made inside."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _setns(inside)
            try:
                return socket.socket(*args)
            finally:
                _setns(home)
        finally:
            os.close(inside)
            os.close(home)

    def delete(self):
        """Remove it with all that is in it."""
        subprocess.run(["ip", "netns", "delete", self.name], check=False)
