# SPDX-License-Identifier: BSD-3-Clause
"""The network of two hosts and a client.

    client (the test's own namespace): br0, 10.9.0.1
       port-a │            │ port-b
    ──────────┼────────────┼──────────  cables that a test may cut
       wire   │            │ wire
    host a: bridge ─ tap of renicd      host b: the same
            10.8.0.1 ══ replication ══ 10.8.0.2

Namespaces are found by name in a /run/netns of the test's own; all of it ends with the test.
"""
import os
import subprocess

CLIENT_IP, CLIENT_MAC = "10.9.0.1", "02:00:00:00:00:01"
REPLICATION_IP = {"a": "10.8.0.1", "b": "10.8.0.2"}


def ip(*words, netns=None):
    where = ["-n", netns] if netns else []
    subprocess.run(["ip", *where, *words], check=True)


def inside(netns):
    """Words before a command that runs in that namespace."""
    return ["nsenter", f"--net=/run/netns/{netns}"]


class Network:
    """Makes it; cut() and mend() a cable: "wire" (towards the client) or "replication"."""

    def __init__(self):
        os.makedirs("/run/netns", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "renic-netns", "/run/netns"], check=True)
        ip("link", "add", "br0", "address", CLIENT_MAC, "type", "bridge")
        ip("addr", "add", f"{CLIENT_IP}/24", "dev", "br0")
        ip("link", "set", "br0", "up")
        for host in "ab":
            self._add_host(host)
        ip("link", "add", "rep-a", "type", "veth", "peer", "name", "rep-b")
        for host in "ab":
            netns = f"host-{host}"
            ip("link", "set", f"rep-{host}", "netns", netns)
            ip("link", "set", f"rep-{host}", "name", "replication", netns=netns)
            ip("addr", "add", f"{REPLICATION_IP[host]}/24", "dev", "replication", netns=netns)
            ip("link", "set", "replication", "up", netns=netns)

    @staticmethod
    def _add_host(host):
        netns, port = f"host-{host}", f"port-{host}"
        ip("netns", "add", netns)
        ip("link", "set", "lo", "up", netns=netns)
        ip("link", "add", port, "type", "veth", "peer", "name", "wire", "netns", netns)
        ip("link", "set", port, "master", "br0")
        ip("link", "set", port, "up")
        ip("link", "add", "bridge", "type", "bridge", netns=netns)
        ip("link", "set", "wire", "master", "bridge", netns=netns)
        for name in ("wire", "bridge"):
            ip("link", "set", name, "up", netns=netns)

    @staticmethod
    def cut(cable, host):
        ip("link", "set", cable, "down", netns=f"host-{host}")

    @staticmethod
    def mend(cable, host):
        ip("link", "set", cable, "up", netns=f"host-{host}")
